"""A server that starts takes up the kernels of the same server that was killed.

Before it answers anybody: a page that is still open asks for its session first, and gives up a
kernel that it is not told of. What cannot be taken up is an orphan, as it would be without us.
"""

from __future__ import annotations

import asyncio
import os
import queue
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import ensure_async

from ..errors import ContainersError, StartFailed
from ..host import owners
from ..kernels import record
from ..kernels.listing import notebook_of
from ..kernels.record import KernelRecord, Session
from ..kernels.state import kernels_of
from ..policy.policy import Policy

_PATIENCE = 30.0
"""Seconds for each: people wait for their server meanwhile."""


def this_server(app: ServerApp) -> str:
    """What identifies this server: the next one of the same identity adopts its kernels. A Hub's
    servers of one person differ in their addresses' paths, others in their folders."""
    path = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", app.base_url)
    return f"{Path(app.root_dir).resolve()} {path}"


class KernelAdopter:
    """Takes up what was left to it. One per server."""

    def __init__(self, app: ServerApp) -> None:
        self._app = app
        self._kernels: Any = app.kernel_manager
        self._sessions: Any = app.session_manager
        self._looking: set[asyncio.Task[None]] = set()

    async def adopt(self, policy: Policy) -> None:
        """Take up all that can be. Called before the server listens."""
        wanted = _wanted if policy.orphan_grace else lambda _: False
        run_dirs = await asyncio.to_thread(owners.take_over, this_server(self._app), wanted)
        await asyncio.gather(
            *(self._adopt_or_leave(policy, *run_dir) for run_dir in run_dirs.items())
        )

    async def close(self) -> None:
        """The server ends."""
        for task in self._looking:
            task.cancel()
        await asyncio.gather(*self._looking, return_exceptions=True)

    async def _adopt_or_leave(self, policy: Policy, run_dir: Path, before: str) -> None:
        try:
            left = await asyncio.to_thread(record.read_record, run_dir)
            if left is None:
                raise StartFailed("what is written down of it cannot be read.")
            async with asyncio.timeout(_PATIENCE):
                await self._adopt(left, policy, run_dir)
        except Exception as error:  # noqa: BLE001 - jupyter_server's and its extensions' own too
            self._app.log.warning(
                "The kernel in %s was not taken up: %s", run_dir.name, _why(error)
            )
            with suppress(OSError):
                await asyncio.to_thread(owners.give_back, run_dir, before)
            return
        of = notebook_of(run_dir) or left.spec
        self._app.log.info("The kernel of %s goes on: %s", of, left.kernel)
        try:
            await self._restore_sessions(left.kernel, run_dir)
        except Exception as error:  # noqa: BLE001 - the kernel runs; other session managers' own
            self._app.log.warning(
                "The sessions of kernel %s are lost: %s", left.kernel, _why(error)
            )

    async def _adopt(self, left: KernelRecord, policy: Policy, run_dir: Path) -> None:
        """What a start does with an id that was joined is to go on with it."""
        await record.adopt(run_dir, left, policy)
        try:
            environment = {**os.environ, "JPY_SESSION_NAME": left.session}
            await ensure_async(
                self._kernels.start_kernel(
                    kernel_id=left.kernel,
                    kernel_name=left.spec,
                    cwd=left.directory,
                    env=environment,
                )
            )
            # With `use_pending_kernels` it has only begun.
            await asyncio.wrap_future(self._kernels.get_kernel(left.kernel).ready)
        finally:
            if (unused := record.take_adopted(left.kernel)) is not None:
                unused.container.detach()
        if unused is not None:
            await ensure_async(self._kernels.shutdown_kernel(left.kernel, now=True))
            raise StartFailed(f"The kernel spec {left.spec} is none of ours by now.")
        task = asyncio.create_task(self._look(left.kernel))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def _restore_sessions(self, kernel: str, run_dir: Path) -> None:
        """Under their old ids, by which open pages know them."""
        here = {one["id"] for one in await ensure_async(self._sessions.list_sessions())}
        for session in await asyncio.to_thread(record.read_sessions, run_dir):
            about = {name: session.get(name) for name in ("path", "name", "type")}
            if session.get("id") not in here:
                await ensure_async(
                    self._sessions.save_session(session.get("id"), kernel_id=kernel, **about)
                )
            # As its `update_session` does: the notebook may have been renamed since the start.
            if session.get("type") == "notebook" and hasattr(self._kernels, "update_env"):
                environment = self._sessions.get_kernel_env(about["path"], about["name"])
                self._kernels.update_env(kernel_id=kernel, env=environment)

    async def _look(self, kernel: str) -> None:
        """Find out whether it is idle: until it says so it counts as busy, and is not culled.
        What it says otherwise is heard by jupyter_server itself."""
        manager = self._kernels.get_kernel(kernel)
        manager.execution_state = "busy"
        client = manager.client()
        client.start_channels(iopub=False, stdin=False, hb=False, control=False)
        try:
            client.kernel_info()
            while kernel in self._kernels and manager.execution_state == "busy":
                with suppress(queue.Empty):
                    await client.get_shell_msg(timeout=5)
                    manager.execution_state = "idle"
        finally:
            client.stop_channels()


def _wanted(run_dir: Path) -> bool:
    return record.read_record(run_dir) is not None


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"it was not reached within {_PATIENCE:g} s."
    return error.message if isinstance(error, ContainersError) else repr(error)


async def note_sessions(app: ServerApp) -> None:
    """Write down which sessions the kernels have, where that is news. Called every few seconds."""
    kernels = {one.id: one.container for one in kernels_of(app.kernel_manager)}
    if not kernels:
        return
    found: dict[str, list[Session]] = {name: [] for name in kernels.values() if name}
    listed: list[dict[str, Any]] = await ensure_async(app.session_manager.list_sessions())
    for one in listed:
        container = kernels.get(str((one.get("kernel") or {}).get("id")))
        if container:
            found[container].append(_named(one))
    await asyncio.to_thread(_write_all, found)


def _write_all(found: Mapping[str, list[Session]]) -> None:
    for container, sessions in found.items():
        if (run_dir := owners.run_dir_of(container)) is not None:
            record.write_sessions(run_dir, sessions)


def _named(session: Mapping[str, Any]) -> Session:
    return {name: str(session.get(name) or "") for name in ("id", "path", "name", "type")}
