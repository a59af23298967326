"""Which server takes up the kernels of one that was killed, and which does not."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import urllib.error
from collections.abc import Callable
from pathlib import Path

import pytest
import websocket

from tests.helpers.harness import containers, remove_by_hand
from tests.helpers.serving import NOTED, Server
from tests.ui.lab import until

LeftBehind = Callable[[], list[str]]


def test_is_no_other_servers(
    server: Server, its_notebook: Path, engine_program: str, tmp_path: Path
) -> None:
    """It neither takes it up nor calls it an orphan."""
    before = server.open(its_notebook)
    assert server.run(before, "x = 41; print(x)") == "41"
    time.sleep(NOTED)
    server.kill()
    other = Server(tmp_path / "other")
    other.start()
    try:
        assert other.sessions() == []
        time.sleep(3)  # it looks for orphans when it has started
        assert len(containers(engine_program)) == 1
    finally:
        other.stop()
    server.start()
    assert server.run(before, "print(x + 1)") == "42"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("c.Policy.images = ['docker.io/library/no*']", "(Policy.images)"),
        ("c.Policy.max_memory = '1g'", "would start with other limits by now"),
    ],
)
def test_what_the_policy_forbids_by_then_is_not_taken_up(
    server: Server,
    its_notebook: Path,
    engine_program: str,
    left_behind: LeftBehind,
    line: str,
    said: str,
) -> None:
    server.stop()
    server.configure("c.Policy.orphan_grace = 8")
    server.start()
    assert server.run(server.open(its_notebook), "print(1)") == "1"
    server.kill()
    server.configure("c.Policy.orphan_grace = 8", line)
    server.start()
    assert server.sessions() == []
    assert said in (server.home / "server.log").read_text()
    until(lambda: containers(engine_program) == [], "the container is gone")
    until(lambda: left_behind() == [], "nothing is left")


def test_a_container_that_has_gone_meanwhile_is_no_ones(
    server: Server, its_notebook: Path, engine_program: str, left_behind: LeftBehind
) -> None:
    server.stop()
    server.configure("c.Policy.orphan_grace = 8")
    server.start()
    before = server.open(its_notebook)
    assert server.run(before, "print(1)") == "1"
    time.sleep(NOTED)
    server.kill()
    (container,) = containers(engine_program)
    remove_by_hand(engine_program, container)
    server.start()
    assert server.sessions() == []
    with pytest.raises(urllib.error.HTTPError):
        server.ask("GET", f"api/kernels/{before['kernel']['id']}")
    another = server.open(its_notebook)
    assert server.run(another, "print(2)") == "2"
    server.ask("DELETE", f"api/sessions/{another['id']}")
    until(lambda: left_behind() == [], "nothing is left")


def test_no_container_sees_what_is_written_down(server: Server, its_notebook: Path) -> None:
    session = server.open(its_notebook)
    code = """
import subprocess
print(subprocess.getoutput("find / -name kernel.json -not -path '/proc/*' 2>/dev/null"))
"""
    # Wherever it would be mounted: kernel specs of the image and of our kit have that name too.
    seen = server.run(session, code).splitlines()
    assert [path for path in seen if "/kernels/" not in path] == []


def test_a_server_that_answers_before_kernels_have_started(
    server: Server, its_notebook: Path, engine_program: str
) -> None:
    server.stop()
    server.configure("c.AsyncMappingKernelManager.use_pending_kernels = True")
    server.start()
    before = server.open(its_notebook)
    assert server.run(before, "x = 41; print(x)") == "41"
    time.sleep(NOTED)
    server.kill()
    server.start()
    assert [one[0] for one in server.sessions()] == [before["id"]]
    assert server.run(before, "print(x + 1)") == "42"
    assert len(containers(engine_program)) == 1


def test_a_server_that_cannot_listen_costs_nothing(
    server: Server, its_notebook: Path, engine_program: str
) -> None:
    before = server.open(its_notebook)
    assert server.run(before, "x = 41; print(x)") == "41"
    time.sleep(NOTED)
    server.kill()
    with socket.create_server(("127.0.0.1", server.port)):
        said = server.fail()
    assert "goes on" in said and "already in use" in said
    assert len(containers(engine_program)) == 1
    server.start()
    assert server.run(before, "print(x + 1)") == "42"


def test_a_notebook_that_was_renamed_goes_on_under_its_new_name(
    server: Server, its_notebook: Path
) -> None:
    before = server.open(its_notebook)
    assert server.run(before, "x = 41; print(x)") == "41"
    server.ask("PATCH", "api/contents/n.ipynb", {"path": "m.ipynb"})
    server.ask("PATCH", f"api/sessions/{before['id']}", {"path": "m.ipynb", "name": "m.ipynb"})
    time.sleep(NOTED)
    server.kill()
    server.start()
    assert server.sessions() == [(before["id"], "m.ipynb", before["kernel"]["id"])]
    server.ask("POST", f"api/kernels/{before['kernel']['id']}/restart")
    assert server.run(before, "print('x' in dir())") == "False"


def test_a_kernel_counts_as_busy_until_it_says_otherwise(
    server: Server, its_notebook: Path
) -> None:
    """Culling ends idle ones, and a page that was closed tells nobody."""
    before = server.open(its_notebook)
    kernel = f"api/kernels/{before['kernel']['id']}"

    def run() -> None:
        with contextlib.suppress(websocket.WebSocketException, OSError):  # its server is killed
            server.run(before, "__import__('time').sleep(15)")

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: server.ask("GET", kernel)["execution_state"] == "busy", "it is busy")
    time.sleep(NOTED)
    server.kill()
    thread.join()
    server.start()
    assert server.ask("GET", kernel)["execution_state"] == "busy"
    until(lambda: server.ask("GET", kernel)["execution_state"] == "idle", "the cell is over", 30)
