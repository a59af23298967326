"""What passes through the server into a container: requests to its ports, a terminal's echo.

Beside it, in the same run: the same app by its published port, and JupyterLab's own terminal.
"""

from __future__ import annotations

import json
import os
import secrets
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
import websocket

from tests.helpers.channels import execute
from tests.helpers.harness import sign, write_notebook
from tests.ui.lab import Lab, until

from .report import Row

_PORT = 8000
_REQUESTS = 100
"""In each run; a run's figure is their median."""
_MORE_S = 0.002
"""That a proxied request may take beside a direct one."""
_MB = 100
_APP = f"""
import http.server, threading
class Page(http.server.BaseHTTPRequestHandler):
    protocol_version, wbufsize = 'HTTP/1.1', 1 << 16
    def do_GET(self):
        size = {_MB} << 20 if self.path == '/large' else 1000
        self.send_response(200); self.send_header('Content-Length', str(size)); self.end_headers()
        block = bytes(1 << 20)
        while size:
            self.wfile.write(block[:size]); size -= min(size, len(block))
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(('0.0.0.0', {_PORT}), Page)
threading.Thread(target=server.serve_forever, daemon=True).start()
"""


def rows(engine: str, image: str, runs: int, folder: Path) -> list[Row]:
    """Of one engine that publishes ports; `folder` is a new one."""
    with _server(engine, image, folder) as (lab, kernel):
        said = execute(f"{lab.url}/", lab.token, kernel, _APP, 60)
        assert not said, said
        ports = f"jupyter-containers/kernels/{kernel}/ports"
        proxied = lab.url + lab.ask("POST", f"{ports}/{_PORT}", {})["url"]
        published = lab.ask("GET", ports)["published"][0]["host_port"]
        direct = f"http://127.0.0.1:{published}/"
        made = [_requests(proxied, direct, runs), _download(proxied, direct, runs)]
        ours = lab.ask("POST", f"jupyter-containers/kernels/{kernel}/terminals")["name"]
        theirs = lab.ask("POST", "api/terminals")["name"]
        channel = f"jupyter-containers/kernels/{kernel}/terminals/{ours}/channel"
        made.append(_echo(lab, channel, f"terminals/websocket/{theirs}", runs))
    return made


@contextmanager
def _server(engine: str, image: str, folder: Path) -> Iterator[tuple[Lab, str]]:
    """A server with a notebook whose container publishes the port, and its kernel."""
    os.environ.pop("JUPYTER_CONTAINERS_NOTEBOOK", None)  # of the kernels that are measured alone
    lab = Lab(folder)
    settings = {"image": image, "engine": engine, "network": "private", "ports": [_PORT]}
    path = write_notebook(lab.root / "n.ipynb", settings)
    lab.start()
    try:
        sign(path, lab.data)
        lab.approve(path, {"version": 1, **settings})
        wanted = {"path": "n.ipynb", "name": "n.ipynb", "type": "notebook"}
        made = lab.ask("POST", "api/sessions", {**wanted, "kernel": {"name": "container"}})
        yield lab, made["kernel"]["id"]
    finally:
        lab.end_kernels()
        lab.stop()


def _requests(proxied: str, direct: str, runs: int) -> Row:
    ours, theirs = _in_turns(_median, proxied, direct, runs)
    return Row(
        name="request to a port",
        aim=1 + _MORE_S / theirs,
        ours="through the Jupyter server",
        theirs="the same app by its published port",
        ours_s=ours,
        theirs_s=theirs,
        runs=runs,
        note=f"aim: at most {_MORE_S * 1000:.0f} ms more; medians of {_REQUESTS} requests",
    )


def _download(proxied: str, direct: str, runs: int) -> Row:
    ours, theirs = _in_turns(_large, proxied, direct, runs)
    return Row(
        name=f"{_MB} MB from a port",
        aim=2.0,
        ours="through the Jupyter server",
        theirs="the same app by its published port",
        ours_s=ours,
        theirs_s=theirs,
        runs=runs,
    )


def _in_turns(timed: Any, ours: str, theirs: str, runs: int) -> tuple[float, float]:
    seconds: dict[str, list[float]] = {ours: [], theirs: []}
    for turn in range(runs):
        for one in (ours, theirs) if turn % 2 == 0 else (theirs, ours):
            seconds[one].append(timed(one))
    return statistics.median(seconds[ours]), statistics.median(seconds[theirs])


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # no proxy of the environment's
    return session


def _median(address: str) -> float:
    """Of requests over one connection, as a page's are."""
    times = []
    with _session() as session:
        for _ in range(_REQUESTS):
            began = time.perf_counter()
            assert session.get(address, timeout=60).status_code == 200
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def _large(address: str) -> float:
    began, size = time.perf_counter(), 0
    with _session() as session, session.get(f"{address}large", stream=True, timeout=60) as answer:
        for block in answer.iter_content(1 << 20):
            size += len(block)
    assert size == _MB << 20
    return time.perf_counter() - began


def _echo(lab: Lab, ours: str, theirs: str, runs: int) -> Row:
    """A key until its echo comes."""
    sockets = {one: _terminal(lab, one) for one in (ours, theirs)}
    try:
        mine, other = _in_turns(lambda one: _key(sockets[one]), ours, theirs, runs * _REQUESTS)
    finally:
        for one in sockets.values():
            one.close()
    return Row(
        name="a key's echo in a terminal",
        aim=1.2,
        ours="a terminal in the container",
        theirs="JupyterLab's own, on the host",
        ours_s=mine,
        theirs_s=other,
        runs=runs * _REQUESTS,
    )


def _terminal(lab: Lab, path: str) -> websocket.WebSocket:
    """Connected, with `cat` in the foreground, so that only the terminal echoes."""
    made = websocket.create_connection(
        f"{lab.url.replace('http', 'ws', 1)}/{path}",
        header=[f"Authorization: token {lab.token}"],
        timeout=60,
        http_no_proxy=["127.0.0.1"],
    )
    word = secrets.token_hex(8)
    made.send(json.dumps(["stdin", f"echo {word[:8]}''{word[8:]}; exec cat >/dev/null\r"]))
    heard = [""]

    def has_come() -> bool:
        kind, *said = json.loads(made.recv())
        heard[0] += said[0] if kind == "stdout" else ""
        return word in heard[0]

    until(has_come, f"a prompt of {quote(path)}")
    return made


def _key(terminal: websocket.WebSocket) -> float:
    began = time.perf_counter()
    terminal.send(json.dumps(["stdin", "x"]))
    while True:
        kind, *said = json.loads(terminal.recv())
        if kind == "stdout" and "x" in said[0]:
            return time.perf_counter() - began
