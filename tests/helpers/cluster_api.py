"""An API server that does what a test tells it to, one answer after another."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def status(code: int, message: str = "", *, headers: dict[str, str] | None = None) -> Answer:
    """A refusal as the API writes it."""
    body = {"kind": "Status", "status": "Failure", "code": code, "message": message}

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=code, headers=headers)

    return answer


def said(body: Any, code: int = 200) -> Answer:
    """An object."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=code)

    return answer


def page(code: int, text: str) -> Answer:
    """What a proxy says."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text=text, status=code, content_type="text/html")

    return answer


async def hang(request: web.Request) -> web.StreamResponse:
    """It takes the question and says nothing."""
    await asyncio.sleep(3600)
    raise AssertionError


async def cut(request: web.Request) -> web.StreamResponse:
    """It hangs up."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def events(*objects: Any, then_cut: bool = False) -> Answer:
    """A watch."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for one in objects:
            await response.write(json.dumps(one).encode() + b"\n")
        if then_cut:
            assert request.transport is not None
            request.transport.abort()
        return response

    return answer


async def cat(request: web.Request) -> web.StreamResponse:
    """An exec of `cat` that says something on standard error first, and ends well at `end`."""
    socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
    await socket.prepare(request)
    await socket.send_bytes(b"\x01")  # each stream is opened by an empty message
    await socket.send_bytes(b"\x02a warning\n")
    async for message in socket:
        assert message.type is WSMsgType.BINARY
        if message.data == b"\x00end":
            await socket.send_bytes(b'\x03{"status":"Success"}')
            break
        if message.data == b"\x00fail":
            await socket.send_bytes(b'\x03{"status":"Failure","message":"exit code 7"}')
            break
        await socket.send_bytes(b"\x01" + message.data[1:])
    return socket


class Api:
    """What it was asked, and what it will answer; the last answer is given again and again."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[web.Request] = []

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        await request.read()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)

    @contextlib.asynccontextmanager
    async def up(
        self, file: Path, user: dict[str, Any] | None = None, pem: Path | None = None
    ) -> AsyncIterator[str]:
        """It listens, and `file` becomes a kubeconfig for it. With TLS where it has a key and its
        certificate."""
        secure = None
        if pem is not None:
            secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            secure.load_cert_chain(pem)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=secure)
        await site.start()
        host = f"http{'s' if secure else ''}://127.0.0.1:{runner.addresses[0][1]}"
        file.write_text(json.dumps(kubeconfig(host, user or {"token": "t-1"})))
        try:
            yield host
        finally:
            await runner.cleanup()


def kubeconfig(host: str, user: dict[str, Any]) -> dict[str, Any]:
    """One context, `here`, with the namespace `people`."""
    cluster = {"server": host, "insecure-skip-tls-verify": True}
    context = {"cluster": "c", "user": "u", "namespace": "people"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "here", "context": context}],
    }
