"""Running builds: start, follow from the first event, cancel, reuse by fingerprint.

A build belongs to its `Builds` (one per server or command), not to who asked for it: readers
come and go. `Builds` is used in one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from .bases import remember_bases
from .buildchecks import alone, check_disk, check_heredocs
from .buildlog import BuildLog
from .buildplan import LABEL, NAMESPACE, BuildRequest, Built, Plan, find
from .buildspec import notices, spec_of
from .cache import workplace
from .context import stage, unstage
from .errors import (
    BuildCancelled,
    BuildError,
    ContainersError,
    EngineError,
    ImageError,
)
from .kernelspecs import pinned_specs
from .models import Image, Progress

__all__ = ["Build", "BuildRequest", "Builds", "Built"]

_KEPT = 50
"""Ended builds whose events can still be read."""


class Build:
    """One running or ended build."""

    def __init__(self, request: BuildRequest, owner: Builds) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.request = request
        self.state: Literal["waiting", "running", "done", "failed", "cancelled"] = "waiting"
        self.started = time.time()
        self.ended: float | None = None
        self.built: Built | None = None
        self.error: ContainersError | None = None
        self._log = BuildLog(request.engine.policy.max_build_log)
        self._owner = owner
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._finish)

    def events(self, first: int = 0) -> AsyncIterator[Progress]:
        """From the event number `first` on, then as they come, until the build has ended; how
        it ended says `result`. Leaving it does nothing to the build."""
        return self._log.follow(first)

    async def result(self) -> Image:
        """The image; `built` says more. Raises what the build ended with. Being cancelled while
        waiting here does nothing to the build."""
        await asyncio.wait({self._task})
        await asyncio.sleep(0)  # `_finish` comes after
        if self.error is not None:
            raise self.error
        assert self.built is not None
        return self.built.image

    def say(self, text: str) -> None:
        """Put a notice into the events."""
        self._log.add(Progress(kind="notice", text=text))

    async def cancel(self) -> None:
        """End it, and return when every process of it is gone. An ended build stays as it is."""
        self._task.cancel()
        await asyncio.wait({self._task})
        await asyncio.sleep(0)  # `_finish` comes after

    async def _run(self) -> None:
        """Never raises: the outcome stands in `state`, `built` and `error`."""
        try:
            async with self._owner.turn(self):
                self.state = "running"
                self.built = await self._limited()
            self.state = "done"
        except asyncio.CancelledError:
            self.state, self.error = "cancelled", BuildCancelled()
        except ContainersError as error:
            self.state, self.error = "failed", error
        except Exception as error:  # noqa: BLE001 - the task must end with an error to show
            self.state, self.error = "failed", BuildError(f"The build failed: {error!r}")

    def _finish(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():  # before it had begun
            self.state, self.error = "cancelled", BuildCancelled()
        self.ended = time.time()
        self._log.close()

    async def _limited(self) -> Built:
        seconds = self.request.engine.policy.max_build_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._find_or_build()
        except TimeoutError:
            raise BuildError(
                f"The build was stopped after {seconds:g} s (Policy.max_build_seconds).",
                "Start from an image that has more of it, or ask the administrator.",
            ) from None

    async def _find_or_build(self) -> Built:
        plan, image = await find(self.request, self._log.add)
        if image is not None:
            return self._reused(plan, image)
        async with alone(plan) as waited:
            theirs = await self.request.engine.image(plan.name) if waited else None
            if theirs is not None and plan.is_made(theirs):
                return self._reused(plan, theirs)
            await check_heredocs(plan)
            await check_disk(self.request)
            image = await self._build(plan)
        remember_bases(self.request.engine.name, self.request.cell.fingerprint, plan.bases)
        self._owner.tidy(plan)
        return plan.built(image, reused=False)

    def _reused(self, plan: Plan, image: Image) -> Built:
        remember_bases(self.request.engine.name, self.request.cell.fingerprint, plan.bases)
        self._log.add(Progress(kind="image", text=plan.name, image=image))
        return plan.built(image, reused=True)

    async def _build(self, plan: Plan) -> Image:
        for notice in notices(plan):
            self._log.add(notice)
        async with workplace("contexts") as work, _staged(plan, work / "context") as context:
            spec = await asyncio.to_thread(spec_of, plan, context, work)
            events = self.request.engine.build(spec)
            try:
                async for event in events:
                    self._log.add(event)
                    if event.image is not None:
                        return event.image
            finally:
                if isinstance(events, AsyncGenerator):
                    await events.aclose()
        raise BuildError("The engine ended the build without an image.")


@asynccontextmanager
async def _staged(plan: Plan, into: Path) -> AsyncIterator[Path | None]:
    """The context's files in a folder of their own; None where there are none."""
    if not plan.context.files:
        yield None
        return
    staging = asyncio.ensure_future(asyncio.to_thread(stage, plan.context, into))
    try:
        await asyncio.shield(staging)
        yield into
    finally:
        # A thread cannot be cancelled: what it still makes must be there to be removed.
        await asyncio.wait({staging})
        with contextlib.suppress(ContainersError, OSError):
            await asyncio.to_thread(unstage, plan.context, into)
        if not staging.cancelled():
            staging.exception()


class Builds:
    """All builds of one server or command."""

    def __init__(self) -> None:
        self._builds: dict[str, Build] = {}
        self._running = 0
        self._freed = asyncio.Condition()
        self._tidying: set[asyncio.Task[None]] = set()

    def start(self, request: BuildRequest) -> Build:
        """Begin a build, or join the one that runs for an equal request. Raises nothing: what
        is wrong with the request, its `result` says."""
        for build in self._builds.values():
            if build.ended is None and build.request.key == request.key:
                return build
        build = Build(request, self)
        self._builds[build.id] = build
        ended = [one.id for one in self._builds.values() if one.ended is not None]
        for old in ended[:-_KEPT]:
            del self._builds[old]
        return build

    def get(self, id: str) -> Build | None:
        """A build by its id, while it is remembered."""
        return self._builds.get(id)

    def all(self) -> list[Build]:
        """Those remembered, oldest first."""
        return list(self._builds.values())

    async def close(self) -> None:
        """Cancel what runs, and return when it is gone. Called when the owner ends."""
        await asyncio.gather(*(build.cancel() for build in self._builds.values()))
        for task in self._tidying:
            task.cancel()
        await asyncio.gather(*self._tidying, return_exceptions=True)

    async def settled(self) -> None:
        """Return when superseded images are removed. For commands, which end after a build."""
        await asyncio.gather(*self._tidying, return_exceptions=True)

    @asynccontextmanager
    async def turn(self, build: Build) -> AsyncIterator[None]:
        """Wait until the policy allows one more build."""
        async with self._freed:
            if self._running >= build.request.engine.policy.max_builds:
                build.say("Waiting for another build to end (Policy.max_builds)")
            await self._freed.wait_for(
                lambda: self._running < build.request.engine.policy.max_builds
            )
            self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            async with self._freed:
                self._freed.notify_all()

    def tidy(self, plan: Plan) -> None:
        """Remove superseded images of the plan's cell in the background, but for the newest."""
        task = asyncio.create_task(remove_superseded(plan))
        self._tidying.add(task)
        task.add_done_callback(self._tidying.discard)


async def remove_superseded(plan: Plan) -> None:
    """Remove older images of a cell that nothing uses: no container, no kernel spec. An image
    keeps names that we did not give it."""
    engine = plan.request.engine
    specs = await asyncio.to_thread(pinned_specs)
    pinned = {spec.settings.image for spec in specs if spec.settings is not None}
    with contextlib.suppress(EngineError):
        images = [
            image
            for image in await engine.images()
            if image.labels.get(LABEL, "").split(" ")[1:] == [plan.lineage]
            and plan.name not in image.references
        ]
        images.sort(key=lambda image: image.created, reverse=True)
        for image in images[engine.policy.keep_images :]:
            for name in image.references:
                if name.startswith(f"{NAMESPACE}/") and name not in pinned:
                    with contextlib.suppress(EngineError, ImageError):
                        await engine.remove_image(name)
