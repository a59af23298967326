"""The GPUs of the job of Slurm's that this server runs in, as batchspawner starts one: the node's
others are other people's, and not every cluster hides them.

Slurm tells a job's GPUs twice (https://slurm.schedmd.com/gres.html#GPU_Management): numbered as
the host does in SLURM_JOB_GPUS, as CDI names do, and in the makers' variables as the job's
processes see them, which counts from 0 where the cluster hides the others (ConstrainDevices).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress

from ..errors import EngineError, Unsupported
from ..host import process
from ..text import one_line

_MAKERS = {"nvidia.com/gpu": "CUDA_VISIBLE_DEVICES", "amd.com/gpu": "ROCR_VISIBLE_DEVICES"}
_BY_HOST = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,62}")
"""What a device is called after its kind, by CDI's grammar; nodes are called so too.
https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md"""
_HAS_GPUS = re.compile(r" Gres=\S*\bgpu[:(]")
_SECONDS = 10.0


async def job_devices(
    devices: Sequence[str], environ: Mapping[str, str], *, by_host: bool
) -> tuple[str, ...]:
    """The same devices, but of GPUs only those that Slurm gave the job that this process runs in.
    `environ` is this process's; `by_host` says whose numbers the names hold: the host's, or those
    that the job's processes see. Raises Unsupported for a GPU that the job does not have."""
    job = environ.get("SLURM_JOB_ID", "")
    gpus = [device for device in devices if _kind(device) in _MAKERS]
    if not job or not gpus:
        return tuple(devices)
    if not _told(environ):
        if await _node_has_gpus(environ.get("SLURMD_NODENAME", "")):
            raise _not_given(gpus[0], job, ())
        return tuple(devices)
    found: list[str] = []
    for device in devices:
        kind, _, which_one = device.partition("=")
        own = [f"{kind}={one}" for one in _own(kind, environ, by_host)]
        if kind not in _MAKERS or device in own:
            found.append(device)
        elif which_one == "all" and own:
            found += own
        else:
            raise _not_given(device, job, own)
    return tuple(dict.fromkeys(found))


def _kind(device: str) -> str:
    return device.partition("=")[0]


def _told(environ: Mapping[str, str]) -> bool:
    return any(environ.get(name) for name in (*_MAKERS.values(), *_BY_HOST))


def _own(kind: str, environ: Mapping[str, str], by_host: bool) -> list[str]:
    """A maker's GPUs. Where nobody told Slurm who made them it sets the variables of all."""
    names = [*(_BY_HOST if by_host else ()), _MAKERS.get(kind, "")]
    given = next((environ[name] for name in names if environ.get(name)), "")
    return [one for one in given.split(",") if NAME.fullmatch(one) and one != "NoDevFiles"]


async def _node_has_gpus(node: str) -> bool:
    """Whether Slurm gives out GPUs on that node. Not where it cannot be asked."""
    if not NAME.fullmatch(node):
        return False
    with suppress(EngineError):
        argv = ["scontrol", "show", "node", "--oneliner", node]
        return bool(_HAS_GPUS.search((await process.run(argv, timeout=_SECONDS)).stdout))
    return False


def _not_given(device: str, job: str, own: Sequence[str]) -> Unsupported:
    return Unsupported(
        f"{device} is not among the GPUs of job {one_line(job)}, in which this server runs: it "
        f"has {', '.join(own) or 'no GPU'}.",
        f'Ask for "{_kind(device)}=all", which is all of the job\'s; or for a server with more.'
        if own
        else "Ask for a server with GPUs.",
    )
