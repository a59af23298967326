"""Something that listens on this machine, for containers that shall not reach it."""

from __future__ import annotations

import contextlib
import http.server
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


@contextlib.contextmanager
def serving(content: bytes) -> Iterator[tuple[str, list[str]]]:
    """An address on 127.0.0.1 that anybody may download, and a list of what was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/file", asked
        finally:
            server.shutdown()


def addresses() -> list[str]:
    """Those of this machine that others see."""
    return [
        one.address
        for found in psutil.net_if_addrs().values()
        for one in found
        if one.family == socket.AF_INET and not one.address.startswith("127.")
    ]
