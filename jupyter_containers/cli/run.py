"""`jupyter containers run NOTEBOOK`: what Run All does, without a browser.

Each `%%dockerfile` cell is built where it stands, and the cells after it run in a container of
its image. The input is only read; the executed notebook is written at the end, also where a
cell failed. Naming the notebook approves its images and its folder, no more.
"""

from __future__ import annotations

import asyncio
import stat
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpec
from nbformat import NotebookNode

from ..builds.cells import NOT_YET, cell_request, replacing, settings_after
from ..builds.consent import Consent
from ..builds.manager import Builds, Built
from ..builds.plan import earlier_images
from ..engines.guarded import Guarded
from ..engines.registry import choose_engine, preferred_engine
from ..errors import (
    BadInput,
    ContainersError,
    ImageNotHere,
    NotApproved,
    OtherLanguage,
    sentence_of,
)
from ..images.prepare import fit_image, kernel_for
from ..kernels.preflight import folder_note, folder_warning
from ..kernelspecs import GENERIC
from ..models import Image
from ..notebook.cells import DockerfileCell, Options
from ..notebook.document import Document
from ..notebook.file import KEY, content_digest, dockerfile_cells, settings_of
from ..policy.approvals import Approvals, asks
from ..policy.policy import Policy
from ..settings.schema import Settings
from ..text import printable
from .execution import CellFailed, Execution, Limits, error_output
from .options import administered, existing_notebook, seconds, with_engine, with_json
from .terminal import Screen, follow, print_json, settle, show_note


def run_arguments(parser: ArgumentParser) -> None:
    """Options of `run`."""
    parser.add_argument("notebook", metavar="NOTEBOOK", type=Path)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT", help="write here instead of in place"
    )
    parser.add_argument(
        "--approve",
        action="store_true",
        help="approve all that it and its builds ask for (mounts, devices, …), not only its images",
    )
    parser.add_argument(
        "--timeout", type=seconds, metavar="S", help="seconds a cell may take; none by default"
    )
    parser.add_argument(
        "--total-timeout", type=seconds, metavar="S", help="seconds all cells and builds may take"
    )
    with_engine(parser)
    with_json(parser)


async def run(args: Namespace) -> int:
    """Build, execute, write. Naming the file approves its images and its folder."""
    notebook = existing_notebook(args.notebook)
    output = _output(args.output) if args.output is not None else notebook
    asked = Run(
        notebook=notebook,
        output=output,
        engine=args.engine,
        approve=args.approve,
        timeout=args.timeout,
        total_timeout=args.total_timeout,
    )
    async with Screen().open() as screen:
        ran = await run_notebook(asked, administered(), screen)
    if args.json:
        print_json(
            {
                "notebook": str(notebook),
                "output": str(ran.output),
                "cells": ran.cells,
                "image": ran.image,
                "seconds": round(ran.seconds, 3),
            }
        )
    else:
        show_note(f"{ran.cells} cells in {ran.seconds:.1f} s: {ran.output}")
    return 0


def _output(path: Path) -> Path:
    """Where to write, refused now and not after an hour of cells."""
    why = ""
    try:
        # As it was given: /dev/stdout, a pipe, resolves to a name that leads nowhere.
        if not stat.S_ISREG(path.stat().st_mode):
            why = "it is no regular file"
    except FileNotFoundError:
        if not path.absolute().parent.is_dir():
            why = "its folder does not exist"
    except OSError as error:  # a loop of links, too long a name, a folder that is closed
        why = error.strerror or str(error)
    if why:
        raise BadInput(f"{path} cannot be written: {why}.", "Write into another file: -o OUT")
    return path.resolve()


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was asked for. `notebook` and `output` are absolute; they may be one file."""

    notebook: Path
    output: Path
    engine: str = ""
    approve: bool = False
    timeout: float | None = None
    total_timeout: float | None = None


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What came of it: how many code cells were executed, where, in which image at last."""

    cells: int
    output: Path
    image: str
    seconds: float


async def run_notebook(run: Run, policy: Policy, screen: Screen) -> Ran:
    """Execute and write a notebook. Called by the command line.

    Raises BadInput where there is nothing to run in, NotApproved, BuildError, CellFailed and
    whatever keeps a container from starting; cancelling it writes nothing.
    """
    return await _Runner(run, policy, screen).run()


class _Runner:
    def __init__(self, run: Run, policy: Policy, screen: Screen) -> None:
        self._run = run
        self._policy = policy
        self._screen = screen
        self._approvals = Approvals()
        self._document = Document(run.notebook, run.output)
        data = self._document.data
        self._dockerfiles = {cell.index: cell for cell in dockerfile_cells(data)}
        self._asked = dict(settings_of(data))
        self._content = content_digest(data)
        self._notebook = self._document.node
        cells = enumerate(self._notebook.cells)
        self._code = [i for i, cell in cells if cell.cell_type == "code" and cell.source.strip()]
        self._limits = Limits(run.timeout, run.total_timeout)
        self._execution = Execution(
            self._notebook, run.notebook, self._limits, screen, self._document.size
        )
        self._runs_in: tuple[Settings, str] | None = None
        self._builds = Builds()
        self._built: list[tuple[DockerfileCell, Built]] = []
        self._executed = False

    async def run(self) -> Ran:
        begun = time.monotonic()
        await self._within(self._begin())
        failed: ContainersError | None = None
        try:
            failed = await self._cells()
            if isinstance(failed, OtherLanguage) and not self._executed:
                raise failed  # nothing was run: the file is none of ours
            output = self._write()
        finally:
            await self._close(now=failed is not None)
        if failed is not None:
            raise failed
        return Ran(
            cells=len(self._code),
            output=output,
            image=self._runs_in[0].image if self._runs_in else "",
            seconds=time.monotonic() - begun,
        )

    # -- before anything is built ----------------------------------------------------------

    async def _begin(self) -> None:
        """All that can be refused without building: settings, approvals, nothing to run in."""
        if self._run.engine:  # typed by hand: no other will do
            await choose_engine(self._run.engine, self._policy)
        switches = [i for i, cell in self._dockerfiles.items() if not cell.options.no_switch]
        executed = [i for i in self._code if i not in self._dockerfiles]
        if not self._dockerfiles and not self._asked:
            raise self._nowhere(None)
        if executed and executed[0] < min(switches, default=len(self._notebook.cells)):
            if not self._asked:
                raise self._nowhere(executed[0])
            await self._enter_asked()
        asked: Mapping[str, Any] = self._asked
        for index in switches:
            settings = settings_after(asked, self._options(self._dockerfiles[index]), NOT_YET, None)
            self._check_approved(settings)
            asked = settings.to_json()

    def _nowhere(self, index: int | None) -> BadInput:
        name = self._run.notebook.name
        if index is None:
            return BadInput(
                f"{name} names no image to run in: it has neither a %%dockerfile cell nor "
                "container settings.",
                "Begin it with a cell such as:\n  %%dockerfile\n  FROM python:3.12-slim",
            )
        return BadInput(
            f"Cell {index + 1} of {name} has no image to run in: no %%dockerfile cell before it "
            "switches the kernel, and the notebook has no container settings.",
            "Make a %%dockerfile cell the notebook's first.",
        )

    async def _enter_asked(self) -> None:
        """Cells before the first switch run where the notebook's settings say."""
        settings = Settings.parse(self._asked, where=self._run.notebook.name)
        if self._run.engine:
            settings = replace(settings, engine=self._run.engine)
        approved = self._approve(settings)
        engine = await preferred_engine(settings.engine, self._policy)
        image = await engine.image(settings.image)
        if image is None:
            raise ImageNotHere(settings.image, engine.name)
        settings = await self._with_kernel(settings, engine, image)
        await self._warn(settings, engine)
        self._runs_in = (replace(approved, kernel=settings.kernel), image.id)

    async def _with_kernel(self, settings: Settings, engine: Guarded, image: Image) -> Settings:
        """The same with the image's kernel for the notebook's language, where none is named. The
        image is got ready; where no kernel can run in it, the kernel's start says so."""
        language = self._document.language
        await fit_image(engine, image, settings.kernel, self._screen.step, language)
        if settings.kernel:
            return settings
        return replace(settings, kernel=await kernel_for(engine, image, language))

    def _options(self, cell: DockerfileCell) -> Options:
        """The cell's, with the engine of the command line over its own."""
        if not self._run.engine:
            return cell.options
        return replace(
            cell.options,
            engine=self._run.engine,
            settings={**cell.options.settings, "engine": self._run.engine},
        )

    def _check_approved(self, settings: Settings) -> Settings:
        """All but the image, which the person approved by naming the notebook, and that it is a
        job of Slurm's, by naming such an engine. The same with sources resolved: nothing else is
        started, whatever leads elsewhere by then."""
        resolved = settings.resolved(self._run.notebook.parent, self._policy)
        image, *rest = asks(resolved)
        named = {image.text}
        if self._run.engine and not resolved.slurm:
            named |= {ask.text for ask in rest if ask.setting == "slurm"}
        missing = self._approvals.missing(self._run.notebook, resolved, self._content)
        if items := [] if self._run.approve else [item for item in missing if item not in named]:
            error = NotApproved(items, str(self._run.notebook))
            error.hint = "Add --approve, if you trust this notebook with that."
            raise error
        return replace(settings, mounts=resolved.mounts)

    def _approve(self, settings: Settings) -> Settings:
        """Remember what naming the notebook, or `--approve`, has approved. In another folder the
        same settings ask for other things, which nobody has seen: `.` is that folder there."""
        approved = self._check_approved(settings)
        folder = self._run.notebook.parent
        resolved = replace(settings.resolved(folder, self._policy), mounts=approved.mounts)
        for notebook in {self._run.notebook, self._run.output}:
            if self._run.approve and notebook.parent == folder:
                self._approvals.approve(notebook, resolved, content=self._content)
            else:
                self._approvals.approve_image(notebook, settings.image, self._content)
        return approved

    async def _warn(self, settings: Settings, engine: Guarded) -> None:
        folder = self._run.notebook.parent
        resolved = settings.resolved(folder, self._policy)
        warning = folder_warning(folder, resolved) or await folder_note(folder, resolved, engine)
        if warning:
            self._screen.line(warning)

    # -- the cells, in order ---------------------------------------------------------------

    async def _cells(self) -> ContainersError | None:
        """Run them all; what ended that early is returned, and shown in its cell."""
        index, where = None, ""
        try:
            for number, index in enumerate(self._code, 1):
                source = self._notebook.cells[index].source.strip()
                where = f"cell {number}/{len(self._code)}"
                self._screen.step(f"{where}  {source.splitlines()[0]}")
                self._document.begin(index)
                if index in self._dockerfiles:
                    await self._within(self._build(self._dockerfiles[index]))
                else:
                    await self._execute(index)
            self._execution.finish()
            await settle(self._builds)
        except Exception as error:  # noqa: BLE001 - what ran before is written, whatever it is
            failed = _ours(error)
            if index is not None:
                self._note(index, failed)
            between = " failed:\n" if isinstance(failed, CellFailed) else ": "
            failed.message = f"{where}{between}{failed.message}"
            return failed
        return None

    def _note(self, index: int, error: ContainersError) -> None:
        """Show it in the cell that met it, unless the cell shows an error already."""
        outputs = self._notebook.cells[index].outputs
        if not any(output["output_type"] == "error" for output in outputs):
            outputs.append(error_output(error))

    async def _close(self, *, now: bool) -> None:
        """End the kernel and the builds. The notebook is written: what fails here is a remark."""
        for close in (partial(self._execution.close, now=now), self._builds.close):
            try:
                await asyncio.shield(close())
            except Exception as error:  # noqa: BLE001 - jupyter_client's own too
                self._screen.line(
                    f"The container may be left over ({_ours(error).message}). "
                    "This removes it: jupyter containers prune"
                )

    async def _within(self, work: Coroutine[Any, Any, object]) -> None:
        """A build or a kernel's start, for as long as the run may take. Cells have their own way to
        end: nbclient's."""
        try:
            async with asyncio.timeout(self._limits.left) as limit:
                await work
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._limits.exceeded() from None

    async def _execute(self, index: int) -> None:
        assert self._runs_in is not None
        await self._within(self._execution.enter(*self._runs_in))
        self._executed = True
        await self._execution.execute(index)

    async def _build(self, cell: DockerfileCell) -> None:
        """Build it, say so in its output, and switch to its image unless it says not to."""
        options = self._options(cell)
        asked = replace(cell, options=options)
        earlier = earlier_images(self._built)
        consent = Consent(
            notebook=self._run.notebook,
            content=self._content,
            shown=None if self._run.approve else (),
        )
        request = await cell_request(
            *(self._run.notebook, asked, self._asked, self._policy, earlier),
            consent=consent,
            language=self._document.language,
        )
        built = await follow(self._builds.start(request), self._screen)
        self._built.append((cell, built))
        self._notebook.cells[cell.index].outputs = [_summary(built, request.engine.name)]
        if not options.no_switch:
            before = (one.fingerprint for one, _ in self._built if not one.options.no_switch)
            source = replacing(built.source, before)
            settings = settings_after(self._asked, options, built.reference, source)
            settings = await self._with_kernel(settings, request.engine, built.image)
            self._switch(settings, built)
            await self._warn(settings, request.engine)

    def _switch(self, settings: Settings, built: Built) -> None:
        """What follows runs in this image; the file says so, as after Run All in JupyterLab."""
        self._runs_in = (self._approve(settings), built.image.id)
        self._asked = settings.to_json()
        self._notebook.metadata[KEY] = nbformat.from_dict(self._asked)
        self._notebook.metadata["kernelspec"] = _generic()

    # -- the result ------------------------------------------------------------------------

    def _write(self) -> Path:
        """Write the executed notebook; beside it where another program changed it meanwhile."""
        output = self._document.write()
        self._approvals.rewritten(output, self._content, content_digest(self._notebook))
        if output != self._run.output:
            self._screen.line(f"{self._run.output.name} was changed while it ran.")
        return output


def _ours(error: Exception) -> ContainersError:
    """Whatever a cell, nbclient or this machine raised, as what a person is told."""
    told = sentence_of(error)
    if isinstance(told, ContainersError):
        return told
    return CellFailed(f"{type(error).__name__}: {printable(str(error))}")


def _summary(built: Built, engine: str) -> NotebookNode:
    """The output of a cell that was built: the same however often it runs."""
    text = f"{built.reference} is built ({engine}).\n"
    return NotebookNode(output_type="stream", name="stdout", text=text)


def _generic() -> NotebookNode:
    """What a notebook says of its kernel where that is "Container (this notebook)"."""
    directory = Path(__file__).parents[1] / "kernelspec" / GENERIC
    spec = KernelSpec.from_resource_dir(str(directory))
    return NotebookNode(name=GENERIC, display_name=spec.display_name, language=spec.language)
