"""The ports of kernels' containers: the addresses under which browsers reach them, who may, and
which of them listen.

An address holds a kernel, a port and a signature of this server, so it needs no list and stays the
same when the server or the kernel is started anew. It ends with the kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Sequence
from weakref import WeakSet

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado.iostream import IOStream

from ..errors import BadInput, ContainersError, PortSilent, StreamFailed, Unknown
from ..events import Change, publish
from ..kernels.preflight import outputs_state
from ..kernels.provisioner import ADDRESSES
from ..kernels.state import KernelState, kernels_of
from ..kernels.streams import Listening, Streams
from ..policy.loader import load_policy
from ..policy.records import TRUSTED

PORT = "[0-9]{1,5}"
NAME = f"{PORT}-[^/]+-[0-9a-f]{{32}}"
"""What an address is named, as a pattern."""
_REMEMBERED = 1.0
"""Seconds that an answer to whether a notebook's outputs are isolated is good for: a page loads
many files, and the answer stands in the notebook."""

_MOST_IDLE = 8
"""Connections to one app that are kept for the next request: browsers open six at most."""
_KEPT = 1.0
"""Seconds; apps wait longer before they end a connection."""


def port_number(text: str) -> int:
    """A TCP port. Raises BadInput."""
    if not re.fullmatch(PORT, text) or not 0 < (port := int(text)) < 1 << 16:
        raise BadInput(f"{text[:20]!r} is not a port: ports are 1 to 65535.")
    return port


class Ports:
    """Made once per Jupyter server."""

    def __init__(self, app: ServerApp, streams: Callable[[str], Streams]) -> None:
        self._app, self._streams = app, streams
        setattr(app.kernel_manager, ADDRESSES, self.prefix)
        self.idle = Idle()
        self.opened: WeakSet[IOStream] = WeakSet()
        """Connections to apps, which end with the server."""
        self._isolated: dict[str, tuple[float, bool]] = {}
        self._cookies: dict[tuple[str, int], set[str]] = {}
        self._watches: dict[str, Watch] = {}

    async def open(self, kernel: str, port: int) -> IOStream:
        """A connection to a port of a kernel's container. Raises PortSilent."""
        try:
            return await self._streams(kernel).tcp(port)
        except StreamFailed as error:
            if error.code != "refused":
                raise
            raise PortSilent(
                f"Nothing listens on port {port} in this notebook's container.",
                "This page looks again every few seconds, until something does.",
            ) from None

    def kernel(self, id: str) -> KernelState:
        """A kernel of ours that this server runs. Raises Unknown, PortSilent."""
        for kernel in kernels_of(self._app.kernel_manager):
            if kernel.id == id:
                if kernel.state != "running":
                    raise PortSilent("The notebook's container is not running (any more).")
                return kernel
        raise Unknown(
            "The kernel that this address belongs to has ended.",
            "Run the notebook again, and open the port in its sidebar.",
        )

    async def listening(self, kernel: KernelState) -> Sequence[Listening]:
        """The ports that the container's processes listen on now. From the first call on, `events`
        tells when they change: without one, a start stays as fast as it is. Raises StreamFailed."""
        watch = self._watches.get(kernel.id)
        if watch is None or watch.task.done():
            told = Change(what="ports", id=kernel.id, notebook=kernel.notebook)
            self._watches[kernel.id] = watch = Watch(self._streams(kernel.id), told)
        await asyncio.wait({watch.task, watch.first}, return_when=asyncio.FIRST_COMPLETED)
        if watch.task.done() and not watch.first.done():
            self._watches.pop(kernel.id, None)
            await watch.task
        return watch.found

    async def close(self) -> None:
        """The server ends."""
        tasks = [watch.task for watch in self._watches.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.idle.close()
        for stream in tuple(self.opened):
            stream.close()

    def prefix(self, kernel: str, port: int) -> str:
        """The path below which browsers see an app."""
        name = f"{port}-{kernel}-{self._signature(kernel, port)}"
        return url_path_join(self._app.base_url, "jupyter-containers/ports", name) + "/"

    def find(self, name: str) -> tuple[KernelState, int]:
        """The kernel and the port of an address. Raises Unknown, also where nobody who may has
        ever given that address out."""
        port, _, rest = name.partition("-")
        kernel, _, signature = rest.rpartition("-")
        if not hmac.compare_digest(signature, self._signature(kernel, int(port))):
            raise Unknown("There is nothing at this address.", "Open the port in the sidebar.")
        return self.kernel(kernel), int(port)

    def _signature(self, kernel: str, port: int) -> str:
        secret: bytes = self._app.cookie_secret
        told = f"jupyter-containers port {port} {kernel}".encode()
        return hmac.new(secret, told, hashlib.sha256).hexdigest()[:32]

    async def isolated(self, kernel: KernelState) -> bool:
        """Whether what the kernel's notebook shows is kept from this person's Jupyter."""
        now = time.monotonic()
        until, found = self._isolated.get(kernel.id, (0.0, True))
        if now > until:
            found = await asyncio.to_thread(self._is_isolated, kernel)
            self._isolated = {id: one for id, one in self._isolated.items() if one[0] > now} | {
                kernel.id: (now + _REMEMBERED, found)
            }
        return found

    def _is_isolated(self, kernel: KernelState) -> bool:
        if kernel.notebook is None:
            return True
        try:
            state = outputs_state(kernel.notebook, load_policy(self._app.config))
        except ContainersError:
            return True
        return state.outputs != TRUSTED

    def cookies(self, kernel: str, port: int) -> set[str]:
        """The names of the cookies that an app has set, to which answers add."""
        if (kernel, port) not in self._cookies:
            here = {one.id for one in kernels_of(self._app.kernel_manager)}
            self._cookies = {key: names for key, names in self._cookies.items() if key[0] in here}
            self._cookies[kernel, port] = set()
        return self._cookies[kernel, port]


class Idle:
    """Connections to apps on which another request can follow. They are kept for a moment, since a
    page asks for many files, and each new connection costs both sides as much as the request."""

    def __init__(self) -> None:
        self._all: dict[tuple[str, int], dict[IOStream, asyncio.TimerHandle]] = {}
        self._most = _MOST_IDLE

    def take(self, kernel: str, port: int) -> IOStream | None:
        """One that the app has not ended, as far as is known."""
        here = self._all.get((kernel, port), {})
        while here:
            stream, timer = here.popitem()
            timer.cancel()
            if not stream.closed():
                return stream
        return None

    def keep(self, kernel: str, port: int, stream: IOStream) -> None:
        """It is open, and nobody uses it."""
        here = self._all.setdefault((kernel, port), {})
        if len(here) < self._most:
            loop = asyncio.get_running_loop()
            here[stream] = loop.call_later(_KEPT, self._end, (kernel, port), stream)
        else:
            stream.close()

    def close(self) -> None:
        """The server ends."""
        self._most = 0
        for here in self._all.values():
            for stream, timer in here.items():
                timer.cancel()
                stream.close()
        self._all.clear()

    def _end(self, key: tuple[str, int], stream: IOStream) -> None:
        stream.close()
        here = self._all[key]
        del here[stream]
        if not here:
            del self._all[key]


class Watch:
    """Hears which ports a container listens on, until it ends."""

    def __init__(self, streams: Streams, told: Change) -> None:
        self.found: Sequence[Listening] = ()
        self.first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self._hear(streams, told))

    async def _hear(self, streams: Streams, told: Change) -> None:
        try:
            async with contextlib.aclosing(streams.ports()) as reports:
                async for self.found in reports:
                    if self.first.done():
                        publish(told)
                    else:
                        self.first.set_result(None)
        finally:
            self.found = ()
            if self.first.done():
                publish(told)
