"""What is to be known of a Charliecloud installation before it is used."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from shutil import which

from ...errors import Unsupported
from ...host.process import Environment, run
from ...models import Problem
from ..common.errors import last_words
from ..common.versions import at_least

_OLDEST = (0, 31)
PROGRAMS = Path(__file__).parent / "programs"
"""Ours that stand in front of Charliecloud's and git."""
_IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "jupyter-containers"), ("EMAIL", "jupyter-containers@localhost"))
}


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


def builds_environment() -> dict[str, str | None]:
    """The same for `ch-image`: where its storage really is, and, since its build cache is a git
    repository, names for its commits and a git that reads no `.git` of an image (`programs/git`).
    Raises Unsupported."""
    env = environment()
    env["CH_IMAGE_STORAGE"] = storage()
    git = which("git", path=env["PATH"])
    if git is None:  # then it keeps no cache
        return env
    own = PROGRAMS / "git"
    if not os.access(own, os.X_OK):
        raise Unsupported(
            f"{own} cannot be executed, and without it a build could run programs here.",
            "Make it executable (chmod +x), or install jupyter-containers anew.",
        )
    path = f"{PROGRAMS}{os.pathsep}{env['PATH']}"
    return {**env, **_IDENTITY, "JUPYTER_CONTAINERS_GIT": git, "PATH": path}


def storage() -> str:
    """Where `ch-image` keeps its images: what it is told, or its own default."""
    default = f"/var/tmp/{environment()['USER']}.ch"
    return os.path.realpath(os.environ.get("CH_IMAGE_STORAGE") or default)


def chimage_argv() -> list[str]:
    """`ch-image`, by the interpreter that its first line names, and watched (`programs/ch_image`).
    Raises Unsupported."""
    path = which("ch-image", path=environment()["PATH"])
    if path is None:
        return ["ch-image"]
    with open(path, "rb") as file:  # noqa: PTH123
        first = os.fsdecode(file.readline(256)).rstrip()
    if not first.startswith("#!") or "python" not in first:
        raise Unsupported(
            f"{path} is no Python program, and jupyter-containers can only keep one from running "
            "what an image holds on this machine.",
            "Put Charliecloud's own ch-image first in PATH, or build with Podman.",
        )
    return [*first[2:].strip().split(maxsplit=1), str(PROGRAMS / "ch_image.py"), path]


def too_old(version: str) -> Problem | None:
    """Older ones were not tried."""
    if at_least(version, *_OLDEST):
        return None
    needed = ".".join(str(part) for part in _OLDEST)
    return Problem(
        f"This Charliecloud ({version}) is too old: {needed} or newer is needed.",
        "https://hpc.github.io/charliecloud/install.html",
    )


async def no_image_tool() -> Problem | None:
    """Why `ch-image`, which builds and pulls, does not work; None where it does."""
    install = "sudo apt install charliecloud-builders git, or your system's packages of these names"
    if which("ch-image", path=environment()["PATH"]) is None:
        return Problem("Nothing can be built or pulled: there is no `ch-image`.", install)
    try:
        argv, env = [*chimage_argv(), "--dependencies"], builds_environment()
    except Unsupported as error:
        return Problem(f"Nothing can be built or pulled: {error.message}", error.hint)
    done = await run(argv, timeout=30, env=env)
    if done.code == 0:
        return None
    said = last_words(done.stderr or done.stdout)
    return Problem(f"Nothing can be built or pulled: ch-image does not work: {said}", install)
