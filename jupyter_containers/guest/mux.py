"""The tunnel's protocol: streams over one connection that may be cut and made again.

Used by `bridge.py` in a Pod and, as `jupyter_containers.guest.mux`, by the server's end in
`engines/kubernetes/tunnel.py`. A connection begins with lines of JSON, by which each end proves
that it knows the tunnel's secret:
    server  {"session", "nonce"}, and before the first proof "secret" and "grace"
    Pod     {"nonce", "proof"}, or {"error"}
    server  {"proof", "received"}    how many numbered frames have come to it
    Pod     {"received"}
Then frames follow both ways: the kind (one byte), the stream and the payload's length (four bytes
each, big endian), and the payload. All but PING and ACK are numbered in the order in which they are
sent; each end keeps what the other has not acknowledged, and sends it again after a cut. A stream's
end sends no more data than it has credit for: WINDOW bytes, and what CREDIT adds. Each frame costs
FRAME_COUNTS bytes more than it holds.
Standard library only, Python 3.9 and newer.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import struct
from collections import deque
from typing import Any, Protocol

NAMES = ("guest", "streams", "k-1", "k-2", "k-3", "k-4", "k-5")
"""The sockets in a run directory that streams lead to."""
OPEN, DATA, EOF, CLOSE, CREDIT, SOCKETS, FILE, PLACED, ACK, PING = range(10)
"""OPEN (by the server): a socket's name. CREDIT: how many bytes, as NUMBER. SOCKETS (by the Pod):
JSON of {name: a number that is another one for another socket}. FILE (by the server): its name, a
newline, its contents. PLACED (by the Pod): why a file is not there, or nothing. ACK: how many
numbered frames have come, as NUMBER. PING: an ACK is the answer."""
HEAD = struct.Struct(">BII")
NUMBER = struct.Struct(">Q")
CHUNK = 64 << 10
"""Most bytes of a DATA frame, and about as many are written to a connection at a time."""
WINDOW = 256 << 10
MOST_FILE = 1 << 20
MOST_KEPT = 4 << 20
"""Bytes that are kept for a replay; from then on no local socket is read."""
FRAME_COUNTS = 64
"""Bytes that a frame counts beside its own, since a small one takes memory of its own too."""
ACK_EVERY = 256 << 10
BEAT, MOST_MISSED = 15.0, 3
"""Seconds between pings, and how many are sent without hearing anything."""
IN_TURN = 64
"""Frames that are handled before others have their turn in the event loop."""
HANDSHAKE = 15.0
MOST_LINE = 4096


class Broken(Exception):
    """The other end does not keep to the protocol. There is no way on from it."""


class Connection(Protocol):
    """Bytes between the two ends, for as long as they go. `read` returns nothing at the end;
    `read` and `write` raise OSError where the connection is cut."""

    async def read(self) -> bytes:
        """The next bytes, some hundred KiB at most."""

    async def write(self, data: bytes) -> None:
        """Returns once the connection can take more."""

    async def close(self) -> None:
        """Twice is fine."""


def proof(secret: str, role: str, *words: str) -> str:
    """What only who knows the secret can say, and only in this connection and role."""
    said = "\n".join((role, *words)).encode()
    return hmac.new(secret.encode(), said, hashlib.sha256).hexdigest()


class Lines:
    """The beginning of a connection: lines of JSON. `rest` is what came after them."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.rest = connection, b""

    async def say(self, said: dict[str, Any]) -> None:
        """Send one."""
        await self.connection.write(json.dumps(said).encode() + b"\n")

    async def hear(self) -> dict[str, Any]:
        """Receive one. Raises Broken, and ConnectionError where the connection ends first."""
        while b"\n" not in self.rest and len(self.rest) <= MOST_LINE:
            more = await self.connection.read()
            if not more:
                raise ConnectionResetError("the connection ended before it was established")
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\n")
        try:
            said = json.loads(line if len(line) <= MOST_LINE else b"")
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise Broken("it does not begin as the tunnel's protocol does")
        return said


class Link:
    """Numbered frames, in order and each once, over connections that come and go."""

    def __init__(self, mux: Mux, most_payload: int) -> None:
        self.mux, self.most_payload = mux, most_payload
        self.received, self.owed = 0, 0  # frames; bytes that were not acknowledged
        self.first = 0  # the number of the first frame in `kept`
        self.kept: deque[bytes] = deque()
        self.unsent: deque[bytes] = deque()  # the last ones of `kept`
        self.size = 0  # of `kept`
        self.has_room = True
        self.ack_due = self.ping_due = False
        self.missed = 0
        self.handled = 0
        self.wake = asyncio.Event()

    def send(self, kind: int, stream: int = 0, payload: bytes | memoryview = b"") -> None:
        """Send a numbered frame, now or once there is a connection."""
        frame = HEAD.pack(kind, stream, len(payload)) + payload
        self.kept.append(frame)
        self.unsent.append(frame)
        self.size += len(frame) + FRAME_COUNTS
        self.wake.set()
        if self.has_room and self.size >= MOST_KEPT:
            self.has_room = False
            self.mux.adjust()

    def resume(self, received: object) -> None:
        """Before the next connection carries frames: the other end says how many have come."""
        self.acknowledge(received)
        self.unsent = deque(self.kept)

    def acknowledge(self, received: object) -> None:
        """Forget what has come to the other end. Raises Broken where that was never sent."""
        sent = self.first + len(self.kept) - len(self.unsent)
        if type(received) is not int or not self.first <= received <= sent:
            raise Broken("it acknowledges what was not sent")
        for _ in range(received - self.first):
            self.size -= len(self.kept.popleft()) + FRAME_COUNTS
        self.first = received
        if not self.has_room and self.size < MOST_KEPT // 2:
            self.has_room = True
            self.mux.adjust()

    async def carry(self, connection: Connection, rest: bytes) -> None:
        """Send and receive until the connection is cut; `rest` has come already. Raises Broken."""
        self.missed, self.ack_due, self.ping_due = 0, True, False
        self.wake.set()
        parts = (self.read(connection, rest), self.write(connection), self.beat())
        tasks = [asyncio.ensure_future(part) for part in parts]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception) and not isinstance(end, OSError):
                raise end

    async def write(self, connection: Connection) -> None:
        """Send what there is to send."""
        while True:
            await self.wake.wait()
            self.wake.clear()
            while data := self.batch():
                await connection.write(data)

    def batch(self) -> bytes:
        """The next frames, about CHUNK bytes of them. What is not numbered comes first."""
        frames, size = [], 0
        if self.ack_due:
            self.ack_due, self.owed = False, 0
            frames.append(HEAD.pack(ACK, 0, NUMBER.size) + NUMBER.pack(self.received))
        if self.ping_due:
            self.ping_due = False
            frames.append(HEAD.pack(PING, 0, 0))
        while self.unsent and size < CHUNK:
            frames.append(self.unsent.popleft())
            size += len(frames[-1])
        return frames[0] if len(frames) == 1 else b"".join(frames)

    async def beat(self) -> None:
        """Ping, so that no proxy closes an idle connection. Returns where nothing comes back."""
        while True:
            await asyncio.sleep(BEAT)
            if self.missed == MOST_MISSED:
                return
            self.missed += 1
            self.ping_due = True
            self.wake.set()

    async def read(self, connection: Connection, rest: bytes) -> None:
        """Handle what comes. A frame that was cut is dropped: it comes again."""
        while True:
            rest = await self.handle(rest)
            if self.size > 2 * MOST_KEPT:
                raise Broken("it acknowledges nothing")
            more = await connection.read()
            if not more:
                return
            self.missed = 0
            rest = rest + more if rest else more

    async def handle(self, data: bytes) -> bytes:
        """Handle all whole frames; returns the rest."""
        view, at = memoryview(data), 0
        while len(data) - at >= HEAD.size:
            kind, stream, size = HEAD.unpack_from(data, at)
            if size > self.most_payload:
                raise Broken("it sent a frame that is too long")
            end = at + HEAD.size + size
            if end > len(data):
                break
            self.take(kind, stream, view[at + HEAD.size : end])
            at = end
            self.handled += 1
            if self.handled % IN_TURN == 0:
                await asyncio.sleep(0)
        return data[at:]

    def take(self, kind: int, stream: int, payload: memoryview) -> None:
        """One frame."""
        if kind == ACK:
            self.acknowledge(number(payload))
        elif kind == PING:
            self.ack_due = True
            self.wake.set()
        else:
            self.received += 1
            self.owed += len(payload) + FRAME_COUNTS
            if self.owed >= ACK_EVERY:
                self.ack_due = True
                self.wake.set()
            self.mux.take(kind, stream, payload)


def number(payload: memoryview) -> int:
    """What a CREDIT or an ACK says. Raises Broken."""
    if len(payload) != NUMBER.size:
        raise Broken("it sent a number that is none")
    return int(NUMBER.unpack(payload)[0])


class Mux:
    """All streams between a server and a Pod, at one of the two ends."""

    def __init__(self, most_payload: int) -> None:
        self.link = Link(self, most_payload)
        self.opened = 0  # the number of the last stream
        self.streams: dict[int, End] = {}
        self.ends: set[End] = set()  # these, and local connections that still take what came
        self.buffer = memoryview(bytearray(CHUNK))

    def take(self, kind: int, stream: int, payload: memoryview) -> None:
        """A numbered frame. Raises Broken."""
        if not DATA <= kind <= CREDIT:
            raise Broken("it sent a frame of an unknown kind")
        if not 0 < stream <= self.opened:
            raise Broken("it sent something for a stream that was never opened")
        end = self.streams.get(stream)
        if end is None:
            return  # closed here, which the other end did not know
        if kind == DATA:
            end.take(payload)
        elif kind == EOF:
            end.take_eof()
        elif kind == CREDIT:
            end.take_credit(number(payload))
        else:
            end.take_close()

    def open(self, stream: int) -> None:
        """The server opens the next stream. Raises Broken."""
        if stream != self.opened + 1:
            raise Broken("it opens a stream out of turn")
        self.opened = stream

    def adjust(self) -> None:
        """There is room for data to be sent, or no longer."""
        for end in tuple(self.streams.values()):
            end.adjust()

    def abort(self) -> None:
        """End all local connections."""
        self.streams.clear()
        for end in tuple(self.ends):
            end.abort()


class End(asyncio.BufferedProtocol):
    """One end of a stream: a connection to a local socket. It may come to be after its stream."""

    def __init__(self, mux: Mux, number: int, name: str) -> None:
        self.mux, self.number, self.name = mux, number, name
        mux.streams[number] = self
        mux.ends.add(self)
        self.transport: Any = None
        self.early: list[bytes] = []  # what came before the local connection
        self.closed = False  # before it
        self.credit = WINDOW  # bytes that may be sent
        self.window = WINDOW  # bytes that may come
        self.passed_on = 0  # bytes that came, for which no credit was given again
        self.is_full = False  # the local socket takes nothing for now
        self.has_begun = self.local_over = self.far_over = False

    def connection_made(self, transport: Any) -> None:
        """The local connection is there."""
        self.transport = transport
        for data in self.early:
            transport.write(data)
        self.early.clear()
        if self.closed:
            transport.close()
            return
        self.grant()
        if self.far_over:
            transport.write_eof()
        asyncio.get_running_loop().call_soon(self.begin)

    # -- from the local socket to the other end --------------------------------------------

    def begin(self) -> None:
        """From now on reading may be paused: asyncio begins to read after `connection_made`, in
        3.11 also where that has paused it."""
        self.has_begun = True
        self.adjust()

    def adjust(self) -> None:
        """Read the local socket for as long as what comes may be sent."""
        if not self.has_begun or self.local_over:
            return
        if self.credit > FRAME_COUNTS and self.mux.link.has_room:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def get_buffer(self, _hint: int) -> memoryview:
        """Where to read to: all streams share it, since what comes is copied at once."""
        return self.mux.buffer[: self.credit - FRAME_COUNTS]

    def buffer_updated(self, size: int) -> None:
        """It was read."""
        if self.number in self.mux.streams:
            self.credit -= size + FRAME_COUNTS
            self.mux.link.send(DATA, self.number, self.mux.buffer[:size])
            if self.credit <= FRAME_COUNTS:
                self.adjust()

    def eof_received(self) -> bool:
        """Nothing more comes; the other direction goes on."""
        self.local_over = True
        if self.number in self.mux.streams:
            self.mux.link.send(EOF, self.number)
        self.finish()
        return True

    def connection_lost(self, _error: Exception | None) -> None:
        """The local connection is over."""
        self.mux.ends.discard(self)
        if self.mux.streams.pop(self.number, None) is not None:
            self.mux.link.send(CLOSE, self.number)

    # -- from the other end to the local socket --------------------------------------------

    def take(self, data: memoryview) -> None:
        """Data."""
        cost = len(data) + FRAME_COUNTS
        self.window -= cost
        if self.window < 0 or self.far_over:
            raise Broken("it sent more of a stream than it may")
        self.passed_on += cost
        # A copy, since a view of it that waits would keep all that came with it.
        if self.transport is None:
            self.early.append(bytes(data))
            return
        if not self.transport.is_closing():
            self.transport.write(bytes(data))
        self.grant()

    def grant(self) -> None:
        """Give credit for what the local socket has taken, in pieces that are worth a frame."""
        if not self.is_full and self.passed_on >= WINDOW // 4:
            self.mux.link.send(CREDIT, self.number, NUMBER.pack(self.passed_on))
            self.window += self.passed_on
            self.passed_on = 0

    def pause_writing(self) -> None:
        """The local socket takes nothing for now."""
        self.is_full = True

    def resume_writing(self) -> None:
        """It takes more."""
        self.is_full = False
        if self.number in self.mux.streams:
            self.grant()

    def take_credit(self, size: int) -> None:
        """More may be sent."""
        self.credit += size
        if self.credit > WINDOW:
            raise Broken("it gives credit for what was not sent")
        self.adjust()

    def take_eof(self) -> None:
        """The other end has nothing more to send."""
        self.far_over = True
        if self.transport is not None:
            self.transport.write_eof()
        self.finish()

    def finish(self) -> None:
        """Where both directions are over, so is the connection."""
        if self.local_over and self.far_over and self.transport is not None:
            self.transport.close()

    def take_close(self) -> None:
        """The other end is closed; what came is still handed over."""
        self.mux.streams.pop(self.number, None)
        self.closed = True
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """At once, whatever is still to be handed over."""
        self.mux.ends.discard(self)
        self.closed = True
        self.early.clear()
        if self.transport is not None:
            self.transport.abort()
