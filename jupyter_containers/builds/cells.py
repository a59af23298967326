"""A notebook's `%%dockerfile` cell: from what is asked to a build, and what the notebook should
say after it.

`run` and the server build cells by the same rules. Running a cell is the person's yes to the
image it builds, and to nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..engines.guarded import Guarded
from ..engines.registry import instead_of, preferred_engine
from ..errors import BadInput, ContainersError
from ..images.convert import builder_for
from ..images.prepare import kernel_for
from ..models import NO_ENV, Mount
from ..notebook.cells import DockerfileCell, Options, parse_cell
from ..notebook.file import read_language
from ..policy.approvals import Approvals
from ..policy.policy import Policy
from ..settings.schema import VERSION, Settings
from ..settings.schema import Build as BuiltFrom
from .consent import Consent
from .jobs import Outcome, fit_after
from .manager import Build, Builds
from .plan import NO_BUILT, BuildRequest, Built, earlier_images, find

NOT_YET = "localhost/not-built-yet:latest"
"""Stands for the image in settings that are looked at before it is built."""


@dataclass(frozen=True, kw_only=True)
class CellRun:
    """One cell that a person runs, as a client tells it."""

    notebook: Path
    source: str
    index: int = 0
    cell_id: str = ""
    asked: Mapping[str, Any]
    """The notebook's settings now, saved or not; empty where it has none."""
    earlier: Sequence[str] = ()
    """The sources of its earlier `%%dockerfile` cells, in order."""
    no_cache: bool = False
    update_bases: bool = False
    approved: Sequence[str] = ()
    """What of its build this person was asked about and said yes to, in the question's words."""


@dataclass(frozen=True, kw_only=True)
class Switch:
    """What follows a build whose image the notebook's kernel moves into: the image is approved
    for this notebook and got ready for kernels."""

    notebook: Path
    options: Options
    asked: Mapping[str, Any]
    language: str = ""
    """The notebook's, as it says."""

    async def __call__(self, build: Build, built: Built) -> Outcome:
        """See `builds.Then`."""
        settings = settings_after(self.asked, self.options, built.reference, built.source)
        await asyncio.to_thread(Approvals().approve_image, self.notebook, settings.image)
        await fit_after(build, built.image, settings.kernel, self.language)
        if not settings.kernel:
            kernel = await kernel_for(build.engine, built.image, self.language)
            settings = replace(settings, kernel=kernel)
        missing = await asyncio.to_thread(self._missing, build, settings)
        assert build.outcome is not None
        return replace(build.outcome, settings=settings.to_json(), missing=missing)

    def _missing(self, build: Build, settings: Settings) -> tuple[str, ...]:
        resolved = settings.resolved(self.notebook.parent, build.engine.policy)
        return Approvals().missing(self.notebook, resolved)


async def run_cell(run: CellRun, builds: Builds, policy: Policy) -> Build:
    """Begin to build a cell, or join its build. Called by the server.

    All that can be refused without building is: raises BadInput, BadSettings, PolicyRefused,
    EngineMissing. What the build ends with, the job says.
    """
    cell = parse_cell(run.source, run.index, run.cell_id)
    if cell is None:
        raise BadInput("This cell builds nothing.", "Let it begin with: %%dockerfile")
    if run.no_cache:
        cell = replace(cell, options=replace(cell.options, no_cache=True))
    consent = Consent(notebook=run.notebook, shown=run.approved)
    request = await cell_request(run.notebook, cell, run.asked, policy, consent=consent)
    request = replace(
        request, earlier=await _earlier(run, cell, request), update_bases=run.update_bases
    )
    if cell.options.no_switch:
        return builds.start(request)
    await asyncio.to_thread(_check, run, cell.options, request.engine.policy)
    language = await asyncio.to_thread(read_language, run.notebook)
    return builds.start(
        request,
        Switch(notebook=run.notebook, options=cell.options, asked=run.asked, language=language),
    )


async def cell_request(
    notebook: Path,
    cell: DockerfileCell,
    asked: Mapping[str, Any],
    policy: Policy,
    earlier: Mapping[str, Built] = NO_BUILT,
    *,
    consent: Consent,
) -> BuildRequest:
    """A build request with its engines chosen: the one that the cell names, else the notebook's,
    else the first that works; and the one that builds for it. Raises BadSettings, EngineMissing,
    PolicyRefused, and Unsupported, also where the engine cannot mount a folder of that name."""
    before = Settings.parse(asked, where=notebook.name) if asked else None
    named = cell.options.engine or (before.engine if before is not None else "")
    engine = await preferred_engine(named, policy)
    if not cell.options.no_switch:
        await _check_folders(notebook, asked, cell.options, engine)
    return BuildRequest(
        cell=cell,
        directory=notebook.parent,
        engine=engine,
        builder=await builder_for(engine),
        notice=instead_of(named, engine),
        notebook=notebook.name,
        consent=consent,
        earlier=earlier,
        bases=before.build.bases if before is not None and before.build else NO_ENV,
    )


def settings_after(
    before: Mapping[str, Any], options: Options, image: str, build: BuiltFrom | None
) -> Settings:
    """A notebook's settings after a `%%dockerfile` cell: the image it built, the options behind
    it, and what was set before. Raises BadSettings."""
    kept = {key: value for key, value in before.items() if key not in ("build", "digest")}
    data = {"version": VERSION, **kept, **options.settings, "image": image}
    settings = Settings.parse(data, where="%%dockerfile")
    return replace(settings, build=build)


async def _check_folders(
    notebook: Path, asked: Mapping[str, Any], options: Options, engine: Guarded
) -> None:
    """A folder whose name the engine cannot mount should not be told after a build of minutes."""
    settings = settings_after(asked, options, NOT_YET, None)
    resolved = await asyncio.to_thread(settings.resolved, notebook.parent, engine.policy)
    here = str(notebook.parent)
    await engine.check_mounts((Mount(here, here, True), *resolved.mounts))


def _check(run: CellRun, options: Options, policy: Policy) -> None:
    """A mount that may not be should not be told after a build of minutes."""
    settings = settings_after(run.asked, options, NOT_YET, None)
    policy.check_asked(settings.resolved(run.notebook.parent, policy), image=False)


async def _earlier(
    run: CellRun, cell: DockerfileCell, request: BuildRequest
) -> Mapping[str, Built]:
    """Those of the earlier cells that later ones build on and that are built: one question to
    the engine each, and nothing is fetched, since somebody waits for the answer. What is wrong
    with another cell is told where that one is built."""
    builder = request.builder.only_here()
    done: list[tuple[DockerfileCell, Built]] = []
    for number, source in enumerate(run.earlier):
        with suppress(ContainersError):
            one = parse_cell(source)
            tag = one.options.tag if one is not None else ""
            after = (*run.earlier[number + 1 :], cell.text)
            if one is None or not tag or not any(tag in text for text in after):
                continue
            again = replace(one, options=replace(one.options, no_cache=False))
            earlier = earlier_images(done)
            asked = replace(request, cell=again, builder=builder, earlier=earlier, bases=NO_ENV)
            plan, image = await find(asked, lambda _: None)
            if image is not None:
                done.append((one, plan.built(image, reused=True)))
    return earlier_images(done)
