"""One restart or shutdown of a kernel at a time.

jupyter_client starts each of them while another one is running, and then both fail
(https://github.com/jupyter/jupyter_client/pull/967): a shutdown during a restart raises
InvalidStateError, so the kernel and its container stay, and a server that is told to stop goes on.
A process on the host restarts within milliseconds. A restart that needs a new container takes
about a second, and one in a cluster's queue hours.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from weakref import WeakValueDictionary

from ..errors import ContainersError
from ..kernels.provisioner import ContainerProvisioner
from ..kernels.state import KernelState, kernels_of
from .state import Server

_POLL = 0.05
_LOOK = 1.0
"""Seconds between two looks whether a start waits in a queue."""


class KernelLocks:
    """Wraps three methods of a server's kernel manager. Kernels that are not ours are left as
    they were."""

    def __init__(self, manager: Any, server: Server) -> None:
        self._manager, self._server = manager, server
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._owners: dict[str, asyncio.Task[Any] | None] = {}
        self._restart: Callable[..., Awaitable[Any]] = manager.restart_kernel
        self._shut_down: Callable[..., Awaitable[None]] = manager.shutdown_kernel
        self._shut_down_all: Callable[..., Awaitable[None]] = manager.shutdown_all

    def install(self) -> None:
        """Called once, when the server starts."""
        self._manager.restart_kernel = self.restart_kernel
        self._manager.shutdown_kernel = self.shutdown_kernel
        self._manager.shutdown_all = self.shutdown_all

    async def restart_kernel(self, kernel_id: str, *args: Any, **kwargs: Any) -> Any:
        """Restart it, after a restart or shutdown that is running."""
        if not self._is_ours(kernel_id):
            return await self._restart(kernel_id, *args, **kwargs)
        async with self._lock(kernel_id):
            # With pending kernels, jupyter_client refuses to restart one that is starting.
            if not getattr(self._manager, "use_pending_kernels", False):
                await self._ready(kernel_id)
            return await self._restart(kernel_id, *args, **kwargs)

    async def shutdown_kernel(self, kernel_id: str, *args: Any, **kwargs: Any) -> None:
        """Shut it down, after a restart that is running; one that waits in a queue is given up.
        A kernel that was shut down meanwhile is no error."""
        if not self._is_ours(kernel_id):
            return await self._shut_down(kernel_id, *args, **kwargs)
        async with self._out_of_queue(kernel_id) as leaving, self._lock(kernel_id):
            await self._ready(kernel_id)
            leaving.cancel()
            if kernel_id in self._manager:
                await self._shut_down(kernel_id, *args, **kwargs)
        return None

    async def shutdown_all(self, now: bool = False) -> None:
        """Shut down ours, also those that are starting, and then all others."""
        started = asyncio.gather(*(self._started(one) for one in kernels_of(self._manager)))
        ours = [id for id in await started if id in self._manager]
        ending = (self.shutdown_kernel(id, now=now) for id in ours)
        await asyncio.gather(*ending, return_exceptions=True)  # the manager tries again
        await self._shut_down_all(now=now)

    def _is_ours(self, kernel_id: str) -> bool:
        if kernel_id not in self._manager:
            return False
        kernel = self._manager.get_kernel(kernel_id)
        return isinstance(getattr(kernel, "provisioner", None), ContainerProvisioner)

    @asynccontextmanager
    async def _lock(self, kernel_id: str) -> AsyncIterator[None]:
        """Reentrant: a site's own kernel manager may restart by a shutdown and a start."""
        task = asyncio.current_task()
        if self._owners.get(kernel_id) is task:
            yield
            return
        async with self._locks.setdefault(kernel_id, asyncio.Lock()):
            self._owners[kernel_id] = task
            try:
                yield
            finally:
                del self._owners[kernel_id]

    async def _ready(self, kernel_id: str) -> None:
        """Wait for a restart that the manager was not asked for: one after a kernel died."""

        def is_pending() -> bool:
            return (
                kernel_id in self._manager and not self._manager.get_kernel(kernel_id).ready.done()
            )

        while is_pending():  # noqa: ASYNC110 - the future may belong to another loop
            await asyncio.sleep(_POLL)

    async def _started(self, kernel: KernelState) -> str:
        """Wait until the manager knows a kernel that is starting; returns its id."""
        starting = getattr(self._manager, "_pending_kernels", {}).get(kernel.id)
        if starting is not None:
            async with self._out_of_queue(kernel.id):
                await asyncio.wait({starting})
        return kernel.id

    @asynccontextmanager
    async def _out_of_queue(self, kernel_id: str) -> AsyncIterator[asyncio.Task[None]]:
        """Meanwhile, a start of this kernel does not wait for a job: it fails."""
        leaving = asyncio.create_task(self._leave_queue(kernel_id))
        try:
            yield leaving
        finally:
            leaving.cancel()
            await asyncio.wait({leaving})

    async def _leave_queue(self, kernel_id: str) -> None:
        """Cancel each job that a start of this kernel waits for, until this task is cancelled."""
        while True:
            for kernel in kernels_of(self._manager):
                if kernel.id == kernel_id and kernel.phase and kernel.placement is not None:
                    with suppress(ContainersError):
                        one = await self._server.container(kernel.container)
                        await one.engine.remove(one.container.id)
            await asyncio.sleep(_LOOK)
