"""The addresses that ADD downloads, by a grammar that leaves no two readings. Pure.

Builders read an address with Go's parser, other programs with other ones: what one takes for a
path the other takes for the host. Go also maps `%E3%80%82` and full-width letters of a host to
plain ones, and older ones take `[localhost]`. So hosts are plain ASCII here, and no path goes
upwards: https://ok.example/mine/../others is not below mine.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import unquote

_REMOTE = re.compile(r"[a-zA-Z0-9]+://|[\w.-]+@[\w.-]+:")
_URL = re.compile(
    r"(?P<scheme>[a-z0-9]+)://(?P<user>[^/?#@\\]*@)?(?P<host>[\w.-]+|\[[0-9a-f:.]+\])"
    r"(:[0-9]{0,5})?([/?#].*)?",
    re.ASCII | re.DOTALL | re.IGNORECASE,
)
_GIT = re.compile(r"\w[\w.-]*@(?P<host>[\w.-]+):.*", re.ASCII | re.DOTALL)
"""https://docs.docker.com/reference/dockerfile/#adding-files-from-a-git-repository"""
_UPWARDS = re.compile(r"(?<![^/\\#?&=:])\.\.?(?![^/\\#?&=:])")
_OPTION = re.compile(r"(#|[?&](ref|branch|tag|commit)=)-")
"""A branch that git would read as an option of its own."""
_FOLDER = re.compile(r"#[^:]*:|[?&]subdir=")


def is_remote(path: str) -> bool:
    """Whether a source of ADD is an address, and no path of the context."""
    return _REMOTE.match(path) is not None


def host_of(address: str) -> str:
    """Its host, in small letters and without a dot at its end; "" where that is not plain."""
    found = _URL.fullmatch(address) or _GIT.fullmatch(address)
    host = found["host"].lower().removesuffix(".") if found is not None else ""
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            return ""
    return host


def why_not(address: str) -> tuple[str, str]:
    """Why an address is not downloaded, and what to write; both "" where it may be."""
    if not host_of(address):
        hint = "Write a name of letters, digits, - and . (others as xn--…), or an address."
        return f"the host of {address!r} is not plain.", hint
    found = _URL.fullmatch(address)
    if found is not None and found["user"] and found["scheme"].lower() != "ssh":
        hint = "Leave it out; a password belongs into a --secret of a RUN that downloads."
        return f"{address!r} says a user before its host.", hint
    if _UPWARDS.search(unquote(address)):
        return f"{address!r} has a . or .. in its path.", "Write the path that it comes to."
    if _OPTION.search(unquote(address)):
        return (
            f"{address!r} names a branch that begins with -.",
            "Name another branch, or a commit.",
        )
    return "", ""


def folder_of(address: str) -> str:
    """Which folder of a repository is meant, with the branch before it (`#main:docs`); "" where
    it is all of it."""
    found = _FOLDER.search(unquote(address))
    return found.string[found.start() :] if found is not None else ""
