"""End a container that is a process of ours, and delete its directory.

Run as `python -I -S process_container.py DIRECTORY` by the reaper of a killed owner, and imported
by `process_engine/containers.py` (standard library only).
"""

import json
import os
import signal
import sys
import time

if __package__:
    from .trees import remove_tree
else:  # run as a file
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from trees import remove_tree  # type: ignore[import-not-found, no-redef]

RECORD = "container.json"
SHOWN = "inside"
"""In a container's directory: what only that container shows, at `INSIDE`. Made for engines that
give it no PID namespace: nothing else tells which processes are its own."""
INSIDE = "/opt/jupyter-containers"
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


def belongs(pid: int, directory: str) -> bool:
    """Whether a process is in the container of a directory that has `SHOWN`. A number of a mount
    namespace would not do: the next one gets it when the container is over."""
    try:
        seen = os.stat(f"/proc/{pid}/root{INSIDE}")
        ours = os.stat(os.path.join(directory, SHOWN))
    except OSError:  # it has ended, or belongs to somebody else
        return False
    return (seen.st_dev, seen.st_ino) == (ours.st_dev, ours.st_ino)


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
    if os.path.isdir(os.path.join(directory, SHOWN)):
        _end_all(directory)
    remove_tree(directory)


def _end_all(directory: str) -> None:
    """Kill until nobody is left: one may fork between two looks."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        left = [pid for pid in numbers if belongs(pid, directory)]
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        time.sleep(0.002)


def _boot() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return "unknown"


if __name__ == "__main__":
    end(sys.argv[1])
