"""What a path leads to now, by which other paths it is reached, and who can make it lead elsewhere.

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
from .mountinfo import _OWN, _decoded, _encoded
from .paths import read_untrusted, replace_file, runtime_directory

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
    link = cache(_link)

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


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 - quick, for hundreds
    except (OSError, ValueError):
        return ""


class Names:
    """By which other paths the same things are reached: through bind mounts, and where a file
    system is mounted more than once. One look at what is mounted."""

    def __init__(self, file: Path = _OWN) -> None:
        self._at: dict[bytes, tuple[bytes, bytes]] = {}
        """By mount point: the device, and which of its folders is mounted. The last is on top."""
        with suppress(OSError):
            for line in file.read_bytes().split(b"\n"):
                if len(fields := line.split(b" ", 5)) > 4:
                    self._at[fields[4]] = (fields[2], fields[3])
        mounts: dict[bytes, list[tuple[bytes, bytes]]] = {}
        for point, (device, root) in self._at.items():
            folder, _, name = point.rpartition(b"/")
            above, inner = self._place(folder or b"/")
            itself = name and (above, inner.rstrip(b"/") + b"/" + name) == (device, root)
            if not itself:
                mounts.setdefault(device, []).append((point, root))
        self._mounts = {device: some for device, some in mounts.items() if len(some) > 1}

    def of(self, path: str, *, parts: bool = False) -> list[str]:
        """The others of a path without links; with `parts`, where something below it is mounted
        elsewhere too."""
        if not self._mounts:
            return []
        device, inner = place = self._place(_encoded(path))
        inner = inner.rstrip(b"/") + b"/"
        found = set()
        for point, root in self._mounts.get(device, ()):
            above = root.rstrip(b"/") + b"/"
            if inner.startswith(above):
                name = (point.rstrip(b"/") + b"/" + inner[len(above) :]).rstrip(b"/") or b"/"
                if self._place(name) == place:  # not under another mount
                    found.add(name)
            elif parts and above.startswith(inner):
                found.add(point)
        return sorted({_decoded(name) for name in found} - {path})

    def _place(self, path: bytes) -> tuple[bytes, bytes]:
        """The device that a path is on, and its path there."""
        point = path
        while point not in self._at:
            if point in (b"", b"/"):
                return b"", path
            point = point.rpartition(b"/")[0] or b"/"
        device, root = self._at[point]
        rest = path[len(point) :] if point != b"/" else path
        return device, (root.rstrip(b"/") + rest).rstrip(b"/") or b"/"


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
