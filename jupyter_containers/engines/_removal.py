"""Removing a container, which may just be ending by itself."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from ..errors import EngineDown
from ..host.process import run
from ._trouble import daemon_trouble

_GONE = re.compile(r"no such|no container|already in progress", re.IGNORECASE)


async def remove(engine: str, argv: Sequence[str]) -> None:
    """Run docker's or podman's command until the container is gone."""
    for pause in (0.1, 0.5, None):
        done = await run(argv, timeout=60)
        if done.code == 0 or _GONE.search(done.stderr):
            return
        trouble = daemon_trouble(engine, done.stderr, "rm")
        if pause is None or isinstance(trouble, EngineDown):
            raise trouble
        # One that is ending cannot be removed at that moment.
        await asyncio.sleep(pause)
