"""What a person does with their server of a Hub: log in, start it, open a notebook, run a cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from tests.helpers.channels import execute

from ..ui.lab import PATIENCE, until
from .hub import Hub, Person, User


class Visit:
    """One person in one browser, at their server or one of their named servers."""

    def __init__(self, hub: Hub, person: User, server: str = "") -> None:
        self.hub, self.person, self.server = hub, person, server
        self.session = requests.Session()
        self.session.trust_env = False  # no proxy between a test and its Hub
        self._token = ""

    @property
    def base(self) -> str:
        """Of their server's pages."""
        named = f"{quote(self.server)}/" if self.server else ""
        return f"{self.hub.url}/user/{self.person.name}/{named}"

    def log_in(self) -> None:
        """Through the Hub's own page, as a browser does."""
        page = f"{self.hub.url}/hub/login"
        self.session.get(page, timeout=PATIENCE)
        form = {"username": self.person.name, "password": self.hub.password, "_xsrf": self._xsrf()}
        assert self.session.post(page, form, timeout=PATIENCE).status_code == 200

    def start(self) -> None:
        """Start the server and wait until it answers this browser."""
        self.hub.ask("POST", f"users/{self.person.name}/servers/{self.server}")
        until(self._is_ready, self.hub)
        self.enter()

    def enter(self) -> None:
        """A server that runs sends a browser that it does not know to the Hub and back (OAuth)."""
        assert self.session.get(self.base + "lab", timeout=PATIENCE).status_code == 200

    def stop(self) -> None:
        """Stop the server, and wait until the Hub says it is."""
        self.hub.ask("DELETE", f"users/{self.person.name}/servers/{self.server}")
        until(lambda: not self.hub.runs(self.person, self.server), "the server is stopped")

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response:
        """What the server answers this browser."""
        return self.session.request(
            method,
            self.base + path,
            json=body,
            headers={"X-XSRFToken": self._xsrf(), "Accept": "application/json"},
            timeout=PATIENCE,
            allow_redirects=False,
        )

    def save(self, path: str, settings: Any) -> None:
        """As JupyterLab does that has these settings in the notebook's metadata."""
        content = self.ask("GET", f"api/contents/{path}").json()["content"]
        content["metadata"]["jupyter_containers"] = settings
        body = {"type": "notebook", "content": content}
        said = self.ask("PUT", f"api/contents/{path}", body)
        assert said.status_code == 200, said.text

    def get(self, path: str) -> Any:
        """A page of ours that is there."""
        said = self.ask("GET", f"jupyter-containers/{path}")
        assert said.status_code == 200, said.text
        return said.json()

    def approve(self, notebook: str) -> None:
        """Say yes to all that it asks for, as Apply in the sidebar."""
        asked = self.get(f"notebook?path={quote(notebook)}")
        body = {"path": notebook, "settings": asked["asked"], "items": asked["missing"]}
        said = self.ask("POST", "jupyter-containers/approvals", body)
        assert said.status_code == 200, said.text

    def open(self, notebook: str, kernel: str = "container") -> Session:
        """Open a notebook with a kernel of its own."""
        name = notebook.rpartition("/")[2]
        wanted = {"path": notebook, "type": "notebook", "name": name, "kernel": {"name": kernel}}
        said = self.ask("POST", "api/sessions", wanted)
        assert said.status_code == 201, said.text
        return Session(self, said.json())

    def token(self) -> str:
        """One of the person's own, as from the Hub's token page."""
        if not self._token:
            self._token = self.hub.ask("POST", f"users/{self.person.name}/tokens")["token"]
        return self._token

    def _is_ready(self) -> bool:
        return self.hub.runs(self.person, self.server) == "ready"

    def _xsrf(self) -> str:
        path = self.base.removeprefix(self.hub.url)
        found = [one for one in self.session.cookies if one.name == "_xsrf"]
        fitting = [one for one in found if path.startswith(one.path)] or found
        return max(fitting, key=lambda one: len(one.path)).value or ""


class Session:
    """A notebook and its kernel."""

    def __init__(self, visit: Visit, said: dict[str, Any]) -> None:
        self.visit, self.id = visit, said["id"]
        self.kernel: str = said["kernel"]["id"]

    def run(self, code: str, seconds: float = PATIENCE) -> str:
        """What a cell prints and what it fails with."""
        visit = self.visit
        return execute(visit.base, visit.token(), self.kernel, code, seconds)

    def close(self) -> None:
        """Shut the kernel down."""
        self.visit.ask("DELETE", f"api/sessions/{self.id}")


def notebook(person: Person, path: Path, settings: dict[str, Any] | None, *cells: str) -> Path:
    """A notebook of that person; without settings it has no kernel yet either."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    spec = {"name": "container", "display_name": "C", "language": "python"}
    made = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    if settings is not None:
        made.metadata = {"kernelspec": spec, "jupyter_containers": {"version": 1, **settings}}
    person.run("mkdir", "-p", str(path.parent))
    person.run("tee", str(path), input=nbformat.writes(made)).check_returncode()
    return path
