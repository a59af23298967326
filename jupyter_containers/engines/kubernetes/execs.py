"""A program in a Pod whose standard input and output are one connection of bytes: `pods/exec`.

Each message of its websocket begins with the number of a stream. The subprotocol's version 5 only
adds a message by which a stream is closed, which nothing here does.
https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.33/#-strong-misc-operations-pod-v1-core-strong-
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from ...text import as_dict, as_text, one_line, untrusted_json
from .client import Cluster

_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDIN, _STDOUT, _STDERR, _ERROR = b"\x00", 1, 2, 3
_PART = 128 << 10
"""Bytes of one message: on its way are programs that hold a whole one in memory."""
_MOST_SAID = 2000


class Exec:
    """See `guest.mux.Connection`. One task reads, one writes."""

    def __init__(self, stack: AsyncExitStack, socket: Any) -> None:
        self._stack, self._socket = stack, socket
        self._said = bytearray()

    async def read(self) -> bytes:
        """The next bytes of standard output; none once the program has ended. Raises OSError."""
        from aiohttp import WSMsgType

        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.BINARY:
                data: bytes = message.data
                stream = data[0] if data else _STDOUT
                if stream == _STDOUT and len(data) > 1:
                    return data[1:]
                if stream == _STDERR and len(self._said) < _MOST_SAID:
                    self._said += data[1:]
                if stream == _ERROR:
                    self._end(data[1:])
                    return b""
            elif message.type is not WSMsgType.TEXT:
                raise ConnectionResetError(self._why() or "the connection was cut")

    def _end(self, told: bytes) -> None:
        """The last message: how the program ended. Raises OSError where it did not do well."""
        try:
            status = as_dict(untrusted_json(told))
        except ValueError:
            status = {}
        if status.get("status") != "Success":
            why = one_line(as_text(status.get("message")), 200)
            raise ConnectionResetError(f"{self._why() or why or 'the program in the Pod ended'}")

    def _why(self) -> str:
        return one_line(bytes(self._said).decode(errors="replace"), 300)

    async def write(self, data: bytes) -> None:
        """To standard input. Raises OSError."""
        view = memoryview(data)
        for start in range(0, len(view), _PART):
            # Where the connection is closing, aiohttp says so by an OSError of its own.
            await self._socket.send_bytes(_STDIN + view[start : start + _PART])

    async def close(self) -> None:
        """Hang up: the program sees the end of its input. Twice is fine."""
        await self._stack.aclose()


async def open_exec(cluster: Cluster, path: str, container: str, command: Sequence[str]) -> Exec:
    """Run a command in a container; `path` is its Pod's. Raises OSError, EngineDown, and what
    `refused` makes of an answer."""
    query = [("container", container), ("stdin", "1"), ("stdout", "1"), ("stderr", "1")]
    query += [("command", word) for word in command]
    stack = AsyncExitStack()
    made = cluster.websocket(f"{path}/exec", query=query, protocols=_PROTOCOLS)
    socket = await stack.enter_async_context(made)
    if socket.protocol is None:
        await stack.aclose()
        raise ConnectionRefusedError("the API server knows none of our protocols of exec")
    return Exec(stack, socket)
