"""A web app as they run in containers, honest and hostile: the one of the proxy's tests."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager

from tornado import web, websocket
from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.tcpserver import TCPServer

PIECE = bytes(range(256)) * 4096
"""One MiB."""


class Echo(web.RequestHandler):
    """What came."""

    def get(self, *_):
        self.finish(
            {
                "method": self.request.method,
                "uri": self.request.uri,
                "headers": {name: self.request.headers[name] for name in self.request.headers},
                "body": self.request.body.decode("latin1"),
            }
        )

    post = put = patch = delete = options = get


class Headers(web.RequestHandler):
    """The answer that the query asks for: `code`, and `header` as often as needed."""

    def get(self):
        self.set_status(int(self.get_query_argument("code", "200")))
        for one in self.get_query_arguments("header"):
            name, _, value = one.partition(": ")
            self.add_header(name, value)
        self.finish()

    head = get


class Big(web.RequestHandler):
    """As many MiB as asked for, in pieces, as fast as they are taken; `sent` says how many were."""

    sent = 0

    async def get(self, count):
        type(self).sent = 0
        if self.get_query_argument("length", ""):
            self.set_header("Content-Length", str(int(count) * len(PIECE)))
        for _ in range(int(count)):
            self.write(PIECE)
            try:
                await self.flush()
            except StreamClosedError:
                return
            type(self).sent += 1


@web.stream_request_body
class Upload(web.RequestHandler):
    """How much came, and its digest."""

    def prepare(self):
        self.request.connection.set_max_body_size(1 << 40)  # type: ignore[union-attr]
        self._count, self._digest = 0, hashlib.sha256()

    def data_received(self, chunk):
        self._count += len(chunk)
        self._digest.update(chunk)

    def post(self):
        self.finish({"count": self._count, "digest": self._digest.hexdigest()})

    put = post


class Events(web.RequestHandler):
    """Server-sent events: the next one comes when `more` is set."""

    more: asyncio.Event
    left = False

    def on_connection_close(self):
        type(self).left = True
        self.more.set()

    async def get(self):
        type(self).left = False
        self.set_header("Content-Type", "text/event-stream")
        for number in range(3):
            self.write(f"data: {number}\n\n")
            await self.flush()
            await self.more.wait()
            if self.left:
                return
            self.more.clear()


class Socket(websocket.WebSocketHandler):
    """Sends back what it gets; `close CODE REASON` closes it."""

    def select_subprotocol(self, subprotocols):
        return subprotocols[-1] if subprotocols else None

    def open(self):
        self.write_message(str(self.request.headers.get("Origin")))

    def on_message(self, message):
        if isinstance(message, str) and message.startswith("close "):
            _, code, reason = message.split(" ", 2)
            self.close(int(code), reason)
        else:
            self.write_message(message, binary=isinstance(message, bytes))


@asynccontextmanager
async def web_app():
    """The app of all handlers above; its port."""
    Events.more = asyncio.Event()
    app = web.Application(
        [
            ("/headers", Headers),
            ("/big/([0-9]+)", Big),
            ("/upload", Upload),
            ("/events", Events),
            ("/socket", Socket),
            ("/.*", Echo),
        ]
    )
    (listener,) = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(app)
    server.add_sockets([listener])
    try:
        yield listener.getsockname()[1]
    finally:
        server.stop()
        await server.close_all_connections()


class Kept(TCPServer):
    """Answers with a connection's number and how many requests came on it before. `most` come;
    the next one it hears, and hangs up."""

    def __init__(self, most, header):
        super().__init__()
        self.most, self.header = most, header
        self.came = self.gone = 0
        self.streams = []

    async def handle_stream(self, stream, address):
        self.streams.append(stream)
        self.came += 1
        number = self.came
        try:
            for count in range(self.most):
                await stream.read_until(b"\r\n\r\n")
                said = f"{number} {count}"
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(said)}\r\n{self.header}\r\n"
                await stream.write((head + said).encode())
            await stream.read_until(b"\r\n\r\n")
        except StreamClosedError:
            self.gone += 1
        stream.close()


@asynccontextmanager
async def kept_app(most=100, header=""):
    """The server above, and its port."""
    (listener,) = bind_sockets(0, "127.0.0.1")
    server = Kept(most, header)
    server.add_sockets([listener])
    try:
        yield server, listener.getsockname()[1]
    finally:
        server.stop()
        for stream in server.streams:
            stream.close()


class Raw(TCPServer):
    """Reads a request's head and answers with these bytes."""

    answer = b""

    async def handle_stream(self, stream, address):
        try:
            await stream.read_until(b"\r\n\r\n")
            await stream.write(self.answer)
        except StreamClosedError:
            pass
        stream.close()


@asynccontextmanager
async def raw_app(answer):
    """A server that says nothing but `answer`; its port."""
    (listener,) = bind_sockets(0, "127.0.0.1")
    server = Raw()
    server.answer = answer
    server.add_sockets([listener])
    try:
        yield listener.getsockname()[1]
    finally:
        server.stop()
