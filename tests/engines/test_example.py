"""The engine that docs/adding-an-engine.md makes: its command as text, and its errors."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jupyter_containers.engines import registry
from jupyter_containers.engines.process_engine.containers import StateDir
from jupyter_containers.engines.process_engine.image_store import Stored
from jupyter_containers.errors import EngineDown, EngineMissing, StartFailed, Unsupported
from jupyter_containers.host.process import Completed
from jupyter_containers.models import ContainerSpec, Image, Mount, User
from jupyter_containers.policy.loader import load_policy
from tests.helpers import ROOT

EXAMPLE = ROOT / "docs/examples/bubblewrap"
ME = User(mode="me", uid=1000, gid=1000, host_uid=1000, host_gid=1000)


@pytest.fixture(scope="module")
def example() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLE)
        yield import_module("jupyter_containers_bubblewrap")
        del sys.modules["jupyter_containers_bubblewrap"]


def spec(**changes: Any) -> ContainerSpec:
    given = {"name": "n", "image": "i", "argv": ("python3", "guest"), "user": ME, "workdir": "/w"}
    return ContainerSpec(**{**given, "env": {"KEY": "s3cret"}, **changes})


@pytest.fixture(autouse=True)
def hosts(example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's own may be absent."""
    (tmp_path / "hosts").touch()
    monkeypatch.setattr(example, "NAMES", (str(tmp_path / "hosts"), str(tmp_path / "absent")))


def written(example: ModuleType, tmp_path: Path, **changes: Any) -> tuple[str, str]:
    """The command, and the options that it reads from a file."""
    stored = Stored(Image(id="i", env={"A": "1"}, entrypoint=("/in",)), tmp_path / "image")
    state_dir = StateDir(tmp_path / "state")
    (stored.directory / "tree/etc").mkdir(parents=True)
    state_dir.path.mkdir()
    engine, asked = example.Bubblewrap(), spec(**changes)
    engine.write_files(asked, stored, state_dir)
    command = engine.command(asked, stored, state_dir)
    assert command.env == {}
    words = (state_dir.path / "options").read_text().removesuffix("\0").replace("\0", " ")
    return " ".join(command.argv).replace(str(tmp_path), "T"), words.replace(str(tmp_path), "T")


def test_the_command(example: ModuleType, tmp_path: Path) -> None:
    argv, options = written(example, tmp_path, network="none")
    assert argv == (
        'sh -c exec bwrap --args 3 -- "$@" 3<"$0" T/state/options python3 guest'  # no secret
    )
    assert options == (
        "--unshare-user --unshare-pid --unshare-ipc --unshare-cgroup-try --uid 1000 --gid 1000 "
        "--unshare-net --as-pid-1 --ro-bind T/image/tree / --proc /proc --dev /dev "
        "--bind T/state/tmp /tmp --bind T/state/var-tmp /var/tmp --ro-bind T/hosts T/hosts "
        "--chdir /w --clearenv "
        "--setenv PATH /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "
        "--setenv A 1 --setenv KEY s3cret"
    )


def test_what_settings_add(example: ModuleType, tmp_path: Path) -> None:
    argv, options = written(
        example, tmp_path, entrypoint="image", hostname="lab", shm=1 << 20, init=True
    )
    assert argv.endswith("/options /in python3 guest")
    assert "--unshare-uts --hostname lab" in options
    assert "--perms 1777 --size 1048576 --tmpfs /dev/shm" in options
    assert "--as-pid-1" not in options
    assert "--unshare-net" not in options


def test_mounts(example: ModuleType, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "in").mkdir(parents=True)
    (tmp_path / "image/tree").mkdir(parents=True)
    (tmp_path / "image/tree/target").symlink_to("/usr/target")
    mounts = (Mount(str(data / "in"), "/target/in"), Mount(str(data), "/target", True))
    stored = Stored(Image(id="i"), tmp_path / "image")
    state_dir = StateDir(tmp_path / "state")
    state_dir.path.mkdir()
    example.Bubblewrap().write_files(spec(mounts=mounts), stored, state_dir)
    options = (state_dir.path / "options").read_text().replace("\0", " ")
    outer, inner = f"--bind {data} /usr/target", f"--ro-bind {data}/in /target/in"
    assert -1 < options.index(outer) < options.index(inner)


def test_errors(example: ModuleType) -> None:
    engine = example.Bubblewrap()

    def done(code: int, stderr: str) -> Completed:
        return Completed(("bwrap",), code, "", stderr)

    assert engine.ran_nothing(done(1, "bwrap: execvp nothing: No such file or directory\n")) == 127
    assert engine.ran_nothing(done(1, "bwrap: Can't chdir to /x: No such file\n")) == 125
    assert engine.ran_nothing(done(1, "bwrap: execvp /a: Exec format error\n")) is None
    assert engine.ran_nothing(done(1, "my own\nbwrap: words\n")) is None
    assert engine.ran_nothing(done(0, "bwrap: words\n")) is None
    assert isinstance(engine.trouble(done(1, "bwrap: Can't chdir to /x")), StartFailed)
    closed = "bwrap: No permissions to create new namespace"
    assert isinstance(engine.trouble(done(1, closed)), EngineDown)


async def test_what_it_cannot_do(example: ModuleType, tmp_path: Path) -> None:
    engine = example.Bubblewrap()
    with pytest.raises(Unsupported, match="no root"):
        await engine.user("root", (0, 0))
    with pytest.raises(Unsupported, match="cannot pull"):
        engine.pull("python:3.13")
    with pytest.raises(Unsupported, match="no GPUs"):
        written(example, tmp_path, devices=("nvidia.com/gpu=all",))


def test_an_engine_of_another_package_says_how_to_get_it(
    example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_load", lambda name: example.Bubblewrap)
    monkeypatch.setattr(registry, "_instances", {})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineMissing) as missing:
        registry.open_engine("bubblewrap", load_policy(None))
    assert missing.value.hint == "Install it: sudo apt install bubblewrap"
