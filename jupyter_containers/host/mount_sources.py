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
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..errors import KernelError
from ..text import untrusted_json
from .paths import cache_directory, read_untrusted, replace_file, runtime_directory

_PATH = os.O_PATH | os.O_CLOEXEC
_WRITABLE = "writable"
"""The file in a run directory that names the folders which its container can write."""
_MOST = 1 << 20
_MOST_LINKS = 40
"""On one way; the kernel's own limit, path_resolution(7)."""


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


def follower() -> Callable[[str], tuple[str, list[str]]]:
    """A function that resolves a path as far as it exists, and tells the links on the way by their
    own places: who can write there can have the path lead elsewhere. For many paths at one time,
    since it looks at each folder once. It never fails."""
    link = cache(link_target)

    def follow(path: str) -> tuple[str, list[str]]:
        real = ""
        links: list[str] = []
        names = path.split("/")[::-1] if path.startswith("/") else _from_here(path)
        while names:
            if (name := names.pop()) in ("", "."):
                continue
            if name == "..":
                real = real.rpartition("/")[0]
            elif not (target := link(place := f"{real}/{name}")) or len(links) > _MOST_LINKS:
                real = place
            else:
                links.append(place)
                real = "" if target.startswith("/") else real
                names += target.split("/")[::-1]
        return real or "/", links

    return follow


def _from_here(path: str) -> list[str]:
    try:
        return [*path.split("/")[::-1], *os.getcwd().split("/")[::-1]]  # noqa: PTH109 - as text
    except OSError:  # that folder was removed
        return path.split("/")[::-1]


def link_target(path: str) -> str:
    """What a link says; empty where there is none."""
    try:
        return os.readlink(path)  # noqa: PTH115 - quick, for hundreds
    except (OSError, ValueError):
        return ""


def is_exposed(path: str, writable: Collection[str], names: Iterable[str] = ()) -> bool:
    """Whether a path (without links) can be made to lead elsewhere: by this or another of its
    `names` it lies below one of the `writable` folders of containers, or it lies in a folder where
    others may rename what is in it."""
    below = (name.startswith(f"{place}/") for name in (path, *names) for place in writable)
    return any(below) or _others_may_swap(path)


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
            if not kept and (_others_may_write(folder) or _is_opened_by_acl(path, folder)):
                return True
            entry = folder
    except OSError:
        return True
    return False


def _others_may_write(folder: os.stat_result) -> bool:
    by_group = folder.st_mode & stat.S_IWGRP and not _is_own_group(folder.st_gid)
    return bool(folder.st_mode & stat.S_IWOTH or by_group)


def _is_opened_by_acl(path: str, folder: os.stat_result) -> bool:
    """Whether people or groups that an access control list names may write, as far as the mode
    tells: the group's bits are the list's mask then, acl(5)."""
    if not folder.st_mode & stat.S_IWGRP:
        return False
    with suppress(OSError):  # none, or the file system knows no such lists
        return bool(os.getxattr(path, "system.posix_acl_access"))
    return False


@cache
def _is_own_group(gid: int) -> bool:
    """Whether a group has this person as its only member, as the one that is named for them."""
    try:
        group, person = grp.getgrgid(gid), pwd.getpwuid(os.getuid())
    except (KeyError, OSError):
        return False
    return gid == 0 or (group.gr_name == person.pw_name and {*group.gr_mem} <= {person.pw_name})


def tell_writable(run_dir: Path, places: Collection[str]) -> None:
    """Write down what a container to be can write (paths without links), for the starts of others;
    also of those whose runtime directory is another one, as where cron, su or ssh started them."""
    replace_file(run_dir / _WRITABLE, json.dumps(sorted(places)).encode(), lasting=False)
    _runtimes().mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        runtime = run_dir.parent
        (_runtimes() / str(runtime).replace("/", "%")).symlink_to(runtime)


def told_writable() -> set[str]:
    """What this person's containers on this host can write, as far as they run or may run."""
    found: set[str] = set()
    for runtime in {str(runtime_directory()), *map(link_target, _entries(str(_runtimes())))}:
        for run_dir in _entries(runtime):
            with suppress(KernelError, ValueError, TypeError):
                said = untrusted_json(read_untrusted(Path(run_dir, _WRITABLE), _MOST))
                found.update(str(place) for place in said)
    return found


def _runtimes() -> Path:
    """Links to the runtime directories that containers of this person were started from."""
    return cache_directory() / "runtimes"


def _entries(folder: str) -> list[str]:
    with suppress(OSError), os.scandir(folder) as entries:
        return [entry.path for entry in entries]
    return []
