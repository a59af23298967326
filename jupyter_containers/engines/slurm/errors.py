"""What Slurm's answers mean, in a sentence with the way out. Pure.

The patterns are Slurm's own messages (22.05), the states those of
https://slurm.schedmd.com/job_state_codes.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...errors import ContainersError, StartFailed
from ...models import ContainerSpec, Ended
from ...text import one_line
from .queue import silent

NEVER = frozenset(
    {
        *("PartitionTimeLimit", "PartitionNodeLimit", "PartitionConfig", "BadConstraints"),
        *(
            "InvalidAccount",
            "InvalidQOS",
            "AccountNotAllowed",
            "QOSNotAllowed",
            "AssocMaxWallDurationPerJobLimit",
        ),
        *("QOSMaxWallDurationPerJobLimit", "QOSMaxMemoryPerJob", "QOSMaxGRESPerJob"),
        *("QOSMaxCpuPerJobLimit", "AssocMaxCpuPerJobLimit", "AssocMaxMemPerJob"),
        *("AssocMaxGRESPerJob", "DependencyNeverSatisfied"),
    }
)
"""Reasons of a pending job that no waiting ends."""
_SETTINGS = 'Change "slurm" in the notebook\'s container settings'
_TOO_MUCH = "sinfo -o '%P %l %c %m %G' shows the partitions with their limits."


def perhaps_taken(said: str) -> bool:
    """Whether the controller may have taken a job of which `sbatch` says that it failed: its answer
    came too late ("Socket timed out on send/recv operation")."""
    return "timed out" in said.lower()


def unheard(said: str) -> bool:
    """Whether the controller did not answer, by what a command of Slurm's printed."""
    told = ("unable to contact slurm controller", "connection refused", "timed out")
    return any(one in said.lower() for one in told)


def refused(said: str, spec: ContainerSpec) -> ContainersError:
    """Why `sbatch` took no job."""
    last = one_line(re.sub(r"sbatch: error: ", "", said), 400)
    lowered = last.lower()
    if unheard(said):
        return silent(said)
    if "invalid partition" in lowered:
        return StartFailed(
            f"Slurm has no partition {spec.slurm.get('partition', '')!r}.",
            f"{_SETTINGS}; {_TOO_MUCH}",
        )
    if re.search(
        r"node configuration is not available|more processors requested|"
        r"memory specification|invalid generic resource|node count specification|invalid feature",
        lowered,
    ):
        return StartFailed(
            f"No node of the cluster has what the job asks for: {last}.",
            f"{_SETTINGS} to less; {_TOO_MUCH}",
        )
    if "time limit" in lowered:
        return StartFailed(
            f"The job asks for more time than the partition gives: {last}.",
            f"{_SETTINGS}; {_TOO_MUCH}",
        )
    if "account" in lowered or "qos" in lowered:
        return StartFailed(
            f"Slurm refused the account or QOS: {last}.",
            "`sacctmgr show associations user=$USER` lists yours.",
        )
    return StartFailed(f"Slurm refused the job: {last}.", f"{_SETTINGS}.")


def never(job: str, reason: str) -> StartFailed:
    """A job that Slurm took and will not start."""
    return StartFailed(
        f"Slurm took job {job} but will never start it: {reason}. It was cancelled.",
        f"{_SETTINGS}; {_TOO_MUCH}",
    )


def cancelled(job: str) -> StartFailed:
    """A job that somebody ended while it waited."""
    return StartFailed(
        f"Job {job} was cancelled while it waited in the queue.",
        "Restart the kernel to submit it again.",
    )


def not_shared(job: str, node: str, state_dir: str) -> StartFailed:
    """A job that ran where our directories are not."""
    where = f"The node {node}" if node else "The node"
    return StartFailed(
        f"{where}, which Slurm chose for job {job}, does not have {state_dir}: that directory is "
        "not on a file system that this machine and the nodes share.",
        "Set XDG_CACHE_HOME to a directory on one that they share before Jupyter starts. If they "
        f"share it, the node itself failed: scontrol show job {job}",
    )


def how_it_ended(text: str) -> Ended | None:
    """From `scontrol show job --oneliner`; None where it has not ended."""
    told = dict(re.findall(r"(\w+)=(\S*)", text))
    state, job = told.get("JobState", ""), told.get("JobId", "")
    why = _WHY.get(state)
    if state == "COMPLETED" or state == "FAILED":
        code, _, signum = told.get("ExitCode", "0:0").partition(":")
        ended, by = (int(one) if re.fullmatch("[0-9]{1,9}", one) else 0 for one in (code, signum))
        return Ended(code=-by if by else ended)
    if why is None:
        return None
    words: Mapping[str, str] = {
        "job": job,
        "limit": told.get("TimeLimit", "?"),
        "node": told.get("BatchHost") or told.get("NodeList", "?"),
        "memory": told.get("MinMemoryNode") or told.get("MinMemoryCPU", "?"),
    }
    message, hint = (one.format_map(words) for one in why)
    return Ended(code=-9, out_of_memory=state == "OUT_OF_MEMORY", why=(message, hint))


_AGAIN = "Restart the kernel to run it in a new job."
_WHY = {
    "TIMEOUT": (
        "Job {job} reached its time limit of {limit}, and Slurm ended it.",
        f'{_AGAIN} Ask for more by "slurm": {{{{"time": …}}}} in the notebook\'s settings.',
    ),
    "DEADLINE": ("Job {job} reached its deadline, and Slurm ended it.", _AGAIN),
    "NODE_FAIL": ("The node {node}, on which job {job} ran, failed.", _AGAIN),
    "BOOT_FAIL": ("The node {node} for job {job} did not start.", _AGAIN),
    "OUT_OF_MEMORY": (
        "Job {job} used more memory than it had asked for ({memory}), and Slurm ended it.",
        f'{_AGAIN} Ask for more by "slurm": {{{{"memory": …}}}} in the notebook\'s settings.',
    ),
    "PREEMPTED": ("Slurm ended job {job} for another of higher priority.", _AGAIN),
    "CANCELLED": ("Job {job} was cancelled: by somebody, or by the administrator.", _AGAIN),
    "REVOKED": ("Job {job} was taken away by the cluster's scheduler.", _AGAIN),
}
