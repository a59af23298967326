"""The ports of a kernel's container, and `ports/ADDRESS/…`: an app in it, as a browser sees it.

An app is shown as the notebook's outputs are drawn. Isolated: the address alone opens it,
since the page is sandboxed and sends no cookies. Trusted: a plain page for who is logged in.
"""

from __future__ import annotations

import json
from asyncio import Future
from datetime import UTC, datetime
from functools import partial
from html import escape
from http import HTTPStatus
from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated, authorized
from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from tornado.httputil import HTTPHeaders
from tornado.iostream import IOStream

from ...errors import ContainersError, NoHttp, PortSilent, Refused, sentence_of
from .. import proxy
from ..ports import NAME, PORT, port_number
from .base import Answers, Handler

_RETRY = 2
"""Seconds until a page that waits for an app looks again."""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>{refresh}
<style>:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }}
main {{ max-width: 40rem; margin: 20vh auto 0; padding: 0 1rem }}</style></head>
<body><main><h1>{title}</h1><p>{hint}</p></main></body></html>
"""
"""For people: it needs no script and no file."""


class KernelPorts(Handler):
    """`kernels/ID/ports`"""

    @web.authenticated
    @authorized
    async def get(self, id: str) -> None:
        """Those that are listened on inside, and those that the settings publish."""
        ports = self.server.ports
        kernel = ports.kernel(id)
        listening = [
            {"port": one.port, "process": one.process, "url": ports.prefix(id, one.port)}
            for one in await ports.listening(kernel)
        ]
        published = [
            {"port": port, "host": "127.0.0.1", "host_port": at}
            for port, at in sorted(kernel.published.items())
        ]
        self.answer({"listening": listening, "published": published})


class OnePort(Handler):
    """`kernels/ID/ports/PORT`"""

    @web.authenticated
    @authorized
    async def post(self, id: str, port: str) -> None:
        """The address that shows this port in a browser."""
        ports = self.server.ports
        self.answer({"url": ports.prefix(ports.kernel(id).id, port_number(port))})


class Page(Answers):
    """What is seen in a tab of its own. Errors are pages for browsers, JSON for programs."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Tornado's."""
        error = sentence_of((kwargs.get("exc_info") or (None, None, None))[1] or Exception())
        message, hint, kind = HTTPStatus(status_code).phrase, "", "HTTPError"
        if isinstance(error, ContainersError):
            self.set_status(error.status)
            message, hint, kind = error.message, error.hint, type(error).__name__
        waits = isinstance(error, PortSilent) and self.request.method == "GET"
        if waits:
            self.set_header("Retry-After", str(_RETRY))
        self.set_header("Cache-Control", "no-store")
        self.set_header(
            "Content-Security-Policy",
            f"{proxy.SANDBOX}; default-src 'none'; style-src 'unsafe-inline'",
        )
        if "text/html" in self.request.headers.get("Accept", ""):
            refresh = f'<meta http-equiv="refresh" content="{_RETRY}">' if waits else ""
            told = {"title": escape(message), "hint": escape(hint), "refresh": refresh}
            self.set_header("Content-Type", "text/html; charset=utf-8")
            self.finish(_PAGE.format(**told))
        else:
            self.set_header("Content-Type", "application/json")
            self.finish(json.dumps({"message": message, "hint": hint, "type": kind}))


@web.stream_request_body
class Proxied(Page):
    """The app itself, with any verb, and its websockets."""

    _exchange: proxy.Exchange | None = None
    _is_read = False
    _at: proxy.Address
    _head: proxy.Head
    _kernel: str
    _cookies: set[str]
    _is_kept = _is_gone = False

    def set_default_headers(self) -> None:
        """None of Jupyter's: the app's own come."""

    def set_cors_headers(self) -> None:
        """None of Jupyter's."""

    def check_xsrf_cookie(self) -> None:
        """An app's page knows no token of Jupyter's; `prepare` looks at where it comes from."""

    async def prepare(self, *, _redirect_to_login: bool = True) -> None:
        """Before the body is read: find the app and send it the request's head."""
        await super().prepare(_redirect_to_login=_redirect_to_login)
        kernel, port = self.server.ports.find(self.path_args[0])
        isolated = await self.server.ports.isolated(kernel)
        if self.request.headers.get("Service-Worker") == "script":
            raise Refused("A page of a container cannot register a service worker.")
        if isolated and "Access-Control-Request-Method" in self.request.headers:
            return self._answer_preflight()
        if not isolated and not await self._may_enter():
            return None
        self._at = self._address(kernel.id, port, isolated=isolated)
        self._cookies = self.server.ports.cookies(kernel.id, port)
        path = "/" + self.request.path[len(self._at.prefix) :]
        if query := proxy.query_for_app(self.request.query):
            path += f"?{query}"
        headers = proxy.request_headers(self.request.headers, self._at, self._cookies)
        self._kernel = kernel.id
        self._head = proxy.Head(str(self.request.method), path, self._framed(headers))
        await self._begin(
            self.server.ports.idle.take(kernel.id, port) if self._head.is_all else None
        )
        self.request.connection.set_max_body_size(1 << 62)  # type: ignore[union-attr]
        # Head and body are written one after the other: without this the second waits for the
        # browser's delayed ACK of the first, 40 ms on Linux.
        self.request.connection.stream.set_nodelay(True)  # type: ignore[union-attr]
        self._note_activity()
        return None

    async def _begin(self, kept: IOStream | None) -> proxy.Exchange:
        """Send the head, on a new connection unless one is `kept` from an earlier request."""
        ports = self.server.ports
        stream = kept or await ports.open(self._kernel, self._at.port)
        ports.opened.add(stream)
        keep = partial(ports.idle.keep, self._kernel, self._at.port)
        self._exchange = proxy.Exchange(stream, self._on_head, self._on_data, keep)
        if self._is_gone:  # while it was opened
            stream.close()
        self._exchange.begin(self._head)
        self._is_kept = kept is not None
        return self._exchange

    def _framed(self, headers: HTTPHeaders) -> HTTPHeaders:
        """Whether a body follows, and how long it is, in a way that `HTTP1Connection` can write."""
        chunked = "Transfer-Encoding" in self.request.headers
        if self.request.method in ("POST", "PUT", "PATCH"):
            if not chunked and "Content-Length" not in headers:
                headers["Content-Length"] = "0"
        elif chunked:
            raise web.HTTPError(411)
        return headers

    def _address(self, kernel: str, port: int, *, isolated: bool) -> proxy.Address:
        ports = self.server.ports
        return proxy.Address(
            prefix=ports.prefix(kernel, port),
            port=port,
            protocol=str(self.request.protocol),
            host=self.request.host,
            client=str(self.request.remote_ip),
            isolated=isolated,
            sibling=lambda other: ports.prefix(kernel, other),
        )

    async def _may_enter(self) -> bool:
        """For a trusted page: who is logged in, from a page of this server. Answers otherwise."""
        web.authenticated(lambda _: None)(self)
        if self._finished:
            return False
        is_write = self.request.method not in ("GET", "HEAD", "OPTIONS")
        if (is_write or proxy.is_upgrade(self.request.headers)) and not self.check_origin():
            raise web.HTTPError(403)
        await self._authorize()
        return True

    @authorized
    async def _authorize(self) -> None:
        """Raises HTTPError where the authorizer says no."""

    def _answer_preflight(self) -> None:
        self.set_status(204)
        for name, value in proxy.preflight(self.request.headers).get_all():
            self.set_header(name, value)
        self.finish()

    def _note_activity(self) -> None:
        """Idle servers are culled; one whose app is used is not idle."""
        self.settings["api_last_activity"] = datetime.now(UTC)

    async def data_received(self, chunk: bytes) -> None:
        """Tornado's: a piece of the request's body."""
        if self._exchange is not None:
            await self._exchange.send(chunk)

    def on_connection_close(self) -> None:
        """Tornado's: the browser has gone."""
        self._is_gone = True
        if self._exchange is not None:
            self._exchange.close()

    async def _on_head(self, code: int, headers: HTTPHeaders) -> None:
        policy = proxy.SANDBOX if self._at.isolated else self.content_security_policy
        sent = proxy.response_headers(
            headers, self._at, policy, self._cookies, self.request.headers.get("Origin")
        )
        self.set_status(code)
        self.clear_header("Content-Type")
        for name in dict.fromkeys(name for name, _ in sent.get_all()):
            self.clear_header(name)
        for name, value in sent.get_all():
            self.add_header(name, value)
        if "Content-Length" not in sent:
            await self.flush()  # else it goes with what follows at once, in one packet

    async def _on_data(self, chunk: bytes | memoryview) -> None:
        if self._headers_written and "Content-Length" in self._headers:  # nothing compresses it
            await self.request.connection.write(chunk)  # type: ignore[union-attr,arg-type]
        else:
            self.write(bytes(chunk))
            await self.flush()

    def finish(self, chunk: str | bytes | dict[Any, Any] | None = None) -> Future[None]:
        """Tornado's. It closes the connection behind an answer that did not wait for the request's
        end; a proxy such as the Hub's, which keeps connections, has to know."""
        if not self._is_read:
            self.set_header("Connection", "close")
        return super().finish(chunk)

    @allow_unauthenticated
    async def get(self, *_: str) -> None:
        """The request is complete: wait for the answer's end."""
        self._is_read = True
        exchange = self._exchange
        if exchange is None:
            return
        await exchange.end()
        if self._is_kept and not exchange.answered and not self._is_gone:
            exchange = await self._begin(None)  # the app had ended that connection meanwhile
            await exchange.end()
        if exchange.switched is not None:
            await exchange.tunnel(self.detach())
        elif not exchange.answered:
            raise NoHttp(self._at.port)
        elif not exchange.whole:
            self.detach().close()  # so that the browser knows that something is missing
        else:
            self.finish()

    head = post = put = patch = delete = options = get


class Plain(Page):
    """`ports/KERNEL/PORT/…`: the address that a person can type. It leads to the other."""

    @web.authenticated
    @authorized
    async def get(self, id: str, port: str, path: str) -> None:
        """A page that is not sandboxed comes only from a notebook whose outputs are trusted."""
        ports = self.server.ports
        kernel, number = ports.kernel(id), port_number(port)
        if await ports.isolated(kernel):
            raise Refused(
                "The outputs of this notebook are isolated, and so are the pages of its container.",
                "Open the port in the notebook's sidebar: the page gets an address of its own.",
            )
        query = f"?{said}" if (said := proxy.query_for_app(self.request.query)) else ""
        self.redirect(ports.prefix(id, number) + path + query)


class Slash(Page):
    """`ports/ADDRESS`: links in the app's page are relative to a folder."""

    @allow_unauthenticated
    def get(self, _name: str) -> None:
        """Add the slash."""
        self.redirect(self.request.path + "/" + (f"?{q}" if (q := self.request.query) else ""))


HANDLERS: list[tuple[str, type[JupyterHandler]]] = [
    ("kernels/([^/]+)/ports", KernelPorts),
    ("kernels/([^/]+)/ports/([^/]+)", OnePort),
    (f"ports/({NAME})/(.*)", Proxied),
    (f"ports/({NAME})", Slash),
    (f"ports/([^/]+)/({PORT})/(.*)", Plain),
]
