"""Work that takes long and belongs to nobody who asked for it: a build, a pull, a conversion.

Readers come and go; they see its events from the first on. How it ended stands in `state`,
`outcome` and `error`. Used in one event loop.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from ..buildlog import BuildLog
from ..engines.guarded import Guarded
from ..errors import BuildCancelled, BuildError, ContainersError
from ..events import Change, tell
from ..models import Image, Progress

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

    def say(self, text: str) -> None:
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
        except ContainersError as error:
            self.state, self.error = "failed", error
        except Exception as error:  # noqa: BLE001 - the task must end with an error to show
            self.state, self.error = "failed", BuildError(f"The {self.called} failed: {error!r}")

    def _finish(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():  # before it had begun
            self.state, self.error = "cancelled", BuildCancelled(self.called, self.again)
        self.ended = time.time()
        self.log.close()
        self._tell()

    def _tell(self) -> None:
        tell(Change(what="build", id=self.id, notebook=self.notebook, state=self.state))
