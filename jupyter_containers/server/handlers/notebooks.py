"""A notebook: what it asks for, the yes to it, its Dockerfile's remarks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from ... import serializers
from ...builds.lint import lint_cell
from ...kernels.preflight import approve_settings, check_settings, notebook_state, trait_of
from ...policy.policy import Policy
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
    async def post(self) -> None:
        """This person says yes to exactly these settings, having read `items` of them."""
        body = self.body("path", "settings", "items")
        path, asked = body.text("path", most=4000), body.settings()
        shown = body.texts("items", needed=True, most=_MOST_ITEMS)
        notebook, policy = await self.server.notebook(path), await self.server.policy()
        await approve_settings(notebook, asked, shown, policy)
        self.answer(await _notebook(self.server, path, notebook, policy))


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


class Lint(Handler):
    """`lint`"""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """What a cell's Dockerfile could do better."""
        body = self.body("path", "source")
        notebook = await self.server.notebook(body.text("path", most=4000))
        remarks = await lint_cell(body.text("source"), notebook.parent, await self.server.policy())
        self.answer({"remarks": [serializers.remark(one) for one in remarks]})


async def _notebook(server: Server, path: str, notebook: Path, policy: Policy) -> dict[str, Any]:
    state = await notebook_state(notebook, policy)
    kernel = await server.kernel_of(path, notebook)
    return {
        "path": path,
        **serializers.notebook(state),
        "building": server.building(notebook),
        "kernel": serializers.kernel(kernel) if kernel is not None else None,
    }


HANDLERS: list[tuple[str, type[Handler]]] = [
    ("approvals", Approvals),
    ("lint", Lint),
    ("notebook", Notebook),
    ("settings", FormSettings),
]
