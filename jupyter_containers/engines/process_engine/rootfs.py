"""An image's root file system as a directory of this machine.

Its paths are resolved as its own programs would see them: a symbolic link in it never leads out
of it, and nothing runs in it meanwhile. Containers of ordinary users cannot make device nodes, so
its /dev has empty files where those of this machine are mounted.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from ...models import Mount

_MOST_LINKS = 40
"""As many as the kernel follows (path_resolution(7))."""
_NEEDED = ("dev", "proc", "sys", "tmp", "var/tmp", "etc", "mnt")
_FILES = ("etc/hosts", "etc/resolv.conf")


def resolve(tree: Path, path: str, *, last: bool = True) -> Path:
    """Where `path` of the image is; what does not exist is taken as written. With `last=False`
    its last part is not followed. Raises OSError (ELOOP) for links in a circle."""
    here: list[str] = []
    parts = list(reversed(_parts(path)))
    links = 0
    while parts:
        part = parts.pop()
        if part == "..":
            del here[-1:]
            continue
        place = Path(tree, *here, part)
        if (parts or last) and place.is_symlink():
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            to = str(place.readlink())
            if to.startswith("/"):
                here = []
            parts += reversed(_parts(to))
        else:
            here.append(part)
    return Path(tree, *here)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def make_point(tree: Path, over: Path, path: str, *, directory: bool) -> PurePosixPath:
    """Something to mount upon at `path` of the image, made in `over` (which will lie over the
    tree, or is the tree) where the image has nothing there. Returns where it is, links followed.
    """
    place = resolve(tree, path)
    where = place.relative_to(tree)
    if not os.path.lexists(place):
        for parent in reversed(where.parents[:-1]):
            _directory(over / parent, tree / parent)
        if directory:
            _directory(over / where, tree / where)
        else:
            (over / where).touch()
    return PurePosixPath("/") / where


def _directory(made: Path, like: Path) -> None:
    """One of the upper layer hides the mode of the one below it."""
    if not made.is_dir():
        made.mkdir()
        made.chmod(like.stat().st_mode & 0o7777 if like.is_dir() else 0o755)


def mount_points(
    mounts: Iterable[Mount], tree: Path, over: Path, *, tmp: Path
) -> Iterator[tuple[Mount, PurePosixPath]]:
    """Each mount with the place in the image to mount it at, outer ones first.

    `make_point` makes the place: in `over` where the image itself holds it, in a source where a
    mount lies within another one. `tmp` is what is mounted at /tmp.
    """
    above: list[tuple[PurePosixPath, Path]] = [(PurePosixPath("/tmp"), tmp)]
    for mount in sorted(mounts, key=lambda one: len(PurePosixPath(one.target).parts)):
        directory = Path(mount.source).is_dir()
        target = PurePosixPath(mount.target)
        holds = [one for one in above if target.is_relative_to(one[0]) and target != one[0]]
        if holds:
            under, source = max(holds, key=lambda one: len(one[0].parts))
            inside = str(target.relative_to(under))
            point = under / make_point(source, source, inside, directory=directory).relative_to("/")
        else:
            point = make_point(tree, over, mount.target, directory=directory)
        if directory:
            above.append((target, Path(mount.source)))
        yield mount, point


def complete(tree: Path) -> None:
    """What engines mount something upon, and a container needs: directories, and the files by
    which names of hosts are looked up. A link at their place would lead the mount elsewhere."""
    for name in _NEEDED:
        place = resolve(tree, name, last=False)
        if place.is_symlink() or not place.exists():
            place.unlink(missing_ok=True)
            place.mkdir(parents=True)
    for name in _FILES:
        place = resolve(tree, name, last=False)
        if place.is_symlink() or not place.exists():
            place.unlink(missing_ok=True)
            place.touch()


DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
"""What is mounted on the files of these names."""
PTS = "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620"
"""Options of the devpts on its `pts`."""
SHM = 64 << 20
"""Bytes of its `shm` where nobody says more: what Docker gives."""
_LINKS = {
    "ptmx": "pts/ptmx",
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}


def make_dev(place: Path) -> None:
    """Make it, `place` itself included. Raises OSError."""
    for name in ("", "pts", "shm"):
        (place / name).mkdir()
    for name in DEVICES:
        (place / name).touch(exist_ok=False)
    for name, target in _LINKS.items():
        (place / name).symlink_to(target)
