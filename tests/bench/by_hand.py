"""A kernel's container against the engine's own start of the same command."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import cast

from jupyter_client.manager import AsyncKernelManager

from jupyter_containers.engines.common.run_argv import env_file
from jupyter_containers.engines.docker.engine import Docker
from jupyter_containers.engines.process_engine.base import ProcessEngine
from jupyter_containers.host.rundir import make_run_dir, remove_run_dir
from jupyter_containers.kernels.connection import use_sockets
from jupyter_containers.kernels.container_files import bound, write_container_files
from jupyter_containers.kernels.provisioner import ContainerProvisioner
from jupyter_containers.kernels.request import Request
from jupyter_containers.kernels.spec import StartPlan, plan_start

from .kernels import Kernels, answered, stop
from .report import Row, in_turns


async def same_command(kernels: Kernels, runs: int, aim: float) -> Row:
    """From `start_kernel`, or from the command with all that it needs made before, to the first
    `kernel_info_reply`: what we add to the engine's own time."""
    manager, _ = await kernels.ours.start()
    provisioner = cast("ContainerProvisioner", manager.provisioner)
    request, plan = provisioner._request, provisioner._plan
    assert request is not None and plan is not None
    await stop(manager)

    async def ours() -> float:
        manager, seconds = await kernels.ours.start()
        await stop(manager)
        return seconds

    async def theirs() -> float:
        return await _by_hand(request, plan.spec.image)

    medians = await in_turns(ours, theirs, runs)
    return Row(
        name="kernel start, same command",
        aim=aim,
        ours="start_kernel to kernel_info_reply: settings, approvals, policy, files, container, "
        "guest, kernel",
        theirs="the engine's command for that container, its files made before, to "
        "kernel_info_reply",
        ours_s=medians[0],
        theirs_s=medians[1],
        runs=runs,
    )


async def _by_hand(request: Request, image: str) -> float:
    run_dir = make_run_dir()
    manager = AsyncKernelManager(
        kernel_name="python3", connection_file=str(run_dir.root / f"{secrets.token_hex(4)}.json")
    )
    inside = use_sockets(manager, run_dir, "")
    found = await request.engine.image(image)
    assert found is not None
    plan = await plan_start(
        request.settings,
        found,
        request.directory,
        request.source,
        request.engine,
        run_dir,
        request.labels,
        lambda _: None,
    )
    write_container_files(run_dir, plan, inside, request.policy.orphan_grace, "")
    argv, text, env = await _command(plan)
    try:
        begun = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd="/", env=env
        )
        talk = asyncio.ensure_future(process.communicate(text))
        await bound(run_dir, lambda: False)  # asked before, ZeroMQ would come again after 100 ms
        client = await answered(manager)
        seconds = time.perf_counter() - begun
        client.stop_channels()
        manager.context.destroy(linger=0)
        with suppress(ProcessLookupError):
            process.kill()  # a container that is this process; others go with `remove`
        await talk
    finally:
        await request.engine.remove(plan.spec.name)
        remove_run_dir(run_dir)
    return seconds


async def _command(plan: StartPlan) -> tuple[Sequence[str], bytes, Mapping[str, str]]:
    """The command, its standard input and its environment."""
    spec = await plan.engine.allowed(plan.spec)
    engine = plan.engine._engine
    if isinstance(engine, ProcessEngine):
        stored, place = await engine.prepare(spec)
        command = engine.command(spec, stored, place)
        changed = {**os.environ, **command.env}
        return command.argv, b"", {k: v for k, v in changed.items() if v is not None}
    assert isinstance(engine, Docker)
    return engine.run_argv(spec, detach=True), env_file(spec.env), dict(os.environ)
