"""Cache of image queries.

A question costs a command, a tenth of a second; a browser that shows one notebook asks it several
times, and a `%%dockerfile` cell that changed nothing asked it just before. Changes that
we make to images invalidate it; what others change shows after `FRESH` seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Generic, TypeVar
from weakref import proxy

from ..errors import BadReference
from ..models import Image, Progress, parse_image
from .base import Engine

FRESH = 1.0
"""Seconds for which an answer may be given again."""
_MOST = 200
"""Answers kept; each is an image's configuration."""
_T = TypeVar("_T")


class SharedQuery(Generic[_T]):
    """One question for all who ask it while it is being answered. A caller that is cancelled
    takes nothing from the others; when all are, so is the question."""

    def __init__(self) -> None:
        self._asking: dict[Hashable, tuple[asyncio.Task[_T], list[int]]] = {}

    async def ask(self, key: Hashable, question: Callable[[], Awaitable[_T]]) -> _T:
        """The answer, or what `question` raises."""
        key = (asyncio.get_running_loop(), key)
        if key not in self._asking:
            task = asyncio.ensure_future(_of(question))
            self._asking[key] = (task, [0])
            task.add_done_callback(lambda done: self._forget(key, done))
        task, waiting = self._asking[key]
        waiting[0] += 1
        try:
            return await asyncio.shield(task)
        finally:
            waiting[0] -= 1
            if not waiting[0] and not task.done():
                self._forget(key, task)
                task.cancel()
                await asyncio.wait({task})  # its command is ended before the loop may be

    def _forget(self, key: Hashable, task: asyncio.Task[_T]) -> None:
        if self._asking.get(key, (None,))[0] is task:
            del self._asking[key]

    def forget(self) -> None:
        """Later callers start a new query even while one is in flight."""
        self._asking.clear()


async def _of(question: Callable[[], Awaitable[_T]]) -> _T:
    return await question()


@dataclass(frozen=True)
class _Entry:
    asked: float
    image: Image | None


class ImageCache:
    """Of one engine, in one process. Used in any event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Engine = proxy(engine)  # these are kept for as long as it is
        self._last: dict[str, Image] = {}
        self._recent: dict[str, _Entry] = {}
        self._generation = 0
        self._one: SharedQuery[Image | None] = SharedQuery()
        self._all: SharedQuery[list[Image]] = SharedQuery()

    async def image(self, reference: str) -> Image | None:
        """What the engine says now."""
        asked, generation = time.monotonic(), self._generation
        image = await self._engine.image(reference)
        self._last.pop(reference, None)
        if image is not None:
            self._last[reference] = image
        if generation == self._generation:
            self._keep(reference, _Entry(asked, image))
        return image

    async def recent(self, reference: str) -> Image | None:
        """What it said less than a second ago, or says now."""
        known = self._recent.get(_full(reference))
        if known is not None and time.monotonic() - known.asked < FRESH:
            return known.image
        return await self._one.ask(reference, lambda: self.image(reference))

    def last(self, reference: str) -> Image | None:
        """What it said last, however long ago: by now the name may mean another."""
        return self._last.get(reference)

    async def images(self) -> list[Image]:
        """All that have a name, asked once for all who ask now."""
        return await self._all.ask("", self._engine.images)

    def _keep(self, reference: str, answer: _Entry) -> None:
        """An image that was found tells all its names: none of them means another."""
        if len(self._recent) > _MOST:
            self._recent.clear()
        names = answer.image.references if answer.image is not None else ()
        for name in {reference, *names}:
            self._recent[_full(name)] = answer

    def invalidate(self) -> None:
        """Images were made, named or removed by us."""
        self._generation += 1
        self._recent.clear()
        self._one.forget()
        self._all.forget()

    async def invalidating(self, events: AsyncGenerator[Progress]) -> AsyncGenerator[Progress]:
        """The events of a pull or build, which changes images when it ends, however it ends."""
        try:
            async with aclosing(events):
                async for event in events:
                    if event.image is not None:
                        self.invalidate()
                    yield event
        finally:
            self.invalidate()


def _full(reference: str) -> str:
    with suppress(BadReference):
        return parse_image(reference)
    return reference
