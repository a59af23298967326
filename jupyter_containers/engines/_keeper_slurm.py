"""Cancel the job of a container, wait for its end, and delete the container's directory.

Run as `python -I -S _keeper_slurm.py NAME DIRECTORY` (standard library only) by the keeper of a
killed owner. By the job's name, which is the container's: a submission may have been going on when
the owner was killed, so that nobody has heard the job's number.
"""

import os
import subprocess
import sys
import time

_PATIENCE = 50.0
_PAUSE = 0.3
_DELETER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_keeper_contained.py")


def main(name: str, directory: str) -> int:
    """0 once no job of that name is left. While Slurm does not answer, what is known of the job
    stays for the next server."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        code, _ = _run(["scancel", f"--name={name}", f"--user={os.getuid()}"])
        code, left = _run(
            ["squeue", "--noheader", f"--name={name}", f"--user={os.getuid()}", "-o", "%i"]
        )
        if code == 0 and not left.strip():
            _run([sys.executable, "-I", "-S", _DELETER, directory])
            return 0
        time.sleep(_PAUSE)
    return 1


def _run(argv: list[str]) -> tuple[int, bytes]:
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return 1, b""
    return done.returncode, done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
