"""How Slurm's commands are asked: with nothing of a person's own defaults for them."""

from __future__ import annotations

import os

from ..host.process import Completed, run
from ..host.reaper.slurm_job import theirs


async def ask(*argv: str, timeout: float = 60.0) -> Completed:
    """Run `squeue` or one of its kin. See `_process.run`."""
    return await run(argv, timeout=timeout, env=dict.fromkeys(theirs(os.environ)))
