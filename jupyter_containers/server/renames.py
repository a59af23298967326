"""What runs for a notebook stays its own when this person renames or moves it in the file browser.

JupyterLab tells the server a session's new path where the notebook is open in the page that renamed
it; of one that is closed, or open in another page, nobody does. So the server moves the sessions of
our kernels itself, with what goes by a path beside them: the kernels, which look at their notebook
at the next start, and builds. A `mv` in a shell or a kernel moves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_events import EventLogger
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import ensure_async

from ..host.paths import moved
from ..kernels.state import follow
from .adoption import note_sessions
from .provenance import CONTENTS
from .state import Server


class Renames:
    """One for each Jupyter server."""

    def __init__(self, app: ServerApp, server: Server) -> None:
        self._app, self._server = app, server
        self._sessions: Any = app.session_manager

    def install(self, events: EventLogger) -> None:
        """Called once, while the server starts."""
        if CONTENTS in events.schemas:
            events.add_listener(schema_id=CONTENTS, listener=self._heard)

    async def _heard(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:  # noqa: ARG002
        """A rename through the contents API."""
        if data.get("action") != "rename" or not data.get("source_path"):
            return
        old, new = (data[key].strip("/") for key in ("source_path", "path"))
        before, after = self._server.provenance.path(old), self._server.provenance.path(new)
        self._server.builds.move(before, after)
        environments = await self._move_sessions(Path(old), Path(new))
        follow(self._app.kernel_manager, before, after, environments)
        await note_sessions(self._app)

    async def _move_sessions(self, old: Path, new: Path) -> Mapping[str, Mapping[str, str]]:
        """Those of notebooks with a kernel of ours, as each page does with what it has open.
        Returns the environments of their kernels' next starts."""
        kernels, environments = self._server.kernels(), {}
        listed: list[dict[str, Any]] = await ensure_async(self._sessions.list_sessions())
        for one in listed:
            kernel, before = str((one.get("kernel") or {}).get("id")), Path(str(one.get("path")))
            after = moved(before, old, new)
            if kernel in kernels and one.get("type") == "notebook" and after != before:
                about = {"path": after.as_posix(), "name": after.name}
                await ensure_async(self._sessions.update_session(one["id"], **about))
                environments[kernel] = self._sessions.get_kernel_env(**about)
        return environments
