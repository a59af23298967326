"""The server extension: wiring only.

One `Server` per Jupyter server; what changes in this process goes out on Jupyter's event bus.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from pathlib import Path

from jupyter_events import EventLogger
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from tornado.ioloop import IOLoop, PeriodicCallback
from traitlets import Bool

from ..errors import ContainersError
from ..events import Change, subscribe, unsubscribe
from ..host.child_watcher import watch_children
from ..host.guest_files import guest_files
from ..host.owners import owner
from ..host.reaper.client import reaper
from ..kernels.prune import reap
from ..serializers import contents_path
from . import handlers
from .adoption import KernelAdopter, note_sessions, this_server
from .kernel_locks import KernelLocks
from .renames import Renames
from .state import SETTING, Server

CHANGE = "https://schema.jupyter-containers.org/change/v1"
"""The schema id of our events."""
_NOTE_EVERY = 2000.0
"""Milliseconds between two looks at which sessions there are: jupyter_server tells nobody."""


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
    _adopter: KernelAdopter
    _beginning: asyncio.Task[None] | None = None
    _noting: PeriodicCallback | None = None

    def initialize_settings(self) -> None:
        """Called by jupyter_server while it starts; its loop runs later."""
        app = self.serverapp
        assert app is not None and app.event_logger is not None
        self.server = Server(app)
        self.settings[SETTING] = self.server
        KernelLocks(app.kernel_manager, self.server).install()
        self._events, self._loop = app.event_logger, app.io_loop
        self._events.register_event_schema(Path(__file__).parents[1] / "change.yaml")
        self.server.provenance.install(self._events)
        Renames(app, self.server).install(self._events)
        subscribe(self._heard)
        watch_children()
        guest_files()  # an upgrade while this server runs gives it no others
        self._adopter = KernelAdopter(app)
        try:
            owner().serve(this_server(app))
        except (OSError, ContainersError) as error:
            self.log.warning("Kernels in containers end with this server: %s", error)
        adopted = self._adopt_first(app)
        self._loop.add_callback(self._begin, adopted)
        self._noting = PeriodicCallback(partial(note_sessions, app), _NOTE_EVERY)
        self._noting.start()

    def _adopt_first(self, app: ServerApp) -> bool:
        """Take up what is left to this server, before it listens; False where its loop runs
        already, as in tests."""
        try:
            asyncio.get_running_loop()
            return False
        except RuntimeError:
            pass
        reaper.keep_on_exit = True
        try:
            self._loop.run_sync(self._adopt)
        except RuntimeError:  # somebody stopped the loop: the server shall end
            self._loop.add_callback(app.stop)
        return True

    async def _adopt(self) -> None:
        try:
            await self._adopter.adopt(await self.server.policy())
        except (OSError, ContainersError) as error:
            self.log.warning("No kernel of the server before this one was taken up: %s", error)

    def initialize_handlers(self) -> None:
        """Called by jupyter_server while it starts."""
        self.handlers.extend(handlers.handlers())

    async def stop_extension(self) -> None:
        """Called by jupyter_server when it ends: no build outlives it."""
        unsubscribe(self._heard)
        if self._noting is not None:
            self._noting.stop()
        if self._beginning is not None:
            self._beginning.cancel()
            await asyncio.wait({self._beginning})
        await self._adopter.close()
        await self.server.terminals.close()
        await self.server.ports.close()
        await self.server.builds.close()

    def _begin(self, adopted: bool) -> None:
        """The loop runs. A server that cannot listen has ended before the task's first step."""
        self._beginning = asyncio.create_task(self._work(adopted=adopted))

    async def _work(self, *, adopted: bool) -> None:
        reaper.keep_on_exit = False
        if not adopted:
            await self._adopt()
        if self.reap:
            await self._reap()

    async def _reap(self) -> None:
        with contextlib.suppress(ContainersError, OSError):
            for name in await reap(await self.server.policy()):
                self.log.info("Removed %s, whose server has ended.", name)

    def _heard(self, change: Change) -> None:
        """From any thread, and never in the way of who says it."""
        self._loop.add_callback(self._emit, change)

    def _emit(self, change: Change) -> None:
        path = contents_path(change.notebook, self.server.root)
        data = {"what": change.what, "id": change.id, "path": path, "state": change.state}
        self._events.emit(schema_id=CHANGE, data=data)
