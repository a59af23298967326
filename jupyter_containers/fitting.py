"""An image that was just built or pulled is got ready for kernels, where people see it.

A start would do the same and take its time then. That no kernel can run in an image is no
failure here: it may be a helper that others are built on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .builds.jobs import Job
from .engines.guarded import Guarded
from .errors import ContainersError
from .images.prepare import ready
from .kernels.container_files import make_room, remove_room
from .models import Image
from .policy.engines import EXPOSED

_MOMENT = 0.5
"""Seconds after which somebody wants to know what takes so long."""
FITTING = "Fitting a kernel into the image (once for each image)"


async def fit_image(
    engine: Guarded, image: Image, kernel: str, slow: Callable[[str], None]
) -> ContainersError | None:
    """Probe an image and fit a kernel into it; `slow` is told where that takes a moment.

    `kernel` is the setting of that name. Returns why no kernel can run in it. Called by the
    command line and after a server's jobs.
    """
    if engine.name in EXPOSED:
        return None  # an image is looked into by its own programs: not before somebody said yes
    room = make_room()
    try:
        task = asyncio.ensure_future(ready(engine, image, kernel, room.root))
        try:
            await asyncio.wait({task}, timeout=_MOMENT)
            if not task.done():
                slow(FITTING)
            await task
        finally:
            task.cancel()
            await asyncio.wait({task})
    except ContainersError as error:
        return error
    finally:
        await asyncio.to_thread(remove_room, room)
    return None


async def fit_after(job: Job, image: Image, kernel: str = "") -> None:
    """The same as the last part of a job, in its events."""
    if trouble := await fit_image(job.engine, image, kernel, job.say):
        job.say(f"It can be no kernel yet: {trouble}")
