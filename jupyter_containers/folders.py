"""Which of the person's folders a container gets, where it works, and what of ours stands where it
has none. Pure but for looks at paths."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from .errors import BadSettings
from .host.paths import jupyter_directories
from .models import Mount, parse_target, refuse_unquotable
from .settings.schema import Settings


def home_inside() -> str:
    """HOME inside is HOME's path outside, so that `~` means the same place; its content is an
    empty directory of ours."""
    home = str(Path.home())
    try:
        return parse_target(home, "HOME")
    except BadSettings:
        return "/home/user"


def directory_is_private(directory: Path) -> bool:
    """Whether a notebook's directory must not be mounted by itself: HOME, what contains it, or
    what holds Jupyter's own directories, where the server's token lies (DESIGN §5)."""
    here = directory.resolve()
    guarded = [Path.home().resolve(), *jupyter_directories()]
    return any(place == here or here in place.parents for place in guarded)


def folders(
    settings: Settings, directory: Path, our_home: Path, empty: Path, home: str
) -> tuple[tuple[Mount, ...], list[Mount], str]:
    """The person's mounts, what of ours stands where they have none (`our_home` at HOME, `empty` at
    the working directory), the working directory."""
    mounts, ours = _mounts(settings, directory), []
    if home not in {mount.target for mount in mounts}:
        ours.append(Mount(str(our_home), home, True))
    workdir, is_empty = _workdir(settings, directory, mounts, home)
    if is_empty:
        ours.append(Mount(str(empty), workdir, True))
    return mounts, ours, workdir


def _mounts(settings: Settings, directory: Path) -> tuple[Mount, ...]:
    mounts = []
    asked = {mount.target for mount in settings.mounts}
    here = str(directory)
    if here not in asked and not directory_is_private(directory):
        refuse_unquotable(here, "mounts")
        mounts.append(Mount(here, here, True))
    return (*mounts, *settings.mounts)


def _workdir(
    settings: Settings, directory: Path, mounts: tuple[Mount, ...], home: str
) -> tuple[str, bool]:
    """The working directory, and whether an empty one of ours has to stand there."""
    if settings.workdir.startswith("/"):
        return settings.workdir, False
    workdir = str(PurePosixPath(os.path.normpath(directory / settings.workdir)))
    if any(workdir == m.target or workdir.startswith(m.target + "/") for m in mounts):
        return workdir, False
    if workdir == home or workdir in ("/", ""):
        return home, False
    return str(directory), True
