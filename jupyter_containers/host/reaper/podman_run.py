"""Remove a podman container, and what a podman that was killed while it started one left of it.

Run as `python -I -S podman_run.py NAME COMMAND...` (standard library only) by the reaper of a
killed owner and after a start that failed. `podman run` starts conmon, which has the runtime
prepare the container. Is podman killed then, conmon and the prepared process wait for ever for a
`start`, and `podman rm` knows of neither: https://github.com/containers/conmon (its `-n` is the
container's name).
"""

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise


def main(name: str, command: list[str]) -> int:
    """The exit code of the engine's own command."""
    done = subprocess.run(command, check=False, timeout=60)
    for _ in range(5):
        strays = _strays(name)
        for pid in strays:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        if not strays:
            break
        time.sleep(0.1)
    return done.returncode


def _strays(name: str) -> list[int]:
    """The container's conmon and all below it: children are listed before anything is killed."""
    found: list[int] = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and _is_conmon(_read(entry, "cmdline").split("\0"), name):
            pending = [int(entry)]
            while pending:
                one = pending.pop()
                found.append(one)
                pending += [int(child) for child in _children(str(one))]
    return found


def _is_conmon(words: list[str], name: str) -> bool:
    return os.path.basename(words[0]) == "conmon" and ("-n", name) in pairwise(words)


def _children(pid: str) -> list[str]:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    return [child for task in tasks for child in _read(pid, f"task/{task}/children").split()]


def _read(pid: str, name: str) -> str:
    try:
        with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
