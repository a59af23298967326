"""Whether the package index has a package of a name, and which version of it fits an image.

uv asks, with the indexes, passwords, proxies and certificates that pip has on this machine, and
nothing but the normalised name goes into an address. It builds nothing: a package of which there
are only sources would run its own code here.
"""

from __future__ import annotations

import platform
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ..errors import BadInput, EngineError, KitFailed
from ..text import one_line
from .facts import Interpreter
from .kit_resolver import NETWORK, newest

_SECONDS = 20.0
_MANYLINUX = (2, 31)
"""The C library of a Python that nobody has looked at: the oldest that most images have."""
_PINNED = "Type NAME==VERSION to add it all the same."


@dataclass(frozen=True)
class Found:
    """What the index says. Without a `version`, `message` says why and `hint` what to do; `missing`
    is for certain: there is no package of that name, or none of the versions that are asked for."""

    name: str
    version: str = ""
    message: str = ""
    hint: str = ""
    missing: bool = False


def plain_requirement(text: str) -> Requirement:
    """A package's name with extras and versions, and nothing else. Raises BadInput."""
    try:
        found = Requirement(text.strip())
    except InvalidRequirement:
        found = None
    if found is None or found.url or found.marker:
        raise BadInput(
            f"{one_line(text, 80)!r} names no package.",
            "Write a name as pip takes it, such as pandas or pandas[parquet]==2.3.1.",
        )
    return found


async def look_up(requirement: Requirement, python: Interpreter | None) -> Found:
    """Ask for a package that fits `python`; None for any of today. An index that does not answer is
    no error: the answer says so."""
    name = requirement.name
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    asked = f"{canonicalize_name(name)}{extras}{requirement.specifier}"
    try:
        with tempfile.TemporaryDirectory(prefix="jupyter-containers-") as folder:
            done = await newest(python or _usual(), asked, Path(folder), _SECONDS)
    except (EngineError, KitFailed) as error:
        return Found(name, message=f"{name} could not be checked: {error.message}", hint=_PINNED)
    version = re.search(r"^[A-Za-z0-9._-]+(?:\[[^\]]*\])?==(\S+)$", done.stdout, re.MULTILINE)
    if version is not None:
        return Found(name, version[1])
    said = one_line(re.sub(r"(https?|file)://\S+", "the index", done.stderr), 300)
    if NETWORK.search(said):
        return Found(name, message=f"{name} could not be checked: {said}", hint=_PINNED)
    if "not found in the package registry" in said:
        message = f"The package index has no {name}."
        return Found(name, message=message, hint="Check its spelling.", missing=True)
    if "no usable wheels" in said or "no wheels" in said:
        why = f"There are only sources of {name}, or none for this Python."
        return Found(name, message=why, hint=_PINNED)
    message = f"No version of {name} fits: {said}"
    return Found(name, message=message, hint="Ask for another one.", missing=True)


def _usual() -> Interpreter:
    """A Python of which nothing is known but that it is none of long ago."""
    return Interpreter(
        path="python3",
        version=sys.version_info[:3],
        implementation="cpython",
        machine=platform.machine(),
        libc="glibc",
        libc_version=_MANYLINUX,
    )
