"""Kill the engine's command some moments after it began, and look what is left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_containers.engines.process_engine import containers as process_containers
from jupyter_containers.host import process
from tests.helpers.harness import DAEMONS, Kernel, approve, containers, eventually, running


def _kill(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def kill_each_start(monkeypatch: pytest.MonkeyPatch, delay: float) -> None:
    """From now on, the command that starts a container is killed `delay` seconds later."""
    real = process._spawn

    async def spawn(argv, *rest):
        started = await real(argv, *rest)
        if "--detach" in argv or argv[0] == "sbatch":
            asyncio.get_running_loop().call_later(delay, _kill, started)
        return started

    def detach(*rest):
        child = process.detach(*rest)
        asyncio.get_running_loop().call_later(delay, _kill, child)
        return child

    monkeypatch.setattr(process, "_spawn", spawn)
    monkeypatch.setattr(process_containers, "detach", detach)


async def killed_while_it_starts(
    path: Path,
    delay: float,
    program: str,
    left_behind: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A kernel whose engine's command is killed runs or says why not, and leaves nothing."""
    approve(path)
    async with running(path) as kernel:
        assert await kernel.value("1") == "1"  # probe and kit are known now
    kill_each_start(monkeypatch, delay)
    kernel = Kernel(path)
    try:
        await kernel.start()
        done = await kernel.run("1", timeout=10)
        if done["status"] == "error":
            assert done["error"].startswith("ContainerNotStarted")
    except (RuntimeError, TimeoutError):  # where the command is the container, it may be up by then
        assert program not in DAEMONS
        assert "killed by SIGKILL" in str(await kernel.container.why())
    finally:
        await kernel.shutdown()
    await asyncio.sleep(1)  # what is late would come now
    await eventually(lambda: containers(program) == [])
    await eventually(lambda: left_behind() == [])
