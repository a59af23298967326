"""Something that listens on this machine, for containers that shall not reach it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import psutil


@contextlib.contextmanager
def listening(address: str = "0.0.0.0") -> Iterator[int]:
    """Its port; it says `this machine` to everybody."""
    server = socket.create_server((address, 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.sendall(b"this machine")

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield server.getsockname()[1]
    finally:
        server.close()


def addresses() -> list[str]:
    """Those of this machine that others see."""
    return [
        one.address
        for found in psutil.net_if_addrs().values()
        for one in found
        if one.family == socket.AF_INET and not one.address.startswith("127.")
    ]
