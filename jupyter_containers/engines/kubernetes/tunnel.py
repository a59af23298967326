"""This machine's end of the tunnel into a Pod: sockets that lead to those of its run directory.

`guest/mux.py` has the protocol, `guest/bridge.py` the other end. That may be any program that a
notebook has started: nothing that it sends makes this end wait, grow, or touch a file but the
sockets in `run`. The caller supplies the connection, such as a `pods/exec`. It may be cut at any
time and is made again; clients of the sockets do not notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from ...errors import ContainersError, EngineDown, StartFailed
from ...guest.mux import (
    CHUNK,
    FILE,
    HANDSHAKE,
    MOST_FILE,
    NAMES,
    OPEN,
    PLACED,
    SOCKETS,
    Broken,
    Connection,
    End,
    Lines,
    Mux,
    proof,
)
from ...text import one_line, untrusted_json

Connect = Callable[[], Awaitable[Connection]]
"""Opens a connection to `pod.py tunnel`. Raises OSError or EngineDown where it may work later, and
another ContainersError, whose sentence people read, where it never will."""
MOST_STREAMS = 200
_FIRST_PAUSE, _LAST_PAUSE = 0.05, 5.0
"""Seconds before another attempt to connect, doubled with each that failed. None after a connection
that worked, unless it was over at once: a Pod's end that hangs up again and again is not to keep
the cluster's API busy."""
_LASTED, _AT_ONCE_PAUSE = 1.0, 0.25
_CUT_LONG = 3.0
"""Seconds for which a connection may be cut before people are told."""
_SOCKETS_EVERY = 0.01
"""Seconds between changes of the sockets here, however often the Pod says that they changed."""
_MOST_NUMBER = 1 << 53
log = logging.getLogger("jupyter_containers")


class Tunnel:
    """One Pod's. It lives in the event loop in which `open` is called; the attributes may be read
    from everywhere."""

    def __init__(self, connect: Connect, run: Path, secret: str, *, grace: float) -> None:
        """`run` is a directory that no container sees. The Pod's end waits `grace` seconds for a
        connection, and so does this one."""
        self._connect, self._run, self._secret, self._grace = connect, run, secret, grace
        self._session = secrets.token_hex(16)
        self._is_known = False
        self._streams = _Streams(self)
        self._servers: dict[str, tuple[int, asyncio.Server]] = {}
        self._announced: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._waiting = 0
        self._placed: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._over = asyncio.Event()
        self.connected = False
        self._cut = (0.0, "")
        self.lost: str | None = None
        """Why the Pod's end is gone for good, once it is; the sockets are then removed."""
        self.hint = ""
        """What to do then, where that is known."""

    async def open(self, files: Mapping[str, bytes] | None = None) -> None:
        """Connect, and write `files` (`start.json` last) in the Pod's run directory, or in the one
        beside it: `conf/connection.json`. Without files the Pod has them: an earlier server's
        kernel is adopted. Raises StartFailed."""
        self._is_known = files is None
        self._placed = asyncio.get_running_loop().create_future()
        self._cut = (time.monotonic(), "")
        for name, contents in (files or {}).items():
            if len(contents) > MOST_FILE or not self._streams.link.has_room:
                raise StartFailed(f"{name} is too large to be sent to the Pod.")
            self._streams.link.send(FILE, 0, name.encode() + b"\n" + contents)
            self._waiting += 1
        self._task = asyncio.create_task(self._keep())
        try:
            async with asyncio.timeout(self._grace + HANDSHAKE):
                await self._placed
        except TimeoutError:
            await self.close()
            raise StartFailed("The Pod was reached, but did not take its files.") from None
        except BaseException:
            await self.close()
            raise

    @property
    def cut(self) -> str:
        """Why it has not been connected for some seconds, while it still tries; empty: it is."""
        since, why = self._cut
        is_long = time.monotonic() - since > _CUT_LONG
        return why if is_long and not self.connected and self.lost is None else ""

    async def wait_lost(self) -> str:
        """Wait until the Pod's end is gone for good; returns why. Empty after `close`."""
        await self._over.wait()
        return self.lost or ""

    async def close(self) -> None:
        """Hang up and remove the sockets. The Pod's end waits for another server."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._shut()
        await asyncio.sleep(0)  # in which asyncio closes what was aborted

    # -- the connection --------------------------------------------------------------------

    async def _keep(self) -> None:
        """Keep a connection until the Pod's end is gone for good."""
        serving = asyncio.create_task(self._serve())
        carrying = asyncio.create_task(self._carry())
        tasks = {serving, carrying}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            self.lost = one_line(done.pop().result(), 500)
        except Exception as error:  # a kernel must not look alive for a bug of ours
            self.lost = f"The connection to the Pod failed: {error!r}"
            log.exception("The tunnel to a Pod failed.")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self._shut()

    async def _carry(self) -> str:
        """One connection after another; returns why there can be no more."""
        pause, deadline, why = 0.0, time.monotonic() + self._grace, ""
        while True:
            try:
                async with asyncio.timeout(max(deadline - time.monotonic(), 0.01)):
                    connection = await self._connect()
            except EngineDown as error:
                why = error.message
            except OSError as error:
                why = str(error) or why or "no answer"
            except ContainersError as error:
                self.hint = error.hint
                return error.message
            else:
                since = time.monotonic()
                try:
                    why = await self._carry_one(connection)
                except Broken as error:
                    return f"What runs in the Pod disturbs its connection: {error}."
                finally:
                    with contextlib.suppress(OSError):
                        await connection.close()
                if self.connected:
                    self.connected, now = False, time.monotonic()
                    self._cut = (now, "")
                    pause = 0.0 if now - since > _LASTED else _AT_ONCE_PAUSE
                    deadline = now + self._grace
            self._cut = (self._cut[0], why)
            if (left := deadline - time.monotonic()) <= 0:
                return f"The Pod was not reached for {self._grace:g} s ({why})."
            await asyncio.sleep(min(pause, left))
            pause = min(max(2 * pause, _FIRST_PAUSE), _LAST_PAUSE)

    async def _carry_one(self, connection: Connection) -> str:
        """Until it is cut; returns why. Raises Broken."""
        lines = Lines(connection)
        try:
            async with asyncio.timeout(HANDSHAKE):
                received = await self._greet(lines)
        except OSError as error:
            return str(error) or "no answer"
        link = self._streams.link
        link.resume(received)
        self.connected = self._is_known = True
        if not self._waiting:
            self._opened()
        await link.carry(connection, lines.rest)
        return "the connection was cut"

    async def _greet(self, lines: Lines) -> Any:
        """Prove ourselves and have the Pod's end do so; returns how much has come to it."""
        ours = secrets.token_hex(16)
        said: dict[str, Any] = {"session": self._session, "nonce": ours, "grace": self._grace}
        if not self._is_known:
            said["secret"] = self._secret
        await lines.say(said)
        answer = await lines.hear()
        if "error" in answer:
            raise Broken("its end of the connection was killed")
        words = (self._session, ours, str(answer.get("nonce")))
        told = str(answer.get("proof")).encode()
        if not hmac.compare_digest(proof(self._secret, "pod", *words).encode(), told):
            raise Broken("another program answers in the place of ours")
        received = self._streams.link.received
        shown = proof(self._secret, "server", *words)
        await lines.say({"proof": shown, "received": received})
        return (await lines.hear()).get("received")

    # -- what the Pod says -----------------------------------------------------------------

    def take_placed(self, why: str) -> None:
        """A file is in its place, or could not be put there."""
        if self._placed is None or not self._waiting:
            raise Broken("it speaks of a file that was not sent")
        self._waiting -= 1
        if why:
            self._fail(f"The Pod has no place for its files: {one_line(why)}.")
        elif not self._waiting:
            self._opened()

    def take_sockets(self, said: Any) -> None:
        """Which sockets there are, by what it says of them. Raises Broken."""
        if not isinstance(said, dict) or not all(
            name in NAMES and type(number) is int and 0 < number < _MOST_NUMBER
            for name, number in said.items()
        ):
            raise Broken("it speaks of sockets that cannot be")
        self._announced = said
        self._changed.set()

    def _opened(self) -> None:
        if self._placed is not None and not self._placed.done():
            self._placed.set_result(None)

    def _fail(self, why: str) -> None:
        if self._placed is not None and not self._placed.done():
            self._placed.set_exception(StartFailed(why, self.hint))

    # -- the sockets here ------------------------------------------------------------------

    async def _serve(self) -> str:
        """Listen where the Pod does; returns why that is no longer possible."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                for name in NAMES:
                    await self._listen(name, self._announced.get(name, 0))
            except OSError as error:
                return f"The sockets in {self._run} cannot be made: {error.strerror or error}."
            await asyncio.sleep(_SOCKETS_EVERY)

    async def _listen(self, name: str, number: int) -> None:
        """Have a socket of this name, or none. A kernel's next one needs a new one here only where
        somebody removed the last: who waits for the next kernel does so first."""
        before, server = self._servers.get(name, (0, None))
        if number == before:
            return
        if server is not None:
            if number and (self._run / name).exists():
                self._servers[name] = (number, server)
                return
            self._remove(name)
        if number:
            listener = _listener(self._run, name)
            made = asyncio.get_running_loop().create_unix_server(
                lambda: _Local(self._streams, name), sock=listener
            )
            self._servers[name] = (number, await made)

    def _remove(self, name: str) -> None:
        _, server = self._servers.pop(name)
        server.close()
        (self._run / name).unlink(missing_ok=True)

    def _shut(self) -> None:
        """Leave nothing behind."""
        self.connected = False
        for name in tuple(self._servers):
            with contextlib.suppress(OSError):
                self._remove(name)
        self._streams.abort()
        self._fail(self.lost or "The connection to the Pod was closed.")
        self._over.set()


class _Streams(Mux):
    """The streams of all clients."""

    def __init__(self, tunnel: Tunnel) -> None:
        super().__init__(CHUNK)
        self._tunnel = tunnel

    def take(self, kind: int, stream: int, payload: memoryview) -> None:
        """A frame from the Pod."""
        if kind == SOCKETS:
            try:
                said = untrusted_json(bytes(payload))
            except ValueError:
                said = None
            self._tunnel.take_sockets(said)
        elif kind == PLACED:
            self._tunnel.take_placed(str(payload, errors="replace"))
        else:
            super().take(kind, stream, payload)


class _Local(End):
    """A client's connection."""

    def __init__(self, mux: Mux, name: str) -> None:
        self.is_refused = len(mux.ends) >= MOST_STREAMS or not mux.link.has_room
        if not self.is_refused:
            mux.open(mux.opened + 1)
            mux.link.send(OPEN, mux.opened, name.encode())
            super().__init__(mux, mux.opened, name)

    def connection_made(self, transport: Any) -> None:
        """It is there, or one too many."""
        if self.is_refused:
            transport.abort()
        else:
            super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """It is over."""
        if not self.is_refused:
            super().connection_lost(error)


def tunnel_secret(token: str) -> str:
    """From the guest's token: who holds the tunnel is not the kernel's owner."""
    return hashlib.sha256(f"tunnel {token}".encode()).hexdigest()[:32]


def _listener(run: Path, name: str) -> socket.socket:
    """A socket that is listened on once it has its name: clients that find it connect at once."""
    new = run / f".{name}"
    new.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(new))
        listener.listen(64)
        listener.setblocking(False)
        new.replace(run / name)
    except OSError:
        listener.close()
        raise
    return listener
