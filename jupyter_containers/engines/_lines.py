"""Lines from a command that may print without end, while others use the same event loop."""

from __future__ import annotations

import asyncio
import time

_TURN = 0.002
"""Seconds for which a flood of lines may keep the event loop."""


class Turn:
    """Lines that are there already are read without waiting: somebody else must have a turn."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def over(self) -> None:
        """Called for every line; lets others go on after a few milliseconds."""
        if time.monotonic() - self._since > _TURN:
            await asyncio.sleep(0)
            self._since = time.monotonic()


async def read_line(pipe: asyncio.StreamReader) -> bytes:
    """One line, or its first 64 KiB where a program prints without end."""
    try:
        return await pipe.readuntil(b"\n")
    except asyncio.IncompleteReadError as end:
        return end.partial
    except asyncio.LimitOverrunError as over:
        return await pipe.readexactly(over.consumed)
