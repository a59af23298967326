"""What Shifter is told, as text; and what is read of a site's configuration."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.engines.shifter import mounts, site
from jupyter_containers.engines.shifter.engine import Shifter, its_own, trouble
from jupyter_containers.engines.shifter.gateway import name_of
from jupyter_containers.engines.shifter.site import Shown, Site, parse
from jupyter_containers.errors import BaseUnknown, EngineDown, StartFailed, Unsupported
from jupyter_containers.host.process import Completed
from jupyter_containers.models import ContainerSpec, Image, Mount, User

ME = User(mode="me", uid=1000, gid=1000, host_uid=1000, host_gid=1000)
CONF = """# a comment
imagePath=/images
siteFs=/home:/home;\\
  /global/u1:/u1:rec:ro;\\
# one in between
  /local/cache:/cache:perNodeCache=size=1g
module_gpu_siteEnv = A=1
module_mpich_roothook=/x
"""


def test_a_configuration() -> None:
    site = parse(CONF)
    assert site.shown[2:] == (Shown("/home", "/home"), Shown("/global/u1", "/u1", True, True))
    assert site.modules == {"gpu", "mpich"}
    assert site.images == "/images"
    assert site.said() == "/tmp, /var/tmp, /home, /global/u1 (as /u1)"
    assert site.shows("/u1/a") and site.shows("/home") and not site.shows("/home2")


def test_what_is_seen_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    site = Site(
        (Shown(str(tmp_path / "link"), "/inside"), Shown("/proc", "/p"), Shown("/", "/host"))
    )
    assert site.seen(tmp_path / "a/b") == "/inside/b"
    assert site.seen(tmp_path / "a") == "/inside"
    assert site.seen("/usr/bin") in ("/host/usr/bin", None)  # another file system
    assert site.seen("/sys/kernel") is None  # does not come with what it is mounted on


def test_a_configuration_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "config_file", lambda: tmp_path / "udiRoot.conf")
    with pytest.raises(EngineDown, match="cannot be read"):
        site.read()


@pytest.mark.skipif(os.getuid() == 0, reason="Shifter refuses root, before all else")
def test_a_cache_that_containers_do_not_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "udiRoot.conf").write_text("siteFs=/no/where:/nowhere\n")
    monkeypatch.setattr(site, "config_file", lambda: tmp_path / "udiRoot.conf")
    monkeypatch.setattr(site, "_is_setuid", lambda program: True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "with space"))
    problem = site.unusable()
    assert problem is not None and "XDG_CACHE_HOME" in problem.fix
    monkeypatch.setenv("XDG_CACHE_HOME", f"/var/tmp/jc-test-{os.getuid()}")
    assert site.unusable() is None
    monkeypatch.setattr(site, "_ALWAYS", ())
    assert site.unusable() is not None


def test_the_path_that_was_compiled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "shifter"
    program.write_bytes(b"\x7fELF\0/usr/lib/x\0/opt/site-1/etc/udiRoot.conf\0more")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert site.config_file() == Path("/opt/site-1/etc/udiRoot.conf")
    program.write_bytes(b"nothing")
    assert site.config_file() == Path("/etc/shifter/udiRoot.conf")


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def site_of(state_dir: Path) -> Site:
    return Site((Shown(str(state_dir.parent), "/seen"),))


def spec(**more: Any) -> ContainerSpec:
    plain = ContainerSpec(name="one", image="i", argv=("run",), user=ME)
    return replace(plain, **more)


def test_options(state_dir: Path) -> None:
    (state_dir.parent / "data").mkdir()
    asked = spec(
        workdir="/seen/data",
        mounts=(Mount(str(state_dir.parent / "data"), "/data"),),
        own=(
            Mount(str(state_dir), "/etc/passwd"),
            Mount(str(state_dir), "/opt/jupyter-containers/run"),
        ),
        devices=("nvidia.com/gpu=1", "nvidia.com/gpu=0"),
        env={"A": " b ", "B": "", "C": "#d=e"},
    )
    site = site_of(state_dir)
    mounts.write_files(asked, site, state_dir, Image(id="i", env={"PATH": "/bin"}))
    assert mounts.options(asked, site, state_dir) == [
        "--volume=/seen/place/inside:/opt/jupyter-containers:ro",
        "--volume=/seen/data:/data:ro",
        "--module=gpu",
        "--clearenv",
        "--env-file=/opt/jupyter-containers/env",
        "--workdir=/seen/data",
    ]
    shown = state_dir / "inside"
    assert (shown / "env").read_text() == "C=#d=e\nCUDA_VISIBLE_DEVICES=1,0\n"
    assert (shown / "start").read_text() == "export A=' b '\nexport B=''\nexec \"$@\"\n"
    assert (shown / "run").readlink() == Path("/seen/place")


def test_what_cannot_be_mounted(state_dir: Path) -> None:
    site = site_of(state_dir)
    (state_dir / "inside").mkdir()
    (state_dir.parent / "it's").mkdir()
    for source, target, error in (
        ("/usr/bin", "/data", StartFailed),
        (str(state_dir.parent / "it's"), "/data", Unsupported),
        (str(state_dir), "/with space", Unsupported),
        (str(state_dir), "/seen/elsewhere", Unsupported),
    ):
        with pytest.raises(error):
            mounts.options(spec(mounts=(Mount(source, target, True),)), site, state_dir)
    with pytest.raises(Unsupported, match="NVIDIA"):
        mounts.environment(spec(devices=("amd.com/gpu=0",)), site, Image(id="i"))


def test_what_a_site_shows_read_only_cannot_be_written(state_dir: Path) -> None:
    (state_dir / "inside").mkdir()
    site = Site((Shown(str(state_dir.parent), "/seen", read_only=True),))
    here, there = (Mount(str(state_dir), name, True) for name in ("/seen/place", "/data"))
    for mount in (here, there):
        with pytest.raises(StartFailed, match="read-only"):
            mounts.options(spec(mounts=(mount,)), site, state_dir)
    option = mounts.options(spec(mounts=(Mount(str(state_dir), "/data"),)), site, state_dir)[1]
    assert option == "--volume=/seen/place:/data:ro"


def test_what_is_there_already_is_not_mounted(state_dir: Path) -> None:
    (state_dir / "inside").mkdir()
    (state_dir / "my notebooks").mkdir()
    asked = spec(mounts=(Mount(str(state_dir / "my notebooks"), "/seen/place/my notebooks", True),))
    assert len(mounts.options(asked, site_of(state_dir), state_dir)) == 4


def test_a_program_behind_an_entrypoint(state_dir: Path) -> None:
    image = Image(id="i", entrypoint=("/entry", "a b"))
    site = site_of(state_dir)
    assert mounts.program(spec(), site, image) == ("run",)
    with_entry = mounts.program(spec(entrypoint="image"), site, image)
    assert with_entry == ("/entry", "a b", "run")
    odd = mounts.program(spec(env={"A": "1\n2"}), site, image)
    assert odd == ("/bin/sh", "/opt/jupyter-containers/start", "run")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("docker.io/library/python:3.12", "docker:library/python:3.12"),
        ("nvcr.io/nvidia/pytorch:24.01-py3", "docker:nvcr.io/nvidia/pytorch:24.01-py3"),
    ],
)
def test_what_an_image_is_called(reference: str, said: str) -> None:
    assert name_of(reference) == said


def test_names_that_no_registry_has() -> None:
    with pytest.raises(BaseUnknown):
        name_of("localhost/mine:1")
    with pytest.raises(Unsupported, match="tags"):
        name_of("docker.io/library/a@sha256:" + "0" * 64)


def test_no_registry() -> None:
    with pytest.raises(Unsupported, match="none is named") as caught:
        Shifter().check_load()
    assert "Policy.push_registry" in caught.value.hint


async def test_no_network_is_refused() -> None:
    with pytest.raises(Unsupported, match="network"):
        await Shifter().start(spec(network="none"))


def test_what_a_program_says_is_its_own() -> None:
    assert its_own(Completed(("shifter",), 1, "", "Traceback:\nError: x\n")) is None
    assert its_own(Completed(("shifter",), 127, "", "bash: nothing: not found\n")) is None
    assert its_own(Completed(("shifter",), 0, "", "")) is None
    remark = "WARNING: Couldn't understand key: USER\n"
    assert its_own(Completed(("shifter",), 1, "", f"{remark}FAILED to setup image.\n")) == 125
    assert its_own(Completed(("shifter",), 1, "", f"{remark}Error: of the program\n")) is None


def test_a_program_that_is_not_setuid() -> None:
    said = "Not running with root privileges, will fail.\n"
    assert "setuid" in trouble(Completed(("shifter",), 1, "", said)).hint
