"""This person's containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from ... import serializers
from ...events import Change, publish
from ...kernels.listing import OwnedContainer, owned_containers
from .base import Handler

_MOST_LINES = 10_000


class Containers(Handler):
    """`containers`"""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """All of them, on every engine that works."""
        found = await owned_containers(await self.server.engines())
        paths = await self.server.paths()
        self.answer({"containers": [_row(one, paths) for one in found]})


class OneContainer(Handler):
    """`containers/NAME`"""

    @web.authenticated
    @authorized
    async def get(self, name: str) -> None:
        """With what really applies in it (a kernel of this server) and what it uses now."""
        one = await self.server.container(name)
        kernel = self.server.kernels().get(one.label("kernel"))
        applied = kernel.applied if kernel is not None else None
        stats = await one.engine.stats(one.container.id) if one.container.running else None
        about = {
            "applied": asdict(applied) if applied is not None else None,
            "stats": asdict(stats) if stats is not None else None,
        }
        self.answer(_row(one, await self.server.paths()) | about)

    @web.authenticated
    @authorized
    async def delete(self, name: str) -> None:
        """End it. A kernel of this server is shut down: it would start its container anew. One
        that is starting, which may take hours in a queue, hears that its container has ended."""
        one = await self.server.container(name)
        kernel_id = one.label("kernel")
        kernel = self.server.kernels().get(kernel_id)
        if kernel is not None and kernel.state not in ("starting", "restarting"):
            await self.server.shut_down(kernel_id)
        await one.engine.remove(one.container.id)
        publish(Change(what="container", id=kernel_id, state="ended"))
        self.done()


class Logs(Handler):
    """`containers/NAME/logs`"""

    @web.authenticated
    @authorized
    async def get(self, name: str) -> None:
        """What it printed last. What cells print is in the notebook, not here."""
        tail = min(self.number("tail", 200), _MOST_LINES)
        one = await self.server.container(name)
        self.answer({"text": await one.engine.logs(one.container.id, tail)})


def _row(one: OwnedContainer, paths: Mapping[str, str]) -> dict[str, Any]:
    """A container; `paths` are those of this server's kernels. A label has only a file's name."""
    path = paths.get(one.label("kernel"))
    return serializers.container(one) | {"mine": path is not None, "path": path or None}


HANDLERS: list[tuple[str, type[Handler]]] = [
    ("containers", Containers),
    ("containers/([^/]+)", OneContainer),
    ("containers/([^/]+)/logs", Logs),
]
