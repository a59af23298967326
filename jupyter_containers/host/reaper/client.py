"""What a killed owner leaves, the reaper removes.

A server, nbclient or terminal that owns containers can be killed with SIGKILL at any time.
One small process per owner, started with its first container or command, reads a pipe from it.
At the end of the pipe it ends the commands, removes the containers and deletes the directories
that were entered and not forgotten, and exits. It sleeps in `read` all its life. What another
server may take up (`keep`) it leaves alone until that one's time is over.

This module is the owner's side; `main.py` is the process (standard library only).
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

_NEEDED = (
    *("PATH", "HOME", "USER", "LOGNAME", "XDG_", "TMPDIR", "DOCKER_", "CONTAINER", "SLURM_"),
    *("PODMANHPC_", "SCRATCH", "SQUASH_DIR"),
    *("KUBE", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_"),
    *("AWS_", "AZURE_", "CLOUDSDK_", "GOOGLE_"),  # of plugins that get a cluster's credentials
)
"""What an engine's command needs of the owner's environment to reach the same engine."""


class Reaper:
    """Entries by key. Every method is cheap, thread-safe and loop-free."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = threading.Lock()
        self.keep_on_exit = False
        """Whether what is kept stays so when we end in order: a server that has taken kernels up
        and cannot listen ends so."""

    def add(self, key: str, remove: Sequence[Sequence[str]], directories: Sequence[str]) -> None:
        """Enter a container: commands to run and then directories to delete when we are gone."""
        self._send(
            {
                "key": key,
                "remove": [list(argv) for argv in remove],
                "directories": list(directories),
                "environment": {k: v for k, v in os.environ.items() if k.startswith(_NEEDED)},
            }
        )

    def add_group(self, key: str, pgid: int) -> None:
        """Enter a command's process group, ended when we are gone."""
        self._send({"key": key, "pgid": pgid})

    def keep(self, keys: Sequence[str], seconds: float, claim: Path, lock: Path) -> None:
        """Leave entries alone for so long when we are gone, and for good where the file `claim`
        names another owner by then than the file `lock` is called after."""
        for key in keys:
            about = {"seconds": seconds, "claim": str(claim), "lock": str(lock)}
            self._send({"key": key, "keep": about})

    def forget(self, key: str) -> None:
        """The owner has cleaned up itself."""
        self._send({"key": key})

    def _send(self, entry: dict[str, object]) -> None:
        line = json.dumps(entry).encode() + b"\n"
        with self._lock:
            for _ in range(2):
                if self._process is None or self._owner != os.getpid():
                    self._start()
                assert self._process is not None and self._process.stdin is not None
                try:
                    self._process.stdin.write(line)
                    self._process.stdin.flush()
                    return
                except (BrokenPipeError, ValueError):
                    self._process = None

    def _start(self) -> None:
        if self._owner != os.getpid():
            atexit.register(self.close)
        self._owner = os.getpid()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("main.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def close(self) -> None:
        """End the reaper, and with it whatever is still entered, kept or not. At exit, where a
        client may not have shut its kernels down (a server that got SIGINT), and in tests."""
        with self._lock:
            process, self._process = self._process, None
            if process is None or process.stdin is None or self._owner != os.getpid():
                return
            with contextlib.suppress(BrokenPipeError):
                if not self.keep_on_exit:
                    process.stdin.write(b'{"key": "", "keep": null}\n')
                process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0 if self.keep_on_exit else 30)


reaper = Reaper()
