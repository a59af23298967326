"""One kernel for a module's tests that do not change it: each start costs a second and more.

Each test has an event loop of its own, and a kernel's client belongs to one: the kernel lives in a
loop in a thread, and what tests await is sent there.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

from tests.helpers.harness import Kernel, approve


class SharedKernel:
    """As `harness.Kernel`, from whichever loop a test runs in."""

    def __init__(self, notebook: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.folder = notebook.parent
        self._loop = loop
        self._kernel = self.wait(_started(notebook))

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _there(self, work: Coroutine[Any, Any, Any]) -> Any:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def run(self, code: str, **options: Any) -> dict[str, Any]:
        done: dict[str, Any] = await self._there(self._kernel.run(code, **options))
        return done

    async def value(self, expression: str) -> str:
        return str(await self._there(self._kernel.value(expression)))

    async def interrupt(self) -> None:
        await self._there(self._kernel.manager.interrupt_kernel())

    async def poll(self) -> int | None:
        code: int | None = await self._kernel.provisioner.poll()
        return code

    def close(self) -> None:
        self.wait(self._kernel.shutdown())


async def _started(notebook: Path) -> Kernel:
    return await Kernel(notebook).start()


@contextlib.contextmanager
def shared_kernel(notebook: Path) -> Iterator[SharedKernel]:
    approve(notebook)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        kernel = SharedKernel(notebook, loop)
        yield kernel
        kernel.close()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
