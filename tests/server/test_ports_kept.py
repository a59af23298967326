"""Connections to apps in containers that are kept for a page's next request."""

from __future__ import annotations

import asyncio

import jupyter_containers.server.ports
from tests.helpers.web_app import kept_app


async def test_a_connection_is_kept_for_the_next_request(ports, ask, monkeypatch):
    async with kept_app() as (server, port):
        said = [(await ask(port)).body.decode() for _ in range(3)]
        assert said == ["1 0", "1 1", "1 2"]
        together = await asyncio.gather(*(ask(port) for _ in range(3)))
        assert len({one.body for one in together}) == 3
        before = server.came
        # Where it is not known whether the app got it, it cannot be sent again.
        posted = await ask(port, method="POST", body=b"")
        assert posted.body.decode() == f"{before + 1} 0"
        monkeypatch.setattr(jupyter_containers.server.ports, "_KEPT", 0)
        await asyncio.gather(*(ask(port) for _ in range(server.came)))
        while server.gone < server.came:
            await asyncio.sleep(0.01)


async def test_an_app_may_end_a_connection_that_is_kept(ports, ask):
    async with kept_app(most=1) as (_, port):
        said = [(await ask(port)).body.decode() for _ in range(3)]
        assert said == ["1 0", "2 0", "3 0"]
    async with kept_app(header="Connection: close\r\n") as (_, port):
        said = [(await ask(port)).body.decode() for _ in range(3)]
        assert said == ["1 0", "2 0", "3 0"]
