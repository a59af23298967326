"""The events of one build, kept so that everybody sees them from the first on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

from .models import Progress

_OVERHEAD = 100
"""Bytes that an event takes beside its text."""
_PACE = 0.5
"""Seconds between two counts of one transfer that are kept."""


class BuildLog:
    """Appended by the build, followed by any number of readers, in one event loop."""

    def __init__(self, max_bytes: int | None) -> None:
        self._events: list[Progress] = []
        self._left = max_bytes
        self.size = 0
        """Bytes that are kept, more or less."""
        self._full = False
        self._counted: dict[tuple[str, int], float] = {}
        self._changed = asyncio.Event()
        self._closed = False

    def add(self, event: Progress) -> None:
        """Keep an event. Beyond the limit on bytes no more output is kept, with one notice;
        counts of a transfer are thinned out."""
        if event.kind == "bytes" and not self._due(event):
            return
        if event.kind in ("log", "bytes") and self._left is not None:
            self._left -= len(event.text) + _OVERHEAD
            if self._left < 0 and self._full:
                return
            if self._left < 0:
                self._full = True
                event = Progress(
                    kind="notice", text="More output is not kept (Policy.max_build_log)."
                )
        self._events.append(event)
        self.size += len(event.text) + _OVERHEAD
        self._wake()

    @property
    def count(self) -> int:
        """How many events are kept by now: the number that the next one gets."""
        return len(self._events)

    def _due(self, event: Progress) -> bool:
        key, now = (event.text, event.step), time.monotonic()
        whole = 0 < event.total <= event.done
        if not whole and now - self._counted.get(key, -_PACE) < _PACE:
            return False
        self._counted[key] = now
        return True

    def close(self) -> None:
        """No event comes after this; readers end."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def since(self, number: int, most: int) -> list[Progress]:
        """The events from the number `number` on that are here now, at most so many."""
        return self._events[max(number, 0) : max(number, 0) + most]

    async def more(self, number: int) -> bool:
        """Wait for the event of this number; False where the build ended before."""
        while number >= len(self._events) and not self._closed:
            await self._changed.wait()
        return number < len(self._events)

    async def follow(self, first: int = 0) -> AsyncGenerator[Progress]:
        """The events from the number `first` on, then each as it comes, until the end."""
        number = max(first, 0)
        while await self.more(number):
            yield self._events[number]
            number += 1
