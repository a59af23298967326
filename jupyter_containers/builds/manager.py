"""Builds, pulls and conversions: start, follow from the first event, cancel, reuse by fingerprint.

A job belongs to its `Builds` (one per server or command), not to who asked for it: readers
come and go. `Builds` is used in one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from ..dockerfile.context import stage, unstage
from ..engines.guarded import Guarded
from ..errors import BuildError, ContainersError
from ..events import Change, publish
from ..host.cache import workplace
from ..images.convert import convert
from ..models import Image, Progress, parse_image
from .bases import remember_bases
from .checks import (
    build_lock,
    check_disk,
    check_heredocs,
    check_late,
    check_mounts,
    check_tag,
)
from .jobs import AfterConversion, AfterPull, Conversion, Job, Outcome, Pull
from .languages import check_language
from .plan import BuildRequest, Built, Plan, find, notices, spec_of
from .prune import remove_superseded

__all__ = ["Build", "BuildRequest", "Builds", "Built"]

_KEPT = 50
"""Ended jobs whose events can still be read,"""
_KEPT_BYTES = 64 << 20
"""as long as these are no more than so many bytes together."""


_Job = TypeVar("_Job", bound=Job)
Then = Callable[["Build", Built], Awaitable[Outcome]]
"""What follows a build before it counts as done, and decides its outcome."""


class Build(Job):
    """One running or ended build."""

    kind = "build"
    called, again = "build", "Run the cell again to build it."

    def __init__(self, request: BuildRequest, owner: Builds, then: Then | None = None) -> None:
        self.request = request
        self.built: Built | None = None
        self.then = then
        self.index, self.cell_id = request.cell.index, request.cell.id
        self._owner = owner
        named = request.notebook.endswith(".ipynb")
        notebook = request.directory / request.notebook if named else None
        super().__init__(request.engine, _title(request), notebook)

    def same(self, request: BuildRequest, then: Then | None) -> bool:
        """Whether this is what a request would start."""
        return self.request.key == request.key and self.then == then

    def move(self, before: Path, after: Path) -> None:
        """See `Job.move`. One that waits for its turn reads from the new place."""
        super().move(before, after)
        if self.notebook is not None:
            self.request = self.request.of(self.notebook)
            self.title = _title(self.request)

    async def result(self) -> Image:
        """The image; `built` says more. Raises what the build ended with. Being cancelled while
        waiting here does nothing to the build."""
        await self.over()
        if self.error is not None:
            raise self.error
        assert self.built is not None
        return self.built.image

    async def work(self) -> None:
        """See `Job.work`. Raises BuildError and its kin."""
        async with self._owner.turn(self):
            self.begin()
            if self.request.notice:
                self.notice(self.request.notice)
            self.built = built = await self._limited()
            self.outcome = Outcome(
                reference=built.reference,
                name=built.name,
                image_id=built.image.id,
                reused=built.reused,
            )
            if self.then is not None:
                self.outcome = await self.then(self, built)
        if not built.reused:
            publish(Change(what="images", id=built.reference))

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
        """On the request's builder; the image is converted where that is not its engine."""
        target, builder = self.request.engine, self.request.builder
        plan, image = await find(self.request, self.add)
        if image is None and builder.name != target.name:
            there = await plan.made(target, await target.image(plan.name))
            if there is not None:
                built = plan.built(there, reused=True)
                self._done(plan, built)
                return built
        if image is None:
            built = await self._alone(plan)
        else:
            built = plan.built(image, reused=True)
        if builder.name == target.name:
            self._done(plan, built)
            return built
        before = await target.image(built.image.id)
        image = await self.add_until_image(convert(builder, built.image, target))
        assert image is not None
        built = replace(built, image=image, reused=built.reused and before is not None)
        self._done(plan, built)
        return built

    async def _alone(self, plan: Plan) -> Built:
        async with build_lock(plan) as waited:
            theirs = await plan.request.builder.image(plan.name) if waited else None
            if theirs is not None and plan.is_made(theirs):
                return plan.built(theirs, reused=True)
            await check_tag(plan)
            await check_heredocs(plan)
            await check_mounts(plan)
            await check_late(plan)
            await check_language(plan)
            await check_disk(plan.request)
            return plan.built(await self._build(plan), reused=False)

    def _done(self, plan: Plan, built: Built) -> None:
        remember_bases(plan.request.builder.name, self.request.cell.fingerprint, plan.bases)
        if built.reused:
            self.add(Progress(kind="image", text=built.name, image=built.image))
        else:
            request = plan.request
            for engine in {one.name: one for one in (request.builder, request.engine)}.values():
                self._owner.tidy(plan, engine)

    async def _build(self, plan: Plan) -> Image:
        for notice in notices(plan):
            self.add(notice)
        async with workplace("contexts") as work, _staged(plan, work / "context") as context:
            engine = plan.request.builder
            info = await engine.info()
            spec = await asyncio.to_thread(spec_of, plan, context, work, info)
            last = engine.name == self.engine.name
            image = await self.add_until_image(engine.build(spec), last=last)
            if image is not None:
                return image
        raise BuildError("The engine ended the build without an image.")


def _title(request: BuildRequest) -> str:
    """`n.ipynb, cell 2`, for lists of jobs."""
    if not request.notebook.endswith(".ipynb"):
        return request.notebook or str(request.directory)
    return f"{request.notebook}, cell {request.cell.index + 1}"


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
    """All builds, pulls and conversions of one server or command."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._running = 0
        self._freed = asyncio.Condition()
        self._tidying: set[asyncio.Task[None]] = set()

    def start(self, request: BuildRequest, then: Then | None = None) -> Build:
        """Begin a build, or join the one that runs for an equal request (and an equal `then`).
        Raises nothing: what is wrong with the request, its `result` says."""
        for job in self._jobs.values():
            if isinstance(job, Build) and job.same(request, then) and job.ended is None:
                return job
        return self._keep(Build(request, self, then))

    def pull(self, engine: Guarded, reference: str, then: AfterPull | None = None) -> Pull:
        """Begin a pull, or join the one that runs for the same image. Raises BadReference and
        PolicyRefused."""
        which = (engine.name, parse_image(reference))
        return self._runs(Pull, which) or self._keep(Pull(engine, reference, then))

    def convert(
        self, source: Guarded, reference: str, target: Guarded, then: AfterConversion | None = None
    ) -> Conversion:
        """Begin to make an image of one engine another's, or join what does so. Raises BadInput
        and BadReference."""
        which = (source.name, parse_image(reference), target.name)
        return self._runs(Conversion, which) or self._keep(
            Conversion(source, reference, target, then)
        )

    def _runs(self, kind: type[_Job], which: tuple[str, ...]) -> _Job | None:
        running = (job for job in self._jobs.values() if job.ended is None and job.which == which)
        return next((job for job in running if isinstance(job, kind)), None)

    def _keep(self, job: _Job) -> _Job:
        self._jobs[job.id] = job
        ended = [one for one in self._jobs.values() if one.ended is not None]
        size = sum(one.log.size for one in ended)
        for number, old in enumerate(ended):
            if len(ended) - number <= _KEPT and size <= _KEPT_BYTES:
                break
            size -= old.log.size
            del self._jobs[old.id]
        return job

    def move(self, before: Path, after: Path) -> None:
        """This person has moved a notebook, or a folder above some."""
        for job in self.all():
            job.move(before, after)

    def get(self, id: str) -> Job | None:
        """One of them by its id, while it is remembered."""
        return self._jobs.get(id)

    def all(self) -> list[Job]:
        """Those remembered, oldest first."""
        return list(self._jobs.values())

    async def close(self) -> None:
        """Cancel what runs, and return when it is gone. Called when the owner ends."""
        await asyncio.gather(*(job.cancel() for job in self._jobs.values()))
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
                build.notice("Waiting for another build to end (Policy.max_builds)")
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

    def tidy(self, plan: Plan, engine: Guarded) -> None:
        """Remove superseded images of the plan's cell in the background, but for the newest."""
        task = asyncio.create_task(remove_superseded(plan, engine))
        self._tidying.add(task)
        task.add_done_callback(self._tidying.discard)
