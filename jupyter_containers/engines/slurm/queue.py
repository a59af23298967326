"""This person's jobs by Slurm: one `squeue` for all of them, every few seconds at most.

Its output is read by format, since its JSON differs from version to version (22.05 has
`"RUNNING"`, 24.11 `["RUNNING"]`, and numbers become objects).
https://slurm.schedmd.com/squeue.html
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ...errors import EngineDown
from ...host.process import Completed, run
from ...host.reaper.slurm_job import theirs
from ...settings.slurm import seconds_of
from ...text import one_line

_FORMAT = "%i|%T|%N|%r|%L|%S|%j|%k"
_YEAR = 364 * 86400
ALIVE = frozenset(
    {
        *("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING"),
        *("REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESIZING", "STAGE_OUT", "SPECIAL_EXIT"),
    }
)
"""Slurm's words for jobs that have not ended. https://slurm.schedmd.com/job_state_codes.html"""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One line of `squeue`. `left` is in seconds, `begins` since 1970; None: it does not say."""

    id: str
    state: str
    node: str = ""
    reason: str = ""
    left: int | None = None
    begins: float | None = None
    name: str = ""
    comment: str = ""

    @property
    def alive(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ALIVE


def read(text: str) -> dict[str, Job]:
    """The lines of `squeue -o FORMAT`, by id. Lines that are none are left out."""
    found = {}
    for line in text.splitlines():
        fields = line.split("|", 7)
        if len(fields) == 8 and fields[0].isdigit():
            id, state, node, reason, left, begins, name, comment = fields
            found[id] = Job(
                id=id,
                state=state,
                node=node,
                reason=one_line(reason.strip("()")),
                left=_left(left),
                begins=_moment(begins),
                name=name,
                comment="" if comment == "(null)" else comment,
            )
    return found


def _left(text: str) -> int | None:
    """A job without a limit ends after a year for Slurm's scheduler, which `squeue` may tell."""
    seconds = seconds_of(text)
    return seconds if seconds is not None and seconds < _YEAR else None


def _moment(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()  # `squeue` tells this machine's time
    except ValueError:
        return None


class Queue:
    """This person's jobs as Slurm said last. Used from any event loop."""

    def __init__(self) -> None:
        self.known: Mapping[str, Job] = {}
        """What was said last. Reading it starts nothing."""
        self.asked = float("-inf")
        """When that question was begun, by `time.monotonic`: jobs submitted later are not in."""
        self.told = 0.0
        """The same moment as seconds since 1970."""
        self._asking: asyncio.Task[None] | None = None

    async def jobs(self, age: float) -> Mapping[str, Job]:
        """All as they were at most `age` seconds ago, ended ones too as long as Slurm remembers
        them (MinJobAge, 300 s). Raises EngineDown, EngineMissing."""
        if time.monotonic() - self.asked > age:
            here, asking = asyncio.get_running_loop(), self._asking
            if asking is None or asking.done() or asking.get_loop() is not here:
                asking = self._asking = here.create_task(self._ask())
            await asyncio.shield(asking)
        return self.known

    async def _ask(self) -> None:
        begun, told = time.monotonic(), time.time()
        whose = f"--user={os.getuid()}"
        done = await ask("squeue", "--noheader", "--states=all", whose, "-o", _FORMAT)
        if done.code:
            raise silent(done.stderr)
        self.known, self.asked, self.told = read(done.stdout), begun, told


def silent(said: str) -> EngineDown:
    """That Slurm's controller does not answer."""
    last = one_line(said.strip().splitlines()[-1] if said.strip() else "no message")
    last = re.sub(r"^(?:\S+: error: |\S+ error: )+", "", last)
    return EngineDown(
        f"Slurm does not answer: {last}.",
        "Running jobs go on meanwhile. See whether `sinfo` answers; if it does not, tell the "
        "cluster's administrators.",
    )


async def ask(*argv: str, timeout: float = 60.0) -> Completed:
    """Run `squeue` or one of its kin. See `_process.run`."""
    return await run(argv, timeout=timeout, env=dict.fromkeys(theirs(os.environ)))
