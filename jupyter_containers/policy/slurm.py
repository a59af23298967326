"""What an administrator's policy lets a Slurm job ask for. Asked by `Policy`. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from ..errors import PolicyRefused
from ..settings.slurm import SETUP, gpus_of, names_of, seconds_of, time_of
from ..settings.validators import format_size, parse_size
from .engines import matches
from .traits import PolicyTraits


def allowed(
    asked: Mapping[str, str], policy: PolicyTraits, cpus: float | None
) -> Mapping[str, str]:
    """The same with the policy's defaults where nothing is asked. `cpus` are the container's, which
    count for each task of a job that names none. Raises PolicyRefused."""
    options = dict(asked)
    for name, globs in (("partition", policy.slurm_partitions), ("account", policy.slurm_accounts)):
        trait = f"Policy.slurm_{name}s"
        if (value := options.get(name)) is not None and not matches(value, globs):
            what = f"The Slurm {name} {value} may not be used"
            raise PolicyRefused(what, trait, f"Allowed are: {', '.join(globs) or 'none'}.")
        if value is None and (named := next((one for one in globs if _is_name(one)), "")):
            options[name] = named
    for name in names_of(options.get("extra", "")):
        if not matches(name, policy.slurm_extra):
            what = f"The option --{name} of sbatch may not be used"
            raise PolicyRefused(what, "Policy.slurm_extra")
    _limit(options, policy, math.ceil(cpus or 1))
    if policy.slurm_setup:
        options[SETUP] = policy.slurm_setup
    return MappingProxyType(options)


def _limit(options: dict[str, str], policy: PolicyTraits, per_task: int) -> None:
    most = seconds_of(policy.max_slurm_time)
    asked = seconds_of(options.get("time", ""))
    if asked and most and asked > most:
        _refuse("time", options["time"], time_of(most), "max_slurm_time")
    if not asked and (default := seconds_of(policy.default_slurm_time) or most):
        options["time"] = time_of(min(default, most or default))
    gpus = gpus_of(options)
    if policy.max_slurm_gpus is not None and gpus > policy.max_slurm_gpus:
        _refuse("gpus", str(gpus), str(policy.max_slurm_gpus), "max_slurm_gpus")
    cpus = int(options.get("cpus", per_task)) * int(options.get("ntasks", 1))
    if policy.max_cpus is not None and cpus > math.ceil(policy.max_cpus):  # Slurm's are whole
        _refuse("cpus", str(cpus), f"{policy.max_cpus:g}", "max_cpus")
    memory = parse_size(options["memory"]) if "memory" in options else 0
    if policy.max_memory is not None and memory > policy.max_memory:
        _refuse("memory", format_size(memory), format_size(policy.max_memory), "max_memory")


def _refuse(name: str, asked: str, most: str, trait: str) -> None:
    what = f"A Slurm job may not ask for {name} {asked}: at most {most}"
    raise PolicyRefused(what, f"Policy.{trait}", f'Set "slurm": {{"{name}": …}} to {most} or less.')


def _is_name(glob: str) -> bool:
    return not set(glob) & set("*?[")
