"""Progress of a command that fills a directory and prints no sizes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

from ...host.process import Stream

_LOOK = 0.5
"""Seconds between two looks at how much has arrived."""


async def lines_and_size(stream: Stream, directory: str) -> AsyncGenerator[tuple[str | None, int]]:
    """The command's lines, and between them the bytes that have arrived in `directory`."""
    lines, arrived = aiter(stream), 0
    while True:
        coming = asyncio.ensure_future(anext(lines, None))
        try:
            while not (await asyncio.wait({coming}, timeout=_LOOK))[0]:
                now = await asyncio.to_thread(_size, directory)
                if now > arrived:
                    arrived = now
                    yield None, arrived
        finally:
            coming.cancel()
        if (got := coming.result()) is None:
            return
        yield got[1], 0


def _size(directory: str) -> int:
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            with suppress(OSError):  # it may be finished meanwhile
                total += Path(parent, name).lstat().st_size
    return total
