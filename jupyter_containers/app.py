"""The server extension: wiring only.

One `Server` per Jupyter server; what changes in this process goes out on Jupyter's event bus.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from jupyter_events import EventLogger
from jupyter_server.extension.application import ExtensionApp
from tornado.ioloop import IOLoop
from traitlets import Bool

from . import routes
from .changes import Change, listen, unlisten
from .engines.children import watch_children
from .errors import ContainersError
from .leftovers import reap
from .routes.server import SETTING, Server
from .shapes import contents_path

CHANGE = "https://schema.jupyter-containers.org/change/v1"
"""The schema id of our events."""


class ContainersApp(ExtensionApp):
    """Loaded by jupyter_server for every server and JupyterLab."""

    name = "jupyter_containers"
    extension_url = "/jupyter-containers/"
    load_other_extensions = True

    reap = Bool(
        True,
        help="Whether a server that starts removes the containers and private directories that "
        "killed servers of this person left on this machine.",
    ).tag(config=True)

    server: Server
    _events: EventLogger
    _loop: IOLoop
    _reaping: asyncio.Task[None] | None = None

    def initialize_settings(self) -> None:
        """Called by jupyter_server while it starts; its loop runs later."""
        app = self.serverapp
        assert app is not None and app.event_logger is not None
        self.server = Server(app)
        self.settings[SETTING] = self.server
        self._events, self._loop = app.event_logger, app.io_loop
        self._events.register_event_schema(Path(__file__).with_name("change.yaml"))
        listen(self._heard)
        watch_children()
        if self.reap:
            self._loop.add_callback(self._begin)

    def initialize_handlers(self) -> None:
        """Called by jupyter_server while it starts."""
        self.handlers.extend(routes.handlers())

    async def stop_extension(self) -> None:
        """Called by jupyter_server when it ends: no build outlives it."""
        unlisten(self._heard)
        if self._reaping is not None:
            self._reaping.cancel()
            await asyncio.wait({self._reaping})
        await self.server.builds.close()

    def _begin(self) -> None:
        self._reaping = asyncio.create_task(self._reap())

    async def _reap(self) -> None:
        with contextlib.suppress(ContainersError):
            for name in await reap(await self.server.policy()):
                self.log.info("Removed %s, whose server has ended.", name)

    def _heard(self, change: Change) -> None:
        """From any thread, and never in the way of who says it."""
        self._loop.add_callback(self._emit, change)

    def _emit(self, change: Change) -> None:
        path = contents_path(change.notebook, self.server.root)
        data = {"what": change.what, "id": change.id, "path": path, "state": change.state}
        self._events.emit(schema_id=CHANGE, data=data)
