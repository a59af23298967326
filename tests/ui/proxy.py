"""A proxy between browser and server that cuts connections, as those of institutions do."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_TICK = 0.2
_FOREVER = float("inf")


class Proxy:
    """Passes bytes on. A request that takes longer than `limit` seconds is cut; a websocket only
    by `cut`, which ends all that is open."""

    def __init__(self, target: int, limit: float) -> None:
        self.limit, self.cuts = limit, 0
        self._target = target
        self._open: dict[socket.socket, float] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        for work in (self._accept, self._watch):
            threading.Thread(target=work, daemon=True).start()

    def cut(self) -> None:
        for client in list(self._open):
            self._end(client)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._open[client] = time.monotonic()
        with client, socket.create_connection(("127.0.0.1", self._target)) as server:
            back = threading.Thread(target=_pass_on, args=(server, client), daemon=True)
            back.start()
            _pass_on(client, server, lambda data: self._asked(client, data))
            back.join()
        self._open.pop(client, None)

    def _asked(self, client: socket.socket, data: bytes) -> None:
        if self._open.get(client) != _FOREVER:
            upgrade = b"upgrade: websocket" in data.lower()
            self._open[client] = _FOREVER if upgrade else time.monotonic()

    def _watch(self) -> None:
        while self._listener.fileno() != -1:
            time.sleep(_TICK)
            for client, asked in list(self._open.items()):
                if time.monotonic() - asked > self.limit:
                    self.cuts += 1
                    self._end(client)

    def _end(self, client: socket.socket) -> None:
        self._open.pop(client, None)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


def _pass_on(
    source: socket.socket, sink: socket.socket, seen: Callable[[bytes], None] | None = None
) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            if seen is not None:
                seen(data)
            sink.sendall(data)
    for one in (source, sink):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@contextmanager
def between(target: int, limit: float = _FOREVER) -> Iterator[Proxy]:
    """A proxy to a port of this machine."""
    proxy = Proxy(target, limit)
    try:
        yield proxy
    finally:
        proxy.close()
