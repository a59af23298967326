"""A notebook: what it asks for, the yes to it, its Dockerfile's remarks."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from ... import serializers
from ...builds.lint import NOISE, lint_cell
from ...builds.starters import find_starters, make_cell
from ...dockerfile.context import continuations
from ...errors import BadInput, PolicyRefused, Unknown
from ...events import Change, publish
from ...kernels.preflight import (
    approve_settings,
    check_settings,
    lacking_for,
    notebook_state,
    outputs_state,
    set_outputs,
    trait_of,
)
from ...kernels.state import KernelState
from ...notebook.cells import parse_cell
from ...policy.approvals import Approvals as ApprovalRecords
from ...policy.policy import Policy
from ...policy.records import ISOLATED, TRUSTED
from ...text import one_line
from ..state import Server
from .base import Handler

_MOST_ITEMS = 1000
"""Things that one notebook can ask for: a few hundred each of mounts, devices, ports, variables."""


class Notebook(Handler):
    """`notebook`"""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """What it asks for, what of it is missing, and its kernel."""
        path = self.query("path")
        notebook = await self.server.notebook(path)
        self.answer(await _notebook(self.server, path, notebook, await self.server.policy()))


class Approvals(Handler):
    """`approvals`"""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """What is approved for which of this person's notebooks, wherever they lie."""
        records = await asyncio.to_thread(ApprovalRecords().listed)
        root = self.server.root
        found = [
            {
                "id": ApprovalRecords().records.file(Path(one.path)).stem,
                "path": serializers.contents_path(Path(one.path), root) or None,
                **serializers.approval(one),
            }
            for one in records
        ]
        self.answer({"notebooks": found})

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """This person says yes to exactly these settings, having read `items` of them."""
        body = self.body("path", "settings", "items")
        path, asked = body.text("path", most=4000), body.settings()
        shown = body.texts("items", needed=True, most=_MOST_ITEMS)
        notebook, policy = await self.server.notebook(path), await self.server.policy()
        await approve_settings(notebook, asked, shown, policy)
        self.answer(await _notebook(self.server, path, notebook, policy))


class OneApproval(Handler):
    """`approvals/ID`"""

    @web.authenticated
    @authorized
    async def delete(self, id: str) -> None:
        """Take back all that is approved for one notebook. What runs goes on."""
        approvals = ApprovalRecords()
        for record in await asyncio.to_thread(approvals.listed):
            notebook = Path(record.path)
            if approvals.records.file(notebook).stem == id:
                await asyncio.to_thread(approvals.forget, notebook)
                publish(
                    Change(what="notebook", id=notebook.name, notebook=notebook, state="approved")
                )
                return self.done()
        raise Unknown("Nothing is approved for that notebook (any more).")


class Outputs(Handler):
    """`outputs`"""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """How what the notebook displays is to be drawn. Asks no engine: a page waits for it."""
        path = self.query("path")
        await self._answer(path, await self.server.notebook(path))

    @web.authenticated
    @authorized
    async def put(self) -> None:
        """This person's decision."""
        body = self.body("path", "outputs")
        path, outputs = body.text("path", most=4000), body.text("outputs", most=20)
        notebook = await self.server.notebook(path)
        if outputs not in (ISOLATED, TRUSTED):
            raise BadInput(f"'outputs' must be {ISOLATED} or {TRUSTED}, not {outputs!r}.")
        (await self.server.policy()).check_outputs(outputs)
        await asyncio.to_thread(set_outputs, notebook, outputs)
        await self._answer(path, notebook)

    async def _answer(self, path: str, notebook: Path) -> None:
        state = await asyncio.to_thread(outputs_state, notebook, await self.server.policy())
        kernel = await self.server.kernel_of(path, notebook)
        applies = state.applies or kernel is not None
        self.answer({"path": path, **asdict(state), "applies": applies})


class FormSettings(Handler):
    """`settings`"""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """The form's table, in order."""
        self.answer({"fields": serializers.fields()})

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """The check while somebody types; changes nothing."""
        body = self.body("path", "settings")
        asked = body.settings()
        notebook = await self.server.notebook(body.text("path", most=4000))
        checked = await check_settings(notebook, asked, await self.server.policy())
        errors = [
            {"key": key, "trait": trait_of(error), **(serializers.problem(error) or {})}
            for key, error in checked.errors
        ]
        self.answer({"errors": errors, **serializers.missing(checked.missing)})


class Starters(Handler):
    """`starters`"""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """The files of the notebook's folder that a first cell can be made from."""
        notebook = await self.server.notebook(self.query("path"))
        found = await asyncio.to_thread(find_starters, notebook.parent)
        self.answer({"files": [{"name": name, "kind": kind} for name, kind in found.items()]})

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """A cell from one of them, which the page inserts."""
        body = self.body("path", "file", "base")
        notebook = await self.server.notebook(body.text("path", most=4000))
        file, base = body.text("file", most=200), body.text("base", "", 1000)
        self.answer({"source": await asyncio.to_thread(make_cell, notebook.parent, file, base)})


class Lint(Handler):
    """`lint`"""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """What a cell's Dockerfile could do better."""
        body = self.body("path", "source", "ignored")
        notebook = await self.server.notebook(body.text("path", most=4000))
        source, ignored = body.text("source"), body.texts("ignored", NOISE)
        policy = await self.server.policy()
        remarks = await lint_cell(source, notebook.parent, policy, ignored)
        self.answer({"remarks": [serializers.remark(one) for one in remarks]})


class Paths(Handler):
    """`paths`"""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """How a word of COPY in a cell may go on."""
        body = self.body("path", "source", "typed")
        notebook = await self.server.notebook(body.text("path", most=4000))
        cell, typed = parse_cell(body.text("source")), body.text("typed", most=4000)
        if cell is None:
            raise BadInput("This cell builds nothing.", "Let it begin with: %%dockerfile")
        policy, context = await self.server.policy(), cell.options.context
        found = await asyncio.to_thread(_continuations, policy, notebook.parent, context, typed)
        self.answer({"names": [{"name": name, "folder": folder} for name, folder in found]})


def _continuations(policy: Policy, base: Path, context: str, typed: str) -> list[tuple[str, bool]]:
    """Those of which the policy lets a build read."""
    directory, found = continuations(base, context, typed)
    if _may_copy(policy, directory, *(path for path, _ in found)):
        return found
    return [(path, folder) for path, folder in found if _may_copy(policy, directory, path)]


def _may_copy(policy: Policy, directory: Path, *paths: str) -> bool:
    try:
        policy.check_context(directory, paths)
    except PolicyRefused:
        return False
    return True


async def _notebook(server: Server, path: str, notebook: Path, policy: Policy) -> dict[str, Any]:
    state = await notebook_state(notebook, policy)
    kernel = await server.kernel_of(path, notebook)
    state = replace(state, warning=_left_behind(kernel, notebook) or state.warning)
    image, engine = "", state.engine
    if kernel is not None:
        image, engine = kernel.image, kernel.engine
    elif state.asked is not None and state.image_here:
        image = state.asked["image"]
    return {
        "path": path,
        **serializers.notebook(state),
        "lacking": serializers.lacking(await lacking_for(image, engine, policy)),
        "building": server.building(notebook),
        "kernel": serializers.kernel(kernel) if kernel is not None else None,
    }


def _left_behind(kernel: KernelState | None, notebook: Path) -> str:
    """What is to be said of a kernel whose notebook was moved to another folder since its start."""
    if kernel is None or kernel.state != "running" or kernel.notebook != notebook:
        return ""
    if kernel.directory in (None, notebook.parent):
        return ""
    was, now = one_line(str(kernel.directory)), one_line(str(notebook.parent))
    return (
        f"The notebook was moved, and its kernel still runs in {was}. "
        f"Restart the kernel to have {now} in the container."
    )


HANDLERS: list[tuple[str, type[Handler]]] = [
    ("approvals", Approvals),
    ("approvals/([^/]+)", OneApproval),
    ("lint", Lint),
    ("notebook", Notebook),
    ("outputs", Outputs),
    ("paths", Paths),
    ("settings", FormSettings),
    ("starters", Starters),
]
