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
_GIT = Path(__file__).parent / "git"
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
    """The same for `ch-image`, whose build cache is a git repository: names for its commits, and a
    git that reads no `.git` of an image (`git/git`). Raises Unsupported."""
    env = environment()
    git = which("git", path=env["PATH"])
    if git is None:  # then it keeps no cache
        return env
    if not os.access(_GIT / "git", os.X_OK):
        raise Unsupported(
            f"{_GIT / 'git'} cannot be executed, and without it a build could run programs here.",
            "Make it executable (chmod +x), or install jupyter-containers anew.",
        )
    path = f"{_GIT}{os.pathsep}{env['PATH']}"
    return {**env, **_IDENTITY, "JUPYTER_CONTAINERS_GIT": git, "PATH": path}


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
    done = await run(["ch-image", "--dependencies"], timeout=30, env=environment())
    if done.code == 0:
        return None
    said = last_words(done.stderr or done.stdout)
    return Problem(f"Nothing can be built or pulled: ch-image does not work: {said}", install)
