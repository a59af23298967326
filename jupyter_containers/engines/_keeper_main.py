"""The keeper's process: see `_keeper.py`. Run as a file with `python -I -S`."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time


def main() -> None:
    """Read entries until the owner is gone, then clean up what is still entered."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    entries: dict[str, dict] = {}
    for raw in sys.stdin.buffer:
        try:
            entry = json.loads(raw)
        except ValueError:
            continue
        key = entry.pop("key")
        if entry:
            entries[key] = entry
        else:
            entries.pop(key, None)
    groups = [e["pgid"] for e in entries.values() if "pgid" in e]
    for signum, pause in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 0.0)):
        groups = [g for g in groups if _signal(g, signum)]
        deadline = time.monotonic() + pause
        while groups and time.monotonic() < deadline:
            time.sleep(0.05)
            groups = [g for g in groups if _signal(g, 0)]
    for entry in entries.values():
        for argv in entry.get("remove", ()):
            _remove(argv, entry.get("environment"))
    for entry in entries.values():
        for directory in entry.get("directories", ()):
            shutil.rmtree(directory, ignore_errors=True)


def _remove(argv: list, environment: dict | None) -> None:
    """One that is just ending by itself cannot be removed at that moment."""
    for pause in (0.1, 0.5, 0.0):
        if _run(argv, environment):
            return
        time.sleep(pause)


def _run(argv: list, environment: dict | None) -> bool:
    """True where it ended well."""
    try:
        done = subprocess.run(
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _signal(group: int, signum: int) -> bool:
    """True while the group has a process."""
    try:
        os.killpg(group, signum)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
