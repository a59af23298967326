"""Streams into a running container: connections to its ports, programs, which ports it listens on.

`guest/streams.py` has the other end and the protocol. One connection is one stream, so that none
waits for another. Whoever may read the container's run directory on this machine may open some:
`open_streams` is for other processes of this person than the one that owns the kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import ssl
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tornado.iostream import IOStream, StreamClosedError
from tornado.tcpclient import TCPClient

from ..errors import KernelError, StreamFailed
from ..host import sockets
from ..host.paths import read_untrusted, replace_file
from ..text import one_line, untrusted_json

FILE = "streams.json"
"""In a run directory, where no container sees it: what `Streams` needs."""
_SECONDS = 15.0
"""Until the forwarder answers; it has to start for the first stream."""
_TRIES, _AGAIN = 50, 0.01
"""How often it is tried, and the seconds between."""
_MOST_LINE = 64 << 10
_MOST_FRAME = 1 << 20
_MOST_PORTS = 200
_PIECE = 64 << 10
_HINT = (
    "It has ended, or was started by an earlier version: shut the kernel down and start it anew."
)
_HEAD = struct.Struct(">BI")
_STDIN, _STDOUT, _STDERR, _RESIZE, _SIGNAL, _EXIT = range(6)


@dataclass(frozen=True)
class Listening:
    """A port that the container's own processes listen on."""

    port: int
    process: str
    address: str


@dataclass(frozen=True, kw_only=True)
class Streams:
    """Where the streams of one running container are opened. Holds nothing open itself."""

    token: str
    path: str = ""
    """A socket that no container can put another in the place of."""
    host: str = ""
    port: int = 0
    certificate: str = ""
    """By which a forwarder on another machine is known."""

    async def tcp(self, port: int) -> IOStream:
        """A connection to a port of the container's: raw bytes from now on. Raises StreamFailed
        where nothing of its own listens there."""
        stream, _ = await self._open({"open": "tcp", "port": port})
        return stream

    async def ports(self) -> AsyncGenerator[list[Listening], None]:
        """What it listens on, now and whenever that changes, until the container ends."""
        stream, _ = await self._open({"open": "ports"})
        try:
            while True:
                said = _object(await stream.read_until(b"\n", max_bytes=_MOST_LINE))
                yield _listening(said.get("ports"))
        except (StreamClosedError, ValueError):
            return
        finally:
            stream.close()

    async def exec(
        self,
        argv: Sequence[str] = (),
        *,
        tty: bool = False,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        rows: int = 24,
        cols: int = 80,
    ) -> Program:
        """Start a program as the kernel was: same user, directory, environment. Without `argv`
        the image's shell. Raises StreamFailed where it is not there."""
        order: dict[str, Any] = {"open": "exec", "argv": list(argv), "tty": tty, "cwd": cwd}
        order |= {"env": dict(env or {}), "rows": rows, "cols": cols}
        stream, said = await self._open(order)
        words = said.get("argv")
        return Program(stream, tuple(map(str, words)) if isinstance(words, list) else tuple(argv))

    async def are_open(self) -> bool:
        """Whether the container takes orders: it runs."""
        try:
            stream, _ = await self._open({"open": "ports"})
        except StreamFailed:
            return False
        stream.close()
        return True

    async def _open(self, order: Mapping[str, Any]) -> tuple[IOStream, dict[str, Any]]:
        """A new stream, past its header. Raises StreamFailed."""
        try:
            async with asyncio.timeout(_SECONDS):
                stream, said = await self._answered(order)
        except (OSError, ValueError, StreamClosedError) as error:
            raise StreamFailed(
                "no-answer", f"The container opens no streams ({_why(error)}).", _HINT
            ) from None
        if said.get("ok") is True:
            return stream, said
        stream.close()
        why = one_line(str(said.get("message") or "it did not say why"), 500)
        raise StreamFailed(one_line(str(said.get("error")), 40), why)

    async def _answered(self, order: Mapping[str, Any]) -> tuple[IOStream, dict[str, Any]]:
        """A connection, and what the forwarder says. Tried again for a while where it has no place
        left: a process inside may knock as fast as it can."""
        tries = 1
        while True:
            try:
                return await self._asked(order)
            except (BlockingIOError, StreamClosedError):
                if tries == _TRIES:
                    raise
            tries += 1
            await asyncio.sleep(_AGAIN)

    async def _asked(self, order: Mapping[str, Any]) -> tuple[IOStream, dict[str, Any]]:
        stream = await self._connected()
        try:
            await stream.write(f"{self.token}\n{json.dumps(dict(order))}\n".encode())
            return stream, _object(await stream.read_until(b"\n", max_bytes=_MOST_LINE))
        except BaseException:
            stream.close()
            raise

    async def _connected(self) -> IOStream:
        if self.path:
            return IOStream(sockets.connect(self.path))
        context: ssl.SSLContext | None = None
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.load_verify_locations(cadata=self.certificate)
        return await TCPClient().connect(self.host, self.port, ssl_options=context)


class Program:
    """A program that runs in a container. `close` ends it."""

    def __init__(self, stream: IOStream, argv: tuple[str, ...]) -> None:
        self._stream = stream
        self.argv = argv
        """With the shell that was found where none was asked for."""
        self.code: int | None = None
        """How it ended, as Popen says; None: it runs, or the container has ended."""
        self._unread = b""

    async def output(self) -> AsyncIterator[tuple[Literal[1, 2], bytes]]:
        """What it writes (1: output, 2: errors), until it ends: then `code` says how. What is not
        read stays with the program, which waits."""
        with contextlib.suppress(StreamClosedError, ValueError):
            while self.code is None:
                while (one := self._frame()) is None:
                    self._unread += await self._stream.read_bytes(_PIECE, partial=True)
                kind, said = one
                if kind == _EXIT:
                    code = _object(said).get("code")
                    self.code = code if type(code) is int and -64 <= code <= 255 else 1
                elif kind == _STDOUT:
                    yield 1, said
                elif kind == _STDERR:
                    yield 2, said
        self.close()

    def _frame(self) -> tuple[int, bytes] | None:
        """The next one, once all of it has come. Raises ValueError for what is none."""
        if len(self._unread) < _HEAD.size:
            return None
        kind, size = _HEAD.unpack_from(self._unread)
        end = _HEAD.size + size
        if size > _MOST_FRAME:
            raise ValueError("no frame")
        if len(self._unread) < end:
            return None
        said = self._unread[_HEAD.size : end]
        self._unread = self._unread[end:]
        return kind, said

    def write(self, data: bytes) -> asyncio.Future[None]:
        """Its input, or what is typed in its terminal. Done once that has left this process, which
        waits for a program that does not read."""
        pieces = [data[start : start + _PIECE] for start in range(0, len(data), _PIECE)]
        return self._send(*((_STDIN, piece) for piece in pieces))

    def end_input(self) -> asyncio.Future[None]:
        """No more input comes."""
        return self._send((_STDIN, b""))

    def resize(self, rows: int, cols: int) -> asyncio.Future[None]:
        """The terminal's size."""
        return self._send((_RESIZE, json.dumps({"rows": rows, "cols": cols}).encode()))

    def signal(self, signum: int) -> asyncio.Future[None]:
        """To the terminal's foreground, or the program's process group."""
        return self._send((_SIGNAL, json.dumps(int(signum)).encode()))

    def _send(self, *frames: tuple[int, bytes]) -> asyncio.Future[None]:
        """At once, as far as the other side takes it. To one that has ended nothing is said."""
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            whole = b"".join(_HEAD.pack(kind, len(said)) + said for kind, said in frames)
            written = self._stream.write(whole)
        except StreamClosedError:
            _done(sent)
        else:
            written.add_done_callback(lambda _: _done(sent))
        return sent

    def close(self) -> None:
        """Hang up: it gets SIGHUP, and SIGKILL after some seconds."""
        self._stream.close()


def _done(sent: asyncio.Future[None]) -> None:
    if not sent.done():
        sent.set_result(None)


def streams_token(token: str) -> str:
    """The forwarder's token, from the guest's: who may open streams is not the kernel's owner."""
    return hashlib.sha256(f"streams {token}".encode()).hexdigest()[:32]


def write_streams(root: Path, streams: Streams) -> None:
    """Write down in a run directory how other processes of this person open streams. A full disk
    keeps it to this one."""
    with contextlib.suppress(OSError):
        replace_file(root / FILE, json.dumps(asdict(streams)).encode(), lasting=False)


def read_streams(root: Path) -> Streams:
    """What `write_streams` wrote. Raises StreamFailed."""
    try:
        return Streams(**untrusted_json(read_untrusted(root / FILE, _MOST_LINE)))
    except (KernelError, ValueError, TypeError):
        raise StreamFailed("no-answer", "The container opens no streams.", _HINT) from None


def _object(line: bytes) -> dict[str, Any]:
    """A JSON object from the container. Raises ValueError."""
    said = untrusted_json(line)
    if not isinstance(said, dict):
        raise ValueError("no object")
    return said


def _listening(said: Any) -> list[Listening]:
    """What a container says of its ports, in any shape, as they can be."""
    rows = [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []
    return [
        Listening(
            one["port"],
            one_line(str(one.get("process") or ""), 64),
            one_line(str(one.get("address") or ""), 64),
        )
        for one in rows[:_MOST_PORTS]
        if type(one.get("port")) is int and 0 < one["port"] < 1 << 16
    ]


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {_SECONDS:g} s"
    if isinstance(error, StreamClosedError):
        return "it hung up"
    return one_line(str(getattr(error, "strerror", None) or error))
