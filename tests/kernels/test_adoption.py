"""A server that is killed leaves its kernels to the one that is started after it."""

from __future__ import annotations

import os
import time
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.channels import execute
from tests.harness import containers, remove_by_hand, write_notebook
from tests.ui.lab import PATIENCE, Lab, until

LeftBehind = Callable[[], list[str]]


class Server(Lab):
    """`python -m jupyter_server`, of a folder; with lines of configuration."""

    program, app = "jupyter_server", "ServerApp"

    def __init__(self, home: Path, *config: str) -> None:
        home.mkdir(exist_ok=True)
        super().__init__(home)
        (home / "config").mkdir()
        self.configure(*config)

    def configure(self, *lines: str) -> None:
        """For the next start."""
        (self.home / "config/jupyter_server_config.py").write_text("\n".join(lines) + "\n")

    def open(self, path: Path) -> dict[str, Any]:
        """A session of a notebook with a kernel, which is approved."""
        asked = self.ask("GET", f"jupyter-containers/notebook?path={path.name}")["asked"]
        self.approve(path, asked)
        wanted = {"name": "container"}
        about = {"path": path.name, "type": "notebook", "name": path.name, "kernel": wanted}
        said: dict[str, Any] = self.ask("POST", "api/sessions", about)
        return said

    def run(self, session: dict[str, Any], code: str) -> str:
        return execute(f"{self.url}/", self.token, session["kernel"]["id"], code, PATIENCE)

    def sessions(self) -> list[tuple[str, str, str]]:
        said = self.ask("GET", "api/sessions")
        return [(one["id"], one["path"], one["kernel"]["id"]) for one in said]

    def _argv(self) -> list[str]:
        return [word for word in super()._argv() if "expose_app" not in word]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "server")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def notebook(server: Server, engine: str, image: str) -> Path:
    return write_notebook(server.root / "n.ipynb", {"image": image, "engine": engine})


def noted(server: Server) -> None:
    """Until it has written down which session the kernel has."""
    del server
    time.sleep(2.5)


def test_goes_on_in_the_next_server(
    server: Server, notebook: Path, engine_program: str, left_behind: LeftBehind
) -> None:
    before = server.open(notebook)
    assert server.run(before, "x = 41; print(x)") == "41"
    (container,) = containers(engine_program)
    noted(server)
    server.kill()
    server.start()
    assert server.sessions() == [(before["id"], "n.ipynb", before["kernel"]["id"])]
    assert server.run(before, "print(x + 1)") == "42"
    (row,) = server.ask("GET", "jupyter-containers/containers")["containers"]
    assert (row["name"], row["orphan"]) == (container, False)
    said = server.ask("GET", "jupyter-containers/notebook?path=n.ipynb")
    assert said["state"] == "running"
    assert said["applied"]["uid"] is not None
    server.kill()  # the heir has one too
    server.start()
    assert server.run(before, "print(x + 2)") == "43"
    server.ask("POST", f"api/kernels/{before['kernel']['id']}/restart")
    assert server.run(before, "print('x' in dir())") == "False"
    assert containers(engine_program) == [container]
    server.ask("DELETE", f"api/sessions/{before['id']}")
    until(lambda: containers(engine_program) == [], "the container is gone")
    until(lambda: left_behind() == [], "nothing is left")


def test_ends_where_no_server_comes(
    server: Server, notebook: Path, engine_program: str, left_behind: LeftBehind
) -> None:
    server.stop()
    server.configure("c.Policy.orphan_grace = 4")
    server.start()
    assert server.run(server.open(notebook), "print(1)") == "1"
    server.kill()
    time.sleep(1)
    assert len(containers(engine_program)) == 1
    until(lambda: containers(engine_program) == [], "the container is gone")
    until(lambda: left_behind() == [], "nothing is left")
    server.start()
    assert server.sessions() == []


def test_is_no_other_servers(
    server: Server, notebook: Path, engine_program: str, tmp_path: Path
) -> None:
    """It neither takes it up nor calls it an orphan."""
    before = server.open(notebook)
    assert server.run(before, "x = 41; print(x)") == "41"
    noted(server)
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


def test_what_the_policy_forbids_by_then_is_not_taken_up(
    server: Server, notebook: Path, engine_program: str, left_behind: LeftBehind
) -> None:
    server.stop()
    server.configure("c.Policy.orphan_grace = 8")
    server.start()
    assert server.run(server.open(notebook), "print(1)") == "1"
    server.kill()
    server.configure("c.Policy.orphan_grace = 8", "c.Policy.images = ['docker.io/library/no*']")
    server.start()
    assert server.sessions() == []
    assert "(Policy.images)" in (server.home / "server.log").read_text()
    until(lambda: containers(engine_program) == [], "the container is gone")
    until(lambda: left_behind() == [], "nothing is left")


def test_a_container_that_has_gone_meanwhile_is_no_ones(
    server: Server, notebook: Path, engine_program: str
) -> None:
    before = server.open(notebook)
    assert server.run(before, "print(1)") == "1"
    noted(server)
    server.kill()
    (container,) = containers(engine_program)
    remove_by_hand(engine_program, container)
    server.start()
    assert server.sessions() == []
    with pytest.raises(urllib.error.HTTPError):
        server.ask("GET", f"api/kernels/{before['kernel']['id']}")
    assert server.run(server.open(notebook), "print(2)") == "2"


def test_no_container_sees_what_is_written_down(server: Server, notebook: Path) -> None:
    session = server.open(notebook)
    code = """
import subprocess
print(subprocess.getoutput("find / -name kernel.json -not -path '/proc/*' 2>/dev/null"))
"""
    seen = server.run(session, code)
    assert "/jc/" not in seen and "/rooms/" not in seen and f"/jc-{os.getuid()}" not in seen
