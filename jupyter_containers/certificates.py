"""A secret between a container on another machine and us: a key for its guest, which proves to us
by the certificate that it is the one we started, and encrypts what is said."""

from __future__ import annotations

from .errors import StartFailed
from .host.process import run
from .text import one_line

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
