"""What the policy allows, and that every refusal names its trait."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.errors import PolicyRefused
from jupyter_containers.models import Demands
from jupyter_containers.settings.schema import Settings
from tests.helpers.policies import ID, ROOT, policy, refused, spec
from tests.helpers.private_home import private_home


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return private_home(tmp_path, monkeypatch)


def test_what_a_notebook_recorded_is_judged_by_what_it_stands_for() -> None:
    judge = policy(images=["docker.io/library/python:3.*"])
    assert judge.check_pull(f"docker.io/library/python@{ID}", "docker.io/library/python:3.12")
    with pytest.raises(PolicyRefused, match=r"Policy\.images"):
        judge.check_pull(f"docker.io/library/python@{ID}", "docker.io/library/python:2.7")
    with pytest.raises(PolicyRefused) as raised:
        judge.check_image(f"python:3.12@{ID}")
    assert "by its tag alone" in raised.value.hint


@pytest.mark.parametrize(
    ("glob", "url", "may"),
    [
        ("*", "https://evil.com/x", True),
        ("https://*.example.org/*", "https://a.example.org/x/y", True),
        ("https://*.example.org/*", "https://evil.com/x.example.org/y", False),
        ("https://*.example.org/*", "https://evil.com?a.example.org/y", False),
        ("https://files.example.org*", "https://files.example.org/x", True),
        ("https://files.example.org*", "https://files.example.org:8443/x", True),
        ("https://files.example.org*", "https://files.example.org@evil.com/", False),
        ("https://files.example.org/x", "https://files.example.org/x", True),
        ("https://files.example.org/x", "https://files.example.org/x/y", False),
        ("https://*", "http://a.example.org/", False),
        ("*.example.org/*", "https://a.example.org/x", True),
        ("*.example.org/*", "https://evil.com/a.example.org/x", False),
        ("ssh://*", "ssh://git@example.org/x.git", True),
        ("git@github.com:*", "git@github.com:a/b.git", True),
        ("git@github.com:a/*", "git@github.com:a/b.git", True),
        ("git@github.com:a/*", "git@github.com:evil/b.git", False),
    ],
)
def test_a_host_of_a_glob_is_the_host(glob: str, url: str, may: bool) -> None:
    judge = policy(build_urls=[glob])
    if may:
        judge.check_build(Demands(urls=(url,)), 0)
    else:
        with pytest.raises(PolicyRefused, match=r"Policy\.build_urls"):
            judge.check_build(Demands(urls=(url,)), 0)


# -- engines and images ------------------------------------------------------------------------


def test_engines_are_allowed_and_ordered() -> None:
    names = ["podman", "docker", "apptainer", "slurm+apptainer"]
    assert policy().engine_order(names) == names
    assert policy(engines=["docker", "pod*"]).engine_order(names) == ["docker", "podman"]
    assert policy(engines=["docker", "*"]).engine_order(names)[:2] == ["docker", "podman"]
    assert policy(engines=["docker"]).check_engine("docker") == "docker"
    for trait in (["podman"], []):
        with pytest.raises(PolicyRefused, match=r"docker may not be used \(Policy\.engines\)"):
            policy(engines=trait).check_engine("docker")


def test_an_engine_that_keeps_nothing_from_a_container_is_named_or_not_used() -> None:
    assert policy(engines=["*"]).engine_order(["podman", "shifter"]) == ["podman"]
    with pytest.raises(PolicyRefused, match=r"see your home .*\(Policy\.engines\)") as raised:
        policy(engines=["*"]).check_engine("shifter")
    assert 'c.Policy.engines = ["*", "shifter"]' in raised.value.hint
    named = policy(engines=["*", "shifter"])
    assert named.check_engine("shifter") == "shifter"
    assert named.engine_order(["podman", "shifter"]) == ["podman", "shifter"]


@pytest.mark.parametrize(
    ("images", "image", "may"),
    [
        (["*"], "anything", True),
        (["*"], ID, True),
        (["docker.io/library/python:3.*"], "python:3.12-slim", True),
        (["docker.io/library/python:3.*"], "python:2.7", False),
        (["docker.io/library/python:3.12"], "python", False),
        (["localhost/*"], "localhost/mine:1", True),
        (["localhost/*"], "docker.io/localhost/mine:1", False),
        (["registry.example.org/*"], "registry.example.org.evil.net/x", False),
        (["registry.example.org/*"], "registry.example.org:5000/x", False),
        (["registry.example.org/*"], "evil/registry.example.org/x", False),
        (["ghcr.io/org/*"], "ghcr.io/organisation/x", False),
        (["ghcr.io/org/*"], ID, False),
        (["docker.io/library/python:3.12"], f"python:3.12@{ID}", False),
        (["docker.io/library/python:3.*"], f"python:3.12@{ID}", False),
        (["docker.io/library/python:3.*"], f"python@{ID}", False),
        (["docker.io/library/python:*"], f"python:3.12@{ID}", True),
        (["docker.io/library/python*"], f"python@{ID}", True),
        (["docker.io/*"], f"python:3.12@{ID}", True),
        (["docker.io/library/python@sha256:*"], f"python@{ID}", True),
        (["docker.io/library/python:3.*@*"], f"python:3.12@{ID}", True),
        (["*.example.org/*"], "evil.com/x.example.org/y", False),
        (["*.example.org/*"], "a.example.org/team/y:1", True),
        (["*/team/*"], "a.example.org/team/y:1", True),
        (["*jupyter*"], "quay.io/jupyter/base-notebook", True),
        ([], "python", False),
    ],
)
def test_images_are_globs_on_full_references(images: list[str], image: str, may: bool) -> None:
    judge = policy(images=images)
    if may:
        assert judge.check_pull(image) == judge.check_image(image)
        judge.check_run(spec(reference=image))
        judge.check_build(Demands(images=(image,)), 0)
        return
    for check in (judge.check_pull, judge.check_image):
        with pytest.raises(PolicyRefused, match=r"Policy\.images"):
            check(image)
    refused("Policy.images", judge, reference=image, image=image)
    with pytest.raises(PolicyRefused, match=r"^Dockerfile line 3: .*Policy\.images"):
        judge.check_build(Demands(images=(image,), lines={image: 3}), 0)


@pytest.mark.parametrize(
    "glob", ["docker.io/ubuntu:*", "docker.io/library/u*", "index.docker.io/*"]
)
def test_an_image_of_the_hub_has_one_name_for_the_policy(glob: str) -> None:
    judge = policy(images=[glob])
    for written in (
        "ubuntu:22.04",
        "docker.io/ubuntu:22.04",
        "index.docker.io/library/ubuntu:22.04",
    ):
        assert judge.check_image(written) == "docker.io/library/ubuntu:22.04"
    with pytest.raises(PolicyRefused):
        judge.check_image("quay.io/library/ubuntu:22.04")
    assert policy(registries=["index.docker.io"]).check_image("ubuntu").endswith("ubuntu:latest")


def test_registries() -> None:
    judge = policy(registries=["*.example.org", "localhost"])
    assert judge.check_pull("a.example.org/x:1") == "a.example.org/x:1"
    for image in ("python", "example.org/x", "a.example.org.evil.net/x", "a.example.org:5000/x"):
        with pytest.raises(PolicyRefused, match=r"Policy\.registries"):
            judge.check_pull(image)


def test_the_name_counts_and_not_only_the_id() -> None:
    judge = policy(images=["localhost/*"])
    judge.check_run(spec(reference="localhost/x:1"))
    refused("Policy.images", judge, reference="")
    probe = spec(reference="", network="none", read_only=True)
    assert judge.check_run(probe).image == ID  # to look at an image is to run nothing of it
    refused("Policy.images", judge, reference="", network="none", devices=("nvidia.com/gpu=0",))
    refused("Policy.images", judge, reference="", network="none", image="docker.io/library/x:1")


# -- limits ------------------------------------------------------------------------------------


def test_defaults_and_limits() -> None:
    plain = policy().check_run(spec())
    assert (plain.cpus, plain.memory, plain.pids) == (None, None, 2048)
    assert plain.shm == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    full = policy(max_cpus=4, max_memory="8g", max_pids=100, default_cpus=2, default_memory="99g")
    limited = full.check_run(spec())
    assert (limited.cpus, limited.memory, limited.pids) == (2, 8 << 30, 100)
    assert limited.shm == 4 << 30
    asked = full.check_run(spec(cpus=4.0, memory=1 << 30, pids=1, shm=1 << 20))
    assert (asked.cpus, asked.memory, asked.pids, asked.shm) == (4, 1 << 30, 1, 1 << 20)
    assert full.check_run(spec(memory=1 << 30)).shm == 1 << 29
    assert policy(default_shm="1g").check_run(spec(memory=1 << 30)).shm == 1 << 30
    assert policy(default_pids=None).check_run(spec()).pids is None
    assert "8g" in refused("Policy.max_memory", full, memory=(8 << 30) + 1)
    refused("Policy.max_cpus", full, cpus=4.01)
    refused("Policy.max_pids", full, pids=101)


def test_settings_are_held_to_the_same(tmp_path: Path) -> None:
    judge = policy(max_memory="8g", mount_names={"LAB": "~/lab"})
    asked = Settings.parse(
        {"version": 1, "image": "x", "mounts": [{"source": "${LAB}/a", "target": "/a"}]}, where="n"
    )
    settings = asked.resolved(tmp_path, judge)
    assert (settings.memory, settings.pids, settings.shm) == (8 << 30, 2048, 4 << 30)
    assert settings.mounts[0].source == f"{Path.home()}/lab/a"
    assert judge.check_run(spec(memory=settings.memory)).memory == settings.memory
    with pytest.raises(PolicyRefused, match=r"Policy\.mount_names"):
        asked.resolved(tmp_path, policy(mount_names={"LAB2": "/x"}))


@pytest.mark.parametrize(
    ("trait", "asked", "value"),
    [
        ("images", {}, ["localhost/*"]),
        ("registries", {}, ["localhost"]),
        ("devices", {"devices": ["nvidia.com/gpu=0"]}, ["nvidia.com/gpu=1"]),
        ("networks", {}, ["none"]),
        ("users", {"user": "root"}, ["me"]),
        ("ports", {"ports": [80]}, ["8080"]),
        ("host_ports", {"ports": ["8080:80"]}, ["9000-9999"]),
        ("mounts", {"mounts": [{"source": "/etc", "target": "/x"}]}, {"/": "rw"}),
    ],
)
def test_what_is_refused_is_refused_before_anybody_is_asked(
    trait: str, asked: dict[str, Any], value: Any, tmp_path: Path
) -> None:
    settings = Settings.parse({"version": 1, "image": "x"} | asked, where="n")
    judge = policy(**{trait: value})
    with pytest.raises(PolicyRefused) as raised:
        judge.check_asked(settings.resolved(tmp_path, judge))
    assert raised.value.trait == f"Policy.{trait}"
    if trait != "mounts":
        policy().check_asked(settings.resolved(tmp_path, policy()))


def test_devices_networks_users_and_ports() -> None:
    judge = policy(devices=["nvidia.com/gpu=0"], networks=["none"], users=["me"], ports=["80-90"])
    fine = spec(devices=("nvidia.com/gpu=0",), network="none", publish=((0, 80), (1024, 90)))
    judge.check_run(fine)
    none: dict[str, Any] = {"network": "none"}
    refused("Policy.devices", judge, devices=("nvidia.com/gpu=all",), **none)
    refused("Policy.networks", judge)
    refused("Policy.users", judge, user=ROOT, **none)
    for port in (79, 91, 8080):
        refused("Policy.ports", judge, publish=((0, port),), **none)
    # Below 1024 a daemon of root's would take what its person could not.
    refused("Policy.host_ports", judge, publish=((1023, 80),), **none)
    few = policy(host_ports=["8080"], networks=["none"])
    few.check_run(spec(network="none", publish=((8080, 80), (0, 81))))
    refused("Policy.host_ports", few, publish=((8081, 80),), **none)
    refused("Policy.host_ports", policy(host_ports=[]), publish=((8080, 80),))
    # The kernel's own, where it is reached by TCP, need no permission.
    judge.check_run(spec(network="none", publish=((1, 20000), (0, 20005))))
    refused("Policy.ports", judge, publish=((0, 50006),), **none)
    refused("Policy.devices", policy(devices=[]), devices=("nvidia.com/gpu=0",))
    whole = policy(devices=["nvidia.com/gpu=all"])
    assert whole.check_run(spec(devices=("nvidia.com/gpu=1",))).devices == ("nvidia.com/gpu=1",)
    refused("Policy.devices", whole, devices=("amd.com/gpu=1",))


# -- builds ------------------------------------------------------------------------------------


def test_builds() -> None:
    judge = policy(build_urls=["https://example.org/*"], max_context="1m")
    judge.check_build(
        Demands(images=("docker.io/library/x:1",), urls=("https://example.org/a",)), 9
    )
    evil = "https://example.org.evil.net/a"
    with pytest.raises(PolicyRefused, match=r"^Dockerfile line 4: ADD .*Policy\.build_urls"):
        judge.check_build(Demands(urls=(evil,), lines={evil: 4}), 0)
    judge.check_build(Demands(), 1 << 20)
    with pytest.raises(PolicyRefused, match=r"5\.0 MiB \(Policy\.max_context\)"):
        judge.check_build(Demands(), 5 << 20)
    policy(max_context=None).check_build(Demands(), 1 << 60)
    for wanted in ("RUN --security=insecure", "RUN --network=host", "RUN --device=x"):
        with pytest.raises(PolicyRefused, match="leave the build's sandbox"):
            policy().check_build(Demands(entitlements=(wanted,)), 0)


def test_secrets(home: Path) -> None:
    judge = policy(build_secrets={"pip": "~/pip.conf"})
    (home / "pip.conf").write_text("secret")
    assert judge.secret_source("pip") == home / "pip.conf"
    with pytest.raises(PolicyRefused, match=r"'npm'.*Policy\.build_secrets"):
        judge.secret_source("npm")


def test_the_ca_is_the_one_this_process_trusts(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"):
        monkeypatch.delenv(name, raising=False)
    (home / "ca.pem").write_text("x")
    assert policy(build_ca="").ca_bundle() is None
    assert policy(build_ca="~/ca.pem").ca_bundle() == home / "ca.pem"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(home / "ca.pem"))
    assert policy().ca_bundle() == home / "ca.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(home / "gone.pem"))
    assert policy().ca_bundle() == home / "ca.pem"
    assert policy(build_ca="").ca_bundle() is None


def test_a_host_with_a_ca_of_its_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("jupyter_containers.host.environment._LOCAL", (f"{home}/local",))
    monkeypatch.setattr(
        "jupyter_containers.host.environment._BUNDLES", (f"{home}/no", f"{home}/all")
    )
    (home / "all").write_text("x")
    assert policy().ca_bundle() is None
    (home / "local/deeper").mkdir(parents=True)
    assert policy().ca_bundle() is None
    (home / "local/deeper/mine.crt").write_text("x")
    assert policy().ca_bundle() == home / "all"


def test_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert policy().proxies() == {}
    monkeypatch.setenv("HTTPS_PROXY", "http://p:3128")
    monkeypatch.setenv("no_proxy", "localhost")
    assert policy().proxies() == {
        "https_proxy": "http://p:3128",
        "HTTPS_PROXY": "http://p:3128",
        "no_proxy": "localhost",
        "NO_PROXY": "localhost",
    }
    assert policy(build_proxies=False).proxies() == {}


def test_a_kernel_gets_neither_unless_the_administrator_says_so(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "ca.pem").write_text("x")
    monkeypatch.setenv("SSL_CERT_FILE", str(home / "ca.pem"))
    monkeypatch.setenv("HTTPS_PROXY", "http://p:3128")
    assert policy().kernel_ca_bundle() is None
    assert policy().kernel_proxy_variables() == {}
    asked = policy(kernel_ca="auto", kernel_proxies=True)
    assert asked.kernel_ca_bundle() == home / "ca.pem"
    assert asked.kernel_proxy_variables()["https_proxy"] == "http://p:3128"


# -- networks ----------------------------------------------------------------------------------


def test_a_private_network_is_barred_from_what_the_policy_says() -> None:
    assert policy().check_run(spec()).barred == ()
    strict = policy(host_access=False, metadata_access=False, docker_network="jupyter")
    allowed = strict.check_run(spec())
    assert (allowed.barred, allowed.network_name) == (("host", "metadata"), "jupyter")
    none = strict.check_run(spec(network="none"))
    assert (none.barred, none.network_name) == ((), "")
    # nobody but the policy takes the bars away
    assert strict.check_run(spec(barred=())).barred == ("host", "metadata")


def test_add_downloads_only_from_named_places_where_something_is_barred() -> None:
    """The builder downloads it, from a network without bars."""
    url = "http://169.254.169.254/latest/meta-data/"
    policy().check_build(Demands(urls=(url,)), 0)
    with pytest.raises(PolicyRefused, match=r"Policy\.build_urls"):
        policy(metadata_access=False).check_build(Demands(urls=(url,)), 0)
    named = policy(metadata_access=False, build_urls=["https://example.org/*"])
    named.check_build(Demands(urls=("https://example.org/a",)), 0)
    with pytest.raises(PolicyRefused, match=r"Policy\.build_urls"):
        named.check_build(Demands(urls=(url,)), 0)
