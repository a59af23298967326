"""End a container that is a process of ours, and delete its directory.

Run as `python -I -S _keeper_contained.py DIRECTORY` by the keeper of a killed owner, and imported
by `_contained.py` (standard library only).
"""

import json
import os
import shutil
import signal
import sys
import time

RECORD = "container.json"
_PATIENCE = 10.0


def start_of(pid: int) -> int | None:
    """When a process started, in ticks since boot: with its number, that is this process and no
    later one of the same number. None where it has ended (field 22 of proc(5)'s stat)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def end(directory: str) -> None:
    """Kill what the record in a directory names, wait for its end, delete all. Twice is fine."""
    try:
        with open(os.path.join(directory, RECORD), encoding="utf-8") as file:
            record = json.load(file)
        pid, start = int(record["pid"]), int(record["start"])
        here = record["boot"] == _boot()
    except (OSError, ValueError, KeyError, TypeError):
        pid, start, here = 0, 0, False
    if here and pid > 1 and start_of(pid) == start:
        # Its own session, so all of its group; what is in its PID namespace goes with that one.
        try:
            os.killpg(pid, signal.SIGKILL)
        except OSError:
            pass
        deadline = time.monotonic() + _PATIENCE
        while start_of(pid) == start and time.monotonic() < deadline:
            time.sleep(0.002)
    delete(directory)


def delete(directory: str) -> None:
    """Delete a tree of ours, directories without any permission too: overlayfs makes such
    (https://docs.kernel.org/filesystems/overlayfs.html#upper-and-lower), and so may a container."""
    shutil.rmtree(directory, ignore_errors=True)
    if os.path.lexists(directory):
        os.chmod(directory, 0o700)
        for parent, names, _ in os.walk(directory):
            for name in names:
                if not os.path.islink(os.path.join(parent, name)):
                    os.chmod(os.path.join(parent, name), 0o700)
        shutil.rmtree(directory, ignore_errors=True)


def _boot() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return "unknown"


if __name__ == "__main__":
    end(sys.argv[1])
