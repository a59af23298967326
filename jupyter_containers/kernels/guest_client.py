"""The owner's end of the guest's socket: `guest/main.py` has the other one and the protocol.

Plain non-blocking reads, no task and no loop: `poll` is called from whatever event loop the
client of the day runs, often a different one per call, and must start nothing. A guest on another
machine has a key and certificate that we made: by it we know that it is the one we started.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from typing import Any

from ..errors import StartFailed
from ..host import sockets
from ..host.process import run
from ..text import one_line, untrusted_json

_MAX_LINE = 64 * 1024
_MOST_AT_ONCE = 64 * 1024
"""Bytes that are taken in between two looks: a guest says some hundred in a kernel's life."""
_LINE_COUNTS = 1024
"""Bytes that a line counts beside its own: reading 60,000 empty ones takes most of a second."""
_AGAIN_SECONDS = 60.0
"""For which a guest on another machine is looked for again, from when its connection was lost."""
_ENDS = (signal.SIGTERM, signal.SIGKILL)
_OPTIONS = (
    ("TCP_KEEPIDLE", 10),
    ("TCP_KEEPINTVL", 5),
    ("TCP_KEEPCNT", 3),
    ("TCP_USER_TIMEOUT", 25_000),
)


@dataclass(frozen=True)
class Applied:
    """What really applies in the container, read back from inside; None: nothing limits it."""

    uid: int
    gid: int
    memory: int | None
    pids: int | None
    cpus: float | None
    network: tuple[str, ...]


class GuestClient:
    """One connection. The provisioner owns it; after `closed` the container is over."""

    def __init__(self, address: str | tuple[str, int], token: str, certificate: str = "") -> None:
        self._address = address
        self._token = token
        self._certificate = certificate
        self.ports: tuple[int, ...] = ()
        """Of the kernel's five channels, where it has chosen them itself."""
        self.streams_port = 0
        """Of the forwarder, where the container is on another machine."""
        self._socket: socket.socket | None = None
        self._buffer = b""
        self.closed = False
        self.applied: Applied | None = None
        self.ended: int | None = None
        self.out_of_memory = False
        self.refused: str | None = None
        self.flooded = False
        """Whether we hung up, since the other end said far more than a guest does."""
        self._starting = False
        self._again: threading.Thread | None = None
        self._found: socket.socket | None = None
        self._given_up = False

    async def connect(self, timeout: float) -> None:
        """Connect as soon as the guest listens. Raises StartFailed after `timeout` seconds.

        The guest's hello is what counts: a published port accepts before anyone listens.
        """
        deadline = time.monotonic() + timeout
        while not self.try_connect():
            if time.monotonic() > deadline:
                raise StartFailed("The container started but its first process did not answer.")
            await asyncio.sleep(0.01)

    def try_connect(self) -> bool:
        """True once the guest has said hello. One cheap attempt, for a loop of the caller's."""
        if self._socket is None:
            try:
                self._socket = dial(self._address, self._certificate)
                self._socket.sendall(self._token.encode() + b"\n")
            except OSError:
                self._hang_up()
                return False
        self.read()
        if self.closed and self.applied is None:
            self.closed = False  # a published port without a listener yet: try again
        return self.applied is not None

    def read(self) -> None:
        """Take in what has arrived. Never blocks."""
        if self._again is not None:
            if self._again.is_alive():
                return
            self._socket, self._found, self._again = self._found, None, None
            self.closed = self._socket is None
        left = _MOST_AT_ONCE
        while self._socket is not None:
            try:
                data = self._socket.recv(_MAX_LINE)
            except (BlockingIOError, ssl.SSLWantReadError):
                return
            except OSError:
                data = b""
            self._buffer += data
            left -= len(data) + _LINE_COUNTS * data.count(b"\n")
            if left < 0:
                # Whatever runs inside can get at the guest's connection, and an event loop that
                # reads on never comes to anything else.
                self.flooded = True
                self.close()
                return
            if not data or len(self._buffer) > _MAX_LINE:
                self._lost()
                return
            *lines, self._buffer = self._buffer.split(b"\n")
            for line in lines:
                self._take(line)

    def _lost(self) -> None:
        """The end of the container, but for one on another machine: the network may have failed.
        On a thread, since a connection over such a network may block, and `read` must not."""
        self._hang_up()
        if self._certificate and self.applied is not None and not self._given_up:
            self._again = threading.Thread(target=self._find_again, daemon=True)
            self._again.start()
        else:
            self.closed = True

    def _find_again(self) -> None:
        """Until it is found, or nobody listens there any more."""
        deadline = time.monotonic() + _AGAIN_SECONDS
        while not self._given_up and time.monotonic() < deadline:
            try:
                found = dial(self._address, self._certificate)
                found.sendall(self._token.encode() + b"\n")
            except ConnectionRefusedError:
                return
            except OSError:
                time.sleep(0.5)
            else:
                self._found = found
                return

    def _take(self, line: bytes) -> None:
        """One line. It comes from a container: any JSON, any type."""
        try:
            event = untrusted_json(line)
        except ValueError:
            return
        if not isinstance(event, dict):
            return
        kind = event.get("event")
        if kind == "hello":
            self.applied = _applied(event)
            port = event.get("streams")
            self.streams_port = port if type(port) is int and 0 < port < 1 << 16 else 0
        elif kind == "started":
            self._starting, self.ended = False, None
        elif kind == "ended" and not self._starting and _is_exit_code(event.get("code")):
            self.ended, self.out_of_memory = event["code"], event.get("oom") is True
        elif kind == "ports":
            self.ports = _five(event.get("ports"))
        elif kind == "refused":
            self.refused = one_line(str(event.get("target")))

    def start(self, note: str) -> None:
        """Start the kernel again in the same container; `note` is said in its first cell."""
        self._starting, self.ended, self.out_of_memory = True, None, False
        self.ports = ()
        self._send({"do": "start", "note": note})

    def signal(self, signum: int) -> None:
        """Signal the kernel's process group. One that shall end is not looked for any longer."""
        self._given_up = self._given_up or (self._again is not None and signum in _ENDS)
        self._send({"do": "signal", "signum": int(signum)})

    def stop(self) -> None:
        """End the kernel and the container."""
        self._given_up = True
        self._send({"do": "stop"})

    def _send(self, order: dict[str, Any]) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendall(json.dumps(order).encode() + b"\n")

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._buffer = None, b""

    def close(self) -> None:
        """Hang up. The guest's grace begins."""
        self._given_up = True
        self._hang_up()
        self.closed = True


def _is_exit_code(code: Any) -> bool:
    """As Popen has them: 0 to 255, or a signal's number below zero."""
    return type(code) is int and -64 <= code <= 255


def _five(ports: Any) -> tuple[int, ...]:
    """Five ports, and nothing else of what a container says of where it listens."""
    listed = ports if isinstance(ports, list) else []
    good = [port for port in listed if type(port) is int and 0 < port < 1 << 16]
    return tuple(good) if len(good) == len(listed) == 5 else ()


def dial(address: str | tuple[str, int], certificate: str = "") -> socket.socket:
    """Connect to a socket's path, or to a host and port. Raises OSError."""
    if isinstance(address, str):
        return sockets.connect(address)
    connected = socket.create_connection(address, timeout=2.0)
    if certificate:
        connected = _secured(connected, certificate)
    connected.setblocking(False)
    return connected


def _secured(connected: socket.socket, certificate: str) -> ssl.SSLSocket:
    """With TLS around it, and certain that the other end has the key of that certificate. Raises
    OSError. A machine that has gone without a word is noticed within half a minute."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=certificate)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _OPTIONS:
        if (number := getattr(socket, option, None)) is not None:
            connected.setsockopt(socket.IPPROTO_TCP, number, value)
    return context.wrap_socket(connected)


def _applied(event: dict[str, Any]) -> Applied:
    def number(key: str) -> Any:
        value: Any = event.get(key)
        return value if type(value) in (int, float) and 0 <= value < 1 << 64 else None

    names = event.get("network")
    listed = names[:32] if isinstance(names, list) else []
    return Applied(
        uid=int(number("uid") or 0),
        gid=int(number("gid") or 0),
        memory=number("memory"),
        pids=number("pids"),
        cpus=number("cpus"),
        network=tuple(one_line(str(name), 32) for name in listed),
    )


_ARGV = (
    *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
    *("-nodes", "-keyout", "-", "-out", "-", "-subj", "/CN=jupyter-containers", "-days", "3650"),
)


async def new_secret() -> str:
    """A private key and its certificate as PEM; takes 10 to 20 ms. Raises StartFailed."""
    done = await run(_ARGV)
    if done.code or "BEGIN CERTIFICATE" not in done.stdout:
        raise StartFailed(
            f"openssl made no key: {one_line(done.stderr)}", "Run it by hand: openssl version"
        )
    return done.stdout


def certificate_of(pem: str) -> str:
    """What of it the owner needs, without the key."""
    return pem[pem.index("-----BEGIN CERTIFICATE-----") :]
