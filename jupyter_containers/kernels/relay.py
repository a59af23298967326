"""A container's kernel for clients that start kernels by their `argv` and know no provisioners.

    python -m jupyter_containers.relay --spec NAME -f CONNECTION_FILE

VS Code does, and so may any program that reads kernel.json itself. This process is the kernel
it sees. It starts the kernel spec NAME as jupyter_client would, through the provisioner, and
passes what comes to the client's ports on 127.0.0.1 to the container's sockets, byte for byte:
ZMTP, ZeroMQ's protocol, is the same stream on both (https://rfc.zeromq.org/spec/23/).

SIGINT interrupts the kernel, SIGTERM and SIGHUP end it, and so does the end of the parent, as
with ipykernel. It exits with the kernel's exit code and leaves nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import zmq
from jupyter_client.manager import AsyncKernelManager
from zmq.devices import ThreadProxy

from ..errors import BadInput, ContainersError, sentence_of
from ..host.cache import workplace
from ..kernelspecs import GENERIC
from ..text import untrusted_json
from .connection import CHANNELS
from .guest_client import dial

_MOST = 1 << 20
"""Bytes of a connection file that are read."""
_TICK = 0.2
"""Seconds between looks at the kernel and the parent."""


@dataclass(frozen=True)
class Outer:
    """The client's connection file: where it expects the kernel, and how messages are signed."""

    ip: str
    ports: tuple[int, ...]
    key: bytes
    scheme: str

    @classmethod
    def read(cls, path: Path) -> Outer:
        """Raises BadInput where this is no file that can be relayed."""
        try:
            said = untrusted_json(path.read_bytes()[:_MOST])
            ip, transport = str(said["ip"]), said.get("transport", "tcp")
            outer = cls(
                ip,
                tuple(_port(said[name]) for name in CHANNELS),
                str(said["key"]).encode(),
                str(said.get("signature_scheme", "hmac-sha256")),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{path} is no connection file: {error!r}") from None
        if transport != "tcp" or not _is_local(ip):
            raise BadInput(
                f"{path} asks for {transport} on {ip}.",
                "A kernel in a container is relayed to TCP ports on 127.0.0.1 only.",
            )
        if said.get("curve_publickey"):
            raise BadInput(
                f"{path} asks for CurveZMQ.",
                "Use a client that knows kernel provisioners, or its setting for no encryption.",
            )
        return outer


def _port(number: object) -> int:
    """Raises ValueError: `true` is a number to Python, and a port to nobody."""
    if type(number) is not int or not 0 < number < 1 << 16:
        raise ValueError(f"{number!r} is no port")
    return number


def _is_local(ip: str) -> bool:
    with contextlib.suppress(ValueError):
        return ip_address(ip).is_loopback
    return ip == "localhost"


class Relay:
    """One kernel from its start to its end."""

    def __init__(self, spec: str, outer: Outer) -> None:
        self._spec = spec
        self._outer = outer
        self._ending = asyncio.Event()
        self._parent = os.getppid()

    async def run(self) -> int:
        """Returns the code to exit with. Raises ContainersError where nothing can be started."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(signum, self.end)
        async with self._kernel() as manager:
            tasks: set[asyncio.Task[None]] = set()

            def interrupt() -> None:
                task = asyncio.ensure_future(manager.interrupt_kernel())
                tasks.add(task)
                task.add_done_callback(tasks.discard)

            loop.add_signal_handler(signal.SIGINT, interrupt)
            async with self._crossing(manager):
                while await manager.is_alive() and not self._over():
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._ending.wait(), _TICK)
            return await _code(manager)

    def end(self) -> None:
        """End the kernel, and with it `run`."""
        self._ending.set()

    def _over(self) -> bool:
        """Whether somebody ended us, or nobody is left to."""
        return self._ending.is_set() or os.getppid() != self._parent

    @contextlib.asynccontextmanager
    async def _kernel(self) -> AsyncIterator[AsyncKernelManager]:
        """The kernel, started; gone after the block with all that belongs to it."""
        async with workplace("clients") as directory:
            manager = AsyncKernelManager(
                kernel_name=self._spec, connection_file=str(directory / "kernel.json")
            )
            manager.session.signature_scheme = self._outer.scheme
            manager.session.key = self._outer.key
            try:
                await manager.start_kernel(cwd=str(Path.cwd()))
                yield manager
            finally:
                if manager.has_kernel:
                    await asyncio.shield(manager.shutdown_kernel(now=True))
                else:
                    await asyncio.shield(manager.cleanup_resources())

    @contextlib.asynccontextmanager
    async def _crossing(self, manager: AsyncKernelManager) -> AsyncIterator[None]:
        """The client's five ports, open for as long as the block runs."""
        if manager.transport != "ipc":
            _proxies(self._outer, manager.get_connection_info())
            yield
            return
        servers = []
        try:
            for name, port in zip(CHANNELS, self._outer.ports, strict=True):
                inner = f"{manager.ip}-{getattr(manager, name)}"
                server = await asyncio.start_server(_Pipe(inner), self._outer.ip, port)
                servers.append(server)
            yield
        finally:
            for server in servers:
                server.close()


class _Pipe:
    """One connection of the client's, as a second one to the container's socket."""

    def __init__(self, inner: str) -> None:
        self._inner = inner

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # The socket lies where the container writes: `dial` follows no link from there.
            connected = await asyncio.to_thread(dial, self._inner)
            inside, out = await asyncio.open_unix_connection(sock=connected)
        except OSError:
            writer.close()  # not listening yet: the client's ZeroMQ comes again
            return
        ways = [
            asyncio.create_task(_copy(reader, out)),
            asyncio.create_task(_copy(inside, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for end in (writer, out):
                end.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 18):
            writer.write(data)
            await writer.drain()


_KINDS = {
    "shell_port": (zmq.ROUTER, zmq.DEALER),
    "iopub_port": (zmq.XPUB, zmq.XSUB),
    "stdin_port": (zmq.ROUTER, zmq.DEALER),
    "control_port": (zmq.ROUTER, zmq.DEALER),
    "hb_port": (zmq.ROUTER, zmq.DEALER),
}


def _proxies(outer: Outer, inner: Mapping[str, Any]) -> None:
    """Where sockets do not cross, the container's ports are encrypted and the client's are
    not: messages are passed on instead of bytes, by threads that end with the process."""
    for name, port in zip(CHANNELS, outer.ports, strict=True):
        proxy = ThreadProxy(*_KINDS[name])  # type: ignore[no-untyped-call]
        proxy.bind_in(f"tcp://{outer.ip}:{port}")
        if _KINDS[name][1] == zmq.DEALER:
            # Requests for input are sent to whom the cell came from: one name on all sockets.
            proxy.setsockopt_out(zmq.IDENTITY, b"relay")
        public, secret = (_bytes(inner[f"curve_{kind}key"]) for kind in ("public", "secret"))
        proxy.setsockopt_out(zmq.CURVE_SERVERKEY, public)
        proxy.setsockopt_out(zmq.CURVE_PUBLICKEY, public)
        proxy.setsockopt_out(zmq.CURVE_SECRETKEY, secret)
        proxy.connect_out(f"tcp://{inner['ip']}:{inner[name]}")
        proxy.start()


def _bytes(key: str | bytes) -> bytes:
    return key.encode() if isinstance(key, str) else key


async def _code(manager: AsyncKernelManager) -> int:
    """The exit code for the kernel's end, as a shell says it; 0 where it was ended."""
    provisioner = manager.provisioner
    code = await provisioner.poll() if provisioner is not None else 0
    return 128 - code if code is not None and code < 0 else code or 0


def main() -> None:
    """Entry of `python -m jupyter_containers.relay`, the `argv` of the kernel specs we write."""
    parser = argparse.ArgumentParser(prog="python -m jupyter_containers.relay")
    parser.add_argument("--spec", default=GENERIC, help="kernel spec to start")
    parser.add_argument("-f", required=True, dest="file", type=Path, help="connection file")
    args = parser.parse_args()
    try:
        code = asyncio.run(Relay(args.spec, Outer.read(args.file)).run())
    except (ContainersError, OSError) as error:
        sys.exit(str(sentence_of(error)))
    sys.exit(code)
