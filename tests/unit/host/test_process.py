"""The one door for commands: output, ends, floods, trees."""

import asyncio
import os
import signal
import sys
import threading
import time

import pytest

from jupyter_containers.errors import EngineDown, EngineFailed, EngineMissing
from jupyter_containers.host.child_watcher import watch_children
from jupyter_containers.host.process import Stream, Waiting, detach, run
from tests.bench.lag import measure
from tests.helpers.harness import eventually


async def test_what_a_command_prints_and_how_it_ends():
    done = await run(["sh", "-c", "cat; echo no >&2; exit 3"], input=b"yes")
    assert (done.stdout, done.stderr, done.code) == ("yes", "no\n", 3)


async def test_standard_input_can_be_opened_again():
    done = await run(["cat", "/dev/stdin"], input=b"A=1\n")
    assert done.stdout == "A=1\n"


async def test_a_missing_program():
    with pytest.raises(EngineMissing, match="no-such-program"):
        await run(["no-such-program"])


async def test_a_silent_command():
    with pytest.raises(EngineDown, match="did not answer"):
        await run(["sleep", "1000"], timeout=0.2)


async def test_a_flood():
    with pytest.raises(EngineFailed, match="more than 32 MiB"):
        await run(["sh", "-c", "yes"], timeout=60)


async def test_a_cancel_ends_the_whole_tree(tmp_path):
    script = f"sleep 1000 & echo $! > {tmp_path}/child; wait"
    task = asyncio.create_task(run(["sh", "-c", script]))
    child = tmp_path / "child"
    await eventually(lambda: child.exists() and child.read_text().strip())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    pid = int(child.read_text())
    await eventually(lambda: _is_gone(pid))


async def test_a_killed_command_ends_what_it_started():
    async with Stream(["sh", "-c", "sleep 1000 & echo $$ $!; wait"]) as stream:
        said: list[int] = []
        async for _, line in stream:
            said += map(int, line.split())
            os.kill(said[0], signal.SIGKILL)
        assert await stream.wait() == -signal.SIGKILL
    assert len(said) == 2
    assert _is_gone(said[1])


async def test_lines_of_both_pipes_and_one_without_end():
    async with Stream(["sh", "-c", "echo a; echo b >&2; head -c 200000 /dev/zero"]) as stream:
        said = [line async for line in stream]
        assert await stream.wait() == 0
    assert ("stdout", "a") in said
    assert ("stderr", "b") in said
    assert sum(len(text) for _, text in said) >= 200_000


def _is_gone(pid):
    try:
        os.kill(pid, signal.SIG_DFL)
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True


async def test_a_flood_of_lines_lets_others_have_their_turn():
    lags: list[float] = []
    measuring = asyncio.create_task(measure(lags))
    async with Stream(["seq", "200000"]) as stream:
        count = 0
        async for _ in stream:
            count += 1
    measuring.cancel()
    assert count == 200_000
    assert len(lags) > 20
    assert sorted(lags)[len(lags) // 2] < 0.05


@pytest.fixture
def descriptors():
    """What a server does when it starts; undone after the test."""
    if sys.version_info >= (3, 12):
        pytest.skip("asyncio does it by itself")
    before = asyncio.get_child_watcher()
    asyncio.set_child_watcher(asyncio.ThreadedChildWatcher())
    watch_children()
    yield
    asyncio.set_child_watcher(before)


async def test_ends_of_commands_without_a_thread_for_each(descriptors):
    await run(["true"])
    before = threading.active_count()
    begun = [asyncio.create_task(run(["sh", "-c", f"sleep 0.3; exit {n}"])) for n in range(8)]
    await asyncio.sleep(0.15)
    assert threading.active_count() == before
    assert [(await one).code for one in begun] == list(range(8))


def test_in_any_loop(descriptors):
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda: codes.append(asyncio.run(run(["true"])).code))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0, 0, 0]


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["sh", "x" * 3_000_000], "too long"),
        (["sh", "a\0b"], "null byte"),
        (["{damaged}"], "Exec format error"),
    ],
)
async def test_what_cannot_be_started(argv, why, tmp_path):
    damaged = tmp_path / "podman"
    damaged.write_bytes(b"\x7fELF" + bytes(60))
    damaged.chmod(0o755)
    argv = [word.format(damaged=damaged) for word in argv]
    with pytest.raises(EngineDown, match=why):
        await run(argv)
    with pytest.raises(EngineDown, match=why):
        Waiting(argv)
    with pytest.raises(EngineDown, match=why), (tmp_path / "out").open("wb") as output:
        detach(argv, output, {})


def test_a_watch_that_leaves_something_running():
    """Its other end of the pipe stays open: a read until the end would never return."""
    watch = Waiting(["sh", "-c", "echo 7; sleep 60 & exit 0"])
    deadline = time.monotonic() + 10
    while (done := watch.poll()) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert done is not None and done.stdout == "7\n"
    watch.close()
    os.killpg(watch._process.pid, signal.SIGKILL)
