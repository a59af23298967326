"""What a path leads to now, and who can make it lead elsewhere.

Code in a container can swap what lies below a folder that it can write: a folder for a link to
`~/.ssh`, between a look at it and the engine's mount. So a source is opened once; what is judged
is the thing that is open, by the path that the kernel itself knows for it.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..errors import KernelError
from ..text import untrusted_json
from .paths import read_untrusted, replace_file, runtime_directory

_PATH = os.O_PATH | os.O_CLOEXEC
_WRITABLE = "writable"
"""The file in a run directory that names the folders which its container can write."""
_MOST = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a path leads to."""

    path: str
    """Its own path, without links."""
    status: os.stat_result
    usable: bool
    """Whether this person may enter or read it."""


@contextmanager
def opened(path: str) -> Iterator[int]:
    """A descriptor of what a path leads to. It stays that thing, whatever becomes of the path.
    Raises OSError, ValueError."""
    try:
        descriptor = os.open(path, _PATH | os.O_DIRECTORY)  # has autofs mount what belongs there
    except NotADirectoryError:
        descriptor = os.open(path, _PATH)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def find_source(path: str) -> Found:
    """Look at a mount's source. Raises OSError, ValueError."""
    with opened(path) as descriptor:
        itself = f"/proc/self/fd/{descriptor}"
        status = os.fstat(descriptor)
        # A daemon that is root's would mount it all the same. A folder that one may enter will do.
        needed = os.X_OK if stat.S_ISDIR(status.st_mode) else os.R_OK
        return Found(
            path=os.readlink(itself),  # noqa: PTH115 - of the descriptor, never of the path
            status=status,
            usable=os.access(itself, needed),
        )


def is_exposed(path: str, writable: Iterable[str]) -> bool:
    """Whether a path (without links) can be made to lead elsewhere: it lies below one of the
    `writable` folders of containers, or in a folder where others may rename what is in it."""
    return any(path.startswith(f"{place}/") for place in writable) or _others_may_swap(path)


def _others_may_swap(path: str) -> bool:
    trusted = (0, os.getuid(), os.lstat("/").st_uid)
    try:
        entry = os.lstat(path)
        while path != "/":
            path = path.rpartition("/")[0] or "/"
            folder = os.lstat(path)
            if folder.st_uid not in trusted:
                return True
            kept = folder.st_mode & stat.S_ISVTX and entry.st_uid in trusted
            if _others_may_write(folder) and not kept:
                return True
            entry = folder
    except OSError:
        return True
    return False


def _others_may_write(folder: os.stat_result) -> bool:
    by_group = folder.st_mode & stat.S_IWGRP and not _is_own_group(folder.st_gid)
    return bool(folder.st_mode & stat.S_IWOTH or by_group)


@cache
def _is_own_group(gid: int) -> bool:
    """Whether a group has this person as its only member, as the one that is named for them."""
    try:
        group, person = grp.getgrgid(gid), pwd.getpwuid(os.getuid())
    except (KeyError, OSError):
        return False
    return gid == 0 or (group.gr_name == person.pw_name and {*group.gr_mem} <= {person.pw_name})


def tell_writable(run_dir: Path, places: Collection[str]) -> None:
    """Write down what a container to be can write, for the starts of others."""
    data = json.dumps(sorted({os.path.realpath(place) for place in places}))
    replace_file(run_dir / _WRITABLE, data.encode(), lasting=False)


def told_writable() -> set[str]:
    """What this person's containers on this host can write, as far as they run or may run."""
    found: set[str] = set()
    with suppress(OSError), os.scandir(runtime_directory()) as entries:
        for entry in entries:
            with suppress(KernelError, ValueError, TypeError):
                said = untrusted_json(read_untrusted(Path(entry.path, _WRITABLE), _MOST))
                found.update(str(place) for place in said)
    return found
