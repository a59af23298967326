"""Terminals in a kernel's container, as a page opens them."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from jupyter_containers.server import terminals
from tests.helpers.harness import approve, write_notebook


@pytest.fixture
def running(jp_root_dir, jp_fetch, engine, image):
    """`async with running() as kernel`: the id of one in a container."""

    @contextlib.asynccontextmanager
    async def run():
        approve(write_notebook(jp_root_dir / "n.ipynb", {"image": image, "engine": engine}, "1"))
        kernel = {"name": "container"}
        body = {"path": "n.ipynb", "name": "n.ipynb", "type": "notebook", "kernel": kernel}
        answer = await jp_fetch(
            "api", "sessions", method="POST", body=json.dumps(body), request_timeout=120
        )
        session = json.loads(answer.body)
        yield session["kernel"]["id"]
        await jp_fetch("api", "sessions", session["id"], method="DELETE")

    return run


class Page:
    """A page that shows a terminal."""

    def __init__(self, channel):
        self._channel = channel
        self.text = ""

    async def say(self, *said):
        await self._channel.write_message(json.dumps(said))

    async def heard(self):
        async with asyncio.timeout(30):
            said = await self._channel.read_message()
        return json.loads(said) if said is not None else None

    async def until(self, text):
        while text not in self.text:
            kind, said = await self.heard()
            self.text += said if kind == "stdout" else ""

    def close(self):
        self._channel.close()


@pytest.fixture
def page(jp_ws_fetch):
    """`async with page(kernel, name)`: one that shows this terminal."""

    @contextlib.asynccontextmanager
    async def join(kernel, name):
        where = ("jupyter-containers", "kernels", kernel, "terminals", name, "channel")
        page = Page(await jp_ws_fetch(*where))
        assert await page.heard() == ["setup", {}]
        yield page
        page.close()
        while await page.heard() is not None:
            pass

    return join


async def test_a_terminal_from_its_start_to_its_end(running, api, page, jp_fetch):
    async with running() as kernel:
        where = f"kernels/{kernel}/terminals"
        assert await api("GET", where) == (200, {"terminals": [], "refused": None})
        assert await api("POST", where, {}) == (201, {"name": "1"})
        assert await api("POST", where, {}) == (201, {"name": "2"})
        async with page(kernel, "1") as first, page(kernel, "1") as second:
            await first.say("set_size", 31, 99)
            await first.say("stdin", "stty size; echo on$((1))é\n")
            await first.until("31 99\r\non1é")
            odd: tuple[object, ...]
            for odd in ("stdin", "set_size", "no"), ("set_size", "a", 1), ("stdin", 1), ({},):
                await first.say(*odd)
            await second.until("31 99\r\non1é")
            await second.say("set_size", 20, 120)
            await second.say("stdin", "stty size\n")
            await first.until("20 99")

        await jp_fetch("api", "kernels", kernel, "restart", method="POST", body=b"")
        async with page(kernel, "1") as again:
            await again.until("20 99")  # what has been
            await again.say("stdin", "echo still$((1))\n")
            await again.until("still1")
            assert await api("DELETE", f"{where}/2") == (204, None)
            await again.say("stdin", "exit\n")
            while (said := await again.heard()) != ["disconnect", 1]:
                assert said is not None
        assert await api("GET", where) == (200, {"terminals": [], "refused": None})
        assert (await api("DELETE", f"{where}/1"))[0] == 404


async def test_its_output_is_kept_up_to_a_limit(running, api, page, monkeypatch):
    monkeypatch.setattr(terminals, "KEPT", 200_000)
    async with running() as kernel:
        await api("POST", f"kernels/{kernel}/terminals", {})
        async with page(kernel, "1") as first:
            await first.say("stdin", "seq 100000; echo end$((1))\n")
            await first.until("end1")
        async with page(kernel, "1") as second:
            await second.until("end1")
            assert len(second.text) <= 200_000


async def test_pages_are_told_that_the_container_has_ended(running, api, page):
    async with contextlib.AsyncExitStack() as pages:
        async with running() as kernel:
            await api("POST", f"kernels/{kernel}/terminals", {})
            first = await pages.enter_async_context(page(kernel, "1"))
            await first.say("stdin", "echo on$((1))\n")
            await first.until("on1")
        while (said := await first.heard()) != ["disconnect", 0]:
            assert said is not None
        assert (await api("GET", f"kernels/{kernel}/terminals"))[0] == 404


async def test_pages_are_told_that_only_the_connection_has_ended(running, api, page):
    async with running() as kernel:
        await api("POST", f"kernels/{kernel}/terminals", {})
        async with page(kernel, "1") as first:
            await asyncio.sleep(1.5)  # who kills it at once gets no other
            # The shell's parent is the forwarder, whose user it is too.
            await first.say("stdin", "kill -9 $PPID\n")
            while (said := await first.heard()) != ["disconnect", 2]:
                assert said is not None
        assert await api("GET", f"kernels/{kernel}/terminals") == (
            200,
            {"terminals": [], "refused": None},
        )
        assert (await api("POST", f"kernels/{kernel}/terminals", {}))[0] == 201
        async with page(kernel, "1") as again:
            await again.say("stdin", "echo again$((1))\n")
            await again.until("again1")


@pytest.mark.parametrize("policy", [{"terminals": False}])
async def test_an_administrator_forbids_them(running, api):
    async with running() as kernel:
        status, said = await api("POST", f"kernels/{kernel}/terminals", {})
        assert status == 403
        assert "may not be opened (Policy.terminals)" in said["message"]
        status, said = await api("GET", f"kernels/{kernel}/terminals")
        assert (status, said["terminals"]) == (200, [])
        assert "may not be opened (Policy.terminals)" in said["refused"]
