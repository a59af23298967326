"""One container as a Slurm job: the command that submits it and the script that it runs. Pure.

https://slurm.schedmd.com/sbatch.html
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace

from ...layout import INSIDE, LABEL
from ...models import ContainerSpec
from ...settings.slurm import SETUP
from ...settings.validators import parse_size
from ..process_engine.base import ProcessEngine
from ..process_engine.containers import StateDir
from ..process_engine.image_store import Stored

BEGAN = "began"
"""The file in a container's directory that names the node, once the job has begun there."""
OUTSIDE = 72
"""The script's exit code where the node does not have that directory."""
ENVIRONMENT = "environment"
"""The file in `run` with what Slurm gave the job, for the guest (`guest/main.py`)."""

_IN_COMMENT = ("owner", "uid", "host", "boot", "kernel")
JOB = f"{LABEL}.job"
"""The label of what a scheduler runs: it goes on when the machine of its owner does not."""
_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "SLURM_CONF", "SLURM_CLUSTERS")
_THEIRS = ("SBATCH_ACCOUNT", "SBATCH_PARTITION", "SBATCH_QOS", "SBATCH_RESERVATION")
"""A person's own defaults: a job's options beat them."""
_FOR_KERNEL = (
    "SLURM_(JOB_ID|JOB_NODELIST|JOB_PARTITION|JOB_ACCOUNT|CPUS_PER_TASK|CPUS_ON_NODE|NTASKS"
    "|MEM_PER_NODE|JOB_END_TIME)|CUDA_VISIBLE_DEVICES|ROCR_VISIBLE_DEVICES|ZE_AFFINITY_MASK"
    "|GPU_DEVICE_ORDINAL"
)


def sbatch_argv(spec: ContainerSpec, state_dir: StateDir, engine: str) -> list[str]:
    """The command. The script is its standard input, so that no value is an argument of it."""
    options = spec.slurm
    cpus = options.get("cpus") or (str(math.ceil(spec.cpus)) if spec.cpus else "")
    memory = parse_size(options["memory"]) if "memory" in options else spec.memory
    gres = [options.get("gres", ""), f"gpu:{options['gpus']}" if "gpus" in options else ""]
    found = {
        "job-name": spec.name,
        "comment": comment(spec, engine),
        "output": _no_pattern(str(state_dir.output)),
        "partition": options.get("partition", ""),
        "account": options.get("account", ""),
        "time": options.get("time", ""),
        "ntasks": options.get("ntasks", "1"),
        "cpus-per-task": cpus,
        "mem": f"{math.ceil(memory / (1 << 20))}M" if memory else "",
        "gres": ",".join(one for one in gres if one),
    }
    given = [f"--{name}={value}" for name, value in found.items() if value]
    fixed = ["--parsable", "--export=ALL", "--no-requeue", "--nodes=1", "--input=/dev/null"]
    return ["sbatch", *fixed, *given, *options.get("extra", "").split()]


def sbatch_environment(ours: Mapping[str, str]) -> dict[str, str | None]:
    """What is added to and taken from this process's own environment for `sbatch`: a job gets the
    environment of its submission (`--export=ALL`; with any other value Slurm logs the person in on
    the node first, which takes seconds), and nothing of a server's shall be in it."""
    return {name: None for name in ours if name not in (*_KEPT, *_THEIRS)}


def comment(spec: ContainerSpec, engine: str) -> str:
    """What marks a job as ours, and whose it is: everybody on the cluster can read it, so it tells
    nothing of what somebody works on."""
    told = [f"{name}={spec.labels.get(f'{LABEL}.{name}', '')}" for name in _IN_COMMENT]
    return " ".join([LABEL, engine, *told])


def labels_of(comment: str, name: str, engine: str) -> dict[str, str]:
    """The labels that `comment` wrote; empty where the job is not one of `engine`'s and ours."""
    ours, *told = comment.split(" ")
    if ours != LABEL or told[:1] != [engine] or not re.fullmatch(r"jupyter-[0-9a-f]{8}", name):
        return {}
    pairs = dict(one.partition("=")[::2] for one in told)
    labels = {f"{LABEL}.{key}": pairs.get(key, "") for key in _IN_COMMENT}
    return labels | {LABEL: "kernel", f"{LABEL}.name": name, JOB: "yes"}


def script_of(
    inner: ProcessEngine, spec: ContainerSpec, stored: Stored, state_dir: StateDir
) -> str:
    """What the job of a container runs. Its limits are the job's, and Slurm's to enforce: an engine
    would do it by way of the person's systemd, which is on the login node and not in a job."""
    unlimited = replace(spec, cpus=None, memory=None, pids=None)
    command = inner.command(unlimited, stored, state_dir)
    return script(spec, state_dir, command.argv, command.env)


def script(
    spec: ContainerSpec, state_dir: StateDir, argv: tuple[str, ...], env: Mapping[str, str | None]
) -> str:
    """What the job runs. Every value in it is quoted; none of it is an argument of anything but
    the engine's own command."""
    directory = shlex.quote(str(state_dir.path))
    exports = [f"export {n}={shlex.quote(v)}" for n, v in env.items() if v is not None]
    run = next((m.source for m in spec.own if m.target == f"{INSIDE}/run"), "")
    told = []
    if run:
        file = shlex.quote(f"{run}/{ENVIRONMENT}")
        told = [f"env | grep -E '^({_FOR_KERNEL})=' >{file}"]
    return "\n".join(
        [
            "#!/bin/sh",
            "umask 077",
            f"cd {directory} || exit {OUTSIDE}",
            f"printf '%s\\n' \"$SLURMD_NODENAME\" >{BEGAN}",
            *told,
            *([spec.slurm[SETUP]] if spec.slurm.get(SETUP) else []),
            *exports,
            "cd /",
            f"exec {shlex.join(argv)}",
            "",
        ]
    )


def _no_pattern(path: str) -> str:
    """A path as a file name of Slurm's, which knows `%j` and its kin."""
    return path.replace("%", "%%")
