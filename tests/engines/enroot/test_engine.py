"""enroot: the real one where it is on PATH, else its recordings."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.engines.enroot.engine import Enroot
from jupyter_containers.errors import (
    BaseUnknown,
    DiskFull,
    EngineDown,
    NetworkFailed,
    StartFailed,
    Unsupported,
)
from jupyter_containers.models import ContainerSpec, Image, Mount, Progress, User
from tests.engines.recordings import ENROOT, programs
from tests.engines.recordings.small_image import archive, registry

ID = "sha256:" + "5" * 64
RECORDINGS = Path(__file__).parents[1] / "recordings/enroot"
ME = User(mode="me", uid=os.getuid(), gid=os.getgid(), host_uid=os.getuid(), host_gid=os.getgid())


@dataclass
class Here:
    """The engine, what it works in, and whether it is the real one."""

    engine: Enroot
    state_dir: Path
    real: bool
    registry: str

    def spec(self, *argv: str, **more: Any) -> ContainerSpec:
        plain = ContainerSpec(name="one", image=ID, argv=argv, user=ME)
        return replace(plain, **more)

    def log_in(self, *lines: str) -> None:
        """Put lines into the file of log-ins."""
        directory = self.state_dir / "home/.config/enroot"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / ".credentials").write_text("\n".join([*lines, ""]))

    async def load(self) -> Image:
        image = Image(id=ID, references=("localhost/test/small:1",), env={"FROM_IMAGE": "yes"})
        events = [e async for e in self.engine.load(archive(self.state_dir / "small.tar"), image)]
        assert events[-1].image is not None
        return events[-1].image


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Here]:
    for name in ("home", "cache", "images"):
        (tmp_path / name).mkdir()
    for name in [name for name in os.environ if name.startswith("ENROOT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("JUPYTER_CONTAINERS_IMAGES", str(tmp_path / "images"))
    program = shutil.which("enroot")
    prefix = str(Path(program).parents[1]) if program else "/opt/enroot"
    recording = RECORDINGS / f"{request.function.__name__.removeprefix('test_')}.json"
    with registry(getattr(request, "param", "")) as address:
        words = {str(tmp_path): "$TMP", prefix: "$PREFIX", address: "$REGISTRY"}
        monkeypatch.setenv("ENROOT_ALLOW_HTTP", "yes")
        with programs(("enroot", "unshare"), recording, tmp_path, words, ENROOT) as real:
            yield Here(Enroot(), tmp_path, real, address)


async def test_info(here: Here) -> None:
    info = await here.engine.info()
    assert info.usable, info.problems
    assert {"network-none", "root"} <= info.features
    assert int(info.version.split(".")[0]) >= 3
    assert all(problem.fix for problem in info.problems)


async def pulled(here: Here, reference: str) -> list[Progress]:
    return [event async for event in here.engine.pull(reference)]


async def test_a_pull(here: Here) -> None:
    events = await pulled(here, f"{here.registry}/test/small:1")
    image = events[-1].image
    assert image is not None
    assert image.references == (f"{here.registry}/test/small:1",)
    assert dict(image.env) == {"GREETING": "hello ${HOME}"}
    assert dict(image.labels) == {"a.label": "its value"}
    assert image.entrypoint == ("/bin/sh", "/etc/rc")
    stored = here.engine.store.find(image.id)
    assert stored is not None
    tree = stored.directory / "tree"
    assert (tree / "etc/fstab").read_text() == (tree / "etc/environment").read_text() == ""
    assert (tree / "bin/busybox").is_file()
    assert any("manifest" in event.text for event in events if event.kind == "log")
    assert sorted(one.name for one in stored.directory.iterdir()) == ["image.json", "tree"]


async def test_a_pull_of_an_unknown_image(here: Here) -> None:
    with pytest.raises(BaseUnknown) as caught:
        await pulled(here, f"{here.registry}/test/nothing:1")
    assert "test/nothing:1" in caught.value.message


@pytest.mark.parametrize("here", ["tester:s3cret"], indirect=True)
async def test_a_pull_with_a_password(here: Here) -> None:
    reference = f"{here.registry}/test/small:1"
    with pytest.raises(BaseUnknown, match="wants a log-in") as refused:
        await pulled(here, reference)
    line = refused.value.hint.splitlines()[-1]
    assert line == "machine 127.0.0.1 login USER password PASSWORD"
    line = line.replace("USER", "tester")
    here.log_in(line.replace("PASSWORD", "wrong"))
    with pytest.raises(BaseUnknown, match="wants a log-in"):
        await pulled(here, reference)
    here.log_in(line.replace("PASSWORD", "s3cret"))
    assert (await pulled(here, reference))[-1].image is not None


@pytest.mark.parametrize("here", ["$oauthtoken:s3cret"], indirect=True)
async def test_a_pull_with_a_token_of_another_host(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = f"{here.registry}/test/small:1"
    monkeypatch.setenv("NGC_API_KEY", "s3cret")
    mine = "machine {} login $oauthtoken password $NGC_API_KEY"
    here.log_in(mine.format("127.0.0.1"))
    with pytest.raises(BaseUnknown, match="wants a log-in"):
        await pulled(here, reference)
    here.log_in(mine.format("127.0.0.1"), mine.format("localhost"))
    assert (await pulled(here, reference))[-1].image is not None


async def test_a_pull_without_a_network(here: Here) -> None:
    with pytest.raises(NetworkFailed):
        await pulled(here, "127.0.0.1:9/test/small:1")


async def test_a_pull_onto_a_full_disk(here: Here) -> None:
    small = os.environ.get("JC_SMALL_DISK")
    if here.real:
        if not small:
            pytest.skip("JC_SMALL_DISK names no directory on a file system of a megabyte")
        (here.state_dir / "images").rmdir()
        (here.state_dir / "images").symlink_to(small)
    with pytest.raises(DiskFull) as caught:
        await pulled(here, f"{here.registry}/test/small:1")
    assert caught.value.hint
    assert not list((here.state_dir / "images").glob("enroot/new-*"))


async def test_a_run_prints_and_ends(here: Here) -> None:
    await here.load()
    (here.state_dir / "data").mkdir()
    (here.state_dir / "data/file").write_text("of the host\n")
    script = 'cat /data/file; echo "$GREETING"; echo "$FROM_IMAGE"; echo no >&2; exit 7'
    spec = here.spec(
        *("/bin/sh", "-c", script),
        env={"GREETING": "two\nlines of 'it'"},
        mounts=(Mount(str(here.state_dir / "data"), "/data", False),),
    )
    done = await here.engine.run(spec, 60)
    assert (done.code, done.stderr) == (7, "no\n")
    assert done.stdout == "of the host\ntwo\nlines of 'it'\nyes\n"
    assert not list((here.state_dir / "cache").glob("*/containers/enroot/*"))


async def test_a_run_leaves_the_image_as_it_was(here: Here) -> None:
    await here.load()
    done = await here.engine.run(here.spec("/bin/sh", "-c", "echo new > /new && cat /new"), 60)
    assert (done.code, done.stdout) == (0, "new\n")
    assert not list((here.state_dir / "images").glob("enroot/*/tree/new"))


async def test_a_read_only_container(here: Here) -> None:
    await here.load()
    script = "echo 1 > /tmp/a && cat /tmp/a; echo 1 > /new"
    done = await here.engine.run(here.spec("/bin/sh", "-c", script, read_only=True), 60)
    assert done.code != 0
    assert "Read-only file system" in done.stderr
    assert done.stdout == "1\n"


async def test_a_missing_mount(here: Here) -> None:
    await here.load()
    mounts = (Mount(str(here.state_dir / "nothing"), "/data", False),)
    with pytest.raises(StartFailed, match="does not exist"):
        await here.engine.start(here.spec("/bin/true", mounts=mounts))
    assert await here.engine.containers("any") == []


async def test_an_unknown_program(here: Here) -> None:
    await here.load()
    done = await here.engine.run(here.spec("/bin/nothing"), 60)
    assert done.code == 127


async def test_root(here: Here) -> None:
    await here.load()
    user = await here.engine.user("root", (0, 0))
    done = await here.engine.run(here.spec("/bin/id", "-u", user=user), 60)
    assert done.stdout == "0\n"


async def test_one_that_goes_on_is_killed(here: Here) -> None:
    await here.load()
    begun = time.monotonic()
    with pytest.raises(EngineDown):
        await here.engine.run(here.spec("/bin/sleep", "4242"), 3)
    assert time.monotonic() - begun < 10
    for _ in range(100):
        if not sleeping():
            break
        await asyncio.sleep(0.05)
    assert not sleeping()


def sleeping() -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes() == b"/bin/sleep\x004242\x00":
                return True
        except OSError:
            continue
    return False


async def test_devices_of_others(here: Here) -> None:
    await here.load()
    with pytest.raises(Unsupported, match="NVIDIA"):
        await here.engine.run(here.spec("/bin/true", devices=("amd.com/gpu=0",)), 60)
    assert not list((here.state_dir / "cache").glob("*/containers/enroot/*"))
