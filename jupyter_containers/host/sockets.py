"""Unix sockets in a directory that a container writes to: reached by inode, never by name.

A container can put a link to any socket of this person, such as an ssh-agent's or podman's, in the
place of its own. A path that was checked may lead elsewhere a moment later, so neither of these
two goes back to it:

    connect   connects to the inode that it opened and looked at
    take      is for clients that connect by path, and again after a while (ZeroMQ): it makes a
              hard link to the socket in a directory that no container sees
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path


def connect(path: str) -> socket.socket:
    """Connect to a socket, and to nothing that a link at its place leads to. Never blocks.

    Raises OSError. `path`'s directory must be one that the container cannot replace, such as the
    one it has mounted.
    """
    path_only = getattr(os, "O_PATH", 0)
    found = os.open(path, path_only | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISSOCK(os.fstat(found).st_mode):
            raise FileNotFoundError(path)
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # A container that listens and never accepts must not hold the event loop up: with
            # its queue full this fails at once (EAGAIN, unix(7)).
            connected.setblocking(False)
            connected.connect(f"/proc/self/fd/{found}")
        except OSError:
            connected.close()
            raise
        return connected
    finally:
        os.close(found)


def take(source: Path, taken: Path) -> None:
    """Make `taken` a hard link to the socket `source`, whatever `taken` was before.

    The link is made first and looked at then, where nobody but us can change it: so there is no
    moment in which a container could swap what was looked at. Raises OSError: FileNotFoundError
    while there is nothing, ENOTSOCK where something else than a socket is.
    """
    new = taken.with_name(f".{taken.name}")
    new.unlink(missing_ok=True)
    os.link(source, new, follow_symlinks=False)
    try:
        kind = new.lstat().st_mode
        if not stat.S_ISSOCK(kind):
            what = "it is a link" if stat.S_ISLNK(kind) else "it is no socket"
            raise OSError(errno.ENOTSOCK, what)
        new.replace(taken)
    finally:
        new.unlink(missing_ok=True)  # rename(2) leaves it where both are the same file already
