"""Children that no event loop waits for: `poll` is asked of them, from any loop and thread."""

from __future__ import annotations

import logging
import shlex
import subprocess
from collections.abc import Sequence
from typing import IO

from ..host.process import Completed, Environment, cannot_run, with_env
from ..host.reaper.client import keeper

log = logging.getLogger("jupyter_containers.cli.options")

Child = subprocess.Popen[bytes]


class Waiting:
    """See `base.Watch`: one attached child whose end tells the end of something else."""

    def __init__(self, argv: Sequence[str]) -> None:
        log.debug("%s", shlex.join(argv))
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        keeper.add_group(f"group-{self._process.pid}", self._process.pid)

    def poll(self) -> Completed | None:
        """None while it runs; what it printed and its exit code after."""
        code = self._process.poll()
        if code is None:
            return None
        keeper.forget(f"group-{self._process.pid}")
        assert self._process.stdout is not None
        out = b"" if self._process.stdout.closed else self._process.stdout.read(4096)
        self._process.stdout.close()
        return Completed(("watch",), code, out.decode(errors="replace"), "")

    def close(self) -> None:
        """End the child; what it watched goes on."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self.poll()


def detach(argv: Sequence[str], output: IO[bytes], env: Environment) -> Child:
    """Start a command that goes on by itself, what it prints in a file. Raises EngineMissing.

    For containers that are processes: who calls it waits for it, and has the keeper `forget` its
    process group once the container's record names it.
    """
    log.debug("%s", shlex.join(argv))
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=with_env(env),
            cwd="/",
            start_new_session=True,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise cannot_run(argv[0], error) from error
    keeper.add_group(f"group-{process.pid}", process.pid)
    return process


def forget(process: Child) -> None:
    """The keeper need not know of it any longer."""
    keeper.forget(f"group-{process.pid}")
