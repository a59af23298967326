"""The reaper's process: see `client.py`. Run as a file with `python -I -S`."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time

if __package__:
    from .trees import remove_trees
else:  # run as a file
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from trees import remove_trees  # type: ignore[import-not-found, no-redef]


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
        if not key:  # the owner ends in order, and nothing is kept for anybody
            entries = {name: {**one, "keep": None} for name, one in entries.items()}
        elif "keep" in entry:
            entries[key] = {**entries.get(key, {}), **entry}
        elif entry:
            entries[key] = entry
        else:
            entries.pop(key, None)
    kept = [entry for entry in entries.values() if entry.get("keep")]
    until = _announce(kept)
    _clean_up([entry for entry in entries.values() if not entry.get("keep")])
    for lock, end in until.items():
        ours = [entry for entry in kept if entry["keep"]["lock"] == lock]
        _wait(end, [entry["keep"]["claim"] for entry in ours])
        _clean_up_kept(lock, ours)


def _clean_up(entries: list) -> None:
    groups = [e["pgid"] for e in entries if "pgid" in e]
    for signum, pause in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 0.0)):
        groups = [g for g in groups if _signal(g, signum)]
        deadline = time.monotonic() + pause
        while groups and time.monotonic() < deadline:
            time.sleep(0.05)
            groups = [g for g in groups if _signal(g, 0)]
    stay: set[str] = set()  # of what could not be removed: they tell the next server whose it is
    for entry in entries:
        for argv in entry.get("remove", ()):
            if not _remove(argv, entry.get("environment")):
                stay.update(entry.get("directories", ()))
    for entry in entries:
        remove_trees([one for one in entry.get("directories", ()) if one not in stay])


def _announce(kept: list) -> dict:
    """Say in the owner's own file until when nobody may call what it left an orphan."""
    until: dict[str, float] = {}
    for entry in kept:
        lock, end = entry["keep"]["lock"], time.time() + entry["keep"]["seconds"]
        until[lock] = max(end, until.get(lock, 0.0))
    for lock, end in until.items():
        try:
            with open(lock, "r+", encoding="utf-8") as file:
                about = json.load(file)
                file.seek(0)
                json.dump({**about, "kept": end}, file)
                file.truncate()
        except (OSError, ValueError):
            pass
    return until


def _wait(end: float, claims: list) -> None:
    """Until then, or until somebody has removed all of it. Where another server has taken it up
    we wait too: it may give back what it cannot reach."""
    while time.time() < end and any(map(os.path.exists, claims)):
        time.sleep(min(1.0, max(0.0, end - time.time())))


def _clean_up_kept(lock: str, entries: list) -> None:
    """What no other server has taken up. Holding the lock, so that none does just now."""
    try:
        with open(lock, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            _clean_up([entry for entry in entries if _is_still(lock, entry["keep"]["claim"])])
    except OSError:  # forgotten: all of it was taken up, or removed
        pass


def _is_still(lock: str, claim: str) -> bool:
    """True while a run directory still belongs to the owner. One that is gone belongs to nobody."""
    try:
        with open(claim, encoding="utf-8") as file:
            return file.read() == os.path.basename(lock)
    except OSError:
        return False


def _remove(argv: list, environment: dict | None) -> bool:
    """Whether it is gone. One that is just ending by itself cannot be removed at that moment."""
    for pause in (0.1, 0.5, 0.0):
        if _run(argv, environment):
            return True
        time.sleep(pause)
    return False


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
