"""A real Jupyter server without a browser: its REST interface, and cells through its websocket."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.helpers.channels import Terminal, execute
from tests.ui.lab import PATIENCE, Lab

NOTED = 2.5
"""Seconds after which it has written down which session a kernel has (`app._NOTE_EVERY`)."""


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

    def fail(self) -> str:
        """Start one that ends by itself, as it should; what it said."""
        argv, env = self._argv(), self._env()
        done = subprocess.run(
            argv, env=env, cwd=self.root, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode != 0
        return done.stderr

    def open(self, path: Path) -> dict[str, Any]:
        """A session of a notebook with a kernel, which is approved."""
        name = str(path.relative_to(self.root))
        asked = self.ask("GET", f"jupyter-containers/notebook?path={quote(name)}")["asked"]
        self.approve(path, asked)
        wanted = {"name": "container"}
        about = {"path": name, "type": "notebook", "name": path.name, "kernel": wanted}
        said: dict[str, Any] = self.ask("POST", "api/sessions", about)
        return said

    def run(self, session: dict[str, Any], code: str) -> str:
        return execute(f"{self.url}/", self.token, session["kernel"]["id"], code, PATIENCE)

    def terminal(self, session: dict[str, Any]) -> Terminal:
        """A new one in the container of a session's kernel."""
        kernel = session["kernel"]["id"]
        made = self.ask("POST", f"jupyter-containers/kernels/{kernel}/terminals")
        return Terminal(f"{self.url}/", self.token, kernel, made["name"], PATIENCE)

    def sessions(self) -> list[tuple[str, str, str]]:
        said = self.ask("GET", "api/sessions")
        return [(one["id"], one["path"], one["kernel"]["id"]) for one in said]

    def _argv(self) -> list[str]:
        return [word for word in super()._argv() if "expose_app" not in word]
