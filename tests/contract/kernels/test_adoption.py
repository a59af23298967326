"""A server that is killed leaves its kernels to the one that is started after it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.command import Running, jc, processes
from tests.helpers.harness import containers
from tests.helpers.serving import NOTED, Server
from tests.ui.lab import until

LeftBehind = Callable[[], list[str]]


def test_goes_on_in_the_next_server(
    server: Server, its_notebook: Path, engine_program: str, left_behind: LeftBehind
) -> None:
    before = server.open(its_notebook)
    assert server.run(before, "x = 41; print(x)") == "41"
    (container,) = containers(engine_program)
    time.sleep(NOTED)
    server.kill()
    server.start()
    assert server.sessions() == [(before["id"], "n.ipynb", before["kernel"]["id"])]
    assert server.run(before, "print(x + 1)") == "42"
    rows = server.ask("GET", "jupyter-containers/containers")["containers"]
    assert [one["orphan"] for one in rows if one["name"] == container] == [False]
    said = server.ask("GET", "jupyter-containers/notebook?path=n.ipynb")["kernel"]
    assert (said["state"], said["container"]) == ("running", container)
    assert said["applied"]["uid"] is not None
    server.kill()  # the heir has one too
    server.start()
    assert server.run(before, "print(x + 2)") == "43"
    kernel = f"api/kernels/{before['kernel']['id']}"
    thread = threading.Thread(target=server.run, args=(before, "while True: pass"))
    thread.start()
    until(lambda: server.ask("GET", kernel)["execution_state"] == "busy", "it is busy")
    server.ask("POST", f"{kernel}/interrupt")
    thread.join()
    server.ask("POST", f"{kernel}/restart")
    assert server.run(before, "print('x' in dir())") == "False"
    assert containers(engine_program) == [container]
    server.ask("DELETE", f"api/sessions/{before['id']}")
    until(lambda: containers(engine_program) == [], "the container is gone")
    until(lambda: left_behind() == [], "nothing is left")


APP = """
import http.server, threading
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'"hello"')
    def log_message(self, *_): pass
app = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Page)
threading.Thread(target=app.serve_forever, daemon=True).start()
print(app.server_port)
"""


def test_streams_go_on_in_the_next_server(
    server: Server, its_notebook: Path, engine_program: str, left_behind: LeftBehind
) -> None:
    before = server.open(its_notebook)
    kernel = f"jupyter-containers/kernels/{before['kernel']['id']}"
    port = int(server.run(before, APP))
    address = server.ask("POST", f"{kernel}/ports/{port}", {})["url"].lstrip("/")
    assert server.ask("GET", address) == "hello"

    def listed() -> list[int]:
        return [one["port"] for one in server.ask("GET", f"{kernel}/ports")["listening"]]

    until(lambda: listed() == [port], "the app's port, and no other, is listed")
    terminal = server.terminal(before)
    terminal.type("echo on$((1)); exec sleep 4253\n")
    terminal.until("on1")
    beside = Running("exec", its_notebook, "--", "sh", "-c", "echo on; sleep 3; echo 6$((7))")
    beside.until("on")
    time.sleep(NOTED)
    server.kill()
    terminal.close()
    server.start()
    assert server.ask("GET", address) == "hello"
    assert listed() == [port]
    # A terminal is the server's; a program of another process is that one's.
    until(lambda: processes("sleep 4253") == [], "the terminal's program is gone")
    if engine_program == "kubernetes":  # the server is the way to a Pod
        beside.until("lost while sh ran")
    else:
        beside.until("67")
    beside.process.communicate(timeout=20)
    assert (beside.process.returncode == 0) is (engine_program != "kubernetes")
    assert server.ask("GET", f"{kernel}/terminals")["terminals"] == []
    terminal = server.terminal(before)
    terminal.type("echo again$((1))\n")
    terminal.until("again1")
    terminal.close()
    assert jc("exec", its_notebook, "--", "echo", "still").stdout == "still\n"
    server.ask("DELETE", f"api/sessions/{before['id']}")
    until(lambda: containers(engine_program) == [], "the container is gone")
    until(lambda: left_behind() == [], "nothing is left")


def test_ends_where_no_server_comes(
    server: Server, its_notebook: Path, engine_program: str, left_behind: LeftBehind
) -> None:
    server.stop()
    server.configure("c.Policy.orphan_grace = 4")
    server.start()
    assert server.run(server.open(its_notebook), "print(1)") == "1"
    server.kill()
    time.sleep(1)
    assert len(containers(engine_program)) == 1
    until(lambda: containers(engine_program) == [], "the container is gone")
    until(lambda: left_behind() == [], "nothing is left")
    server.start()
    assert server.sessions() == []


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_ends_with_a_server_that_is_stopped(
    server: Server,
    its_notebook: Path,
    engine_program: str,
    left_behind: LeftBehind,
    signum: signal.Signals,
) -> None:
    assert server.run(server.open(its_notebook), "print(1)") == "1"
    os.kill(server.pid, signum)
    until(lambda: containers(engine_program) == [], "the container is gone", 15)
    until(lambda: left_behind() == [], "nothing is left", 15)
    server.stop()
