"""Long work that belongs to the server, not to the client that asked: builds, pulls, conversions.

Every client sees a job's events from the first on. How it ended is in `state`, `outcome` and
`error`. Used in one event loop.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from ..engines.guarded import Guarded
from ..errors import (
    BadInput,
    BuildCancelled,
    BuildError,
    ContainersError,
    ImageNotHere,
    OtherLanguage,
    sentence_of,
)
from ..events import Change, publish
from ..host.paths import moved
from ..images.convert import convert
from ..images.prepare import fit_image
from ..models import Image, Progress, parse_image

State = Literal["waiting", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a job came to. `reference` is what settings name; `name` is only this image's."""

    reference: str
    name: str
    image_id: str
    reused: bool = False
    settings: Mapping[str, Any] | None = None
    """What the notebook's metadata should be now; None where they stay as they are."""
    missing: tuple[str, ...] = ()
    """What of them nobody has approved yet, in words."""


class Job(ABC):
    """One running or ended job. Making one starts it."""

    kind: ClassVar[Literal["build", "pull", "convert"]]
    called: ClassVar[str]
    again: ClassVar[str]
    """What people call it, and how they have it done once more."""
    which: tuple[str, ...] = ()
    """Equal ones of a kind do the same; empty where that is not so simple."""
    index: int = 0
    cell_id: str = ""
    """Which cell of the notebook it builds."""

    def __init__(self, engine: Guarded, title: str, notebook: Path | None = None) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.engine = engine
        self.title = title
        self.notebook = notebook
        self.state: State = "waiting"
        self.started = time.time()
        self.ended: float | None = None
        self.outcome: Outcome | None = None
        self.error: ContainersError | None = None
        self.log = BuildLog(engine.policy.max_build_log)
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._finish)
        self._tell()

    @abstractmethod
    async def work(self) -> None:
        """Do it. Sets `state` to running when its turn has come, and `outcome`."""

    def events(self, first: int = 0) -> AsyncGenerator[Progress]:
        """From the event number `first` on, then as they come, until the job has ended. Leaving
        it does nothing to the job."""
        return self.log.follow(first)

    def add(self, event: Progress) -> None:
        """Put an event into the log."""
        self.log.add(event)

    async def add_until_image(
        self, events: AsyncGenerator[Progress], *, last: bool = True
    ) -> Image | None:
        """Put an engine's events into the log, up to the one that carries the image; None where
        there was none. That one is left out where it is not the `last`: for readers it means
        that all is done. Leaving it early ends what the engine does."""
        async with aclosing(events):
            async for event in events:
                if last or event.image is None:
                    self.add(event)
                if event.image is not None:
                    return event.image
        return None

    def notice(self, text: str) -> None:
        """Put a notice into the events."""
        self.log.add(Progress(kind="notice", text=text))

    async def cancel(self) -> None:
        """End it, and return when every process of it is gone. An ended job stays as it is."""
        self._task.cancel()
        await self.over()

    async def over(self) -> None:
        """Return when it has ended. Being cancelled while waiting here does nothing to it."""
        await asyncio.wait({self._task})
        await asyncio.sleep(0)  # `_finish` comes after

    def move(self, before: Path, after: Path) -> None:
        """This person has moved its notebook, or a folder above it."""
        if self.notebook is not None and self.notebook != moved(self.notebook, before, after):
            self.notebook = moved(self.notebook, before, after)
            self._tell()

    def begin(self) -> None:
        """Its turn has come."""
        self.state = "running"
        self._tell()

    async def _run(self) -> None:
        """Never raises: the outcome stands in `state`, `outcome` and `error`."""
        try:
            await self.work()
            self.state = "done"
        except asyncio.CancelledError:
            self.state, self.error = "cancelled", BuildCancelled(self.called, self.again)
        except Exception as error:  # noqa: BLE001 - the task must end with an error to show
            told = sentence_of(error)
            if not isinstance(told, ContainersError):
                told = BuildError(f"The {self.called} failed: {error!r}")
            self.state, self.error = "failed", told

    def _finish(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():  # before it had begun
            self.state, self.error = "cancelled", BuildCancelled(self.called, self.again)
        self.ended = time.time()
        self.log.close()
        self._tell()

    def _tell(self) -> None:
        publish(Change(what="build", id=self.id, notebook=self.notebook, state=self.state))


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


AfterPull = Callable[["Pull", Image], Awaitable[None]]
"""What follows a pull before it counts as done."""


class Pull(Job):
    """One running or ended pull. Made by `Builds.pull`; raises BadReference, PolicyRefused."""

    kind = "pull"
    called, again = "pull", "Pull the image again."

    def __init__(self, engine: Guarded, reference: str, then: AfterPull | None = None) -> None:
        self.reference = engine.policy.check_pull(reference)
        self.which = (engine.name, self.reference)
        self._then = then
        super().__init__(engine, f"Pull {reference}")

    async def work(self) -> None:
        """See `Job.work`. Raises ImageNotHere, NetworkFailed, DiskFull, and EngineError."""
        self.begin()
        image = await self._fetch()
        self.outcome = Outcome(reference=self.reference, name=self.reference, image_id=image.id)
        publish(Change(what="images", id=self.reference))
        if self._then is not None:
            await self._then(self, image)

    async def _fetch(self) -> Image:
        image = await self.add_until_image(self.engine.pull(self.reference))
        if image is not None:
            return image
        raise ImageNotHere(self.reference, self.engine.name)


async def fit_after(job: Job, image: Image, kernel: str = "", language: str = "") -> None:
    """The same as the last part of a job, in its events. Raises OtherLanguage where the image has
    no kernel for the notebook's `language`: another would run what it does not understand."""
    trouble = await fit_image(job.engine, image, kernel, job.notice, language)
    if isinstance(trouble, OtherLanguage):
        raise trouble
    if trouble is not None:
        job.notice(f"It can be no kernel yet: {trouble}")


AfterConversion = Callable[["Conversion", Image], Awaitable[None]]
"""What follows a conversion before it counts as done."""


class Conversion(Job):
    """One running or ended conversion; its `engine` is the one that gets the image. Made by
    `Builds.convert`; raises BadInput and BadReference."""

    kind = "convert"
    called, again = "conversion", "Convert the image again."

    def __init__(
        self, source: Guarded, reference: str, target: Guarded, then: AfterConversion | None = None
    ) -> None:
        if source.name == target.name:
            raise BadInput(f"The image is on {target.name} already: name two engines.")
        self.source, self.reference = source, parse_image(reference)
        self.which = (source.name, self.reference, target.name)
        self._then = then
        super().__init__(target, f"{self.reference}: {source.name} → {target.name}")

    async def work(self) -> None:
        """See `Job.work`. Raises what `convert` raises."""
        self.begin()
        image = await self.source.image(self.reference)
        if image is None:
            raise ImageNotHere(self.reference, self.source.name)
        there = await self.add_until_image(convert(self.source, image, self.engine))
        assert there is not None
        self.outcome = Outcome(reference=self.reference, name=self.reference, image_id=there.id)
        publish(Change(what="images", id=self.reference))
        if self._then is not None:
            await self._then(self, there)
