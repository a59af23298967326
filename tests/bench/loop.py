"""Whether a Jupyter server still answers while it builds and starts: its event loop's lag."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from tests.helpers import ROOT
from tests.helpers.harness import approve, sign, write_notebook

from . import lag
from .report import Row, in_turns

LIMIT = 0.020
"""The aim: 99 of 100 wakes are at most so late."""
_KERNELS = 3
_CELL = """\
%%dockerfile --engine {engine}
FROM {image}
RUN echo {some} > /some
RUN ls -lR /usr/lib
"""
_UP_SECONDS = 60.0
_IDLE_SECONDS = 5.0


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest of the values that so many percent of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


@dataclass(kw_only=True)
class Server:
    """A jupyter_server of its own process, with our extension and the one that measures."""

    folder: Path
    url: str = ""
    token: str = field(default_factory=lambda: secrets.token_hex(16))

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """One request; the JSON it is answered with."""
        request = HTTPRequest(
            f"{self.url}/{path}",
            method=method,
            headers={"Authorization": f"token {self.token}"},
            body=json.dumps(body) if body is not None else None,
            allow_nonstandard_methods=True,
            request_timeout=300,
        )
        answer = await AsyncHTTPClient().fetch(request)
        lines = answer.body.decode().strip().splitlines()
        return json.loads(lines[-1]) if lines else None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """It runs for as long as the block."""
        with socket.socket() as some:
            some.bind(("127.0.0.1", 0))
            port = some.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        with (self.folder / "server.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "jupyter_server", *self._options(port)],
                env=os.environ | {"PYTHONPATH": str(ROOT), "JUPYTER_CONTAINERS_NOTEBOOK": ""},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            await self._up(process)
            yield
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 60)

    def _options(self, port: int) -> list[str]:
        extensions = {"jupyter_containers": True, lag.__name__: True}
        said = {
            "ServerApp.port": port,
            "ServerApp.port_retries": 0,
            "ServerApp.open_browser": False,
            "ServerApp.allow_root": True,
            "ServerApp.root_dir": str(self.folder),
            "IdentityProvider.token": self.token,
            "ServerApp.jpserver_extensions": extensions,
        }
        return [f"--{name}={value}" for name, value in said.items()]

    async def _up(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _UP_SECONDS
        while True:
            try:
                await self.ask("GET", "api/status")
                return
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    text = (self.folder / "server.log").read_text()
                    raise RuntimeError(f"no server: {text[-2000:]}") from None
            await asyncio.sleep(0.1)


class Loop:
    """The same server under our load and under that of the host's own kernels."""

    def __init__(self, engine: str, image: str, folder: Path) -> None:
        self._engine, self._image, self._folder = engine, image, folder
        self._server = Server(folder=folder)
        self._ours: list[float] = []
        self._theirs: list[float] = []
        for number in range(_KERNELS):
            name = folder / f"{number}.ipynb"
            approve(write_notebook(name, {"image": image, "engine": engine}))
        sign(write_notebook(folder / "build.ipynb", None))

    async def row(self, runs: int) -> Row:
        """Builds and kernels beside each other, and the same kernels without us, in turns."""
        async with self._server.running():
            for kind in ("container", "python3"):  # the image's kit is made, modules are loaded
                await self._measured([], *self._starts(kind))
            idle = await self._measured([], *self._nothing())
            ours, theirs = await in_turns(self._with_us, self._without, runs)
        return Row(
            name="event-loop lag",
            aim=round(LIMIT / theirs, 2),
            ours=f"p99 of how late a task wakes that sleeps {lag.SLEEP * 1000:g} ms, in a "
            f"jupyter_server with our extension, while one cell is built and {_KERNELS} kernels "
            "start in containers, all at once",
            theirs=f"the same server's, while {_KERNELS} of the host's ipykernel start at once: "
            "no peer builds anything, so the ratio is only for comparison",
            ours_s=ours,
            theirs_s=theirs,
            runs=runs,
            note=f"p99 {_ms(ours)}, aim below {_ms(LIMIT)} (absolute: the ratio's aim is that to "
            f"theirs), {_ms(idle)} while the server does nothing; the latest wake of each run, "
            f"median: ours {_ms(statistics.median(self._ours))}, theirs "
            f"{_ms(statistics.median(self._theirs))}",
        )

    async def _with_us(self) -> float:
        return await self._measured(self._ours, self._build(), *self._starts("container"))

    async def _without(self) -> float:
        return await self._measured(self._theirs, *self._starts("python3"))

    async def _measured(self, latest: list[float], *load: Awaitable[str]) -> float:
        """The p99 while all of it goes on; what it brought is taken away after that."""
        await self._server.ask("POST", lag.PATH)
        made = await asyncio.gather(*load)
        lags = await self._server.ask("DELETE", lag.PATH)
        for path in filter(None, made):
            await self._server.ask("DELETE", path)
        latest.append(max(lags))
        return percentile(lags, 99)

    def _nothing(self) -> list[Awaitable[str]]:
        """What the machine itself, and whoever else runs on it, makes of a wake."""
        return [asyncio.sleep(_IDLE_SECONDS, "")]

    async def _build(self) -> str:
        """Build the cell; returns where to ask for its image's end."""
        source = _CELL.format(engine=self._engine, image=self._image, some=secrets.token_hex(8))
        body = {"path": "build.ipynb", "source": source, "no_cache": True}
        job = await self._server.ask("POST", "jupyter-containers/builds", body)
        end = await self._server.ask("GET", f"jupyter-containers/builds/{job['id']}/events")
        assert end["job"]["state"] == "done", end
        reference = end["job"]["result"]["name"]
        return f"jupyter-containers/images?engine={self._engine}&reference={reference}"

    def _starts(self, spec: str) -> list[Awaitable[str]]:
        return [self._start(f"{number}.ipynb", spec) for number in range(_KERNELS)]

    async def _start(self, path: str, spec: str) -> str:
        """Start a notebook's kernel; returns where to end it."""
        body = {"path": path, "name": path, "type": "notebook", "kernel": {"name": spec}}
        session = await self._server.ask("POST", "api/sessions", body)
        if spec == "container":
            about = await self._server.ask("GET", f"jupyter-containers/notebook?path={path}")
            assert about["kernel"]["state"] == "running", about
        return f"api/sessions/{session['id']}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
