"""A real JupyterLab in a process of its own, with directories of its own."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

PATIENCE = 120.0
"""Seconds that anything may take on a machine that is slow and busy."""

SETTINGS: dict[str, dict[str, Any]] = {
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    # Nothing is saved but by what the tests do.
    "@jupyterlab/docmanager-extension/plugin.jupyterlab-settings": {"autosave": False},
}
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


def until(condition: Callable[[], Any], what: object, seconds: float = PATIENCE) -> Any:
    """Wait until a condition holds, and return what it said; fail the test where it never does."""
    deadline = time.monotonic() + seconds
    while not (said := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.1)
    return said


class Lab:
    """`python -m jupyterlab`. `root` is where its notebooks are; a server that was stopped or
    killed comes back at the same address."""

    program, app = "jupyterlab", "LabApp"

    def __init__(self, home: Path, more: Path | None = None, *, python: str = "") -> None:
        """`more` is a prefix with packages that this server has beside those of the tests;
        `python` is that of an environment of its own, where our package is installed."""
        self.home, self.more, self.python = home, more, python
        self.root = home / "notebooks"
        self.root.mkdir()
        self.token = secrets.token_hex(16)
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        for name, content in SETTINGS.items():
            self._setting(name, content)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def address(self, notebook: Path) -> str:
        """Of a page with this notebook alone."""
        name = quote(str(notebook.relative_to(self.root)))
        return f"{self.url}/lab/tree/{name}?token={self.token}&reset"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def data(self) -> Path:
        return self.home / "data"

    def start(self) -> None:
        with (self.home / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._argv(),
                cwd=self.root,
                env=self._env(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self._answers, f"JupyterLab answers; its log ends with\n{self.log}")

    def stop(self) -> None:
        """As Ctrl-C twice; for certain in the end."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"JupyterLab did not end:\n{self.log}") from None
        finally:
            _end(process)

    def kill(self) -> None:
        process, self._process = self._process, None
        assert process is not None
        _end(process)

    def theme(self, name: str) -> None:
        """What a page that is loaded from now on looks like."""
        setting = {"theme": THEMES[name], "adaptive-theme": False}
        self._setting("@jupyterlab/apputils-extension/themes.jupyterlab-settings", setting)

    @contextlib.contextmanager
    def settings(self, content: dict[str, Any]) -> Iterator[None]:
        """What a user has set of our extension, for pages that are loaded in it."""
        path = self._setting("jupyter-containers/plugin.jupyterlab-settings", content)
        try:
            yield
        finally:
            path.unlink()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of its REST interface as JSON."""
        request = urllib.request.Request(
            f"{self.url}/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}"},
        )
        try:
            with _direct.open(request, timeout=PATIENCE) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            error.add_note(error.read().decode(errors="replace"))
            raise
        return json.loads(text) if text else None

    def approve(self, path: Path, settings: dict[str, Any]) -> None:
        """Say yes to all that a notebook asks for."""
        name = str(path.relative_to(self.root))
        items = self.ask("GET", f"jupyter-containers/notebook?path={quote(name)}")["missing"]
        body = {"path": name, "settings": settings, "items": items}
        self.ask("POST", "jupyter-containers/approvals", body)

    def end_kernels(self) -> None:
        """Those of sessions; then those that a session got while it was ended."""
        self._end("sessions")
        self._end("kernels")
        for build in self.ask("GET", "jupyter-containers/builds")["builds"]:
            if build["state"] in ("waiting", "running"):
                self.ask("DELETE", f"jupyter-containers/builds/{build['id']}")

    def _end(self, what: str) -> None:
        for one in self.ask("GET", f"api/{what}"):
            try:
                self.ask("DELETE", f"api/{what}/{one['id']}")
            except urllib.error.HTTPError as error:
                if error.code not in (404, 410):  # the page may have ended it just now
                    raise

    def connections(self) -> int:
        """How many pages its kernels have."""
        return sum(one["connections"] for one in self.ask("GET", "api/kernels"))

    @property
    def log(self) -> str:
        """The end of what it printed."""
        return (self.home / "server.log").read_text(errors="replace")[-4000:]

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"JupyterLab has ended:\n{self.log}")
        try:
            self.ask("GET", "api/status")
        except OSError:
            return False
        return True

    def _argv(self) -> list[str]:
        return [
            *(self.python or sys.executable, "-m", self.program, "--no-browser"),
            *(["--allow-root"] if os.getuid() == 0 else []),
            f"--ServerApp.root_dir={self.root}",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            f"--{self.app}.expose_app_in_browser=True",
        ]

    def _env(self) -> dict[str, str]:
        own = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "IPYTHONDIR": "ipython",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        }
        env = {name: str(self.home / folder) for name, folder in own.items()}
        if self.python:
            env |= {"PYTHONPATH": "", "JUPYTER_PATH": "", "JUPYTER_CONFIG_PATH": ""}
        if self.more is not None:
            packages = [str(one) for one in self.more.glob("lib/python3*/site-packages")]
            own_path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
            env["PYTHONPATH"] = os.pathsep.join(filter(None, [*own_path, *packages]))
            # Ours comes before others' in one directory, too.
            shares = (Path(one) / "share" / "jupyter" for one in (sys.prefix, self.more))
            env["JUPYTER_PATH"] = os.pathsep.join(map(str, shares))
            env["JUPYTER_CONFIG_PATH"] = str(self.more / "etc" / "jupyter")
        return {**os.environ, **env, "JUPYTER_TOKEN": self.token}

    def _setting(self, name: str, content: dict[str, Any]) -> Path:
        path = self.home / "settings" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        return path


class Notebook7(Lab):
    """`python -m notebook`."""

    program, app = "notebook", "JupyterNotebookApp"

    def address(self, notebook: Path) -> str:
        name = quote(str(notebook.relative_to(self.root)))
        return f"{self.url}/notebooks/{name}?token={self.token}"


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Past a proxy that the environment may name."""


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _end(process: subprocess.Popen[bytes]) -> None:
    """It and all that it started in its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
