"""That what is mounted is what was judged, and read-only with all that is below."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from jupyter_containers.engines.base import Engine
from jupyter_containers.engines.common import mounts
from jupyter_containers.engines.common.mounts import held, with_parts, wrong_mount
from jupyter_containers.engines.guarded import Guarded
from jupyter_containers.errors import BadSettings, MountReplaced, PolicyRefused
from jupyter_containers.models import ContainerSpec, Mount, Source
from tests.helpers.policies import policy, spec


def source(path: Path, target: str, *, exposed: bool = False) -> Source:
    found = path.stat()
    return Source(
        target=target,
        path=str(path),
        device=found.st_dev,
        inode=found.st_ino,
        exposed=exposed,
    )


def mounted(path: Path, *, writable: bool = False, exposed: bool = False) -> ContainerSpec:
    return spec(
        mounts=(Mount(str(path), "/data", writable),),
        sources=(source(path, "/data", exposed=exposed),),
    )


# -- what is below ------------------------------------------------------------------------------


@pytest.fixture
def below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A folder with directories in it that the kernel's table has as mounts."""

    def make(*names: str) -> Path:
        for name in names:
            (tmp_path / "data" / name).mkdir(parents=True)
        points = [str(tmp_path / "data" / name) for name in names]
        monkeypatch.setattr(mounts, "submounts", lambda *_: points)
        return tmp_path / "data"

    return make


def test_each_file_system_below_is_a_mount_of_its_own(below: Callable[..., Path]) -> None:
    data = below("a", "a/b", "with space")
    found = with_parts(mounted(data, exposed=True))
    assert found.own == (
        Mount(f"{data}/a", "/data/a"),
        Mount(f"{data}/a/b", "/data/a/b"),
        Mount(f"{data}/with space", "/data/with space"),
    )
    assert [(one.target, one.exposed) for one in found.sources] == [
        ("/data", True),
        *((one.target, True) for one in found.own),
    ]


def test_not_where_it_may_be_written_or_is_covered(below: Callable[..., Path]) -> None:
    data = below("a", "a/b")
    assert with_parts(mounted(data, writable=True)).own == ()
    assert with_parts(mounted(data), recursive=True).own == ()
    assert with_parts(mounted(data, exposed=True), recursive=True).own != ()
    over = Mount("/empty", "/data/a")
    assert with_parts(replace(mounted(data), own=(over,))).own == (over,)


def test_too_many_are_refused_with_a_sentence(below: Callable[..., Path]) -> None:
    data = below(*(f"{number}" for number in range(100)))
    with pytest.raises(BadSettings) as raised:
        with_parts(mounted(data))
    assert "100 file systems are mounted below it" in raised.value.message
    assert raised.value.hint


def test_a_part_that_is_a_link_by_now_is_refused(below: Callable[..., Path]) -> None:
    data = below("a")
    (data / "a").rmdir()
    (data / "a").symlink_to("/etc")
    with pytest.raises(MountReplaced, match="/data/a"):
        with_parts(mounted(data))


# -- what is held -------------------------------------------------------------------------------


def test_only_what_is_exposed_is_held(tmp_path: Path) -> None:
    with held(mounted(tmp_path)) as found:
        assert found == {}
    with held(mounted(tmp_path, exposed=True)) as found:
        assert os.fstat(found["/data"]).st_ino == tmp_path.stat().st_ino
    with pytest.raises(OSError):
        os.fstat(found["/data"])


@pytest.mark.parametrize("by", ["a link", "another folder", "nothing"])
def test_what_was_swapped_is_not(tmp_path: Path, by: str) -> None:
    data, secret = tmp_path / "data", tmp_path / "secret"
    data.mkdir()
    secret.mkdir()
    asked = mounted(data, exposed=True)
    data.rename(tmp_path / "was")
    if by == "a link":
        data.symlink_to(secret)
    elif by == "another folder":
        secret.rename(data)
    with pytest.raises(MountReplaced, match="/data"), held(asked):
        pass


class Recorded:
    """An engine that starts nothing."""

    name = program = "recorded"
    started: ContainerSpec | None = None

    async def start(self, spec: ContainerSpec) -> None:
        self.started = spec


def test_the_policy_judges_what_was_approved(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    engine = Recorded()
    guarded = Guarded(cast(Engine, engine), policy(mounts={str(tmp_path): "rw"}))
    asked = mounted(tmp_path / "data")
    asyncio.run(guarded.start(asked))
    assert engine.started is not None
    assert [one.inode for one in engine.started.sources] == [asked.sources[0].inode]
    (tmp_path / "data").rename(tmp_path / "was")
    (tmp_path / "data").mkdir()
    engine.started = None
    with pytest.raises(MountReplaced, match="/data"):
        asyncio.run(guarded.start(asked))
    (tmp_path / "data").rmdir()
    (tmp_path / "data").symlink_to("/etc")
    with pytest.raises(PolicyRefused):
        asyncio.run(guarded.start(asked))
    assert engine.started is None


# -- from outside -------------------------------------------------------------------------------


class Inside:
    """A process in a mount namespace, whose root is a directory of ours."""

    def __init__(self, base: Path) -> None:
        self.root, self.data, self.other = (base / name for name in ("root", "data", "other"))
        for path in (self.root / "data", self.root / "data2", self.data, self.other):
            path.mkdir(parents=True)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *binds: tuple[Path, str]) -> int:
        lines = [f"mount --bind '{path}' '{self.root}{target}'" for path, target in binds]
        stay = (
            "import os, sys; os.chroot(sys.argv[1]); os.chdir('/'); "
            "print('ready', flush=True); sys.stdin.read()"
        )
        script = "\n".join(["set -e", *lines, 'exec "$0" -c "$1" "$2"'])
        outside = ["unshare", "--user", "--map-root-user", "--mount"]
        argv = [*outside, "sh", "-c", script, sys.executable, stay, str(self.root)]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"
        return self.process.pid

    def sees(self, pid: int, path: Path, target: str = "/data", **options: Any) -> bool:
        return wrong_mount(pid, [source(path, target)], **options) is None


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    found = Inside(tmp_path)
    yield found
    if found.process is not None:
        found.process.communicate()


def test_seen_from_outside(inside: Inside) -> None:
    pid = inside.start((inside.data, "/data"), (inside.other, "/data2"))
    assert inside.sees(pid, inside.data, mounted=True)
    assert inside.sees(pid, inside.other, "/data2", mounted=True)
    assert not inside.sees(pid, inside.other)
    assert not inside.sees(pid, inside.data, "/nowhere")
    both = [source(inside.data, "/data"), source(inside.data, "/data2")]
    assert wrong_mount(pid, both) == "/data2"


def test_an_images_links_are_its_own(inside: Inside) -> None:
    """A link of the image is followed within the image; on the host it leads to the right one."""
    (inside.root / "link").symlink_to("/data")
    (inside.root / "up").symlink_to("../../../../data2/../data")
    (inside.root / "loop").symlink_to("/loop")
    (inside.root / "lie").symlink_to(inside.data)
    pid = inside.start((inside.data, "/data"))
    assert inside.sees(pid, inside.data, "/link", mounted=True)
    assert inside.sees(pid, inside.data, "/up", mounted=True)
    assert not inside.sees(pid, inside.data, "/loop")
    assert not inside.sees(pid, inside.data, "/lie")


def test_what_is_seen_through_another_mount_is_not_mounted(inside: Inside) -> None:
    """The mount was led elsewhere, and its source put back in its place, in the folder that is
    mounted above it."""
    (inside.data / "sub").mkdir()
    pid = inside.start((inside.data, "/data"), (inside.other, "/data2"))
    assert inside.sees(pid, inside.data / "sub", "/data/sub")
    assert not inside.sees(pid, inside.data / "sub", "/data/sub", mounted=True)


def test_a_process_that_has_ended_sees_nothing(inside: Inside) -> None:
    pid = inside.start()
    assert inside.process is not None
    inside.process.communicate()
    assert not inside.sees(pid, inside.data)
    assert wrong_mount(pid, []) is None
