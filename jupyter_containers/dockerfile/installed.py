"""Which version of a package a cell has installed: by what it printed, and by the kernel. Pure.

Both are a kernel's word, which may say anything: a version is taken if it looks like one, and of a
package that the cell itself names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from .installs import APT, CONDA, PIP, Package

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+!-]{0,99}")
_PIP_DONE = re.compile(r"^\s*Successfully installed (.+)$", re.MULTILINE)
_UV_DONE = re.compile(r"^ *\+ ([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
_APT_DONE = re.compile(r"^Setting up ([a-z0-9][a-z0-9+.-]+)", re.MULTILINE)
_FAILED = re.compile(
    r"^\s*(ERROR: (?!pip's dependency resolver)|error: |E: |.*× No solution found"
    r"|.*PackagesNotFound|.*UnsatisfiableError|.*CondaError)",
    re.MULTILINE,
)
_UNTRUSTED = re.compile(
    r"certificate.verify.failed|SSL certificate problem|self.signed certificate"
    r"|unable to get local issuer|certificate verification failed|invalid peer certificate",
    re.IGNORECASE,
)
_UNREACHED = re.compile(
    r"name resolution|could not resolve|name or service not known|dns error"
    r"|network is unreachable|no route to host"
    r"|\(from versions: none\)",  # of pip that tries only once
    re.IGNORECASE,
)
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True)
class Printed:
    """What a cell printed, as far as it tells what was installed."""

    done: Mapping[str, str]
    """Name → version of pip's and uv's; a version is empty where it is not told."""
    debs: frozenset[str]
    failed: bool
    nothing: bool
    """Whether conda had nothing to do."""
    untrusted: bool = False
    """Whether a site's certificate was not trusted."""
    unreached: bool = False
    """Whether a host was not found or not reached, as far as that is told."""


def printed(output: str) -> Printed:
    """Read what a cell printed."""
    text = _ANSI.sub("", output).replace("\r", "\n")
    done: dict[str, str] = {}
    for line in _PIP_DONE.findall(text):
        for word in line.split():
            name, _, version = word.rpartition("-")
            done[canonicalize_name(name)] = version if _VERSION.fullmatch(version) else ""
    for name, version in _UV_DONE.findall(text):
        done[canonicalize_name(name)] = version if _VERSION.fullmatch(version) else ""
    return Printed(
        done=done,
        debs=frozenset(_APT_DONE.findall(text)),
        failed=_FAILED.search(text) is not None,
        nothing="All requested packages already installed" in text,
        untrusted=_UNTRUSTED.search(text) is not None,
        unreached=_UNREACHED.search(text) is not None,
    )


Seen = Mapping[str, Mapping[str, str]]
"""The packages in a container: tool → name → version."""


def installed(
    package: Package, said: Printed, seen: Seen | None, image: Mapping[str, str]
) -> Package | None:
    """The package with the version that is really there, or None where it was not installed.

    `seen` is what the kernel found, where it was asked; `image` the Python packages that its image
    has, which are no news. A command that failed may have been undone: then only what was named as
    installed counts.
    """
    if package.tool == APT:
        return package if package.name.partition(":")[0] in said.debs else None
    done = said.done.get(package.key, "") if package.tool != CONDA else ""
    name = package.key.rpartition("::")[2]
    version = (seen or {}).get(CONDA if package.tool == CONDA else PIP, {}).get(name, "") or done
    if not _VERSION.fullmatch(version) or (said.failed and not done):
        return None
    if package.tool == CONDA:
        return None if said.nothing else replace(package, version=version)
    if (not done and image.get(name) == version) or not _fits(package.wanted, version):
        return None
    return replace(package, version=version)


def _fits(wanted: str, version: str) -> bool:
    try:
        return SpecifierSet(wanted).contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False
