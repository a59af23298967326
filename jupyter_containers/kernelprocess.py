"""Popen's verbs for a kernel in a container, or for the fallback kernel in its place.

https://jupyter-client.readthedocs.io/en/stable/provisioning.html
"""

from __future__ import annotations

import asyncio
import signal

from jupyter_client.provisioning import KernelProvisionerBase, LocalProvisioner

from .kernels.container import KernelContainer


class KernelProcess(KernelProvisionerBase):
    """The half of the provisioner that asks and signals what runs; `provisioner.py` starts it."""

    container: KernelContainer | None = None
    fallback: LocalProvisioner | None = None
    _asked_to_end = False
    _running = False

    @property
    def has_process(self) -> bool:
        """True from a launch until the `wait` after its end."""
        return self._running

    async def poll(self) -> int | None:
        """None while the kernel runs. Called every 3 s by the restarter and every 0.1 s while
        a kernel shuts down; starts nothing."""
        if self.fallback is not None:
            return await self.fallback.poll()
        return self.container.poll() if self.container is not None else 0

    async def wait(self) -> int | None:
        """Wait for the kernel's end; callers put a timeout around it."""
        while (code := await self.poll()) is None:  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(0.02)
        if self.fallback is not None:
            await self.fallback.wait()
        self._running = False
        return code

    async def send_signal(self, signum: int) -> None:
        """Signal the kernel's process group; SIGINT is the interrupt on every engine."""
        if self.fallback is not None:
            await self.fallback.send_signal(signum)
        elif self.container is not None:
            await self.container.signal(signum)

    async def kill(self, restart: bool = False) -> None:
        """End the kernel now; its container follows in `cleanup`."""
        self._asked_to_end = self._asked_to_end or await self.poll() is None
        await self.send_signal(signal.SIGKILL)

    async def terminate(self, restart: bool = False) -> None:
        """Ask the kernel to end."""
        self._asked_to_end = True
        await self.send_signal(signal.SIGTERM)

    async def shutdown_requested(self, restart: bool = False) -> None:
        """The client asked the kernel to end, so that its end is no death."""
        self._asked_to_end = self._asked_to_end or await self.poll() is None
