"""One request of a browser to an app in a container, and the app's answer, over one stream.

HTTP is tornado's on both sides. A websocket is passed on byte for byte after its handshake, so
subprotocols, compression, pings and close codes are between the browser and the app.

The app is strange to this server. It gets neither Jupyter's cookies nor its tokens, and it can set
nothing that is valid outside its own prefix.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import cast
from urllib.parse import unquote_plus, urlsplit, urlunsplit

from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornado.httputil import (
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import IOStream, StreamClosedError

SANDBOX = "sandbox allow-scripts allow-forms allow-popups allow-downloads allow-modals"
"""The Content-Security-Policy of an isolated page: without `allow-same-origin` it has an origin of
its own, and no cookies."""

_HOP_BY_HOP = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
    *("te", "trailer", "transfer-encoding", "upgrade"),
}
"""https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1"""
_NOT_IN = _HOP_BY_HOP | {
    *("authorization", "cookie", "expect", "forwarded", "host", "origin", "referer"),
    *("x-real-ip", "x-scheme", "sec-fetch-site"),
}
_NOT_OUT = _HOP_BY_HOP | {
    *("alt-svc", "clear-site-data", "nel", "public-key-pins", "report-to"),
    *("service-worker-allowed", "set-cookie", "strict-transport-security"),  # of the whole host
    *("x-accel-redirect", "x-lighttpd-send-file", "x-sendfile"),  # orders to a web server before us
    "referrer-policy",
}
_NOT_OUT_ISOLATED = {"cross-origin-resource-policy", "x-frame-options"}
"""An isolated page is another origin than its own files and frames."""
_LOCAL = {"localhost", "127.0.0.1", "0.0.0.0", "::1", "::"}
_JUPYTERS = re.compile(r"_xsrf|username-.*|jupyterhub-.*|__(host|secure)-.*", re.IGNORECASE)
"""Names of cookies that are Jupyter's, and those that browsers take for a whole host only."""
_MOST_HEADERS = 64 << 10
_CHUNK = 96 << 10
"""Of what is read at once. From 128 KiB on each piece would be memory that is new to this process,
which Linux has to clear: malloc(3), M_MMAP_THRESHOLD."""
_PLACE = 256 << 10
"""The same where one place is used for all pieces. A socket holds less."""
_ENDLESS = 1 << 62


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a browser sees an app."""

    prefix: str
    """The path of the app's `/`, with a slash at its end."""
    port: int
    protocol: str
    host: str
    client: str
    """The browser's IP address."""
    isolated: bool
    sibling: Callable[[int], str]
    """The prefix of another port of the same container."""

    @property
    def inside(self) -> str:
        """What the app takes for its address."""
        return f"localhost:{self.port}"


def request_headers(given: HTTPHeaders, at: Address, cookies: Collection[str]) -> HTTPHeaders:
    """What an app gets of a browser's headers. It sees a request of the machine that it runs on,
    since many apps refuse others; of the browser's cookies it gets those named `cookies`."""
    dropped = _NOT_IN | _tokens(given.get("Connection", ""))
    jars = given.get_list("Cookie")
    if set(_cookies(jars, {"_xsrf"})) & {f"_xsrf={given.get('X-Xsrftoken', '')}"}:
        dropped |= {"x-xsrftoken"}  # Jupyter's own, not one of the app's
    sent = HTTPHeaders()
    for name, value in given.get_all():
        if name.lower() not in dropped and not name.lower().startswith("x-forwarded-"):
            sent.add(name, value)
    sent["Host"] = at.inside
    if "Origin" in given:
        sent["Origin"] = f"http://{at.inside}"
    if "Sec-Fetch-Site" in given:
        sent["Sec-Fetch-Site"] = "same-origin"
    if (referer := _referer(given.get("Referer", ""), at)) is not None:
        sent["Referer"] = referer
    if own := "; ".join(_cookies(jars, cookies)):
        sent["Cookie"] = own
    sent["X-Forwarded-For"] = at.client
    sent["X-Forwarded-Host"] = at.host
    sent["X-Forwarded-Proto"] = at.protocol
    sent["X-Forwarded-Prefix"] = at.prefix.rstrip("/")
    if is_upgrade(given):
        sent["Connection"], sent["Upgrade"] = "Upgrade", given["Upgrade"]
    return sent


def is_upgrade(given: HTTPHeaders) -> bool:
    """Whether a request wants to become a websocket."""
    asked = "upgrade" in _tokens(given.get("Connection", ""))
    return asked and given.get("Upgrade", "").lower() == "websocket"


def _tokens(value: str) -> set[str]:
    return {one.strip().lower() for one in value.split(",")}


def _referer(value: str, at: Address) -> str | None:
    """The page of the app that links; None where it is another's."""
    parts = urlsplit(value)
    if parts.netloc != at.host or not parts.path.startswith(at.prefix):
        return None
    path = "/" + parts.path[len(at.prefix) :]
    return urlunsplit(("http", at.inside, path, query_for_app(parts.query), ""))


def _cookies(given: list[str], names: Collection[str]) -> Iterator[str]:
    """Those of these names."""
    for one in ";".join(given).split(";"):
        if one.partition("=")[0].strip() in names:
            yield one.strip()


def query_for_app(query: str) -> str:
    """A query without `token`, which is Jupyter's."""
    parts = query.split("&")
    return "&".join(one for one in parts if unquote_plus(one.partition("=")[0]) != "token")


def response_headers(
    given: HTTPHeaders, at: Address, policy: str, cookies: set[str], origin: str | None
) -> HTTPHeaders:
    """What a browser gets of an app's headers. `policy` is our Content-Security-Policy, which
    holds beside the app's own. The names of cookies that the app sets are added to `cookies`.
    `origin` is the browser's header."""
    dropped = _NOT_OUT | _tokens(given.get("Connection", ""))
    if at.isolated:
        dropped |= _NOT_OUT_ISOLATED
    sent = HTTPHeaders()
    for name, value in given.get_all():
        lower = name.lower()
        if lower in dropped or (at.isolated and lower.startswith("access-control-")):
            continue
        if lower in ("location", "content-location"):
            sent.add(name, rewritten(value, at))
        else:
            sent.add(name, value)
    for value in given.get_list("Set-Cookie"):
        if (kept := _narrowed(value, at.prefix)) is not None:
            cookies.add(kept.partition("=")[0].strip())
            sent.add("Set-Cookie", kept)
    sent.add("Content-Security-Policy", policy)
    sent["Referrer-Policy"] = "same-origin"  # the address of an isolated page is its key
    if at.isolated and origin == "null":
        sent["Access-Control-Expose-Headers"] = ", ".join(dict.fromkeys(sent))
        allow_opaque(sent)
    return sent


def allow_opaque(sent: HTTPHeaders) -> None:
    """Let an isolated page read its own app's answers: its origin is `null`, as is that of every
    other isolated page, but those do not know the address."""
    sent["Access-Control-Allow-Origin"] = "null"
    sent["Access-Control-Allow-Credentials"] = "true"  # pages that send cookies ask for it
    sent.add("Vary", "Origin")


def preflight(given: HTTPHeaders) -> HTTPHeaders:
    """The answer to an isolated page's browser that asks whether the page may ask."""
    sent = HTTPHeaders()
    allow_opaque(sent)
    sent["Access-Control-Allow-Methods"] = given.get("Access-Control-Request-Method", "")
    if "Access-Control-Request-Headers" in given:
        sent["Access-Control-Allow-Headers"] = given["Access-Control-Request-Headers"]
    sent["Access-Control-Max-Age"] = "600"
    return sent


def rewritten(location: str, at: Address) -> str:
    """Where an app's redirect leads a browser: the app's own addresses are below the prefix, and
    `localhost` is the container."""
    try:
        parts = urlsplit(location)
        port = parts.port or 80
        name = (parts.hostname or "").lower()
    except ValueError:
        return at.prefix
    if parts.scheme not in ("", "http", "https"):
        return location
    prefix = at.prefix
    if parts.netloc and parts.netloc != at.host:
        if name not in _LOCAL:
            return location
        prefix = at.prefix if port == at.port else at.sibling(port)
    elif not parts.netloc and not parts.path.startswith("/"):
        return location
    path = parts.path
    if not path.startswith(prefix):
        path = prefix + path.lstrip("/")
    return urlunsplit(("", "", path, parts.query, parts.fragment))


def _narrowed(value: str, prefix: str) -> str | None:
    """A cookie that is valid below the prefix only; None for one of Jupyter's name."""
    first, *attributes = value.split(";")
    name = first.partition("=")[0].strip()
    if not name or "=" not in first or _JUPYTERS.fullmatch(name):
        return None
    path, kept = prefix, [first.strip()]
    for one in attributes:
        key, _, said = (part.strip() for part in one.partition("="))
        if key.lower() == "path" and said.startswith("/"):
            path = said if said.startswith(prefix) else prefix + said.lstrip("/")
        elif key.lower() not in ("path", "domain"):
            kept.append(one.strip())
    return "; ".join([*kept, f"Path={path}"])


@dataclass(frozen=True)
class Head:
    """Of a request."""

    method: str
    path: str
    headers: HTTPHeaders

    @property
    def is_all(self) -> bool:
        """Whether it is the whole request, which asks for something and changes nothing: it can
        be sent again, and on a connection that the app may have just ended."""
        has_body = {"Content-Length", "Transfer-Encoding"} & set(self.headers)
        return self.method == "GET" and not has_body and not is_upgrade(self.headers)


class Exchange(HTTPMessageDelegate):
    """One request and its answer. Made by a handler, which is told the answer as it comes:
    `on_head` once, then `on_data` for each piece. Nothing is read ahead of what they await. The
    connection goes to `keep` at the end, where another request can follow on it."""

    def __init__(
        self,
        stream: IOStream,
        on_head: Callable[[int, HTTPHeaders], Awaitable[None]],
        on_data: Callable[[bytes | memoryview], Awaitable[None]],
        keep: Callable[[IOStream], None],
    ) -> None:
        self._stream, self._on_head, self._on_data = stream, on_head, on_data
        self._keep = keep
        stream.read_chunk_size = _CHUNK
        limits = HTTP1ConnectionParameters(
            chunk_size=_CHUNK, max_header_size=_MOST_HEADERS, max_body_size=_ENDLESS
        )
        self._app = HTTP1Connection(stream, is_client=True, params=limits)
        self._reading: asyncio.Task[None] | None = None
        self._upgrade = self._is_sent = self._can_follow = self._is_kept = False
        self._left: int | None = None
        self.answered = False
        """Whether the app's headers came."""
        self.whole = False
        """Whether all of its answer came."""
        self.switched: HTTPHeaders | None = None
        """The app's headers where it made the connection a websocket."""

    def begin(self, head: Head) -> None:
        """Send the request's headers, and begin to wait for the answer."""
        self._upgrade = is_upgrade(head.headers)
        start = RequestStartLine(head.method, head.path, "HTTP/1.1")
        try:
            self._app.write_headers(start, head.headers)
        except ValueError:  # in no header of HTTP
            self._stream.close()
            raise
        if head.is_all:
            self._app.finish()
            self._is_sent = True
        self._reading = asyncio.create_task(self._read())

    async def send(self, data: bytes) -> None:
        """A piece of the request's body. An app that has closed its ear may still answer."""
        with suppress(StreamClosedError):
            await self._app.write(data)

    async def end(self) -> None:
        """The request is complete: wait for the end of the answer."""
        assert self._reading is not None
        if not self._upgrade and not self._is_sent and not self._stream.closed():
            self._app.finish()
        await self._reading

    def close(self) -> None:
        """The browser has gone."""
        if not self._is_kept:  # which is another's then
            self._stream.close()

    async def _read(self) -> None:
        try:
            with suppress(StreamClosedError, HTTPInputError):
                await self._app.read_response(self)
                await self._read_rest()
        finally:
            if self.whole and self._can_follow and not self._stream.closed():
                self._is_kept = True
                self._keep(self._stream)
            elif self.switched is None:
                self._stream.close()

    async def _read_rest(self) -> None:
        """The body, where `headers_received` has left it to us: that spares two copies of it."""
        place = memoryview(bytearray(min(self._left or 0, _PLACE)))
        while self._left:
            free = cast("bytearray", place[: self._left])
            count = await self._stream.read_into(free, partial=True)
            self._left -= count
            await self._pass(self._on_data(place[:count]))
        self.whole |= self._left == 0

    async def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        """Tornado's."""
        start = cast("ResponseStartLine", start_line)
        code = start.code
        if code == 101 and self._upgrade:
            self.switched = headers
            self._app.detach()
        elif code >= 200:
            self.answered = True
            ends = start.version != "HTTP/1.1" or "close" in _tokens(headers.get("Connection", ""))
            self._can_follow = not ends
            await self._pass(self._on_head(code, headers))
            length = headers.get("Content-Length", "")
            is_plain = length.isdecimal() and "Transfer-Encoding" not in headers
            if self._is_sent and is_plain and code not in (204, 304):
                self._left = int(length)
                self._app.detach()

    async def data_received(self, chunk: bytes) -> None:
        """Tornado's."""
        await self._pass(self._on_data(chunk))

    async def _pass(self, passing: Awaitable[None]) -> None:
        try:
            await passing
        except StreamClosedError:
            self._stream.close()

    def finish(self) -> None:
        """Tornado's: the answer is complete."""
        self.whole = True

    async def tunnel(self, browser: IOStream) -> None:
        """Pass bytes both ways until either side has ended. Called once it has `switched`."""
        lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket"]
        for name, value in (self.switched or HTTPHeaders()).get_all():
            if name.lower().startswith("sec-websocket-"):
                lines.append(f"{name}: {value}")
        head = "\r\n".join([*lines, "", ""])
        with suppress(StreamClosedError):
            await browser.write(head.encode("latin1"))
        await asyncio.gather(_pump(browser, self._stream), _pump(self._stream, browser))


async def _pump(source: IOStream, sink: IOStream) -> None:
    try:
        while True:
            await sink.write(await source.read_bytes(_CHUNK, partial=True))
    except StreamClosedError:
        pass
    finally:
        source.close()
        sink.close()
