"""A server that starts takes up the kernels of the same server that was killed.

Before it answers anybody: a page that is still open asks for its session first, and gives up a
kernel that it is not told of. What cannot be taken up is an orphan, as it would be without us.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import ensure_async
from tornado.web import HTTPError

from . import handover, owners
from .errors import ContainersError
from .handover import Handover, Session
from .kernelstate import kernels_of
from .policy import Policy

log = logging.getLogger("jupyter_containers")

_PATIENCE = 30.0
"""Seconds for each: people wait for their server meanwhile."""


def identity(app: ServerApp) -> str:
    """Which server this is: one that comes after it and is the same is its heir. A Hub's servers
    of one person differ in their addresses, others in their folders."""
    address = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", app.base_url)
    return f"{Path(app.root_dir).resolve()} {address}"


async def adopt(app: ServerApp, policy: Policy) -> None:
    """Take up all that can be. Called before the server listens."""
    wanted = _wanted if policy.orphan_grace else lambda _: False
    rooms = await asyncio.to_thread(owners.inherit, identity(app), wanted)
    await asyncio.gather(*(_adopt_or_leave(app, policy, *room) for room in rooms.items()))


def _wanted(room: Path) -> bool:
    return handover.read(room) is not None


async def _adopt_or_leave(app: ServerApp, policy: Policy, room: Path, before: str) -> None:
    try:
        async with asyncio.timeout(_PATIENCE):
            await _adopt(app, policy, room)
    except Exception as error:  # noqa: BLE001 - jupyter_server's and its extensions' own too
        why = error.message if isinstance(error, ContainersError) else repr(error)
        log.warning("The kernel in %s was not taken up: %s", room.name, why)
        with suppress(OSError):
            await asyncio.to_thread(owners.give_back, room, before)


async def _adopt(app: ServerApp, policy: Policy, room: Path) -> None:
    left = await asyncio.to_thread(handover.read, room)
    if left is None:
        return
    await handover.join(room, left, policy)
    try:
        await _start(app, left)
    finally:
        if (unused := handover.joined(left.kernel)) is not None:
            unused.container.leave()
    for session in await asyncio.to_thread(handover.read_sessions, room):
        with suppress(HTTPError, sqlite3.Error):
            await _save(app, left.kernel, session)
    log.info("The kernel of %s goes on: %s", left.notebook or left.spec, left.kernel)


async def _start(app: ServerApp, left: Handover) -> None:
    """What a start does with an id that was joined is to go on with it."""
    manager: Any = app.kernel_manager
    environment = {**os.environ, "JPY_SESSION_NAME": left.session}
    await ensure_async(
        manager.start_kernel(
            kernel_id=left.kernel, kernel_name=left.spec, cwd=left.directory, env=environment
        )
    )
    # With `use_pending_kernels` it has only begun.
    await asyncio.wrap_future(manager.get_kernel(left.kernel).ready)


async def _save(app: ServerApp, kernel: str, session: Session) -> None:
    manager: Any = app.session_manager
    about = {name: session.get(name) for name in ("path", "name", "type")}
    await ensure_async(manager.save_session(session.get("id"), kernel_id=kernel, **about))


class Sessions:
    """Writes down which sessions the kernels have, as often as it is asked to. One per server."""

    def __init__(self, app: ServerApp) -> None:
        self._app = app
        self._written: dict[str, list[Session]] = {}

    async def write(self) -> None:
        """What has changed since the last time."""
        kernels = {one.id: one.container for one in kernels_of(self._app.kernel_manager)}
        if not kernels:
            return
        found: dict[str, list[Session]] = {}
        listed: list[dict[str, Any]] = await ensure_async(self._app.session_manager.list_sessions())
        for one in listed:
            container = kernels.get(str((one.get("kernel") or {}).get("id")))
            if container:
                found.setdefault(container, []).append(_named(one))
        for container, sessions in found.items():
            room = owners.room_of(container)
            if room is not None and self._written.get(container) != sessions:
                with suppress(OSError):
                    await asyncio.to_thread(handover.write_sessions, room, sessions)
        self._written = found


def _named(session: Mapping[str, Any]) -> Session:
    return {name: str(session.get(name, "")) for name in ("id", "path", "name", "type")}
