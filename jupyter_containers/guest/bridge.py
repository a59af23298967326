"""The bridge: the tunnel's end in a Pod, in a process of its own that outlives its connections.

Used by `pod.py`; `mux.py` has the protocol. It listens on RUN/tunnel and takes one connection at a
time, whose other end has to prove that it knows the tunnel's secret. The first who comes tells it:
at that time nothing of a notebook runs in the container. It is not dumpable, as the guest, so that
a kernel reads the secret nowhere. It ends when no server was connected for the time that the first
one said, and with its container. Standard library only, Python 3.9 and newer.
"""

import asyncio
import errno
import hmac
import json
import os
import secrets
import socket
import stat
import time

from limits import dumpable
from mux import (
    CHUNK,
    FILE,
    HANDSHAKE,
    MOST_FILE,
    MOST_LINE,
    NAMES,
    OPEN,
    PLACED,
    SOCKETS,
    WINDOW,
    Broken,
    End,
    Lines,
    Mux,
    proof,
)

PATIENCE = 120.0
"""Seconds for the first server, as in `pod.py`."""
MOST_STRANGERS = 8
"""At once; where one more comes, the one who has waited longest goes."""
MOST_STREAMS = 256
FIRST_PAUSE, LAST_PAUSE, PART = 0.01, 0.5, 20
"""Seconds between looks for sockets: a part of the time in which nothing happened."""
LISTENS_IN, AGAIN = 0.2, 0.005
"""Seconds in which a socket that was made is listened on, and between trials."""
STAYS = ("guest", "streams")
"""Sockets that are made before the kernel runs: another one of this name is none of ours."""


def serve(listener, run_dir):
    """Until the end of the process. Called in a fork."""
    dumpable(False)
    asyncio.run(Bridge(run_dir).run(listener))
    os._exit(0)


class Wire(asyncio.BaseProtocol):
    """A connection, as `mux.Connection` says: the input and output of a process that waits until we
    hang up, and whose end is the connection's."""

    def __init__(self, process):
        self.process = process
        self.reader = asyncio.StreamReader(limit=WINDOW)
        self.incoming = self.outgoing = None
        self.takes_more = asyncio.Event()
        self.takes_more.set()

    async def open(self):
        """Take its input and output. Raises OSError and ValueError."""
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        loop.add_reader(self.process, done, ready)
        await ready
        _, files, _, _ = socket.recv_fds(self.process, 1, 2)
        pipes = [os.fdopen(file, "rb+", 0) for file in files]
        if len(pipes) != 2:
            raise ConnectionResetError("no input and output")
        loop.add_reader(self.process, self.hang_up)
        protocol = asyncio.StreamReaderProtocol(self.reader)
        self.incoming, _ = await loop.connect_read_pipe(lambda: protocol, pipes[0])
        self.outgoing, _ = await loop.connect_write_pipe(lambda: self, pipes[1])

    async def read(self):
        """The next bytes."""
        return await self.reader.read(WINDOW)

    async def write(self, data):
        """Returns once it takes more."""
        if self.outgoing.is_closing():
            raise BrokenPipeError
        self.outgoing.write(data)
        await self.takes_more.wait()

    def pause_writing(self):
        """It takes no more for now."""
        self.takes_more.clear()

    def resume_writing(self):
        """It takes more."""
        self.takes_more.set()

    def connection_lost(self, _error):
        """Nobody reads it any more."""
        self.hang_up()

    def hang_up(self):
        """At once: what was not sent is sent again. Twice is fine."""
        if self.process.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self.process)
            self.process.close()
        if self.incoming is not None:
            self.incoming.close()
        if self.outgoing is not None and not self.outgoing.is_closing():
            self.outgoing.abort()
        self.takes_more.set()


def done(future):
    """It has come."""
    if not future.done():
        future.set_result(None)


class Bridge:
    """What stays over all connections: the secret, the sockets that were found, the session."""

    def __init__(self, run_dir):
        self.run_dir = run_dir
        self.secret, self.grace = "", PATIENCE
        self.session = None
        self.carried = None  # the task that carries the session's frames
        self.alone = time.monotonic()  # since when there is none
        self.strangers = {}  # task: None; in the order they came
        self.found = {}  # name: (its file, its number)
        self.count = 0
        self.busy = time.monotonic()  # when something happened that may lead to a socket
        self.timer = None

    async def run(self, listener):
        """Take connections until nobody needs the bridge any more."""
        self.over = asyncio.get_running_loop().create_future()
        self.look()
        listener.setblocking(False)
        accepting = asyncio.ensure_future(self.accept(listener))
        await self.over
        accepting.cancel()

    # -- connections -----------------------------------------------------------------------

    async def accept(self, listener):
        """Take everybody in to be asked."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                process, _ = await loop.sock_accept(listener)
            except OSError:  # no file is left, or who came has gone
                await asyncio.sleep(0.1)
                continue
            while len(self.strangers) >= MOST_STRANGERS:
                first = next(iter(self.strangers))
                self.strangers.pop(first)
                first.cancel()
            self.strangers[loop.create_task(self.meet(Wire(process)))] = None

    async def meet(self, wire):
        """Ask one for the proof, then carry frames until the connection is cut."""
        task = asyncio.current_task()
        try:
            session, rest = await asyncio.wait_for(self.ask(wire, task), HANDSHAKE)
            await session.link.carry(wire, rest)
        except (Broken, OSError, asyncio.TimeoutError, asyncio.CancelledError, ValueError):
            pass
        finally:
            self.strangers.pop(task, None)
            if self.carried is task:
                self.carried, self.alone = None, time.monotonic()
            wire.hang_up()

    async def ask(self, wire, task):
        """The session and what has come of its frames. Raises Broken for who does not know the
        secret."""
        await wire.open()
        lines = Lines(wire)
        said = await lines.hear()
        session, theirs = str(said.get("session")), str(said.get("nonce"))
        if not self.secret and "secret" not in said:
            await lines.say({"error": "new"})  # the one that knew it was killed
            done(self.over)
            raise Broken("no secret")
        self.secret = self.secret or str(said["secret"])
        ours = secrets.token_hex(16)
        words = (session, theirs, ours)
        await lines.say({"nonce": ours, "proof": proof(self.secret, "pod", *words)})
        answer = await lines.hear()
        if not hmac.compare_digest(
            proof(self.secret, "server", *words).encode(), str(answer.get("proof")).encode()
        ):
            raise Broken("not the secret")
        self.strangers.pop(task, None)
        while self.carried is not None:  # it has lost the server without being told
            self.carried.cancel()
            await asyncio.wait({self.carried})
        self.carried = task
        if "grace" in said:
            self.grace = float(said["grace"])
        if self.session is None or self.session.name != session:
            if self.session is not None:
                self.session.abort()
            self.session = Session(self, session)
        self.session.link.resume(answer.get("received"))
        self.session.tell_sockets()
        await lines.say({"received": self.session.link.received})
        self.hurry()
        return self.session, lines.rest

    # -- sockets ---------------------------------------------------------------------------

    def hurry(self):
        """Something happened that may lead to a socket: look for it soon."""
        self.busy = time.monotonic()
        self.timer.cancel()
        self.timer = asyncio.get_running_loop().call_later(FIRST_PAUSE, self.look)

    def look(self):
        """Find the sockets that were made and removed."""
        now = time.monotonic()
        changed = [name for name in NAMES if self.is_changed(name)]
        if changed:
            self.busy = now
            if self.carried is not None:
                self.session.tell_sockets()
        if self.carried is None and now - self.alone > self.grace:
            done(self.over)
        pause = min(max((now - self.busy) / PART, FIRST_PAUSE), LAST_PAUSE)
        self.timer = asyncio.get_running_loop().call_later(pause, self.look)

    def is_changed(self, name):
        """Whether a socket is another one than it was. The file that is kept of it says so, and
        streams lead to that: what is put in its place later is reached by no stream."""
        known = self.found.get(name)
        if known is not None and name in STAYS:
            return False
        try:
            there = os.lstat(os.path.join(self.run_dir, name))
        except OSError:
            there = None
        if known is not None:
            if there is not None and os.path.samestat(there, os.fstat(known[0])):
                return False
            os.close(known[0])
            del self.found[name]
        file = self.open(name) if there is not None else None
        if file is not None:
            self.count += 1
            self.found[name] = (file, self.count)
        return known is not None or file is not None

    def open(self, name):
        """A file that stands for a socket; None where there is none."""
        try:
            path = os.path.join(self.run_dir, name)
            file = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        if stat.S_ISSOCK(os.fstat(file).st_mode):
            return file
        os.close(file)
        return None

    def connection(self, name):
        """To a socket. Raises OSError."""
        if name not in self.found:
            raise FileNotFoundError(name)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            connection.connect("/proc/self/fd/%d" % self.found[name][0])
        except OSError:
            connection.close()
            raise
        return connection


class Session(Mux):
    """The streams of one server."""

    def __init__(self, bridge, name):
        super().__init__(MOST_FILE + CHUNK)
        self.bridge, self.name = bridge, name
        self.connecting = set()

    def take(self, kind, stream, payload):
        """A frame of the server's."""
        if kind == OPEN:
            self.lead(stream, str(payload, "ascii"))
        elif kind == FILE:
            name, _, contents = bytes(payload).partition(b"\n")
            try:
                self.place(name.decode(), contents)
                self.link.send(PLACED)
            except OSError as error:
                self.link.send(PLACED, 0, str(error).encode()[:MOST_LINE])
        else:
            super().take(kind, stream, payload)
            end = self.streams.get(stream)
            if end is not None and end.name == "guest":
                self.bridge.hurry()  # it may be told to start a kernel

    def tell_sockets(self):
        """Which ones there are."""
        numbers = {name: number for name, (_, number) in self.bridge.found.items()}
        self.link.send(SOCKETS, 0, json.dumps(numbers).encode())

    def place(self, name, contents):
        """Write a file in the run directory or in `conf` beside it, whole once it is there."""
        self.bridge.hurry()
        folder, _, name = name.rpartition("/")
        if folder not in ("", "conf") or name.startswith("."):
            raise PermissionError("no place for %s" % name)
        here = self.bridge.run_dir
        if folder:
            here = os.path.join(os.path.dirname(os.path.abspath(here)), folder)
        new = os.path.join(here, "." + name)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(contents)
        os.rename(new, os.path.join(here, name))

    def lead(self, stream, name):
        """Connect a new stream to the socket of this name."""
        self.open(stream)
        if name not in NAMES or len(self.ends) >= MOST_STREAMS:
            raise Broken("no stream")
        task = asyncio.ensure_future(self.connect(End(self, stream, name)))
        self.connecting.add(task)
        task.add_done_callback(self.connecting.discard)

    async def connect(self, end):
        """To its socket, or close the stream."""
        deadline = time.monotonic() + LISTENS_IN
        while True:
            try:
                connection = self.bridge.connection(end.name)
                await asyncio.get_running_loop().create_connection(lambda: end, sock=connection)
                return
            except OSError as error:
                again = error.errno in (errno.ECONNREFUSED, errno.EAGAIN)
                if not again or time.monotonic() > deadline or end.closed:
                    end.connection_lost(None)
                    return
                await asyncio.sleep(AGAIN)
