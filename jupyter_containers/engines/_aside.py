"""Work on an image's files, in a thread, while its progress is told."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Any

from ..errors import DiskFull, EngineFailed
from ..models import Progress
from .process_engine.image_archive import Moved, NotAnImage

Work = Callable[[Moved], Any]
FULL = "where images are kept; JUPYTER_CONTAINERS_IMAGES names the directory"
_LOOK = 0.3


class _Stopped(Exception):
    """Nobody waits any more."""


async def aside(engine: str, work: Work, text: str) -> AsyncGenerator[Progress]:
    """Work told as `bytes` events. Closing the iterator ends the work. Raises DiskFull,
    EngineFailed."""
    stop = threading.Event()
    at = (0, 0)

    def moved(done: int, total: int) -> None:
        nonlocal at
        at = (done, total)
        if stop.is_set():
            raise _Stopped

    working = asyncio.ensure_future(asyncio.to_thread(work, moved))
    try:
        while not (await asyncio.wait({working}, timeout=_LOOK))[0]:
            yield Progress(kind="bytes", text=text, done=at[0], total=at[1])
    finally:
        stop.set()
        with contextlib.suppress(BaseException):
            await asyncio.shield(asyncio.wait({working}))
    try:
        working.result()
    except NotAnImage as error:
        raise EngineFailed((engine, "load"), 1, f"no image to be read: {error}") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(FULL) from None
        raise EngineFailed((engine, "files"), 1, str(error)) from error
