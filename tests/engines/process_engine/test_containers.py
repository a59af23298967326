"""Containers that are processes of ours: found by any process, taken for no other."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from jupyter_containers.engines.process_engine.containers import Contained
from jupyter_containers.host.reaper import process_container
from jupyter_containers.models import ContainerSpec, User

USER = User(mode="me", uid=1, gid=1, host_uid=1, host_gid=1)


@pytest.fixture
def contained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Contained:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return Contained("test", ("unshare",))


def start(contained: Contained, name: str, *argv: str) -> int:
    spec = ContainerSpec(name=name, image="i", argv=(), user=USER, labels={"k": name})
    return contained.start(spec, contained.make(spec), list(argv), {}).pid


async def ended(contained: Contained, name: str) -> int:
    while (code := contained.poll(name)) is None:
        await asyncio.sleep(0.01)
    return code


async def test_codes_and_output(contained: Contained) -> None:
    start(contained, "a", "sh", "-c", "echo one; echo two >&2; exit 3")
    assert await ended(contained, "a") == 3
    assert contained.tail("a", 1) == "two"
    start(contained, "b", "sh", "-c", "exit 137")
    assert await ended(contained, "b") == -signal.SIGKILL
    for name in ("a", "b"):
        contained.remove(name)
        contained.remove(name)
    assert list(contained.all()) == []


async def test_another_process_finds_it(contained: Contained) -> None:
    start(contained, "a", "sleep", "1000")
    other = Contained("test", ())
    (found,) = other.all()
    assert (found.name, found.running, found.labels) == ("a", True, {"k": "a"})
    assert other.poll("a") is None
    assert other.uses("i") == "a"
    other.remove("a")
    assert other.poll("a") == -signal.SIGKILL
    assert await ended(contained, "a") == -signal.SIGKILL


async def test_a_number_that_was_given_again_is_not_it(contained: Contained) -> None:
    pid = start(contained, "a", "sleep", "1000")
    place = contained.place("a")
    place.write(place.record() | {"start": 1})
    assert Contained("test", ()).poll("a") == -signal.SIGKILL
    process_container.end(str(place.path))
    os.kill(pid, 0)  # untouched
    os.kill(pid, signal.SIGKILL)
    contained.remove("a")


async def test_another_boots_record_is_nothing_to_kill(contained: Contained) -> None:
    pid = start(contained, "a", "sleep", "1000")
    place = contained.place("a")
    place.write(place.record() | {"boot": "another"})
    subprocess.run(contained.remove_argv("a"), check=True)
    assert not place.path.exists()
    os.kill(pid, signal.SIGKILL)
    contained.remove("a")


async def test_removing_ends_what_left_the_group(contained: Contained) -> None:
    """By its PID namespace; where none is to be had, the engine is not usable either."""
    new = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")
    start(contained, "a", *new, "sh", "-c", "setsid sleep 4243 & sleep 4243")
    while len(sleeping()) < 2:
        assert contained.poll("a") is None, contained.tail("a", 9)
        await asyncio.sleep(0.01)
    assert contained.inner("a") is None  # these have this machine's root: a hook's would too
    contained.remove("a")
    assert sleeping() == []


async def test_without_a_pid_namespace_a_mount_tells_whose_a_process_is(
    contained: Contained, tmp_path: Path
) -> None:
    """As in Shifter's containers: nothing but their mounts is their own."""
    spec = ContainerSpec(name="a", image="i", argv=(), user=USER)
    place, root = contained.make(spec), tmp_path / "root"
    (place.path / process_container.SHOWN).mkdir()
    (root / "opt/jupyter-containers").mkdir(parents=True)
    script = (
        "for d in /usr /bin /lib /lib64 /proc /dev; do mkdir $2$d; mount --rbind $d $2$d; done; "
        "mount --bind $1/inside $2/opt/jupyter-containers; "
        "PATH=$PATH:/usr/sbin exec chroot $2 sh -c 'setsid sleep 4246 & exec sleep 4246'"
    )
    new = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", script, "sh")
    child = contained.start(spec, place, [*new, str(place.path), str(root)], {})
    with subprocess.Popen(["sleep", "4246"], start_new_session=True) as other:
        try:
            while len(sleeping("4246")) < 3:
                assert contained.poll("a") is None, contained.tail("a", 9)
                await asyncio.sleep(0.01)
            assert contained.inner("a") == child.pid
            os.kill(child.pid, signal.SIGKILL)  # the first one's end is not the others'
            await ended(contained, "a")
            subprocess.run(contained.remove_argv("a"), check=True)
            assert sleeping("4246") == [str(other.pid)]
        finally:
            other.kill()
    contained.remove("a")


def sleeping(seconds: str = "4243") -> list[str]:
    listed = subprocess.run(["pgrep", "-f", f"^sleep {seconds}"], capture_output=True, text=True)
    return listed.stdout.split()


def test_a_directory_that_nothing_was_started_in_goes_with_the_next(contained: Contained) -> None:
    old, young = contained.place("old"), contained.place("young")
    for place in (old, young):
        place.path.mkdir(parents=True)
    os.utime(old.path, (1, 1))
    start(contained, "a", "true")
    assert (old.path.exists(), young.path.exists()) == (False, True)
    contained.remove("a")


def test_a_broken_record_is_removed(contained: Contained) -> None:
    place = contained.place("a")
    place.path.mkdir(parents=True)
    (place.path / "container.json").write_text(json.dumps({"pid": "x"}))
    (place.path / "work").mkdir(mode=0)
    assert list(contained.all()) == []
    contained.remove("a")
    assert not place.path.exists()


async def test_nothing_is_left_where_it_cannot_be_filled_or_nobody_waits(
    contained: Contained,
) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def slow(spec: ContainerSpec) -> None:
        contained.make(spec)
        begun.set()
        goes_on.wait(10)

    def failing(spec: ContainerSpec) -> None:
        contained.make(spec)
        raise OSError("full")

    spec = ContainerSpec(name="a", image="i", argv=(), user=USER)
    with pytest.raises(OSError, match="full"):
        await contained.making(spec, failing)
    assert list(contained.records()) == []
    left = asyncio.ensure_future(contained.making(spec, slow))
    await asyncio.to_thread(begun.wait, 10)
    left.cancel()
    await asyncio.sleep(0)
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await left
    assert list(contained.records()) == []
