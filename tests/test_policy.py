"""The policy: every trait through a Config, every refusal by its trait, and no way round it."""

from __future__ import annotations

import json
import os
import socket
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from traitlets.config import Config

from jupyter_containers.errors import BadReference, BadSettings, PolicyRefused
from jupyter_containers.models import ContainerSpec, Demands, Mount, User
from jupyter_containers.policy import Policy, load_policy
from jupyter_containers.request import find_request
from jupyter_containers.settings import Settings

from .private_home import private_home

ID = "sha256:" + "0123456789abcdef" * 4
ME = User(mode="me", uid=1000, gid=1000, host_uid=1000, host_gid=1000)
ROOT = User(mode="root", uid=0, gid=0, host_uid=1000, host_gid=1000)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return private_home(tmp_path, monkeypatch)


def policy(**traits: Any) -> Policy:
    """As an administrator's file sets it."""
    return load_policy(Config({"Policy": traits}))


def spec(**more: Any) -> ContainerSpec:
    given: dict[str, Any] = {"name": "n", "image": ID, "argv": ("a",), "user": ME}
    return ContainerSpec(**(given | {"reference": "docker.io/library/x:1"} | more))


def refused(trait: str, policy: Policy, **more: Any) -> str:
    with pytest.raises(PolicyRefused) as raised:
        policy.check_run(spec(**more))
    assert raised.value.trait == trait
    assert f"({trait})" in raised.value.message
    return raised.value.message


# -- traits ------------------------------------------------------------------------------------

TRAITS: dict[str, tuple[Any, Any]] = {
    "engines": (["docker"], ["docker"]),
    "images": (["localhost/*"], ["localhost/*"]),
    "registries": (["localhost"], ["localhost"]),
    "mounts": ({"/data": "ro"}, {"/data": "ro"}),
    "mount_names": ({"DATA": "/data:rw"}, {"DATA": "/data:rw"}),
    "devices": (["nvidia.com/gpu=0"], ["nvidia.com/gpu=0"]),
    "networks": (["none"], ["none"]),
    "users": (["me"], ["me"]),
    "ports": (["8888", "9000-9999"], ["8888", "9000-9999"]),
    "max_cpus": (4, 4.0),
    "max_memory": ("8g", 8 << 30),
    "max_pids": (100, 100),
    "default_cpus": (1.5, 1.5),
    "default_memory": ("512m", 512 << 20),
    "default_pids": (None, None),
    "default_shm": (1 << 20, 1 << 20),
    "max_builds": (1, 1),
    "max_build_seconds": (60, 60.0),
    "max_context": ("1g", 1 << 30),
    "max_build_log": ("1m", 1 << 20),
    "min_free_disk": (None, None),
    "build_secrets": ({"pip.conf": "/etc/pip.conf"}, {"pip.conf": "/etc/pip.conf"}),
    "build_urls": (["https://example.org/*"], ["https://example.org/*"]),
    "build_ca": ("", ""),
    "build_proxies": (False, False),
    "keep_images": (0, 0),
    "orphan_grace": (0.5, 0.5),
}
BAD: dict[str, list[Any]] = {
    "engines": [[1], None, {"docker": True}],
    "images": [None],
    "registries": [{"a": 1}],
    "mounts": [["/data"], {"/data": "rwx"}, {"data": "ro"}, {"/data": True}, {"../x": "ro"}],
    "mount_names": [{"A B": "/x"}, {"A": "x"}, {"A": ""}, {"A": 1}],
    "devices": [[["all"]]],
    "networks": [["host"], "host"],
    "users": [["0"]],
    "ports": [[8888], ["a"], ["1-"], ["-1"], ["1,2"]],
    "max_cpus": ["4", 0, -1],
    "max_memory": ["8x", 0, -1, True],
    "max_pids": [0, 1.5, "9"],
    "default_memory": ["lots"],
    "max_builds": [0],
    "keep_images": [-1],
    "orphan_grace": [-1],
    "build_secrets": [{"a": "relative"}],
    "build_proxies": ["yes"],
}


def test_the_tables_name_every_trait() -> None:
    assert set(TRAITS) == set(Policy.class_trait_names(config=True))


@pytest.mark.parametrize("name", TRAITS)
def test_each_trait_can_be_set_from_python_and_json(name: str, home: Path) -> None:
    value, means = TRAITS[name]
    assert getattr(Policy(), name) != means or name == "min_free_disk"
    assert getattr(policy(**{name: value}), name) == means
    (home / ".jupyter").mkdir()
    document = {"Policy": {name: value}}
    (home / ".jupyter/jupyter_containers_config.json").write_text(json.dumps(document))
    assert getattr(load_policy(None), name) == means
    (home / ".jupyter/jupyter_containers_config.json").unlink()
    (home / ".jupyter/jupyter_containers_config.py").write_text(f"c.Policy.{name} = {value!r}")
    assert getattr(load_policy(None), name) == means


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, some in BAD.items() for v in some])
def test_a_wrong_value_stops_everything(name: str, value: Any) -> None:
    with pytest.raises(PolicyRefused, match="policy cannot be read"):
        policy(**{name: value})


def test_a_misspelt_trait_is_no_missing_limit() -> None:
    with pytest.raises(PolicyRefused, match=r"max_memroy.*\n.*Did you mean max_memory"):
        policy(max_memroy="1g")
    with pytest.raises(PolicyRefused, match="holds no traits"):
        load_policy(Config({"Policy": "closed"}))


@pytest.mark.parametrize(
    "text", ["c.Policy.max_cpus = ", "raise SystemExit", "import nothing_such"]
)
def test_a_broken_file_stops_everything(text: str, home: Path) -> None:
    (home / ".jupyter").mkdir()
    (home / ".jupyter/jupyter_containers_config.py").write_text(text)
    with pytest.raises(PolicyRefused, match=r"jupyter_containers_config\.py cannot be read"):
        load_policy(None)


def test_files_and_the_server_in_their_order(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [tmp_path / "system_config_path", tmp_path / "env_config_path", home / ".jupyter"]
    for number, place in enumerate(places):
        place.mkdir()
        lines = [f"c.Policy.{name} = {number}" for name in ("max_pids", "keep_images", "max_cpus")]
        lines = lines[: 3 - number] if number else [line.replace("= 0", "= 9") for line in lines]
        lines += ["c.Policy.devices.append('x')"] if number == 2 else ["c.Policy.devices = ['y']"]
        (place / "jupyter_containers_config.py").write_text("\n".join(lines))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    server = Config({"Policy": {"max_memory": "1g"}})
    found = load_policy(server)
    assert (found.max_pids, found.keep_images, found.max_cpus) == (2, 1, 9)
    assert found.devices == ["y", "x"]
    assert found.max_memory == 1 << 30
    over = Config({"Policy": {"max_pids": 7}})
    assert load_policy(over).max_pids == 7
    assert over == Config({"Policy": {"max_pids": 7}})  # the server's own is left as it was
    assert load_policy(None).max_pids == 2


def test_the_working_directory_is_no_place_for_a_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the notebook's, and whoever sent that could have sent a policy with it."""
    (tmp_path / "jupyter_containers_config.py").write_text("c.Policy.max_pids = 3")
    monkeypatch.chdir(tmp_path)
    assert load_policy(None).max_pids is None


# -- no way round ------------------------------------------------------------------------------


def provisioner(config: dict[str, Any], metadata: dict[str, Any]) -> Any:
    """What jupyter_client makes of a kernel spec, under an administrator who set a limit."""
    server = Config({"Policy": {"max_memory": "1g"}})
    manager = AsyncKernelManager(config=server)
    stanza = {"provisioner_name": "container-provisioner", "config": config}
    kernel_spec = KernelSpec(
        argv=["x"], display_name="Hostile", metadata={"kernel_provisioner": stanza} | metadata
    )
    factory = KernelProvisionerFactory.instance(parent=manager)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # traitlets' about arguments it does not know
        return factory.create_provisioner_instance("id", kernel_spec, manager)


@pytest.mark.parametrize(
    "config",
    [
        {"policy": {"max_memory": None}},
        {"max_memory": None},
        {"Policy": {"max_memory": None}},
        {"_grace": 1e9, "fallback": None},
    ],
)
async def test_a_kernel_specs_options_for_its_provisioner_beat_nothing(
    config: dict[str, Any], tmp_path: Path
) -> None:
    """They become arguments of its constructor, which in others beat the administrator's."""
    asked = {"version": 1, "image": "x", "memory": "64g"}
    hostile = provisioner(config, {"container": asked})
    assert load_policy(hostile.parent.config).max_memory == 1 << 30
    with pytest.raises(BadSettings, match="kernel_provisioner"):
        await find_request(hostile, {}, str(tmp_path))


async def test_a_kernel_specs_settings_are_held_to_the_limit(tmp_path: Path) -> None:
    asked = {"version": 1, "image": "x", "memory": "64g"}
    with pytest.raises(PolicyRefused, match=r"at most 1g \(Policy\.max_memory\)"):
        await find_request(provisioner({}, {"container": asked}), {}, str(tmp_path))
    for name in ("max_memory", "policy", "Policy"):
        smuggled = {"container": asked | {name: {"max_memory": None}}}
        with pytest.raises(BadSettings, match="is not known"):
            await find_request(provisioner({}, smuggled), {}, str(tmp_path))


def test_a_kernel_spec_cannot_bring_a_configuration() -> None:
    """`config` is a trait of every Configurable: jupyter_client would take it from JSON."""
    with pytest.raises(Exception, match="config"):
        provisioner({"config": {"Policy": {"max_memory": None}}}, {})


def test_an_option_is_no_image() -> None:
    for image in ("--privileged", "-v/:/host", "x --privileged", "../x", "x\n"):
        with pytest.raises(BadReference):
            policy(images=["*"]).check_run(spec(image=image, reference=""))
        with pytest.raises(BadReference):
            policy(images=["*"]).check_pull(image)


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


def test_devices_networks_users_and_ports() -> None:
    judge = policy(devices=["nvidia.com/gpu=0"], networks=["none"], users=["me"], ports=["80-90"])
    fine = spec(devices=("nvidia.com/gpu=0",), network="none", publish=((0, 80), (1, 90)))
    judge.check_run(fine)
    none: dict[str, Any] = {"network": "none"}
    refused("Policy.devices", judge, devices=("nvidia.com/gpu=all",), **none)
    refused("Policy.networks", judge)
    refused("Policy.users", judge, user=ROOT, **none)
    for port in (79, 91, 8080):
        refused("Policy.ports", judge, publish=((0, port),), **none)
    # The kernel's own, where it is reached by TCP, need no permission.
    judge.check_run(spec(network="none", publish=((0, 50000), (0, 50005))))
    refused("Policy.ports", judge, publish=((0, 50006),), **none)
    refused("Policy.devices", policy(devices=[]), devices=("nvidia.com/gpu=0",))


# -- mounts ------------------------------------------------------------------------------------


def mounted(
    judge: Policy, source: object, target: str = "/m", writable: bool = True
) -> ContainerSpec:
    return judge.check_run(spec(mounts=(Mount(str(source), target, writable),)))


def not_mounted(judge: Policy, source: object, writable: bool = False) -> str:
    return refused("Policy.mounts", judge, mounts=(Mount(str(source), "/m", writable),))


def test_folders_of_the_person_may_be_mounted(home: Path, tmp_path: Path) -> None:
    (home / "work").mkdir()
    for place in (home / "work", tmp_path / "home/../home/work"):
        allowed = mounted(policy(), place)
        assert allowed.mounts == (Mount(str(home / "work"), "/m", True),)
        assert (allowed.own, allowed.tmpfs) == ((), ())


@pytest.mark.parametrize(
    "place", ["/", "/etc", "/etc/passwd", "/proc", "/proc/self", "/sys", "/dev/shm", "/run", "/var"]
)
def test_the_system_may_not(place: str) -> None:
    assert f"`{Path(place).resolve()}` may not be mounted" in not_mounted(policy(), place)
    not_mounted(policy(), f"/usr/../{place}")


def test_links_and_dots_lead_nowhere_else(home: Path) -> None:
    (home / "work").mkdir()
    (home / "work" / "link").symlink_to("/etc")
    (home / "work" / "up").symlink_to("../..")
    out = "../" * len(home.parts)
    for place in ("link", "link/ssl", f"{out}etc", f"up/{out}etc", f"link/../{out}proc/self"):
        not_mounted(policy(), f"{home}/work/{place}")


def test_what_is_not_there_is_said(home: Path) -> None:
    (home / "loop").symlink_to("loop")
    for place in (home / "nothing", home / "loop", home / ("x" * 300), "a\0b"):
        with pytest.raises(BadSettings, match="cannot be mounted"):
            mounted(policy(), place)
    (home / "a,b").mkdir()
    (home / "fine").symlink_to("a,b")
    with pytest.raises(BadSettings, match="engines cannot mount"):
        mounted(policy(), home / "fine")


def test_no_socket_and_no_folder_of_an_engines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "e"
    place.mkdir()
    monkeypatch.chdir(place)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("d.sock")
        assert "socket" in not_mounted(policy(), place / "d.sock")
        assert "socket" in not_mounted(policy(mounts={f"{place}/d.sock": "rw"}), place / "d.sock")
        (tmp_path / "link").symlink_to(place / "d.sock")
        not_mounted(policy(), tmp_path / "link")
        mounted(policy(), place)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{place}/d.sock")
        assert "d.sock is below it" in not_mounted(policy(), place)
        not_mounted(policy(), tmp_path)


@pytest.mark.parametrize("name", [".ssh", ".aws/x", ".config/gh", ".netrc", ".jupyter", ".docker"])
def test_keys_in_the_home_may_not(name: str, home: Path) -> None:
    (home / name).mkdir(parents=True)
    assert "keys, tokens" in not_mounted(policy(), home / name)


def test_jupyters_own_may_not(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (".jupyter", ".local/share/jupyter/runtime", ".cache/jupyter-containers/homes/x"):
        (home / name).mkdir(parents=True)
        not_mounted(policy(), home / name)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(home / "work/runtime"))
    (home / "work/runtime/below").mkdir(parents=True)
    not_mounted(policy(), home / "work/runtime/below")
    assert mounted(policy(), home / "work").tmpfs == ("/m/runtime",)


def test_a_home_is_mounted_without_its_keys(home: Path) -> None:
    for name in (".ssh", ".config/jupyter", ".local/share/jupyter/runtime", "work"):
        (home / name).mkdir(parents=True)
    (home / ".netrc").write_text("secret")
    for writable in (True, False):
        allowed = mounted(policy(), home, "/home/me", writable)
        assert allowed.mounts == (Mount(str(home), "/home/me", writable),)
        assert allowed.tmpfs == tuple(
            f"/home/me/{name}" for name in (".config", ".local/share/jupyter", ".ssh")
        )
        assert allowed.own == (Mount("/dev/null", "/home/me/.netrc"),)
        assert policy().check_run(allowed) == allowed  # once more changes nothing
    above = mounted(policy(), home.parent, "/all", False)
    assert "/all/home/.ssh" in above.tmpfs and "/all/run" in above.tmpfs


def test_what_jupyter_runs_from_is_read_only(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = home / "project/.venv"
    for name in ("bin", "lib/python3", "etc/jupyter"):
        (environment / name).mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(environment))
    assert [mount.target for mount in mounted(policy(), home / "project").own] == [
        "/m/.venv/bin",
        "/m/.venv/etc",
        "/m/.venv/lib",
    ]
    assert not any(mount.writable for mount in mounted(policy(), home / "project").own)
    assert mounted(policy(), home / "project", writable=False).own == ()
    not_mounted(policy(), environment / "lib/python3", writable=True)
    mounted(policy(), environment / "lib/python3", writable=False)
    assert len(mounted(policy(), environment).own) == 3


def test_the_longest_rule_wins(home: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in ("open/closed/open", "closed", "plain"):
        (data / name).mkdir(parents=True)
    judge = policy(
        mounts={
            str(data): "ro",
            f"{data}/open": "rw",
            f"{data}/open/closed": "no",
            f"{data}/open/closed/open": "ro",
        }
    )
    mounted(judge, data / "plain", writable=False)
    assert "read-only" in not_mounted(judge, data / "plain", writable=True)
    assert "open/closed is below it" in not_mounted(judge, data / "open")
    not_mounted(judge, data)
    not_mounted(judge, data / "open/closed")
    mounted(judge, data / "open/closed/open", writable=False)
    not_mounted(judge, home)  # nothing is allowed that no rule allows
    (tmp_path / "database").mkdir()
    not_mounted(judge, tmp_path / "database")
    both = policy(mounts={str(data): "rw", f"{data}/closed": "ro"})
    mounted(both, data, writable=False)
    assert "closed below it" in not_mounted(both, data, writable=True)


def test_the_administrator_may_open_what_we_close(home: Path) -> None:
    (home / ".config/mine").mkdir(parents=True)
    not_mounted(policy(), home / ".config/mine")
    judge = policy(mounts={"~": "rw", "~/.config/mine": "ro"})
    mounted(judge, home / ".config/mine", writable=False)
    assert mounted(judge, home, writable=False).tmpfs == ("/m/.config",)


def test_named_places_are_read_only_unless_said(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "below").mkdir(parents=True)
    names = {"A": f"{tmp_path}/a", "B": f"{tmp_path}/b:rw"}
    judge = policy(mount_names=names, mounts={})
    assert judge.source_of("B") == f"{tmp_path}/b"
    mounted(judge, tmp_path / "a/below", writable=False)
    not_mounted(judge, tmp_path / "a/below", writable=True)
    mounted(judge, tmp_path / "b", writable=True)
    not_mounted(judge, tmp_path)


def test_our_own_mounts_are_not_judged() -> None:
    own = (Mount("/etc/hostname", "/etc/passwd"),)
    assert policy(mounts={}).check_run(spec(own=own)).own == own


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
    assert "keys, tokens" in not_mounted(judge, home / "pip.conf")
    assert mounted(judge, home).own == (Mount("/dev/null", "/m/pip.conf"),)
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
    monkeypatch.setattr("jupyter_containers.surroundings._LOCAL", (f"{home}/local",))
    monkeypatch.setattr("jupyter_containers.surroundings._BUNDLES", (f"{home}/no", f"{home}/all"))
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
