"""NVIDIA's pyxis, by which `srun --container-image` runs a command in a container of enroot's.

Only Slurm places it, as `slurm+pyxis`. Its images are SquashFS files in a store of their own; on
the node pyxis unpacks them, or mounts them, as the site has set it up. Looking into one is left to
enroot on this machine.

Nothing of a notebook is an option of pyxis: it splits mounts at commas, colons and, before 0.24,
spaces, and writes them into a shell script (`enroot_create_start_config` in pyxis_slurmstepd.c);
and a task gets all variables of its job. So mounts stand in a file that enroot reads as the
person's own configuration (ENROOT_CONFIG_PATH, which pyxis passes on since 0.11), and the person's
real one counts for nothing; variables and the working directory stand in a script that the image's
shell runs.
https://github.com/NVIDIA/pyxis/blob/master/README.md
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from shutil import which

from ...errors import ContainersError, StartFailed
from ...host.process import Completed
from ...layout import INSIDE
from ...models import ContainerSpec, EngineInfo, Mount, Problem
from ...text import one_line
from ..common import cdi
from ..enroot import scripts
from ..enroot.engine import Enroot, visible
from ..enroot.scripts import FILE, RC
from ..process_engine.base import Command
from ..process_engine.containers import StateDir
from ..process_engine.image_store import Stored
from .queue import ask

CONFIG = "config"
"""The directory that enroot takes for the person's configuration, in a container's own."""
SAME_PIDS = "JUPYTER_CONTAINERS_SAME_PIDS"
"""The variable by which our guest knows that not all processes that it sees are the container's."""
_STEP = ("--nodes=1", "--ntasks=1", "--whole", "--cpu-bind=none", "--mpi=none")
"""One task with all that the job has. https://slurm.schedmd.com/srun.html"""
_ROOT = {True: "--container-remap-root", False: "--no-container-remap-root"}
_WRITABLE = {True: "--container-writable", False: "--container-readonly"}
_FIXED = ("--container-workdir=/", "--no-container-mount-home", "--no-container-entrypoint")
_OPTIONS = (
    "--container-image",
    *(one.partition("=")[0] for one in (*_FIXED, *_ROOT.values(), *_WRITABLE.values())),
)
_SHARED = Problem(
    "Containers share process ids and IPC with all else that runs on their node: they see what "
    "others do there, and can signal what is yours.",
    "Use slurm+enroot or slurm+apptainer for code that you trust less.",
)
_SAID = re.compile(r"^(?:slurmstepd(?:-\S+)?|srun): (?:error: )?(?:pyxis:)?\s*(.*)$", re.MULTILINE)
_NOTHING = re.compile(
    r": task \d+: |^Failed to invoke spank|^spank: |^child \d+ |^printing enroot log|^Terminating"
    r"|^cluster configuration lacks support for cpu binding"
)
"""What srun says of any task's end, and others of nothing in particular."""


class Pyxis(Enroot):
    """What a job runs in place of enroot's own command."""

    name = "pyxis"
    holds = False  # the node's slurmd starts enroot
    as_file = True

    def __init__(self) -> None:
        super().__init__()
        self._here = Enroot()
        self._here.store = self.store

    async def ask_info(self) -> EngineInfo:
        """See `Engine.info`. pyxis tells no version."""
        told, wrong = await asyncio.gather(super().ask_info(), _unusable())
        return replace(
            told,
            version=f"and enroot {told.version}",
            usable=told.usable and not wrong,
            features=told.features | {cdi.FEATURE},  # by the nodes' hook, which nobody sees here
            problems=(*wrong, *told.problems, _SHARED),
        )

    async def run(self, spec: ContainerSpec, timeout: float) -> Completed:
        """See `Engine.run`: by enroot, on this machine."""
        return await self._here.run(spec, timeout)

    def command(self, spec: ContainerSpec, stored: Stored, state_dir: StateDir) -> Command:
        """See `ProcessEngine.command`."""
        return Command(
            argv=(
                *("srun", *_STEP, f"--container-image={stored.directory / FILE}", *_FIXED),
                *(_ROOT[spec.user.mode == "root"], _WRITABLE[not spec.read_only]),
                *("/usr/bin/env", "-i", "/bin/sh", f"{INSIDE}/{RC}", *spec.argv),
            ),
            env={
                "ENROOT_CONFIG_PATH": str(state_dir.path / CONFIG),
                "ENROOT_LOGIN_SHELL": "no",
                "ENROOT_RESTRICT_DEV": "no",
                "NVIDIA_VISIBLE_DEVICES": "void",
                **visible(spec.devices),
            },
        )

    def write_files(self, spec: ContainerSpec, stored: Stored, state_dir: StateDir) -> None:
        """See `ProcessEngine.write_files`."""
        scripts.write_files(state_dir.path)
        config = state_dir.path / CONFIG / "mounts.d"
        config.mkdir(parents=True)
        (config / "jupyter-containers.fstab").write_text(fstab_text(spec, state_dir.path))
        inside = replace(spec, env={**spec.env, SAME_PIDS: "yes"})
        (state_dir.path / RC).write_text(scripts.rc_text(inside, stored.image))

    def ran_nothing(self, done: Completed) -> int | None:
        """See `ProcessEngine.ran_nothing`."""
        return 125 if done.code and _complaint(done.stderr) else super().ran_nothing(done)

    def trouble(self, done: Completed) -> ContainersError:
        """See `ProcessEngine.trouble`."""
        said = _complaint(done.stderr)
        if "No such file or directory" in said and f"/{FILE}" in said:
            return StartFailed(
                f"The node, which Slurm chose, does not have the image: {said}",
                "Set JUPYTER_CONTAINERS_IMAGES to a directory on a file system that this machine "
                "and the nodes share before Jupyter starts.",
            )
        if said:
            return StartFailed(f"pyxis could not start the container: {said}")
        return super().trouble(done)


def fstab_text(spec: ContainerSpec, state_dir: Path) -> str:
    """The mounts, as enroot reads them: it replaces ${NAMES} in such a file by the variables of
    these names (`common::envsubst`). Pure but for the sources."""
    script = Mount(str(state_dir / RC), f"{INSIDE}/{RC}")
    lines = scripts.mounts(replace(spec, own=(*spec.own, script)), state_dir)
    return "".join(f"{line}\n" for line in lines).replace("${", "\\044{")


async def _unusable() -> tuple[Problem, ...]:
    """Why this machine cannot use pyxis."""
    if missing := [name for name in ("mksquashfs", "squashfuse") if which(name) is None]:
        tools = Problem(
            f"{' and '.join(missing)} is missing, by which images are written and looked into.",
            "sudo apt install squashfs-tools squashfuse, or your system's packages of these names",
        )
        return (tools,)
    said = (await ask("srun", "--help", timeout=20)).stdout
    if _OPTIONS[0] not in said:
        plugin = Problem(
            f"This cluster's Slurm has no pyxis: `srun --help` does not know {_OPTIONS[0]}.",
            "Ask the cluster's administrators for it (https://github.com/NVIDIA/pyxis), or use "
            "slurm+enroot, slurm+apptainer or slurm+charliecloud.",
        )
        return (plugin,)
    if old := [one for one in _OPTIONS if one not in said]:
        return (
            Problem(
                f"This pyxis is too old: `srun --help` does not know {', '.join(old)}.",
                "Ask the cluster's administrators for 0.11 or newer.",
            ),
        )
    return ()


def _complaint(said: str) -> str:
    """What pyxis, enroot or srun say is wrong, in one line; empty where they say nothing."""
    found = (printed[1].strip() for printed in _SAID.finditer(said[-4000:]))
    return one_line(" ".join(one for one in found if one and not _NOTHING.search(one)), 500)
