"""Builds and pulls, and their events as lines of JSON."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web
from tornado.iostream import StreamClosedError

from .. import shapes
from ..cellbuilds import CellRun, run_cell
from ..engines import choose_engine
from ..fitting import fit_after
from ..jobs import Job
from ..models import Progress, parse_image
from .handling import Handler

HEARTBEAT = 15.0
"""Seconds of silence after which an empty line shows a proxy that the connection lives."""
_CELL = ("path", "source", "index", "cell_id", "settings", "earlier", "no_cache", "update_bases")


class Jobs(Handler):
    """`builds`"""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """All that are remembered, newest first; pulls too."""
        jobs = reversed(self.server.builds.all())
        self.answer({"builds": [shapes.job(job, self.server.root) for job in jobs]})

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Build a notebook's cell."""
        body = self.body(*_CELL)
        run = CellRun(
            source=body.text("source"),
            index=body.count("index"),
            cell_id=body.text("cell_id", "", 200),
            asked=body.settings_or_none(),
            earlier=body.texts("earlier"),
            no_cache=body.flag("no_cache"),
            update_bases=body.flag("update_bases"),
            notebook=await self.server.notebook(body.text("path", most=4000)),
        )
        job = await run_cell(run, self.server.builds, await self.server.policy())
        self.answer(shapes.job(job, self.server.root), 201)


class Pulls(Handler):
    """`pulls`"""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Pull an image and fit a kernel into it."""
        body = self.body("engine", "reference")
        reference = parse_image(body.text("reference", most=1000))
        engine = await choose_engine(body.text("engine", "", 200), await self.server.policy())
        job = self.server.builds.pull(engine, reference, fit_after)
        self.answer(shapes.job(job, self.server.root), 201)


class OneJob(Handler):
    """`builds/ID`"""

    @web.authenticated
    @authorized
    async def get(self, id: str) -> None:
        """How it stands."""
        self.answer(shapes.job(self.server.job(id), self.server.root))

    @web.authenticated
    @authorized
    async def delete(self, id: str) -> None:
        """Cancel it, and answer when every process of it is gone."""
        job = self.server.job(id)
        await job.cancel()
        self.answer(shapes.job(job, self.server.root))


class Events(Handler):
    """`builds/ID/events`"""

    _coming: asyncio.Future[Any] | None = None

    @web.authenticated
    @authorized
    async def get(self, id: str) -> None:
        """From event `first` on, each as it comes, and at last how it ended. A client that goes
        away ends this and not the job."""
        job, first = self.server.job(id), self.number("first", 0)
        self.set_header("Content-Type", "application/x-ndjson")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")  # nginx would hold lines back
        try:
            await self.flush()
            if await self._follow(job, first):
                await self._line(shapes.end(job.count, job, self.server.root))
                await self.finish(set_content_type="application/x-ndjson")
        except StreamClosedError:
            return

    async def _follow(self, job: Job, first: int) -> bool:
        """Whether the client was there until the end."""
        events, number = aiter(job.events(first)), first
        try:
            while True:
                self._coming = self._coming or asyncio.ensure_future(anext(events, None))
                await asyncio.wait({self._coming}, timeout=HEARTBEAT)
                if not self._coming.done():
                    self.write("\n")
                    await self.flush()
                    continue
                if self._coming.cancelled():
                    return False
                event: Progress | None = self._coming.result()
                self._coming = None
                if event is None:
                    return True
                if event.kind != "image":  # the end says it
                    await self._line(shapes.progress(number, event))
                number += 1
        finally:
            if self._coming is not None:
                self._coming.cancel()

    async def _line(self, data: dict[str, Any]) -> None:
        self.write(json.dumps(data) + "\n")
        await self.flush()

    def on_connection_close(self) -> None:
        """Tornado's: the client went away."""
        super().on_connection_close()
        if self._coming is not None:
            self._coming.cancel()


HANDLERS: list[tuple[str, type[Handler]]] = [
    ("builds", Jobs),
    ("builds/([^/]+)", OneJob),
    ("builds/([^/]+)/events", Events),
    ("pulls", Pulls),
]
