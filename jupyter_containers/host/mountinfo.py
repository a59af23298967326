"""What is mounted on this machine: proc(5), `/proc/PID/mountinfo`.

The kernel escapes space, tab, newline and backslash in it: all else in a line is part of a name,
also what Python takes for the end of a line, such as a carriage return.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_OWN = Path("/proc/self/mountinfo")


def mount_points(file: Path | str = _OWN) -> Iterator[str]:
    """Where something is mounted, in the order of the mounts. Raises OSError."""
    for mount in _mounts(file):
        yield _decoded(mount.point)


def points_in(text: bytes) -> Iterator[str]:
    """The same of a file that was read elsewhere."""
    for mount in _lines(text):
        yield _decoded(mount.point)


def submounts(folder: str, file: Path = _OWN, root: str = "") -> list[str]:
    """What is mounted below a folder (a path without links), the outer before the inner; with the
    `root` of whom `file` belongs to. Quick: machines with many containers have thousands of mounts.
    Raises OSError."""
    above = _encoded(f"{folder.rstrip('/')}/")
    found = {_decoded(one.point) for one in _mounts(file) if one.point.startswith(above)}
    # One that lies under another one, or was mounted where nobody of us may look, is not reached.
    return sorted(path for path in found - {folder} if os.access(root + path, os.F_OK))


class Names:
    """By which other paths the same things are reached: through bind mounts, and where a file
    system is mounted more than once. One look at what is mounted."""

    def __init__(self, file: Path = _OWN) -> None:
        self._at: dict[bytes, tuple[bytes, bytes]] = {}
        """By mount point: the device, and which of its folders is mounted."""
        with suppress(OSError):
            self._at = {one.point: (one.device, one.root) for one in _reached([*_mounts(file)])}
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

    def mounted_below(self, path: str) -> bool:
        """Whether something is mounted below a path without links."""
        above = _encoded(f"{path.rstrip('/')}/")
        return any(point.startswith(above) for point in self._at)

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


class _Mount(NamedTuple):
    """A line, as it is written there."""

    id: bytes
    parent: bytes
    """The mount that it is mounted on; where that is none of ours, it is not listed."""
    device: bytes
    root: bytes
    """Which folder of the device."""
    point: bytes


def _mounts(file: Path | str) -> Iterator[_Mount]:
    yield from _lines(Path(file).read_bytes())


def _lines(text: bytes) -> Iterator[_Mount]:
    for line in text.split(b"\n"):
        if len(fields := line.split(b" ", 5)) > 4:
            yield _Mount(*fields[:5])


def _reached(mounts: Sequence[_Mount]) -> Iterator[_Mount]:
    """Those that their paths lead to. A later mount over a folder above, or at the same place,
    hides one, which is listed all the same."""
    on: dict[bytes, dict[bytes, _Mount]] = {}
    ids = {one.id for one in mounts}
    todo = []
    for one in mounts:
        if one.parent not in ids or one.parent == one.id:
            todo.append(one)
        else:
            on.setdefault(one.parent, {})[one.point] = one
    for mount in todo:
        if (here := on.get(mount.id)) is None:
            yield mount
        elif (top := here.get(mount.point)) is not None:
            todo.append(top)
        else:
            yield mount
            size = len(mount.point)
            todo += [one for point, one in here.items() if not _is_hidden(point, here, size)]


def _is_hidden(point: bytes, others: Collection[bytes], size: int) -> bool:
    """Whether one of the others, on the same mount, lies above; `size` is that of its own point."""
    while len(point := point.rpartition(b"/")[0]) > size:
        if point in others:
            return True
    return False


def _encoded(path: str) -> bytes:
    return re.sub(rb"[ \t\n\\]", lambda found: b"\\%03o" % found[0][0], os.fsencode(path))


def _decoded(field: bytes) -> str:
    plain = re.sub(rb"\\([0-3][0-7]{2})", lambda found: bytes([int(found[1], 8)]), field)
    return os.fsdecode(plain)
