"""An image of one program, made here: as a file that engines load, and served as by a registry."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.server
import io
import json
import platform
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import Any

APPLETS = ("sh", "cat", "echo", "id", "mkdir", "mv", "rm", "sleep", "touch", "true", "env")
_UNKNOWN = b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}'
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "amd64")


def layer() -> bytes:
    """busybox where this machine has it; where it has none, no container of it really runs."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in ("bin", "etc", "tmp", "proc", "sys", "dev"):
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)
        program = Path(which("busybox") or "/dev/null").read_bytes()
        add(tar, "bin/busybox", program, 0o755)
        add(tar, "etc/fstab", b"/etc /stolen none x-create=dir,bind\n", 0o644)
        for applet in APPLETS:
            member = tarfile.TarInfo(f"bin/{applet}")
            member.type, member.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(member)
    return out.getvalue()


def add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    """One file into an archive."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    tar.addfile(member, io.BytesIO(content))


def config(blob: bytes) -> bytes:
    """What runs the image."""
    runs = {"Env": ["GREETING=hello ${HOME}"], "Labels": {"a.label": "its value"}}
    digests = [f"sha256:{hashlib.sha256(blob).hexdigest()}"]
    told = {"architecture": ARCHITECTURE, "os": "linux", "config": runs}
    return json.dumps({**told, "rootfs": {"type": "layers", "diff_ids": digests}}).encode()


def archive(path: Path) -> Path:
    """In Docker's format, as `podman save` writes it."""
    blob = layer()
    manifest = [{"Config": "config.json", "RepoTags": None, "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as tar:
        add(tar, "config.json", config(blob))
        add(tar, "layer.tar", blob)
        add(tar, "manifest.json", json.dumps(manifest).encode())
    return path


@contextmanager
def registry(login: str = "") -> Iterator[str]:
    """HOST:PORT that serves the image as `test/small:1`, without TLS. With a `login`, such as
    `tester:s3cret`, to nobody else; one of `$oauthtoken` is asked for a token of another host, as
    NVIDIA's does: by the name `localhost`."""
    known = _documents()
    basic = f"Basic {base64.b64encode(login.encode()).decode()}"
    tokens = login.startswith("$oauthtoken:")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent = self.headers.get("Authorization")
            host = f"localhost:{server.server_port}"
            if tokens and self.path.startswith("/token"):
                own = sent == basic and self.headers["Host"] == host
                self.answer(200 if own else 401, "application/json", b'{"token": "t0ken"}')
            elif login and sent != ("Bearer t0ken" if tokens else basic):
                bearer = f'Bearer realm="http://{host}/token",service="tests"'
                self.answer(401, "text/plain", b"", bearer if tokens else 'Basic realm="tests"')
            else:
                kind, body = known.get(self.path, ("application/json", _UNKNOWN))
                self.answer(200 if self.path in known else 404, kind, body)

        def answer(self, code: int, kind: str, body: bytes, way: str = "") -> None:
            self.send_response(code)
            if way:
                self.send_header("WWW-Authenticate", way)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *words: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _documents() -> dict[str, tuple[str, bytes]]:
    """What a registry says, by path: its kind and itself."""
    plain = layer()
    packed, told = gzip.compress(plain, mtime=0), config(plain)
    kinds = "application/vnd.docker.distribution.manifest.v2+json"

    def entry(kind: str, blob: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
        return {"mediaType": kind, "size": len(blob), "digest": digest}

    described = entry("application/vnd.docker.container.image.v1+json", told)
    layers = [entry("application/vnd.docker.image.rootfs.diff.tar.gzip", packed)]
    document = {"schemaVersion": 2, "mediaType": kinds, "config": described, "layers": layers}
    return {
        "/v2/": ("application/json", b"{}"),
        "/v2/test/small/manifests/1": (kinds, json.dumps(document).encode()),
        f"/v2/test/small/blobs/{described['digest']}": ("application/octet-stream", told),
        f"/v2/test/small/blobs/{layers[0]['digest']}": ("application/octet-stream", packed),
    }
