"""Where a cluster's scheduler has put a container. Pure; `engines/slurm/engine.py` and
`engines/kubernetes/states.py` fill it in."""

from __future__ import annotations

import time
from dataclasses import dataclass

WARNING = 300.0
"""Seconds before the end of a job's time at which people are warned."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """One job, as far as is known. Times are seconds since 1970; None: nobody can tell."""

    job: str
    state: str
    """The scheduler's word for it: of Slurm PENDING, CONFIGURING, RUNNING, …"""
    kind: str = "job"
    """What the scheduler calls a job."""
    phase: str = ""
    """What a start waits for, in words, where the scheduler's reasons are not Slurm's."""
    reason: str = ""
    """Why it waits, in Slurm's word."""
    node: str = ""
    address: str = ""
    """Where the node's ports are reached from here."""
    begins: float | None = None
    """When it is expected to begin."""
    ends: float | None = None
    """When its time is over."""
    trouble: str = ""
    """What keeps us from it now, in a sentence, though it goes on."""

    @property
    def waiting(self) -> str:
        """What a start waits for, in a few words."""
        if self.phase:
            return self.phase
        if self.state != "PENDING":
            return f"Job {self.job} is {self.state.lower()}"
        reason = self.reason if self.reason != "None" else ""
        why = _REASONS.get(reason, "")
        told = f"{reason}: {why}" if why else reason or "just submitted"
        begins = ""
        if self.begins is not None and self.begins > time.time():
            begins = f", expected to begin {_clock(self.begins)}"
        return f"Job {self.job} waits in the queue ({told}){begins}"

    @property
    def warning(self) -> str:
        """Its trouble, or that its time is almost over, where it is; else empty."""
        if self.trouble:
            return self.trouble
        if self.ends is None or (left := self.ends - time.time()) > WARNING:
            return ""
        minutes = max(0, round(left / 60))
        return (
            f"The time of {self.kind} {self.job} is over at {_clock(self.ends)}, in {minutes} min: "
            "save what you need. Its kernel and all that it holds in memory end then."
        )


def _clock(moment: float) -> str:
    """15:04 today, else with its day."""
    then, now = time.localtime(moment), time.localtime()
    return time.strftime("%H:%M" if then[:3] == now[:3] else "%Y-%m-%d %H:%M", then)


# https://slurm.schedmd.com/resource_limits.html and https://slurm.schedmd.com/job_reason_codes.html
_REASONS = {
    "Resources": "what it asks for is not free yet",
    "Priority": "others come first",
    "Dependency": "another job has to end first",
    "BeginTime": "its time has not come",
    "Licenses": "a license is not free",
    "Reservation": "its reservation has not begun",
    "JobHeldUser": "somebody holds it; scontrol release lets it go",
    "JobHeldAdmin": "the administrator holds it",
    "PartitionDown": "the partition is closed",
    "PartitionInactive": "the partition is closed",
    "ReqNodeNotAvail": "the nodes it needs are out of service or reserved",
    "QOSMaxJobsPerUserLimit": "as many of your jobs run as may",
    "AssocMaxJobsLimit": "as many of your jobs run as may",
    "QOSMaxGRESPerUser": "you have as many GPUs as you may",
    "QOSMaxCpuPerUserLimit": "you have as many CPUs as you may",
    "QOSMaxMemoryPerUser": "you have as much memory as you may",
}
