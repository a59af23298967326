"""Directories that a container wrote, measured and deleted whatever they are like. Standard
library only: the reaper's process imports this as a file beside its own.

A container can leave directories thousands deep, whose path no call takes; with mode 0; with links
that lead out. So nothing here goes down: what a directory holds is moved up beside it, where each
entry has a name of its own. Few descriptors are open at a time, and no link is followed.

What is mounted in such a directory is a person's own and stays: a folder's mount is compared, and
not its device, which a folder that is bound there has in common with it.
"""

from __future__ import annotations

import errno
import itertools
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress

_FOUND = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: str) -> list[str]:
    """Delete a directory and all below it, or a file. Twice is fine.

    Each entry by itself: what cannot be deleted (another's files, somebody's mount) keeps no other
    from going. Returns why something stays, in a few lines; nothing where all has gone.
    """
    if _removed(path, None):
        return []
    try:
        above = os.open(os.path.dirname(path) or ".", _FOUND & ~os.O_NOFOLLOW)
        try:
            mount = _mount_of(above)
        finally:
            os.close(above)
        top = _opened(path, None, mount)
    except OSError as error:
        return [f"{path}: {error.strerror}"]
    try:
        staying = _emptied(top, mount)
    finally:
        os.close(top)
    try:
        os.rmdir(path)
    except OSError as error:
        return staying[:5] or [f"{path}: {error.strerror}"]
    return []


def remove_trees(paths: Sequence[str]) -> list[str]:
    """Delete these, in their order; the last one, by which somebody finds the others again, only
    where they have gone. Returns as `remove_tree` does."""
    staying = [why for path in paths[:-1] for why in remove_tree(path)]
    return staying[:5] or [why for path in paths[-1:] for why in remove_tree(path)]


def size_of(path: str) -> int:
    """Bytes of a file, or of all below a directory; what vanishes meanwhile, may not be read or
    is deeper than a path can say counts nothing. Not by os.walk, which goes down by recursion
    before Python 3.12."""
    total, left = 0, [path]
    while left:
        here = left.pop()
        with suppress(OSError):
            status = os.lstat(here)
            if stat.S_ISDIR(status.st_mode):
                with os.scandir(here) as found:
                    left += [one.path for one in found]
            else:
                total += status.st_size
    return total


def _emptied(top: int, mount: str) -> list[str]:
    """Delete all that is in a directory; why what is left stays."""
    names = (f".{secrets.token_hex(4)}-{number}" for number in itertools.count())
    staying: dict[str, str] = {}
    while found := [name for name in _listed(top) if name not in staying]:
        for name in found:
            try:
                _resolve(name, top, mount, names)
            except OSError as error:
                staying[name] = f"{name}: {error.strerror}"
    return list(staying.values())


def _resolve(name: str, top: int, mount: str, names: Iterator[str]) -> None:
    """Delete one entry; of a directory that holds something, move that up first. Raises OSError."""
    if _removed(name, top):
        return
    inner = _opened(name, top, mount)
    try:
        tried = [_move_up(one, inner, top, mount, names) for one in _listed(inner)]
    finally:
        os.close(inner)
    if wrong := [error for error in tried if error is not None]:
        raise wrong[0]
    os.rmdir(name, dir_fd=top)


def _move_up(name: str, inner: int, top: int, mount: str, names: Iterator[str]) -> OSError | None:
    """Delete it, or let `_emptied` come to it; why neither can be, which keeps no other."""
    if _removed(name, inner):
        return None
    try:
        os.close(_opened(name, inner, mount))  # what is moved must be writable
        os.rename(name, next(names), src_dir_fd=inner, dst_dir_fd=top)
    except OSError as error:
        return error
    return None


def _removed(name: str, above: int | None) -> bool:
    """Whether it is gone: a file, a link, or an empty directory."""
    for remove in (os.unlink, os.rmdir):
        try:
            remove(name, dir_fd=above)
        except FileNotFoundError:
            pass
        except OSError:
            continue
        return True
    return False


def _opened(name: str, above: int | None, mount: str) -> int:
    """A directory, which we may read and write from now on. Raises OSError, also where something
    else is mounted there, whose mode is not ours to change either."""
    found = os.open(name, _FOUND, dir_fd=above)  # asks for no permission
    try:
        if _mount_of(found) != mount:
            raise OSError(errno.EXDEV, "it is a mount")
        # By descriptor: a name may have become a link meanwhile.
        itself = f"/proc/self/fd/{found}"
        if os.fstat(found).st_mode & 0o700 != 0o700:
            os.chmod(itself, 0o700)
        return os.open(itself, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    finally:
        os.close(found)


def _mount_of(descriptor: int) -> str:
    """Which mount it was opened in: proc_pid_fdinfo(5). The device, where a kernel (gVisor's) does
    not say. Raises OSError."""
    with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as file:
        said = [line for line in file if line.startswith("mnt_id:")]
    return said[0] if said else str(os.fstat(descriptor).st_dev)


def _listed(directory: int) -> list[str]:
    with os.scandir(directory) as found:
        return [one.name for one in found]
