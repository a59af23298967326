"""What is mounted on this machine: proc(5), `/proc/PID/mountinfo`.

The kernel escapes space, tab, newline and backslash in it: all else in a line is part of a name,
also what Python takes for the end of a line, such as a carriage return.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

_OWN = Path("/proc/self/mountinfo")


def mount_points(file: Path | str = _OWN) -> Iterator[str]:
    """Where something is mounted, in the order of the mounts. Raises OSError."""
    for line in Path(file).read_bytes().split(b"\n"):
        if len(fields := line.split(b" ", 5)) > 4:
            yield _decoded(fields[4])


def submounts(folder: str, file: Path = _OWN, root: str = "") -> list[str]:
    """What is mounted below a folder (a path without links), the outer before the inner; with the
    `root` of whom `file` belongs to. Quick: machines with many containers have thousands of mounts.
    Raises OSError."""
    above = _encoded(f"{folder.rstrip('/')}/")
    found = set()
    for line in file.read_bytes().split(b"\n"):
        if len(fields := line.split(b" ", 5)) > 4 and fields[4].startswith(above):
            found.add(_decoded(fields[4]))
    # One that lies under another one, or was mounted where nobody of us may look, is not reached.
    return sorted(path for path in found - {folder} if os.access(root + path, os.F_OK))


def _encoded(path: str) -> bytes:
    return re.sub(rb"[ \t\n\\]", lambda found: b"\\%03o" % found[0][0], os.fsencode(path))


def _decoded(field: bytes) -> str:
    plain = re.sub(rb"\\([0-3][0-7]{2})", lambda found: bytes([int(found[1], 8)]), field)
    return os.fsdecode(plain)
