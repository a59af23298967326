"""What a machine's Slurm is: whether it answers, and where its nodes are."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from dataclasses import replace
from shutil import which

from ...errors import EngineDown, StartFailed
from ...host.paths import cache_directory, empty_directory, empty_file
from ...models import ContainerSpec, EngineInfo, Problem
from ...text import one_line
from ..common import cdi, userns
from ..process_engine.base import ProcessEngine
from .errors import unheard
from .queue import ask, silent

_NO_OPENSSL = Problem(
    "openssl is not installed, by which a job and Jupyter speak in secret.",
    "sudo apt install openssl",
)
_NODES = Problem(
    "Containers share their node's network, and how much memory and CPU a job really gets is "
    "Slurm's to enforce.",
    "Whether it does: scontrol show config | grep -E '^(TaskPlugin|SelectTypeParameters)'",
)
_LOG = Problem(
    "What a job prints is written by Slurm, without a limit.",
    "A kernel that floods it fills the file system that the nodes share.",
)
_SILENCE_SECONDS = 200.0
"""For which a job that has begun is not given up: it may have waited for days. Its guest waits
longer (`host/rundir.py`)."""
_HERE = (userns.NO_LIMITS, userns.SAME_NETWORK)
"""What is true of the inner engine's containers on this machine, and not of jobs."""


async def info(name: str, inner: ProcessEngine) -> EngineInfo:
    """See `Engine.info`. Raises EngineDown where Slurm does not answer."""
    told, version, ping = await asyncio.gather(
        inner.info(), ask("sbatch", "--version"), ask("sinfo", "--noheader", "-o", "%P")
    )
    found = re.search(r"(\d+\.\d+\.\d+)", version.stdout)
    if found is None:
        raise EngineDown(
            f"sbatch does not work: {one_line(version.stderr or version.stdout)}",
            "Run it by hand: sbatch --version",
        )
    if ping.code:
        raise silent(ping.stderr)
    encrypts = which("openssl") is not None
    problems = [one for one in told.problems if one not in _HERE]
    problems += [_NODES, _LOG] if encrypts else [_NODES, _LOG, _NO_OPENSSL]
    return replace(
        told,
        name=name,
        version=f"{found[1]} with {inner.name} {told.version}",
        usable=told.usable and encrypts,
        features=(told.features - {"network-none", "ports", cdi.FEATURE}) | {"jobs"},
        problems=tuple(problems),
    )


async def address(node: str) -> str:
    """Where a node's ports are reached, by Slurm's word: a controller that is silent may be back
    in a minute."""
    deadline = time.monotonic() + _SILENCE_SECONDS
    while True:
        with suppress(EngineDown):
            done = await ask("scontrol", "show", "node", "--oneliner", node)
            if found := re.search(r"\bNodeAddr=(\S+)", done.stdout):
                return found[1]
            if not unheard(done.stderr):
                return node
        if time.monotonic() > deadline:
            return node
        await asyncio.sleep(1)


def on_nodes(spec: ContainerSpec) -> ContainerSpec:
    """With nothing mounted that only this machine has: our empty stand-ins lie in its private
    directory, so others in the cache take their place. And what is mounted below a read-only
    source on the node nobody knows here, so all of these are held there. Raises StartFailed."""
    readonly = {mount.target for mount in (*spec.mounts, *spec.own) if not mount.writable}
    sources = (replace(one, exposed=one.exposed or one.target in readonly) for one in spec.sources)
    spec = replace(spec, sources=tuple(sources))
    empty = cache_directory() / "empty"
    stand_ins = {str(empty_directory()): empty / "directory", str(empty_file()): empty / "file"}
    if not any(mount.source in stand_ins for mount in spec.own):
        return spec
    try:
        (empty / "directory").mkdir(mode=0o500, parents=True, exist_ok=True)
        (empty / "file").touch(mode=0o400)
    except OSError as error:
        raise StartFailed(f"{empty} cannot be made: {error.strerror}.") from None
    return replace(
        spec,
        own=tuple(
            replace(mount, source=str(stand_ins.get(mount.source, mount.source)))
            for mount in spec.own
        ),
    )
