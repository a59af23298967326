"""openapi.json: all routes stand in it, and a live server keeps to it whatever it is asked."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi.checks import positive_data_acceptance, unsupported_method

from jupyter_containers.server.handlers import handlers
from jupyter_containers.server.handlers.ports import Page
from tests.helpers.harness import write_notebook

from .contract import CONTRACT

TOKEN = "of-a-test"


def test_every_route_is_described() -> None:
    routes = {
        (pattern.removeprefix("/jupyter-containers").replace("([^/]+)", "{}"), verb)
        for pattern, handler in handlers()
        for verb in ("get", "post", "delete", "put", "patch")
        if verb in vars(handler) and pattern[-2:] != ".*" and not issubclass(handler, Page)
    }
    described = {
        (path.replace("{id}", "{}").replace("{name}", "{}").replace("{port}", "{}"), verb)
        for path, verbs in CONTRACT["paths"].items()
        for verb in verbs
        if verb != "parameters"
    }
    assert described == routes


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A server of its own that finds no engine. What it is asked here is made up."""
    root = tmp_path_factory.mktemp("live")
    write_notebook(root / "n.ipynb", {"image": "localhost/some:1"}, "%%dockerfile\nFROM x")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = (root / "log").open("wb")
    places = {f"JUPYTER_{name}_DIR": str(root / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    env = {**os.environ, **places, "PATH": str(root), "JUPYTER_TOKEN": TOKEN}
    argv = [sys.executable, "-m", "jupyter_server", f"--port={port}", "--no-browser"]
    argv += ["--allow-root", f"--ServerApp.root_dir={root}", "--ServerApp.port_retries=0"]
    argv += ["--ServerApp.jpserver_extensions={'jupyter_containers': True}"]
    with subprocess.Popen(argv, env=env, stdout=log, stderr=log) as server:
        url = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    urllib.request.urlopen(f"{url}/api").close()
                    break
                except OSError:
                    assert time.monotonic() < deadline, (root / "log").read_text()
                    time.sleep(0.1)
            yield url
        finally:
            server.terminate()
            server.wait(30)
            log.close()


OPERATIONS = [
    (path, verb)
    for path, verbs in CONTRACT["paths"].items()
    for verb in verbs
    if verb != "parameters"
]


@pytest.mark.parametrize(("path", "verb"), OPERATIONS)
def test_a_live_server_keeps_to_it(path: str, verb: str, live: str) -> None:
    """Made-up names and images are refused, so what is looked at is the shape of answers."""
    load_all_checks()
    schema = schemathesis.openapi.from_dict(CONTRACT)
    schema.config.update(base_url=f"{live}/jupyter-containers")

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=schema[path][verb.upper()].as_strategy())
    def asked(case: schemathesis.Case) -> None:
        answer = case.call_and_validate(
            headers={"Authorization": f"token {TOKEN}"},
            # 501 and 503 say that no engine is here, and are no faults of the server.
            excluded_checks=[not_a_server_error, positive_data_acceptance, unsupported_method],
        )
        assert answer.status_code != 500

    asked()
