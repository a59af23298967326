"""Versions that engines print of themselves."""

from __future__ import annotations

import re


def at_least(version: str, major: int, minor: int, patch: int = 0) -> bool:
    """Whether an engine's version (`20.10.24+dfsg1`, `4.8.0-rc1`) is as new as that."""
    found = re.match(r"(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?", version)
    numbers = tuple(int(number or 0) for number in found.groups()) if found is not None else ()
    return numbers >= (major, minor, patch)
