"""Files below one directory, opened so that nothing can lead out of it.

Code in a container can write the notebook's directory, and would like the host to read more
than that. Every component is opened with O_NOFOLLOW, so a directory swapped for a symlink ends
in an error instead.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class SafeDir:
    """A directory held open. Paths are relative to it, with `/`, "" for itself, and name no
    `..`; every method raises OSError where a component of one is a symlink.
    """

    def __init__(self, directory: Path, *, through_links: bool = False) -> None:
        """`through_links`: of the directory's own path, wherever it leads: see `path`."""
        flags = _DIRECTORY & ~os.O_NOFOLLOW if through_links else _DIRECTORY
        self._descriptor = os.open(directory, flags)

    @property
    def path(self) -> Path:
        """Where the open directory is, whatever has become of the name that it was opened by."""
        return Path(f"/proc/self/fd/{self._descriptor}").readlink()

    def close(self) -> None:
        """Let it go; twice is an error."""
        os.close(self._descriptor)

    @contextmanager
    def folder(self, path: str) -> Iterator[int]:
        """A descriptor of a directory below."""
        descriptor = os.dup(self._descriptor)
        try:
            for name in path.split("/") if path else ():
                above, descriptor = descriptor, os.open(name, _DIRECTORY, dir_fd=descriptor)
                os.close(above)
            yield descriptor
        finally:
            os.close(descriptor)

    def status(self, path: str) -> os.stat_result:
        """Of the thing itself, a symlink too."""
        above, _, name = path.rpartition("/")
        with self.folder(above) as folder:
            return os.stat(name or ".", dir_fd=folder, follow_symlinks=False)

    def link(self, path: str) -> str:
        """Where a symlink points."""
        above, _, name = path.rpartition("/")
        with self.folder(above) as folder:
            return os.readlink(name, dir_fd=folder)

    def names(self, path: str) -> list[tuple[str, os.stat_result]]:
        """What a directory holds, in order of name, each with its status."""
        found = []
        with self.folder(path) as folder, os.scandir(folder) as entries:
            for entry in entries:
                try:
                    found.append((entry.name, entry.stat(follow_symlinks=False)))
                except FileNotFoundError:  # gone since
                    continue
        return sorted(found, key=lambda item: os.fsencode(item[0]))

    @contextmanager
    def file(self, path: str) -> Iterator[int]:
        """A descriptor of a regular file, for reading."""
        above, _, name = path.rpartition("/")
        with self.folder(above) as folder:
            descriptor = os.open(name, _FILE, dir_fd=folder)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(f"{path} is no regular file")
            yield descriptor
        finally:
            os.close(descriptor)
