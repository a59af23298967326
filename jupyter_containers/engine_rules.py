"""Which engines the administrator's list allows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from .errors import PolicyRefused

TRAIT = "Policy.engines"
EXPOSED = {"shifter": "Containers of Shifter see your home and all that the site shows"}
"""Engines that keep nothing of the person's from a container. No notebook chooses them, and they
stand in for no other: whoever configures Jupyter names them, not by a pattern."""


def engine_allowed(name: str, engines: Sequence[str]) -> bool:
    """Whether a list with patterns allows an engine."""
    if name in EXPOSED:
        return name in engines
    return any(fnmatchcase(name, one) for one in engines)


def engine_refused(name: str, engines: Sequence[str]) -> PolicyRefused:
    """What to say of one that is not."""
    if name in EXPOSED and any(fnmatchcase(name, one) for one in engines):
        hint = f'Whoever configures Jupyter allows it: c.{TRAIT} = ["*", "{name}"]'
        return PolicyRefused(EXPOSED[name], TRAIT, hint)
    return PolicyRefused(f"The engine {name} may not be used", TRAIT)
