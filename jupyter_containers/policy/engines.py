"""Names and the administrator's lists of them, with globs; which engines they allow. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from ..errors import PolicyRefused

TRAIT = "Policy.engines"
UNISOLATED = {"shifter": "see your home and all that the site shows"}
"""Engines that keep nothing of the person's from a container, and what containers do there. No
notebook chooses them, and they stand in for no other: whoever configures Jupyter names them, not
by a pattern."""


def matches(name: str, globs: Sequence[str]) -> bool:
    """Whether one of the globs is meant."""
    return any(fnmatchcase(name, glob) for glob in globs)


def matches_place(name: str, globs: Sequence[str]) -> bool:
    """The same for what begins with a host, an image or an address. A glob that has a `/` behind
    its host means that host: its `*` there goes no further, and no user before the host counts."""
    return any(_is_place(name, glob) if "/" in glob else fnmatchcase(name, glob) for glob in globs)


def _is_place(name: str, glob: str) -> bool:
    scheme, host, rest = _place(name, "[/?#]")
    wanted, at, behind = _place(glob, "/")
    if "@" not in at:
        host = host.rpartition("@")[2]
    if not behind and at.endswith("*"):
        behind = "*"
    parts = ((scheme, wanted or "*"), (host, at), (rest, behind))
    return all(fnmatchcase(part, one) for part, one in parts)


def _place(text: str, end: str) -> tuple[str, str, str]:
    scheme, _, after = text.partition("://") if "://" in text else ("", "", text)
    host = re.split(end, after, maxsplit=1)[0]
    return scheme, host, after[len(host) :]


def engine_allowed(name: str, engines: Sequence[str]) -> bool:
    """Whether a list with patterns allows an engine."""
    if name in UNISOLATED:
        return name in engines
    return matches(name, engines)


def engine_refused(name: str, engines: Sequence[str]) -> PolicyRefused:
    """What to say of one that is not."""
    if name in UNISOLATED and matches(name, engines):
        hint = f'Whoever configures Jupyter allows it: c.{TRAIT} = ["*", "{name}"]'
        what = f"Containers of {name.capitalize()} {UNISOLATED[name]}"
        return PolicyRefused(what, TRAIT, hint)
    return PolicyRefused(f"The engine {name} may not be used", TRAIT)
