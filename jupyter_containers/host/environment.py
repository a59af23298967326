"""What this host is like: its memory, its CA certificates, its proxies. Read by the policy."""

from __future__ import annotations

import os
from pathlib import Path

_BUNDLES = (
    # Debian, Alpine, Fedora, openSUSE: https://go.dev/src/crypto/x509/root_linux.go
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)
_LOCAL = ("/usr/local/share/ca-certificates", "/etc/pki/ca-trust/source/anchors")
"""Where an administrator adds a CA; Debian and Fedora then put it into the bundle."""
_NAMED = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")


def memory() -> int:
    """Bytes of memory of this host."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def ca_bundle(setting: str) -> Path | None:
    """`Policy.build_ca` as a file. With `auto`, the bundle that this process was told to use, or
    the host's where somebody added a CA to it; None where the usual CAs will do."""
    if setting != "auto":
        return Path(setting).expanduser() if setting else None
    for name in _NAMED:
        path = os.environ.get(name, "")
        if path and Path(path).is_file():
            return Path(path).resolve()
    if any(_has_certificates(Path(directory)) for directory in _LOCAL):
        return next((Path(path) for path in _BUNDLES if Path(path).is_file()), None)
    return None


def _has_certificates(directory: Path) -> bool:
    try:
        return any(path.is_file() for path in directory.rglob("*"))
    except OSError:
        return False


def proxies() -> dict[str, str]:
    """The proxy variables of this process, in both spellings: curl reads only lower case
    (https://curl.se/docs/manpage.html#ENVIRONMENT), others only upper."""
    found: dict[str, str] = {}
    for name in _PROXIES:
        value = os.environ.get(name) or os.environ.get(name.upper())
        if value:
            found |= {name: value, name.upper(): value}
    return found
