"""A device that harms nobody, by a CDI specification: /dev/null under another name, and a variable.

Engines look in /etc/cdi and /var/run/cdi, which are root's.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DIRECTORY = Path("/var/run/cdi")
FILE = "jupyter-containers-test.json"
NAME = "example.org/harmless=zero"
EDITS = {
    "deviceNodes": [{"path": "/dev/harmless0", "hostPath": "/dev/null"}],
    "env": ["HARMLESS=yes"],
}
# 0.5.0 is the first with a `hostPath`, and podman 4.3 knows no newer one.
SPECIFICATION = {
    "cdiVersion": "0.5.0",
    "kind": "example.org/harmless",
    "devices": [{"name": "zero", "containerEdits": EDITS}],
}


@contextmanager
def specified() -> Iterator[str]:
    """The device is on this machine for as long as the block runs; its name."""
    made = not DIRECTORY.exists()
    DIRECTORY.mkdir(mode=0o755, exist_ok=True)
    new = DIRECTORY / f".{FILE}.new"  # engines read `*.json` whenever the directory changes
    try:
        new.write_text(json.dumps(SPECIFICATION))
        new.replace(DIRECTORY / FILE)
        yield NAME
    finally:
        for left in (new, DIRECTORY / FILE):
            left.unlink(missing_ok=True)
        if made:
            with contextlib.suppress(OSError):  # somebody else has put something there
                DIRECTORY.rmdir()
