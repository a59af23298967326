"""A kernel in a Slurm job: ours against `sbatch` of the bare engine's command."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import cast

from jupyter_client.manager import AsyncKernelManager

from jupyter_containers.engines.process_engine.containers import StateDir
from jupyter_containers.engines.slurm.engine import Slurm
from jupyter_containers.host.process import run
from jupyter_containers.kernels.connection import CHANNELS, choosing_itself, use_network
from jupyter_containers.kernels.provisioner import ContainerProvisioner
from jupyter_containers.kernels.spec import StartPlan
from jupyter_containers.layout import GUEST_DIR, INSIDE
from jupyter_containers.models import ContainerSpec, Mount

from .kernels import Kernels, answered, stop
from .report import Row, in_turns

_ASK_AGAIN = 0.01


async def job(kernels: Kernels, runs: int, aim: float) -> Row:
    """From the submission, or from `start_kernel`, to the first `kernel_info_reply`."""
    manager, _ = await kernels.ours.start()
    provisioner = cast("ContainerProvisioner", manager.provisioner)
    plan = provisioner._plan
    assert plan is not None
    await stop(manager)
    engine = cast("Slurm", plan.engine._engine)

    async def ours() -> float:
        manager, seconds = await kernels.ours.start()
        await stop(manager)
        return seconds

    async def theirs() -> float:
        return await _by_hand(engine, plan, kernels.ours.notebook.parent)

    medians = await in_turns(ours, theirs, runs)
    inner = engine.inner.name
    return Row(
        name="kernel in a job",
        aim=aim,
        ours="start_kernel to kernel_info_reply: job, container, guest, kernel with CurveZMQ",
        theirs=f"sbatch of the same {inner} command with the kernel alone in it, its ports read "
        f"back every {_ASK_AGAIN:g} s, to kernel_info_reply with CurveZMQ",
        ours_s=medians[0],
        theirs_s=medians[1],
        runs=runs,
    )


async def _by_hand(engine: Slurm, plan: StartPlan, folder: Path) -> float:
    manager = AsyncKernelManager(kernel_name="python3")
    spec = _bare(plan, folder / f"run-{secrets.token_hex(4)}", manager)
    stored, place = await engine.inner.prepare(spec)
    command = engine.inner.command(spec, stored, place)
    exports = [f"export {k}={shlex.quote(v)}" for k, v in command.env.items() if v is not None]
    script = "\n".join(["#!/bin/sh", *exports, f"exec {shlex.join(command.argv)}", ""])
    file = Path(spec.own[0].source) / "connection.json"
    begun = time.perf_counter()
    done = await run(_submission(spec, place), input=script.encode())
    try:
        assert done.code == 0, done.stderr
        while not (ports := _ports(file)):
            await asyncio.sleep(_ASK_AGAIN)
        use_network(manager, "127.0.0.1", ports, "")
        client = await answered(manager)
        seconds = time.perf_counter() - begun
        client.stop_channels()
        manager.context.destroy(linger=0)
    finally:
        await engine.remove(spec.name)
        manager.cleanup_connection_file()
    return seconds


def _submission(spec: ContainerSpec, place: StateDir) -> list[str]:
    argv = ["sbatch", "--parsable", "--nodes=1", "--ntasks=1", f"--job-name={spec.name}"]
    return [*argv, f"--output={place.output}"]


def _bare(plan: StartPlan, directory: Path, manager: AsyncKernelManager) -> ContainerSpec:
    """The same container with nothing but the kernel in it."""
    directory.mkdir()
    (directory / "connection.json").write_text(json.dumps(choosing_itself(manager)))
    os.chmod(directory / "connection.json", 0o600)
    guest = Mount(str(GUEST_DIR), f"{INSIDE}/guest")
    assert plan.files is not None
    own = [mount for mount in plan.spec.own if Path(mount.source).exists()]
    return replace(
        plan.spec,
        name=f"jupyter-{secrets.token_hex(4)}",
        argv=plan.files.kernel_argv,
        own=(Mount(str(directory), f"{INSIDE}/run", True), guest, *own),
    )


def _ports(file: Path) -> tuple[int, ...]:
    with contextlib.suppress(OSError, ValueError, KeyError):
        said = json.loads(file.read_text())
        ports = tuple(int(said[name]) for name in CHANNELS)
        return ports if all(ports) else ()
    return ()
