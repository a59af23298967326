"""Names and the administrator's lists of them, with globs; which engines they allow. Pure."""

from __future__ import annotations

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
