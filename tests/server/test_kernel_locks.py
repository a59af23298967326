"""A kernel that is ended, or restarted, while it ends or restarts already."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError

from tests.helpers.harness import approve, containers, write_notebook
from tests.helpers.serving import Server
from tests.ui.lab import until


class OneKernel:
    """A server's kernel, whose next restart starts another container."""

    def __init__(self, fetch: Any, manager: Any, notebook: Path, settings: dict[str, Any]) -> None:
        self.fetch, self.manager = fetch, manager
        self.notebook, self.settings = notebook, settings

    async def start(self) -> None:
        approve(write_notebook(self.notebook, self.settings))
        about = {"path": "n.ipynb", "name": "n.ipynb", "type": "notebook"}
        body = json.dumps(about | {"kernel": {"name": "container"}})
        answer = await self.fetch("api", "sessions", method="POST", body=body, request_timeout=120)
        session = json.loads(answer.body)
        self.session, self.id = session["id"], session["kernel"]["id"]
        approve(write_notebook(self.notebook, self.settings | {"env": {"NEW": "1"}}))

    async def restart(self) -> int:
        where = ("api", "kernels", self.id, "restart")
        return await self._status(*where, method="POST", allow_nonstandard_methods=True)

    async def end(self) -> int:
        return await self._status("api", "sessions", self.session, method="DELETE")

    async def _status(self, *where: str, **options: Any) -> int:
        try:
            answer = await self.fetch(*where, request_timeout=120, **options)
        except HTTPClientError as error:
            return error.code
        return int(answer.code)

    @property
    def is_known(self) -> bool:
        return self.id in self.manager


@pytest.fixture
def kernel(jp_root_dir, engine, image, jp_fetch, jp_serverapp) -> OneKernel:
    settings = {"image": image, "engine": engine}
    return OneKernel(jp_fetch, jp_serverapp.kernel_manager, jp_root_dir / "n.ipynb", settings)


@pytest.fixture
def of_kernel(engine_program: str) -> Callable[[str], list[str]]:
    """The containers of a kernel."""
    return lambda kernel: containers(engine_program, f"jupyter-containers.kernel={kernel}")


@pytest.mark.parametrize("delay", [0.02, 0.3, 0.8])
async def test_ended_while_it_restarts(kernel, delay, of_kernel):
    await kernel.start()
    restarting = asyncio.ensure_future(kernel.restart())
    await asyncio.sleep(delay)
    ended = await kernel.end()
    await restarting
    assert (ended, kernel.is_known, of_kernel(kernel.id)) == (204, False, [])


@pytest.mark.parametrize("delay", [0.02, 0.2])
async def test_restarted_while_it_ends(kernel, delay, of_kernel):
    await kernel.start()
    ending = asyncio.ensure_future(kernel.end())
    await asyncio.sleep(delay)
    assert await kernel.restart() == 500
    assert (await ending, kernel.is_known, of_kernel(kernel.id)) == (204, False, [])


async def test_restarted_twice_at_once(kernel, of_kernel):
    await kernel.start()
    answers = await asyncio.gather(kernel.restart(), kernel.restart())
    assert list(answers) == [200, 200]
    assert len(of_kernel(kernel.id)) == 1
    assert (await kernel.end(), of_kernel(kernel.id)) == (204, [])


async def test_ended_twice_at_once(kernel, of_kernel):
    await kernel.start()
    answers = await asyncio.gather(kernel.end(), kernel.end())
    assert list(answers) == [204, 204]
    assert (kernel.is_known, of_kernel(kernel.id)) == (False, [])


@pytest.mark.parametrize("state", ["starting", "restarting"])
def test_the_server_is_ended_while_a_kernel_starts(server, its_notebook, state, of_kernel):
    """Another kernel runs: without one, jupyter_server does not look for kernels at its end."""
    server.ask("POST", "api/kernels", {"name": "python3"})
    if state == "restarting":
        id = server.open(its_notebook)["kernel"]["id"]
        settings = {**settings_of(its_notebook), "env": {"NEW": "1"}}
        write_notebook(its_notebook, settings)
        server.approve(its_notebook, settings)
        doing = background(lambda: server.ask("POST", f"api/kernels/{id}/restart"))
    else:
        doing = background(lambda: server.open(its_notebook))
    with doing:
        found = until(lambda: kernel_in(server, state), f"it is {state}")
        server.stop()
    assert of_kernel(found["id"]) == []


def settings_of(notebook: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(notebook.read_text())["metadata"]["jupyter_containers"]
    return found


def kernel_in(server: Server, state: str) -> dict[str, Any] | None:
    kernel = server.ask("GET", "jupyter-containers/notebook?path=n.ipynb")["kernel"]
    return kernel if kernel and kernel["state"] == state else None


@contextmanager
def background(ask: Callable[[], Any]) -> Iterator[None]:
    """A request that the end of its server may cut off."""

    def run() -> None:
        with suppress(urllib.error.URLError, OSError):
            ask()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()
