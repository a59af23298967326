"""Containers that are processes of ours: found by any process, taken for no other."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jupyter_containers.engines.process_engine import output
from jupyter_containers.engines.process_engine.containers import ProcessContainers
from jupyter_containers.host.reaper import process_container
from jupyter_containers.models import ContainerSpec, User
from tests.helpers.harness import eventually

USER = User(mode="me", uid=1, gid=1, host_uid=1, host_gid=1)


@pytest.fixture
def process_containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProcessContainers:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return ProcessContainers("test", ("unshare",))


def start(process_containers: ProcessContainers, name: str, *argv: str) -> int:
    spec = ContainerSpec(name=name, image="i", argv=(), user=USER, labels={"k": name})
    return process_containers.start(spec, process_containers.make(spec), list(argv), {}).pid


async def ended(process_containers: ProcessContainers, name: str) -> int:
    while (code := process_containers.poll(name)) is None:
        await asyncio.sleep(0.01)
    return code


async def test_codes_and_output(process_containers: ProcessContainers) -> None:
    start(process_containers, "a", "sh", "-c", "echo one; echo two >&2; exit 3")
    assert await ended(process_containers, "a") == 3
    assert process_containers.tail("a", 1) == "two"
    start(process_containers, "b", "sh", "-c", "exit 137")
    assert await ended(process_containers, "b") == -signal.SIGKILL
    for name in ("a", "b"):
        process_containers.remove(name)
        process_containers.remove(name)
    assert list(process_containers.all()) == []


async def test_another_process_finds_it(process_containers: ProcessContainers) -> None:
    start(process_containers, "a", "sleep", "1000")
    other = ProcessContainers("test", ())
    (found,) = other.all()
    assert (found.name, found.running, found.labels) == ("a", True, {"k": "a"})
    assert other.poll("a") is None
    assert other.uses("i") == "a"
    other.remove("a")
    assert other.poll("a") == -signal.SIGKILL
    assert await ended(process_containers, "a") == -signal.SIGKILL
    process_containers.remove("a")


async def test_what_floods_its_output_leaves_the_last_of_it(
    process_containers: ProcessContainers,
) -> None:
    script = f"yes 0123456789 | head -c {4 * output.MOST}; echo; echo last"
    start(process_containers, "a", "sh", "-c", script)
    assert await ended(process_containers, "a") == 0
    lines = process_containers.tail("a", 100_000).splitlines()
    assert lines[-1] == "last"
    assert set(lines[1:-2]) == {"0123456789"}
    kept = process_containers.state_dir("a").path.glob("output*")
    assert output.MOST < sum(path.stat().st_size for path in kept) <= 2 * output.MOST
    process_containers.remove("a")


async def test_output_goes_on_where_its_server_has_ended(
    process_containers: ProcessContainers, tmp_path: Path
) -> None:
    """The owner's end leaves a container, and what it prints is still written."""
    program = f"""
import sys
from jupyter_containers.engines.process_engine.containers import ProcessContainers
from jupyter_containers.models import ContainerSpec, User
user = User(mode="me", uid=1, gid=1, host_uid=1, host_gid=1)
containers = ProcessContainers("test", ())
spec = ContainerSpec(name="a", image="i", argv=(), user=user)
script = "until [ -e {tmp_path}/go ]; do sleep 0.01; done; echo after; exec sleep 1000"
containers.start(spec, containers.make(spec), ["sh", "-c", script], {{}})
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    (tmp_path / "go").touch()
    await eventually(lambda: process_containers.tail("a", 1) == "after")
    process_containers.remove("a")


async def test_a_full_disk_loses_output_and_no_container(tmp_path: Path) -> None:
    """/dev/full stands for it: every write fails."""
    (tmp_path / "output").symlink_to("/dev/full")
    log = output.Log(str(tmp_path / "output"), 10)
    log.write(b"x" * 25)
    log.write(b"more")


async def test_a_number_that_was_given_again_is_not_it(
    process_containers: ProcessContainers,
) -> None:
    pid = start(process_containers, "a", "sleep", "1000")
    state_dir = process_containers.state_dir("a")
    state_dir.write(state_dir.record() | {"start": 1})
    assert ProcessContainers("test", ()).poll("a") == -signal.SIGKILL
    process_container.end(str(state_dir.path))
    os.kill(pid, 0)  # untouched
    os.kill(pid, signal.SIGKILL)
    process_containers.remove("a")


async def test_another_boots_record_is_nothing_to_kill(
    process_containers: ProcessContainers,
) -> None:
    pid = start(process_containers, "a", "sleep", "1000")
    state_dir = process_containers.state_dir("a")
    state_dir.write(state_dir.record() | {"boot": "another"})
    subprocess.run(process_containers.remove_argv("a"), check=True)
    assert not state_dir.path.exists()
    os.kill(pid, signal.SIGKILL)
    process_containers.remove("a")


async def test_removing_ends_what_left_the_group(process_containers: ProcessContainers) -> None:
    """By its PID namespace; where none is to be had, the engine is not usable either."""
    new = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")
    start(process_containers, "a", *new, "sh", "-c", "setsid sleep 4243 & sleep 4243")
    while len(sleeping()) < 2:
        assert process_containers.poll("a") is None, process_containers.tail("a", 9)
        await asyncio.sleep(0.01)
    assert (
        process_containers.init_pid("a") is None
    )  # these have this machine's root: a hook's would too
    process_containers.remove("a")
    assert sleeping() == []


async def test_without_a_pid_namespace_a_mount_tells_whose_a_process_is(
    process_containers: ProcessContainers, tmp_path: Path
) -> None:
    """As in Shifter's containers: nothing but their mounts is their own."""
    spec = ContainerSpec(name="a", image="i", argv=(), user=USER)
    state_dir, root = process_containers.make(spec), tmp_path / "root"
    (state_dir.path / process_container.SHOWN).mkdir()
    (root / "opt/jupyter-containers").mkdir(parents=True)
    script = (
        "for d in /usr /bin /lib /lib64 /proc /dev; do mkdir $2$d; mount --rbind $d $2$d; done; "
        "mount --bind $1/inside $2/opt/jupyter-containers; "
        "PATH=$PATH:/usr/sbin exec chroot $2 sh -c 'setsid sleep 4246 & exec sleep 4246'"
    )
    new = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", script, "sh")
    child = process_containers.start(spec, state_dir, [*new, str(state_dir.path), str(root)], {})
    with subprocess.Popen(["sleep", "4246"], start_new_session=True) as other:
        try:
            while len(sleeping("4246")) < 3:
                assert process_containers.poll("a") is None, process_containers.tail("a", 9)
                await asyncio.sleep(0.01)
            assert process_containers.init_pid("a") == child.pid
            os.kill(child.pid, signal.SIGKILL)  # the first one's end is not the others'
            await ended(process_containers, "a")
            subprocess.run(process_containers.remove_argv("a"), check=True)
            assert sleeping("4246") == [str(other.pid)]
        finally:
            other.kill()
    process_containers.remove("a")


def sleeping(seconds: str = "4243") -> list[str]:
    listed = subprocess.run(["pgrep", "-f", f"^sleep {seconds}"], capture_output=True, text=True)
    return listed.stdout.split()


def test_a_directory_that_nothing_was_started_in_goes_with_the_next(
    process_containers: ProcessContainers,
) -> None:
    old, young = process_containers.state_dir("old"), process_containers.state_dir("young")
    for state_dir in (old, young):
        state_dir.path.mkdir(parents=True)
    os.utime(old.path, (1, 1))
    start(process_containers, "a", "true")
    assert (old.path.exists(), young.path.exists()) == (False, True)
    process_containers.remove("a")


def test_a_broken_record_is_removed(process_containers: ProcessContainers) -> None:
    state_dir = process_containers.state_dir("a")
    state_dir.path.mkdir(parents=True)
    (state_dir.path / "container.json").write_text(json.dumps({"pid": "x"}))
    (state_dir.path / "work").mkdir(mode=0)
    assert list(process_containers.all()) == []
    process_containers.remove("a")
    assert not state_dir.path.exists()


async def test_nothing_is_left_where_it_cannot_be_filled_or_nobody_waits(
    process_containers: ProcessContainers,
) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def slow(spec: ContainerSpec) -> None:
        process_containers.make(spec)
        begun.set()
        goes_on.wait(10)

    def failing(spec: ContainerSpec) -> None:
        process_containers.make(spec)
        raise OSError("full")

    spec = ContainerSpec(name="a", image="i", argv=(), user=USER)
    with pytest.raises(OSError, match="full"):
        await process_containers.create(spec, failing)
    assert list(process_containers.records()) == []
    left = asyncio.ensure_future(process_containers.create(spec, slow))
    await asyncio.to_thread(begun.wait, 10)
    left.cancel()
    await asyncio.sleep(0)
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await left
    assert list(process_containers.records()) == []
