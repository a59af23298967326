"""What is to be known of a Charliecloud installation before it is used."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

from ..models import Problem
from ..paths import cache_directory
from ._inspect import at_least
from ._process import Environment, run
from .process_engine import last_words

_OLDEST = (0, 31)

NO_FILTER = Problem(
    "Containers run without a filter of system calls (seccomp): what they may do is up to the "
    "kernel's own checks.",
    "Use Podman, Docker or apptainer for code that you trust less.",
)
READ_ONLY = Problem(
    "Containers cannot be written to here, but for mounts and /tmp: this kernel gives ordinary "
    "users no overlays.",
    "Put what programs install into the Dockerfile. Linux 5.11 and newer give them.",
)


def environment() -> dict[str, str | None]:
    """What the programs need beside, or without, this process's own environment: a name for the
    person, and Python with the modules that they were installed with, not a virtual one's."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    own = os.path.join(sys.prefix, "bin")  # noqa: PTH118
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if sys.prefix != sys.base_prefix:
        path = [one for one in path if os.path.normpath(one) != own]
    theirs: Environment = {"PYTHONPATH": None, "PYTHONHOME": None, "VIRTUAL_ENV": None}
    return {**theirs, "USER": os.environ.get("USER") or user, "PATH": os.pathsep.join(path)}


def too_old(version: str) -> Problem | None:
    """Older ones were not tried."""
    if at_least(version, *_OLDEST):
        return None
    needed = ".".join(str(part) for part in _OLDEST)
    return Problem(
        f"This Charliecloud ({version}) is too old: {needed} or newer is needed.",
        "https://hpc.github.io/charliecloud/install.html",
    )


async def overlays() -> bool:
    """Whether an ordinary user can mount one, on the file system where containers are."""
    with TemporaryDirectory(dir=_parent()) as place:
        for name in ("lower", "upper", "work", "root"):
            Path(place, name).mkdir()
        options = "lowerdir=lower,upperdir=upper,workdir=work,userxattr"
        mount = ["mount", "-t", "overlay", "-o", options, "overlay", f"{place}/root"]
        argv = ["unshare", "--user", "--map-root-user", "--mount", *mount]
        done = await run(argv, timeout=20, cwd=place, env=environment())
        return done.code == 0


def _parent() -> Path:
    directory = cache_directory()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


async def no_image_tool() -> Problem | None:
    """Why `ch-image`, which builds and pulls, does not work; None where it does."""
    install = "sudo apt install charliecloud-builders git, or your system's packages of these names"
    if which("ch-image", path=environment()["PATH"]) is None:
        return Problem("Nothing can be built or pulled: there is no `ch-image`.", install)
    done = await run(["ch-image", "--dependencies"], timeout=30, env=environment())
    if done.code == 0:
        return None
    said = last_words(done.stderr or done.stdout)
    return Problem(f"Nothing can be built or pulled: ch-image does not work: {said}", install)
