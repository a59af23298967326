"""Keep what a container prints, and no more than the last of it: a kernel can print a gigabyte in
a second. Podman and Docker have this in their log drivers; here a container is a process, and it
would write a file of its own without an end.

Run as `python -I -S output.py FILE` (standard library only), with the container's output as its
standard input. It has a process of its own because a container goes on when its server is killed.
It ends with the last process that can print. Two files are kept, as log drivers do:

    FILE     what was printed last, up to `MOST` bytes
    FILE.1   the `MOST` bytes before it

Imported by `containers.py`, which reads both.
"""

import os
import sys

MOST = 5_000_000
_CHUNK = 65536
_MODE = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC


def before(path: str) -> str:
    """Where what was printed earlier is."""
    return f"{path}.1"


class Log:
    """The two files. A disk that is full loses output, and no container."""

    def __init__(self, path: str, most: int = MOST) -> None:
        self._path, self._most = path, most
        self._file = os.open(path, _MODE | os.O_APPEND, 0o600)
        self._size = os.fstat(self._file).st_size

    def write(self, data: bytes) -> None:
        """Append it, to a new file where this one is full."""
        while data:
            if self._size >= self._most:
                self._turn()
            part, data = data[: self._most - self._size], data[self._most - self._size :]
            self._size += len(part)
            try:
                while part:
                    part = part[os.write(self._file, part) :]
            except OSError:  # it is lost
                pass

    def _turn(self) -> None:
        try:
            os.rename(self._path, before(self._path))
            file = os.open(self._path, _MODE | os.O_TRUNC, 0o600)
        except OSError:  # the directory was removed, or the disk is full
            os.ftruncate(self._file, 0)
        else:
            os.close(self._file)
            self._file = file
        self._size = 0


def main() -> None:
    """Until nobody can print any more."""
    log = Log(sys.argv[1])
    while data := os.read(0, _CHUNK):
        log.write(data)


if __name__ == "__main__":
    main()
