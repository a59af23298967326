"""Engines by name. `open_engine` is the only way to one, and returns it guarded by the policy.

    name → import path, and what to say when its program is absent

Other packages add engines through the entry-point group `jupyter_containers.engines`.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from shutil import which
from typing import TYPE_CHECKING, Any

from ..errors import ContainersError, EngineMissing, Unsupported
from ..models import EngineInfo, Problem
from ..policy.engines import UNISOLATED
from .base import Engine, FromPolicy, FromRegistry
from .guarded import Guarded
from .kubernetes import access

if TYPE_CHECKING:
    from ..policy.policy import Policy

GROUP = "jupyter_containers.engines"

ENGINES: dict[str, tuple[str, str]] = {
    "podman": (
        "jupyter_containers.engines.podman.engine:Podman",
        "sudo apt install podman, or https://podman.io/docs/installation",
    ),
    "docker": (
        "jupyter_containers.engines.docker.engine:Docker",
        "https://docs.docker.com/engine/install/",
    ),
    "podman-hpc": (
        "jupyter_containers.engines.podman.hpc:PodmanHpc",
        "https://github.com/NERSC/podman-hpc",
    ),
    "apptainer": (
        "jupyter_containers.engines.apptainer:Apptainer",
        "https://apptainer.org/docs/admin/latest/installation.html",
    ),
    "charliecloud": (
        "jupyter_containers.engines.charliecloud.engine:Charliecloud",
        "sudo apt install charliecloud, or https://hpc.github.io/charliecloud/install.html",
    ),
    "enroot": (
        "jupyter_containers.engines.enroot.engine:Enroot",
        "https://github.com/NVIDIA/enroot/blob/master/doc/installation.md",
    ),
    "shifter": (
        "jupyter_containers.engines.shifter.engine:Shifter",
        "https://github.com/NERSC/shifter/blob/main/README.md",
    ),
}

PLACED = ("apptainer", "charliecloud", "enroot", "pyxis")
"""What Slurm can place, as `slurm+apptainer`."""
KUBERNETES = "kubernetes"
"""The engine that a configuration decides about, and not a program. It is never chosen for a
notebook that names none, unless the policy's order names it."""
_BUILDERS = ("podman", "docker")
"""Its engines of this machine, in this order."""
_SLURM = "slurm+"
_OF_SLURM = {"pyxis": "jupyter_containers.engines.slurm.pyxis:Pyxis"}
"""What is no engine without it."""


def names() -> list[str]:
    """All engine names: ours in the order `auto` tries them, then those of other packages. Those
    of Slurm and Kubernetes only where they are."""
    placed = [f"{_SLURM}{one}" for one in PLACED if which("sbatch") is not None]
    if access.is_installed() and access.is_configured():
        placed.append(KUBERNETES)
    return [*ENGINES, *placed, *(name for name in _others() if name not in ENGINES)]


@cache
def _others() -> tuple[str, ...]:
    """Asked once: it reads a file of every package that is installed."""
    return tuple(sorted(point.name for point in entry_points(group=GROUP)))


def _load(name: str) -> Any:
    inner = name.removeprefix(_SLURM)
    if inner != name and inner in PLACED:
        slurm = import_module("jupyter_containers.engines.slurm.engine")
        placed = _named(_OF_SLURM.get(inner) or ENGINES[inner][0])
        return lambda: slurm.Slurm(placed())
    if name in ENGINES:
        return _named(ENGINES[name][0])
    if name == KUBERNETES:
        kubernetes = import_module("jupyter_containers.engines.kubernetes.engine")
        here = next((one for one in _BUILDERS if which(one) is not None), _BUILDERS[0])
        return lambda: kubernetes.Kubernetes(_instance(here))
    for point in entry_points(group=GROUP, name=name):
        return point.load()
    raise Unsupported(
        f"There is no engine named {name!r}.", f"The engines are: {', '.join(names())}."
    )


def _named(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)


_DOCKER = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG")
_WHERE = ("PATH", "HOME", "SLURM_CONF", "KUBECONFIG", "CONTAINER_HOST", *_DOCKER)
"""What decides which engine a program of that name talks to."""

_instances: dict[tuple[str, ...], Engine] = {}


def _instance(name: str) -> Engine:
    """One engine object per engine and process: it remembers what the engine said of itself."""
    key = (name, *(os.environ.get(variable, "") for variable in _WHERE))
    if key not in _instances:
        _instances[key] = _load(name)()
    return _instances[key]


def open_engine(name: str, policy: Policy) -> Guarded:
    """The engine `name`, guarded. Starts nothing; raises where the program is not installed or
    the policy forbids the engine."""
    if name not in UNISOLATED:  # of these, that they are not here says more
        policy.check_engine(name)
    engine = _instance(name)
    program = engine.program
    if which(program) is None:
        raise EngineMissing(
            f"{name} is not installed (no `{program}` on PATH).",
            _how_to_get(name, engine),
        )
    policy.check_engine(name)
    if isinstance(engine, FromRegistry):
        engine.registry = policy.push_registry
    if isinstance(engine, FromPolicy):
        engine.policy = policy
    return Guarded(engine, policy)


def _how_to_get(name: str, engine: Engine) -> str:
    """An engine of another package says it itself, as `install`, if it does."""
    if engine.name == KUBERNETES:
        return "It needs Podman or Docker on this machine, which builds and pushes its images."
    if engine.program == "sbatch":
        return "Run Jupyter on a login node of a cluster that has Slurm."
    known = ENGINES.get(name.removeprefix(_SLURM)) or ENGINES.get(engine.program)
    how = known[1] if known else getattr(engine, "install", "")
    return f"Install it: {how}" if how else ""


async def choose_engine(name: str, policy: Policy) -> Guarded:
    """The engine `name`, or for `auto` and an empty name the first that works here.

    Raises EngineMissing or EngineDown that says of each engine what is wrong with it.
    """
    if name not in ("", "auto"):
        return open_engine(name, policy)
    wrong = []
    for candidate in policy.engine_order(names()):
        if candidate == KUBERNETES and candidate not in policy.engines:
            continue
        try:
            engine = open_engine(candidate, policy)
        except EngineMissing as missing:
            wrong.append(f"{candidate}: {missing.message} {missing.hint}")
            continue
        info = await engine.info()
        if info.usable:
            return engine
        wrong += [f"{candidate}: {problem.message} {problem.fix}" for problem in info.problems]
    raise EngineMissing(
        "No container engine works here.\n" + "\n".join(f"  - {line}" for line in wrong),
        "Fix one of them; `jupyter containers doctor` checks again.",
    )


async def preferred_engine(name: str, policy: Policy) -> Guarded:
    """The engine that a notebook names; where it is not installed on this machine, the first that
    works: notebooks travel. Who shows something to people tells them (`instead_of`).

    Raises Unsupported for a name that is none, EngineMissing where none works, EngineDown.
    """
    try:
        return await choose_engine(name, policy)
    except EngineMissing:
        if name in ("", "auto"):
            raise
    return await choose_engine("", policy)


def instead_of(name: str, engine: Guarded) -> str:
    """What to tell of an engine that stands in for the one that was named; empty: it is that."""
    if name in ("", "auto", engine.name):
        return ""
    return f"{name}, which the notebook names, is not on this machine: {engine.name} is used."


async def engine_info(name: str, policy: Policy) -> EngineInfo:
    """What an engine says of itself, or why it cannot be used here. Raises nothing of ours.
    Called by `doctor` and the sidebar."""
    try:
        return await open_engine(name, policy).info()
    except ContainersError as error:
        installed = not isinstance(error, EngineMissing)
        problems = (Problem(error.message, error.hint),)
        return EngineInfo(name=name, installed=installed, problems=problems)


async def diagnosis(info: EngineInfo, policy: Policy) -> EngineInfo:
    """What else can be found out about an engine that works. Raises nothing of ours. Called by
    `doctor`."""
    try:
        return await open_engine(info.name, policy).diagnose(info)
    except ContainersError as error:
        return replace(info, problems=(*info.problems, Problem(error.message, error.hint)))


async def builder_problems(info: EngineInfo, policy: Policy) -> tuple[Problem, ...]:
    """What is wrong with the builder of an engine that works; it is tried if it was not yet.
    Called by `doctor`."""
    try:
        faults = await open_engine(info.name, policy).builder_faults()
    except ContainersError as error:
        return (Problem(error.message, error.hint),)
    how = "when it was tried" if faults.tried else "by its version: it could not be tried"
    program = f"The builder of {info.name} {info.version}"
    out = "Use COPY --from instead; or update: podman 5.4, or one that your distribution mended."
    found = []
    if faults.links:
        found.append(
            Problem(
                f"{program} follows links of a RUN --mount out to this machine ({how}): "
                "mounts with from= and a source= are refused.",
                out,
            )
        )
    if faults.writes:
        found.append(
            Problem(
                f"{program} keeps what a RUN writes into an image that it mounts ({how}): "
                "mounts with from= and rw are refused.",
                out,
            )
        )
    if faults.caches:
        found.append(
            Problem(
                f"{program} can be led out to this machine by links that a RUN makes ({how}): it "
                "removes an empty file there (CVE-2024-23652), and mounts of a cache with source= "
                "are refused (CVE-2024-23651).",
                "Update: docker 25.0.2 or newer, or one that your distribution mended.",
            )
        )
    return tuple(found)


async def working_engines(name: str, policy: Policy) -> list[Guarded]:
    """All that work here, best first, for those who list; with a name only that one, which
    raises what is wrong with it."""
    if name:
        return [await choose_engine(name, policy)]
    order = policy.engine_order(names())
    infos = await asyncio.gather(*(engine_info(one, policy) for one in order))
    return [open_engine(info.name, policy) for info in infos if info.usable]
