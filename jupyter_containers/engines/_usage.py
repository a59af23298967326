"""What the processes of a container use, for engines that count nothing themselves."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import psutil

from ..measures import Stats

_BETWEEN = 0.5
"""Seconds between two looks at the processors' time."""


async def of(pid: int) -> Stats | None:
    """The use of a process and all below it; None where it has ended. Memory that processes
    share counts once for each, as `ps` shows it."""
    first, began = await asyncio.to_thread(_look, pid), time.monotonic()
    await asyncio.sleep(_BETWEEN)
    second, ended = await asyncio.to_thread(_look, pid), time.monotonic()
    if not first or not second:
        return None
    used = sum(cpu - first.get(one, (cpu, 0))[0] for one, (cpu, _) in second.items())
    return Stats(
        cpu_percent=round(100 * max(0.0, used) / (ended - began), 1),
        memory_bytes=sum(memory for _, memory in second.values()),
        pids=len(second),
    )


def _look(pid: int) -> dict[int, tuple[float, int]]:
    """Process → seconds of CPU, bytes of memory."""
    found = {}
    with suppress(psutil.Error):
        first = psutil.Process(pid)
        for one in (first, *first.children(recursive=True)):
            with suppress(psutil.Error):
                cpu = one.cpu_times()
                found[one.pid] = (cpu.user + cpu.system, one.memory_info().rss)
    return found
