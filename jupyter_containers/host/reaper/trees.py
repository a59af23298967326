"""Directories that a container wrote, deleted whatever they are like. Standard library only: the
reaper's process imports this as a file beside its own.

A container can leave directories thousands deep, whose path no call takes; with mode 0; with links
that lead out. So nothing here goes down: what a directory holds is moved up beside it, where each
entry has a name of its own. Two descriptors are open at a time, and no link is followed.
"""

from __future__ import annotations

import errno
import itertools
import os
import secrets
from collections.abc import Iterator

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: str) -> list[str]:
    """Delete a directory and all below it, or a file. Twice is fine.

    Each entry by itself: what cannot be deleted (another's files, somebody's mount) keeps no other
    from going. Returns why something stays, in a few lines; nothing where all has gone.
    """
    if _removed(path, None):
        return []
    try:
        top = _opened(path, None)
    except OSError as error:
        return [f"{path}: {error.strerror}"]
    try:
        staying = _emptied(top)
    finally:
        os.close(top)
    try:
        os.rmdir(path)
    except OSError as error:
        return staying[:5] or [f"{path}: {error.strerror}"]
    return []


def _emptied(top: int) -> list[str]:
    """Delete all that is in a directory; why what is left stays."""
    device = os.fstat(top).st_dev
    names = (f".{secrets.token_hex(4)}-{number}" for number in itertools.count())
    staying: dict[str, str] = {}
    while found := [name for name in _listed(top) if name not in staying]:
        for name in found:
            try:
                _resolve(name, top, device, names)
            except OSError as error:
                staying[name] = f"{name}: {error.strerror}"
    return list(staying.values())


def _resolve(name: str, top: int, device: int, names: Iterator[str]) -> None:
    """Delete one entry; of a directory that holds something, move that up first. Raises OSError."""
    if _removed(name, top):
        return
    inner = _opened(name, top, device)
    try:
        tried = [_move_up(one, inner, top, device, names) for one in _listed(inner)]
    finally:
        os.close(inner)
    if wrong := [error for error in tried if error is not None]:
        raise wrong[0]
    os.rmdir(name, dir_fd=top)


def _move_up(name: str, inner: int, top: int, device: int, names: Iterator[str]) -> OSError | None:
    """Delete it, or let `_emptied` come to it; why neither can be, which keeps no other."""
    if _removed(name, inner):
        return None
    try:
        os.close(_opened(name, inner, device))  # what is moved must be writable
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


def _opened(name: str, above: int | None, device: int | None = None) -> int:
    """A directory, which we may read and write from now on. Raises OSError, also where it is not
    on that device: a folder that is mounted there is the person's own, and so is its mode."""
    if device not in (None, os.stat(name, dir_fd=above, follow_symlinks=False).st_dev):
        raise OSError(errno.EXDEV, "it is a mount")
    try:
        opened = os.open(name, _DIRECTORY, dir_fd=above)
    except PermissionError:
        # By descriptor: a name may have become a link meanwhile. O_PATH asks for no permission.
        found = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
        try:
            os.chmod(f"/proc/self/fd/{found}", 0o700)
        finally:
            os.close(found)
        return os.open(name, _DIRECTORY, dir_fd=above)
    if os.fstat(opened).st_mode & 0o700 != 0o700:
        try:
            os.fchmod(opened, 0o700)
        except OSError:
            os.close(opened)
            raise
    return opened


def _listed(directory: int) -> list[str]:
    with os.scandir(directory) as found:
        return [one.name for one in found]
