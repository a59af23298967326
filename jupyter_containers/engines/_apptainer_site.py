"""What is to be known of an Apptainer installation before it is used."""

from __future__ import annotations

import os

from ..models import Problem
from .docker.inspect import at_least

_OLDEST = {"apptainer": (1, 1), "singularity": (3, 10)}

NO_FUSE = Problem(
    "/dev/fuse cannot be opened: images that are one file, and writable containers on older "
    "kernels, do not start.",
    "sudo chmod 666 /dev/fuse",
)


def no_fuse() -> Problem | None:
    """Where it cannot be opened."""
    return None if os.access("/dev/fuse", os.R_OK | os.W_OK) else NO_FUSE


def too_old(program: str, version: str) -> Problem | None:
    """`program` is what it calls itself."""
    oldest = _OLDEST[program]
    if at_least(version, *oldest):
        return None
    needed = ".".join(str(part) for part in oldest)
    return Problem(
        f"This {program} ({version}) is too old: {needed} or newer is needed.",
        "https://apptainer.org/docs/admin/latest/installation.html",
    )
