"""A server extension of the bench alone: how late a Jupyter server's event loop wakes.

While it measures, a task sleeps 5 ms again and again; what comes on top of that is what every
request, every message of a kernel and every keystroke of a terminal waits for, too.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

SLEEP = 0.005
PATH = "jupyter-containers-bench-lag"


class Lag(APIHandler):
    """POST begins to measure, DELETE ends it and answers all lags, in seconds."""

    auth_resource = "jupyter_containers"
    _measuring: asyncio.Task[None] | None = None
    _lags: list[float]

    @web.authenticated
    @authorized
    def post(self) -> None:
        """Begin."""
        Lag._lags = []
        Lag._measuring = asyncio.ensure_future(measure(Lag._lags))
        self.set_status(204)

    @web.authenticated
    @authorized
    def delete(self) -> None:
        """End."""
        assert Lag._measuring is not None
        Lag._measuring.cancel()
        self.finish(json.dumps(Lag._lags))


async def measure(lags: list[float]) -> None:
    """Adds a lag for every sleep, until it is cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + SLEEP
        await asyncio.sleep(SLEEP)
        lags.append(loop.time() - due)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: Any) -> None:
    route = url_path_join(app.web_app.settings["base_url"], PATH)
    app.web_app.add_handlers(".*$", [(route, Lag)])
