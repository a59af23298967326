"""Cancel the job of a container, wait for its end, and delete the container's directory.

Run as `python -I -S slurm_job.py NAME DIRECTORY` (standard library only) by the reaper of a
killed owner. By the job's name, which is the container's: a submission may have been going on when
the owner was killed, so that nobody has heard the job's number.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterable

_PATIENCE = 50.0
_CANCEL_EVERY = 5.0
_ENDING = 2.0
"""Seconds after which the processes of a job that Slurm calls COMPLETING have ended: what goes on
then is the cluster's own Epilog, for minutes on some, or pyxis that deletes what it unpacked.
https://slurm.schedmd.com/prolog_epilog.html
"""
_LONGEST_PAUSE = 2.0
_DEFAULTS = ("SQUEUE_", "SCANCEL_", "SINFO_", "SCONTROL_", "SLURM_TIME_FORMAT")
_DELETER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "process_container.py")


class Removal:
    """The end of all jobs of one name: when to ask for it, when it has come. Runs nothing."""

    def __init__(self, name: str, now: float) -> None:
        jobs = [f"--name={name}", f"--user={os.getuid()}"]
        self.cancel = ["scancel", *jobs]
        self.look = ["squeue", "--noheader", *jobs, "-o", "%T"]
        self.pause = 0.1
        self._cancel_at = now
        self._ending: float | None = None

    def due(self, now: float) -> bool:
        """Whether to `cancel` now: each is work for everybody's controller."""
        if now < self._cancel_at:
            return False
        self._cancel_at = now + _CANCEL_EVERY
        return True

    def over(self, states: str, now: float) -> bool:
        """Whether none is left, by what `look` printed; else wait `pause` seconds."""
        self.pause = min(_LONGEST_PAUSE, self.pause * 1.5)
        left = set(states.split())
        if left - {"COMPLETING"}:
            self._ending = None
            return False
        if self._ending is None:
            self._ending = now
        return not left or now - self._ending >= _ENDING


def theirs(environment: Iterable[str]) -> list[str]:
    """The variables by which a person changes what Slurm's commands do and print."""
    return [name for name in environment if name.startswith(_DEFAULTS)]


def main(name: str, directory: str) -> int:
    """0 once no job of that name is left. While Slurm does not answer, what is known of the job
    stays for the next server."""
    removal = Removal(name, time.monotonic())
    deadline = time.monotonic() + _PATIENCE
    while (now := time.monotonic()) < deadline:
        if removal.due(now):
            _run(removal.cancel)
        code, left = _run(removal.look)
        if code == 0 and removal.over(left.decode(errors="replace"), now):
            _run([sys.executable, "-I", "-S", _DELETER, directory])
            return 0
        time.sleep(removal.pause)
    return 1


def _run(argv: list[str]) -> tuple[int, bytes]:
    kept = set(os.environ) - set(theirs(os.environ))
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in kept},
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return 1, b""
    return done.returncode, done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
