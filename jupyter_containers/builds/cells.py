"""A notebook's `%%dockerfile` cell: from what is asked to a build, and what the notebook should
say after it.

`run` and the server build cells by the same rules. Running a cell is the person's yes to the
image it builds, and to nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
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
from ..notebook.file import content_digest, read_language, read_notebook
from ..policy.approvals import Approvals, Ask, asks, asks_of_build
from ..policy.policy import Policy
from ..settings.schema import VERSION, Settings
from ..settings.schema import Build as BuiltFrom
from ..settings.validators import MANY
from .consent import Consent, typed_path
from .jobs import Outcome, fit_after
from .manager import Build, Builds
from .plan import NO_BUILT, BuildRequest, Built, earlier_images, find

NOT_YET = "localhost/not-built-yet:latest"
"""Stands for the image in settings that are looked at before it is built."""


_GONE = "gone"
"""In place of a notebook's digest: nothing is approved for it."""


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
    content: str = ""
    """What the notebook is, on disk: `content_digest`."""
    own: bool = True
    """Whether this person wrote it; somebody else's cell is shown before it is built."""
    typed: bool = False
    """Whether this person typed the whole cell in the page that runs it, so that they are not asked
    for what they named in it."""


@dataclass(frozen=True, kw_only=True)
class Switch:
    """What follows a build whose image the notebook's kernel moves into: the image is approved
    for this notebook and got ready for kernels."""

    options: Options
    asked: Mapping[str, Any]
    earlier: Sequence[str] = ()
    """The fingerprints of the cells that this one replaces."""
    seen: bool = False
    """Whether this person typed the cell or has just read it: what it names is a yes."""

    async def __call__(self, build: Build, built: Built) -> Outcome:
        """See `builds.Then`."""
        source = replacing(built.source, self.earlier)
        settings = settings_after(self.asked, self.options, built.reference, source)
        content = await asyncio.to_thread(self._approve, build, settings.image)
        language = build.request.language
        await fit_after(build, built.image, settings.kernel, language)
        if not settings.kernel:
            kernel = await kernel_for(build.engine, built.image, language)
            settings = replace(settings, kernel=kernel)
        missing = await asyncio.to_thread(self._missing, build, settings, content)
        assert build.outcome is not None
        return replace(build.outcome, settings=settings.to_json(), missing=missing)

    def _approve(self, build: Build, image: str) -> str:
        """Not for a notebook that has taken its place while the image was built. What the notebook
        is now."""
        notebook = _notebook(build)
        try:
            content = content_digest(read_notebook(notebook))
        except BadInput:  # it was deleted, or moved in a shell: the image is built all the same
            return _GONE
        if Approvals().is_about(notebook, content):
            Approvals().approve_image(notebook, image, content)
        return content

    def _missing(self, build: Build, settings: Settings, content: str) -> tuple[str, ...]:
        notebook = _notebook(build)
        resolved = settings.resolved(notebook.parent, build.engine.policy)
        missing = Approvals().missing_asks(notebook, resolved, content)
        texts = tuple(ask.text for ask in missing)
        if not missing or not self.seen or not self._are_written(missing, notebook.parent):
            return texts
        Approvals().approve(notebook, resolved, texts, content)
        return ()

    def _are_written(self, missing: Sequence[Ask], here: Path) -> bool:
        """Whether all of it stands in the cell as it is, with no link between."""
        options = self.options
        said = {*options.settings, *(["engine"] if options.engine else [])}
        mounts = {
            (str(typed_path(mount["source"], here)), mount["target"])
            for mount in options.settings.get("mounts", ())
        }
        return all(
            ask.setting in said and (ask.setting != "mounts" or ask.key[1:3] in mounts)
            for ask in missing
        )


def _notebook(build: Build) -> Path:
    """Where it is by now: it may be moved while its cell is built."""
    assert build.notebook is not None
    return build.notebook


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
    seen = await asyncio.to_thread(_has_seen, run, cell.options, policy)
    consent = Consent(
        notebook=run.notebook,
        shown=run.approved,
        content=run.content,
        typed_context=typed_path(cell.options.context, run.notebook.parent) if seen else None,
    )
    language = await asyncio.to_thread(read_language, run.notebook)
    request = await cell_request(
        run.notebook, cell, run.asked, policy, consent=consent, language=language
    )
    request = replace(
        request, earlier=await _earlier(run, cell, request), update_bases=run.update_bases
    )
    if cell.options.no_switch:
        return builds.start(request)
    await asyncio.to_thread(_check, run, cell.options, request.engine.policy)
    switch = Switch(
        options=cell.options,
        asked=run.asked,
        earlier=_fingerprints(run.earlier),
        seen=seen,
    )
    return builds.start(request, switch)


def _has_seen(run: CellRun, options: Options, policy: Policy) -> bool:
    """Whether this person has typed the cell in their page, or has just said yes to it: what its
    options name is no question of its own. Raises CellNotApproved where they have to see it."""
    if run.own:
        Approvals().note_own(run.notebook, run.content)
        return run.typed
    consent = Consent(notebook=run.notebook, shown=run.approved, content=run.content)
    more = [] if run.typed else _asked_by(run, options, policy)
    return consent.check_cell(run.source, more, typed=run.typed)


def _asked_by(run: CellRun, options: Options, policy: Policy) -> list[Ask]:
    """What the options behind `%%dockerfile` ask for, in a question together with the cell."""
    own = run.notebook.parent
    context = typed_path(options.context, own)
    outside = own != context and own not in context.parents
    asked = asks_of_build(options.secrets, [(context, True)] if outside else [])
    if not options.no_switch and options.settings:
        settings = settings_after(run.asked, options, NOT_YET, None).resolved(own, policy)
        asked += [ask for ask in asks(settings) if ask.setting in options.settings]
    return asked


async def cell_request(
    notebook: Path,
    cell: DockerfileCell,
    asked: Mapping[str, Any],
    policy: Policy,
    earlier: Mapping[str, Built] = NO_BUILT,
    *,
    consent: Consent,
    language: str = "",
) -> BuildRequest:
    """A build request with its engines chosen: the one that the cell names, else the notebook's,
    else the first that works; and the one that builds for it. `language` is the notebook's. Raises
    BadSettings, EngineMissing, PolicyRefused, and Unsupported, also where the engine cannot mount a
    folder of that name."""
    before = Settings.parse(asked, where=notebook.name) if asked else None
    named = cell.options.engine or (before.engine if before is not None else "")
    engine = await preferred_engine(named, policy)
    if cell.options.no_switch:
        language = ""
    else:
        settings = settings_after(asked, cell.options, NOT_YET, None)
        await _check_folders(notebook, settings, engine)
        language = "" if settings.kernel else language
    return BuildRequest(
        cell=cell,
        directory=notebook.parent,
        engine=engine,
        builder=await builder_for(engine),
        notice=instead_of(named, engine),
        notebook=notebook.name,
        consent=consent,
        earlier=earlier,
        language=language,
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


def replacing(build: BuiltFrom, earlier: Iterable[str]) -> BuiltFrom:
    """What an image was built from, with the fingerprints of the cells before it."""
    others = [one for one in dict.fromkeys(earlier) if one != build.cell]
    return replace(build, earlier=tuple(others[-MANY:]))


def _fingerprints(sources: Sequence[str]) -> tuple[str, ...]:
    """Of the cells that move the kernel; what is wrong with one is told where it is built."""
    found: list[str] = []
    for source in sources:
        with suppress(ContainersError):
            cell = parse_cell(source)
            if cell is not None and not cell.options.no_switch:
                found.append(cell.fingerprint)
    return tuple(found)


async def _check_folders(notebook: Path, settings: Settings, engine: Guarded) -> None:
    """A folder whose name the engine cannot mount should not be told after a build of minutes."""
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
