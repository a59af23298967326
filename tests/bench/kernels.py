"""Kernels in containers against ipykernel on the host: start, restart, round trip, idling."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.log import app_log

from tests.helpers.harness import approve, write_notebook

from .report import Row, in_turns

_VERSIONS = """
import platform, ipykernel
print(f"Python {platform.python_version()}, ipykernel {ipykernel.__version__}")
"""
_IDLE_KERNELS = 20
_IDLE_SECONDS = 6.0
"""Two of the server's polls, which come every 3 s."""
_IDLE_AIM = 0.02


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kernel spec and the notebook it is started for."""

    spec: str
    notebook: Path

    async def start(self) -> tuple[AsyncKernelManager, float]:
        """A running kernel, and the seconds from `start_kernel` to its `kernel_info_reply`."""
        manager = AsyncKernelManager(kernel_name=self.spec)
        begun = time.perf_counter()
        # ipykernel warns on the terminal of whoever starts it that tcp is not encrypted.
        await manager.start_kernel(cwd=str(self.notebook.parent), stderr=subprocess.DEVNULL)
        client = await answered(manager)
        seconds = time.perf_counter() - begun
        client.stop_channels()
        _check(manager)
        return manager, seconds


async def answered(manager: AsyncKernelManager) -> AsyncKernelClient:
    """A client whose first question, for the kernel's info, was answered."""
    client = manager.client()
    client.start_channels()
    client.kernel_info()
    while (await client.get_shell_msg(timeout=60))["msg_type"] != "kernel_info_reply":
        pass
    return client


async def executed(client: AsyncKernelClient) -> float:
    """Seconds from a small cell's request to its reply and the kernel's rest."""
    begun = time.perf_counter()
    id = client.execute("1+1")
    while (await client.get_shell_msg(timeout=60))["parent_header"].get("msg_id") != id:
        pass
    while not _idle(await client.get_iopub_msg(timeout=60), id):
        pass
    return time.perf_counter() - begun


def _check(manager: AsyncKernelManager) -> None:
    """A fallback kernel answers too, but is none of what is measured."""
    if (trouble := getattr(manager.provisioner, "trouble", None)) is not None:
        raise trouble


async def stop(manager: AsyncKernelManager) -> None:
    await manager.shutdown_kernel(now=True)
    manager.context.destroy(linger=0)


@asynccontextmanager
async def running(kind: Kind) -> AsyncIterator[AsyncKernelManager]:
    manager, _ = await kind.start()
    try:
        yield manager
    finally:
        await stop(manager)


async def _versions(manager: AsyncKernelManager) -> str:
    """What runs there, by its own word."""
    client = await answered(manager)
    said: list[str] = []
    await client.execute_interactive(
        _VERSIONS,
        timeout=60,
        output_hook=lambda message: (
            said.append(message["content"]["text"]) if message["msg_type"] == "stream" else None
        ),
    )
    client.stop_channels()
    return "".join(said).strip()


class Kernels:
    """Both kinds on one engine, in one folder."""

    def __init__(self, engine: str, image: str, folder: Path, runs: int) -> None:
        notebook = write_notebook(folder / "bench.ipynb", {"image": image, "engine": engine})
        approve(notebook)
        self.ours = Kind(spec="container", notebook=notebook)
        self.use()
        self.theirs = Kind(spec="python3", notebook=notebook)
        self.runs = runs
        self._inside = self._outside = ""

    def use(self) -> None:
        """The next kernels are of this notebook: the environment says so."""
        os.environ["JUPYTER_CONTAINERS_NOTEBOOK"] = str(self.ours.notebook)

    async def prepare(self) -> None:
        """The first start of an image probes it and makes its kit: that is not measured."""
        async with running(self.ours) as manager:
            self._inside = f"in the container ({await _versions(manager)}, ipc)"
        async with running(self.theirs) as manager:
            self._outside = f"on the host ({await _versions(manager)}, tcp)"

    async def start(self, aim: float) -> Row:
        async def timed(kind: Kind) -> float:
            manager, seconds = await kind.start()
            await stop(manager)
            return seconds

        ours, theirs = await in_turns(
            lambda: timed(self.ours), lambda: timed(self.theirs), self.runs
        )
        what = "start_kernel to kernel_info_reply, ipykernel"
        return self._row("kernel start", aim, what, ours, theirs, self.runs)

    async def restart(self, aim: float) -> Row:
        async def timed(manager: AsyncKernelManager) -> float:
            begun = time.perf_counter()
            await manager.restart_kernel()
            client = await answered(manager)
            seconds = time.perf_counter() - begun
            client.stop_channels()
            _check(manager)
            return seconds

        async with running(self.ours) as inside, running(self.theirs) as outside:
            ours, theirs = await in_turns(lambda: timed(inside), lambda: timed(outside), self.runs)
        what = "restart_kernel to kernel_info_reply, ipykernel"
        return self._row("restart", aim, what, ours, theirs, self.runs)

    async def round_trip(self, aim: float, runs: int = 300) -> Row:
        async with running(self.ours) as inside, running(self.theirs) as outside:
            clients = [await answered(inside), await answered(outside)]
            for client in clients * 20:
                await executed(client)
            ours, theirs = await in_turns(
                lambda: executed(clients[0]), lambda: executed(clients[1]), runs
            )
            for client in clients:
                client.stop_channels()
        what = "execute_request of 1+1 to execute_reply and idle, ipykernel"
        return self._row("execute 1+1", aim, what, ours, theirs, runs)

    def _row(self, name: str, aim: float, what: str, ours: float, theirs: float, runs: int) -> Row:
        return Row(
            name=name,
            aim=aim,
            ours=f"{what} {self._inside}",
            theirs=f"{what} {self._outside}",
            ours_s=ours,
            theirs_s=theirs,
            runs=runs,
        )

    async def idle(self, aim: float) -> Row:
        """CPU of this process while jupyter_server's own manager watches idle kernels."""
        app_log.disabled = True
        manager = AsyncMappingKernelManager(root_dir=str(self.ours.notebook.parent))
        try:
            for _ in range(_IDLE_KERNELS):
                kernel_id = await manager.start_kernel(kernel_name=self.ours.spec)
                kernel: Any = manager.get_kernel(kernel_id)
                await kernel.ready
                _check(kernel)
            await asyncio.sleep(_IDLE_SECONDS)

            async def used() -> float:
                before = time.process_time()
                await asyncio.sleep(_IDLE_SECONDS)
                return time.process_time() - before

            async def allowed() -> float:
                return _IDLE_AIM * _IDLE_SECONDS

            ours, theirs = await in_turns(used, allowed, self.runs)
        finally:
            await manager.shutdown_all(now=True)
        return Row(
            name=f"{_IDLE_KERNELS} idle kernels",
            aim=aim,
            ours=f"CPU seconds (user and system) in {_IDLE_SECONDS:g} s of the process that owns "
            "them: jupyter_server's AsyncMappingKernelManager, polling each every 3 s",
            theirs=f"{_IDLE_AIM:.0%} of one core in that time",
            ours_s=ours,
            theirs_s=theirs,
            runs=self.runs,
        )


def _idle(message: dict[str, Any], id: str) -> bool:
    ours = message["parent_header"].get("msg_id") == id
    return bool(ours and message["content"].get("execution_state") == "idle")
