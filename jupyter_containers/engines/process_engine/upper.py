"""What an overlay's upper directory says of the tree below it.

A container writes both at will, so nothing here follows a link of theirs on purpose, and what
vanishes meanwhile or is deeper than a path can say counts nothing.
https://docs.kernel.org/filesystems/overlayfs.html (whiteouts and opaque directories)
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ...models import ChangedPath, ChangeKind

_MOST = 200_000
_FUSE = ".wh."
"""What fuse-overlayfs puts before the name of what was removed, where it can make no device."""
_OPAQUE = ".wh..wh..opq"


def changes(upper: Path, tree: Path | None) -> list[ChangedPath]:
    """What is not as in `tree`; all where there is none. Blocks; the first 200,000 of it."""
    found: list[ChangedPath] = []
    for path, entry, known in _walked(upper, tree):
        status = _status(entry)
        if status is None or entry.name == _OPAQUE:
            continue
        folder, _, name = path.rpartition("/")
        if name.startswith(_FUSE):
            found.append(ChangedPath(f"{folder}/{name.removeprefix(_FUSE)}", "removed"))
        elif stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            found.append(ChangedPath(path, "removed"))
        else:
            kind: ChangeKind = "changed" if known else "added"
            size = status.st_size if stat.S_ISREG(status.st_mode) else None
            found.append(ChangedPath(path, kind, size))
        if len(found) == _MOST:
            break
    return found


def _walked(upper: Path, tree: Path | None) -> Iterator[tuple[str, os.DirEntry[str], bool]]:
    """Each entry of the upper directory with its path inside, and whether the tree has it."""
    left = [("", tree is not None)]
    while left:
        above, merged = left.pop()
        with suppress(OSError), os.scandir(f"{upper}{above}") as entries:
            for entry in entries:
                path = f"{above}/{entry.name}"
                below = _mode(f"{tree}{path}") if merged else 0
                yield path, entry, below != 0
                if entry.is_dir(follow_symlinks=False):
                    left.append((path, stat.S_ISDIR(below)))


def _mode(path: str) -> int:
    """0 for what is not there."""
    with suppress(OSError):
        return os.lstat(path).st_mode
    return 0


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    with suppress(OSError):
        return entry.stat(follow_symlinks=False)
    return None
