"""How kernels end by themselves, in sentences."""

from __future__ import annotations

import contextlib
import signal
import time

from ..engines.placement import Placement
from ..errors import KernelDied
from ..models import Ended
from ..settings.schema import format_size

_EARLY = 10.0
"""Seconds: a kernel that exits by itself this soon would do so again."""


def exit_error(code: int | None, memory: bool, limit: int | None, last_lines: str) -> KernelDied:
    """Why a kernel ended: `memory` says whether for want of it, of which it had `limit`."""
    if memory:
        most = f" (limit {format_size(limit)})" if limit else ""
        return KernelDied(
            f"The kernel ran out of memory{most} and was killed.",
            'Raise "memory" in the notebook\'s container settings, or load less at once.',
            out_of_memory=True,
        )
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
            return KernelDied(f"The kernel was killed by {name}.", _hint(-code))
    return KernelDied(
        f"The kernel ended with exit code {code}.\n{last_lines}".rstrip(), exited=True
    )


def ended_from_outside(ended: Ended) -> KernelDied:
    """A kernel whose container somebody ended, such as a cluster's scheduler."""
    return _final(KernelDied(*ended.why, out_of_memory=ended.out_of_memory))


def connection_lost(at: Placement) -> KernelDied:
    """A kernel that may run yet, on another machine."""
    message = f"The connection to {at.node or 'the node'} was lost, and did not come back."
    hint = f"Restart the kernel to run it in a new {at.kind}; the old one is ended then."
    return _final(KernelDied(message, hint))


def flooded() -> KernelDied:
    """A container that kept the server busy."""
    return KernelDied(
        "The container was ended: something in it flooded the server with messages.",
        "See what the last cell, or a library that it loaded, writes to sockets or to /proc/1.",
    )


def _final(died: KernelDied) -> KernelDied:
    died.final = True
    return died


def raise_if_no_restart(died: KernelDied, started: float) -> None:
    """Raise it where a restart that nobody asked for would only repeat it (an exit by itself, right
    after the start), or take a place that nobody asked for."""
    if died.final or (died.exited and time.monotonic() - started < _EARLY):
        raise died


def _hint(signum: int) -> str:
    if signum == signal.SIGKILL:
        return "Somebody killed it, or the machine as a whole ran out of memory."
    if signum in (signal.SIGSEGV, signal.SIGBUS):
        return 'A compiled library crashed. Multiprocess data loaders may need a larger "shm".'
    return ""
