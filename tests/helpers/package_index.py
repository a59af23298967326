"""A package index of this machine with one package, for containers that install from it."""

from __future__ import annotations

import contextlib
import http.server
import io
import threading
import zipfile
from collections.abc import Iterator, Mapping


def wheel(name: str, version: str) -> tuple[str, bytes]:
    """A wheel with one module, whose `VERSION` is its version: the file's name and content."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return f"{stem}-py3-none-any.whl", file.getvalue()


@contextlib.contextmanager
def package_index(packages: Mapping[str, str]) -> Iterator[tuple[int, list[str]]]:
    """The port of an index of these packages (name → version), on all addresses of this machine,
    and the paths that were asked for."""
    asked: list[str] = []
    pages: dict[str, tuple[str, bytes]] = {}
    for name, version in packages.items():
        file, content = wheel(name, version)
        pages[f"/simple/{name}/"] = ("text/html", f'<a href="/{file}">{file}</a>'.encode())
        pages[f"/{file}"] = ("application/octet-stream", content)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            kind, content = pages.get(self.path, ("text/plain", b"no such package"))
            self.send_response(200 if self.path in pages else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("0.0.0.0", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
