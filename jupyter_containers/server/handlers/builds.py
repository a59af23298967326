"""Builds, pulls and conversions, and their events as lines of JSON."""

from __future__ import annotations

import asyncio
import json

from jupyter_server.auth.decorator import authorized
from tornado import web
from tornado.iostream import StreamClosedError

from ... import serializers
from ...builds.cells import CellRun, run_cell
from ...builds.jobs import Job, fit_after
from ...engines.registry import choose_engine
from ...models import parse_image
from .base import Handler

HEARTBEAT = 15.0
"""Seconds of silence after which an empty line shows a proxy that the connection lives."""
_AT_ONCE = 100
"""Events that are written without letting others have a turn: a millisecond or so."""
_CELL = (
    *("path", "source", "index", "cell_id", "settings", "earlier"),
    *("no_cache", "update_bases", "approved", "typed", "foreign"),
)


class Jobs(Handler):
    """`builds`"""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """All that are remembered, newest first; pulls and conversions too."""
        jobs = reversed(self.server.builds.all())
        self.answer({"builds": [serializers.job(job, self.server.root) for job in jobs]})

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Build a notebook's cell."""
        body = self.body(*_CELL)
        notebook = await self.server.notebook(body.text("path", most=4000))
        content, own = await self.server.provenance.whose(notebook)
        run = CellRun(
            source=body.text("source"),
            index=body.count("index"),
            cell_id=body.text("cell_id", "", 200),
            asked=body.settings_or_none(),
            earlier=body.texts("earlier"),
            no_cache=body.flag("no_cache"),
            update_bases=body.flag("update_bases"),
            approved=body.texts("approved"),
            typed=body.flag("typed"),
            notebook=notebook,
            content=content,
            own=own and not body.flag("foreign"),
        )
        job = await run_cell(run, self.server.builds, await self.server.policy())
        self.answer(serializers.job(job, self.server.root), 201)


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
        self.answer(serializers.job(job, self.server.root), 201)


class Conversions(Handler):
    """`conversions`"""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Make an image of one engine another's, and fit a kernel into it there."""
        body = self.body("engine", "reference", "to")
        reference = parse_image(body.text("reference", most=1000))
        policy = await self.server.policy()
        source = await choose_engine(body.text("engine", most=200), policy)
        target = await choose_engine(body.text("to", most=200), policy)
        job = self.server.builds.convert(source, reference, target, fit_after)
        self.answer(serializers.job(job, self.server.root), 201)


class OneJob(Handler):
    """`builds/ID`"""

    @web.authenticated
    @authorized
    async def get(self, id: str) -> None:
        """How it stands."""
        self.answer(serializers.job(self.server.job(id), self.server.root))

    @web.authenticated
    @authorized
    async def delete(self, id: str) -> None:
        """Cancel it, and answer when every process of it is gone."""
        job = self.server.job(id)
        await job.cancel()
        self.answer(serializers.job(job, self.server.root))


class Events(Handler):
    """`builds/ID/events`"""

    _coming: asyncio.Future[bool] | None = None

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
            if await self._follow(job, first):
                end = serializers.end(job.log.count, job, self.server.root)
                self.write(json.dumps(end) + "\n")
                await self.finish(set_content_type="application/x-ndjson")
        except StreamClosedError:
            return

    async def _follow(self, job: Job, number: int) -> bool:
        """Whether the client was there until the end."""
        while True:
            events = job.log.since(number, _AT_ONCE)
            lines = [
                json.dumps(serializers.progress(at, event)) + "\n"
                for at, event in enumerate(events, number)
                if event.kind != "image"  # the end says it
            ]
            self.write("".join(lines))
            await self.flush()
            number += len(events)
            if events:
                await asyncio.sleep(0)  # a long log must not keep others waiting
                continue
            self._coming = asyncio.ensure_future(job.log.more(number))
            try:
                while not (await asyncio.wait({self._coming}, timeout=HEARTBEAT))[0]:
                    self.write("\n")
                    await self.flush()
            finally:
                self._coming.cancel()
            if self._coming.cancelled() or not self._coming.result():
                return not self._coming.cancelled()

    def on_connection_close(self) -> None:
        """Tornado's: the client went away."""
        super().on_connection_close()
        if self._coming is not None:
            self._coming.cancel()


HANDLERS: list[tuple[str, type[Handler]]] = [
    ("builds", Jobs),
    ("builds/([^/]+)", OneJob),
    ("builds/([^/]+)/events", Events),
    ("conversions", Conversions),
    ("pulls", Pulls),
]
