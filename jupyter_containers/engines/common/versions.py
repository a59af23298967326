"""Versions that engines print of themselves."""

from __future__ import annotations

import re


def at_least(version: str, major: int, minor: int) -> bool:
    """Whether an engine's version (`20.10.24+dfsg1`, `4.8.0-rc1`) is as new as that."""
    numbers = re.match(r"(\d{1,9})\.(\d{1,9})", version)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) >= (major, minor)
