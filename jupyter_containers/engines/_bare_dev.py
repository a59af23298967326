"""A /dev with what every container has, for engines that show theirs this machine's.

Containers of ordinary users cannot make device nodes: empty files stand where those of this
machine are mounted.
"""

from __future__ import annotations

from pathlib import Path

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
