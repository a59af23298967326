"""A notebook's kernels, one after another, and its cells executed in them.

The command line's `run` uses this. A kernel is an ordinary one of jupyter_client's: a kernel
spec that exists only in memory carries the settings to the provisioner, so that the notebook on
disk need not change. nbclient executes the cells and collects their outputs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient.client import NotebookClient
from nbclient.exceptions import (
    CellControlSignal,
    CellExecutionError,
    CellTimeoutError,
    DeadKernelError,
)
from nbformat import NotebookNode

from ..errors import ContainersError, KernelError, StartFailed
from ..events import Change, subscribe, unsubscribe
from ..host.cache import workplace
from ..kernels.provisioner import ContainerProvisioner
from ..kernels.request import NOTEBOOK
from ..kernelspecs import GENERIC, PROVISIONER
from ..notebook.file import MAX_BYTES
from ..settings.schema import Settings
from ..text import as_dict, is_deep, printable
from .terminal import Screen

_READY_SECONDS = 60.0
_MOST = MAX_BYTES - (1 << 20)
"""Bytes of the notebook with its outputs. Nobody of us reads a larger one; we add a little."""
_A_LINE = 16
"""Bytes that a value or a line of text takes in the file beside itself, as most indent it."""
_NO_OUTPUT = ("status", "execute_input", "clear_output")
_CUT = NotebookNode(
    output_type="stream",
    name="stderr",
    text=f"More of this was not kept: the notebook would be larger than {MAX_BYTES >> 20} MiB.\n",
)


class CellFailed(KernelError):
    """A cell raised, took too long, or took its kernel with it. The notebook has the rest."""


@dataclass(frozen=True)
class Limits:
    """Seconds that one cell, and all of the run, may take; None: no limit. The run begins when
    this is made."""

    cell: float | None = None
    total: float | None = None
    _begun: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float | None:
        """Of the whole run."""
        return None if self.total is None else self.total - (time.monotonic() - self._begun)

    def of_a_cell(self, _: NotebookNode) -> float | None:
        """For the cell that begins now; nbclient takes 0 for no limit."""
        limits = [one for one in (self.cell, self.left) if one is not None]
        return max(0.001, min(limits)) if limits else None

    def exceeded(self) -> CellFailed:
        """The one that is over."""
        if self.total is not None and (self.left or 0.0) <= 0.05:
            return CellFailed(
                f"The notebook was not done after {self.total:g} s.",
                "Give it more with --total-timeout SECONDS.",
            )
        return CellFailed(
            f"The cell was not done after {self.cell or 0.0:g} s.",
            "Give it more with --timeout SECONDS.",
        )


class _InMemory(KernelSpecManager):
    """Knows one kernel spec, which is nowhere on disk."""

    spec: KernelSpec

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:  # noqa: ARG002
        """See KernelSpecManager."""
        return self.spec


class _Client(NotebookClient):
    """nbclient, telling what a cell prints while it prints."""

    screen: Screen
    odd: Exception | None = None
    """What was wrong with a message of the cell that runs."""
    measure: Callable[[], int]
    """Bytes of the notebook as it would be written now."""
    taken: float = math.inf
    """The same after all that came since it was measured: at most, as some of it replaces other."""

    def process_message(self, msg: Any, cell: NotebookNode, cell_index: int) -> Any:
        """See NotebookClient; called for every message of a cell. One that cannot be understood, or
        written, fails the cell when it is done: nbclient would hear no more of it."""
        try:
            if is_deep(msg):
                raise ValueError("an output is nested too deeply")
            if msg["msg_type"] not in _NO_OUTPUT and not self._fits(msg):
                return self._cut(cell)
            return super().process_message(msg, cell, cell_index)
        except CellControlSignal:
            raise
        except Exception as error:  # noqa: BLE001 - of nbclient and nbformat, for want of a check
            self.odd = self.odd or error
            return None

    def _fits(self, msg: Any) -> bool:
        size = _size(msg["content"]) + sum(2 * memoryview(one).nbytes for one in msg["buffers"])
        if self.taken + size > _MOST:
            self.set_widgets_metadata()
            self.taken = self.measure()
        fits = self.taken + size <= _MOST
        self.taken += size if fits else 0
        return fits

    def _cut(self, cell: NotebookNode) -> None:
        if cell.outputs[-1:] != [_CUT]:
            cell.outputs.append(NotebookNode(_CUT))
            self.taken += _size(_CUT)
            self.screen.line(_CUT.text.strip())

    def output(self, outs: Any, msg: Any, display_id: Any, cell_index: int) -> Any:
        """See NotebookClient; called for every output."""
        if self.screen.live and msg["msg_type"] == "stream":
            lines = str(msg["content"]["text"]).strip().splitlines()
            self.screen.detail(lines[-1] if lines else "")
        return super().output(outs, msg, display_id, cell_index)


def _size(content: Any) -> int:
    """Of a message in the file, where each value and each line of a text is on its own line."""
    text = json.dumps(content)
    lines, level = text.count("\\n"), [content]
    while level:
        inner = [one.values() if isinstance(one, dict) else one for one in level]
        lines += sum(map(len, inner))
        level = [one for values in inner for one in values if isinstance(one, dict | list)]
    return len(text) + _A_LINE * lines


class Execution:
    """One notebook from its first kernel to its last. `close` in any case."""

    def __init__(
        self,
        notebook: NotebookNode,
        path: Path,
        limits: Limits,
        screen: Screen,
        measure: Callable[[], int],
    ) -> None:
        """`measure` tells how many bytes the notebook has, as it would be written now."""
        self._notebook = notebook
        self._path = path
        self._limits = limits
        self._client = _Client(notebook, timeout_func=limits.of_a_cell, record_timing=False)
        self._client.screen = screen
        self._client.measure = measure
        self._client.log.setLevel(logging.CRITICAL)  # what it logs it also raises
        self._manager: AsyncKernelManager | None = None
        self._files = contextlib.AsyncExitStack()
        self._runs: tuple[Settings, str] | None = None

    async def enter(self, settings: Settings, image_id: str) -> bool:
        """Move to a container of these settings, whose sources are resolved; True where a kernel
        was started for it.

        The same settings and the same image mean the same kernel, with all its variables.
        Raises whatever keeps a container from starting.
        """
        if self._runs == (settings, image_id):
            return False
        await self.close()
        # Its connection file goes where the reaper finds it, should we be killed.
        directory = await self._files.enter_async_context(workplace("clients"))
        manager = self._client.km = self._manager = _manager(settings, self._path, directory)
        try:
            with self._telling():
                await manager.start_kernel(cwd=str(self._path.parent))
            if (trouble := _provisioner(manager).trouble) is not None:
                raise trouble
            await self._connect(manager)
        except BaseException:
            await asyncio.shield(self.close(now=True))
            raise
        self._runs = (settings, image_id)
        return True

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Show what a start waits for in a cluster's queue, which may take hours."""

        def publish(change: Change) -> None:
            if change.what == "container" and change.state.startswith("Job "):
                self._client.screen.detail(change.state)

        subscribe(publish)
        try:
            yield
        finally:
            unsubscribe(publish)

    async def _connect(self, manager: AsyncKernelManager) -> None:
        client = self._client.kc = manager.client()
        client.start_channels()
        # After the channels: their start allows it again, and nobody would ever answer.
        client.allow_stdin = False
        try:
            await client.wait_for_ready(timeout=_READY_SECONDS)
            reply = await client.kernel_info(reply=True, timeout=_READY_SECONDS)
        except (RuntimeError, TimeoutError) as error:
            raise await _why(manager) or StartFailed(
                f"The kernel did not answer: {error}"
            ) from None
        language = as_dict(as_dict(reply["content"]).get("language_info"))
        if language and not is_deep(language):
            self._notebook.metadata["language_info"] = language

    async def execute(self, index: int) -> None:
        """Execute one cell; its outputs stand in the notebook whatever happens.

        Raises CellFailed, KernelDied with the reason, and what a kernel's nonsense led to.
        """
        cell, manager = self._notebook.cells[index], self._manager
        assert manager is not None
        self._client.odd = None
        try:
            await self._client.async_execute_cell(cell, index)
        except CellExecutionError as error:
            said = _traceback(cell) or printable(f"{error.ename}: {error.evalue}")
            raise CellFailed(said) from None
        except CellTimeoutError:
            raise self._limits.exceeded() from None
        except DeadKernelError:
            # nbclient says this also where it was cancelled itself.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise asyncio.CancelledError from None
            died = await _why(manager) or CellFailed("The kernel ended while it ran the cell.")
            cell.outputs.append(error_output(died))
            self._runs = None
            raise died from None
        if self._client.odd is not None:
            raise self._client.odd

    def finish(self) -> None:
        """Note the state of the widgets in the notebook, once all cells have run."""
        self._client.set_widgets_metadata()

    async def close(self, *, now: bool = False) -> None:
        """End the kernel and remove its container. Twice is fine."""
        client, self._client.kc = self._client.kc, None
        manager, self._manager, self._client.km = self._manager, None, None
        self._runs = None
        # Comms and displays of one kernel mean nothing to the next; the widgets' state stays.
        self._client.comm_objects.clear()
        self._client.output_hook_stack.clear()
        if client is not None:
            client.stop_channels()
        if manager is not None and manager.has_kernel:
            await manager.shutdown_kernel(now=now)
        elif manager is not None:
            await manager.cleanup_resources()
        await self._files.aclose()


def _traceback(cell: NotebookNode) -> str:
    shown = [one["traceback"] for one in cell.outputs if one["output_type"] == "error"]
    return printable("\n".join(shown[-1])).strip() if shown else ""


def error_output(error: ContainersError) -> NotebookNode:
    """One of our errors as the output of the cell that met it."""
    lines = [*error.message.splitlines(), *(["", error.hint] if error.hint else [])]
    return NotebookNode(
        output_type="error", ename=type(error).__name__, evalue=error.message, traceback=lines
    )


def _manager(settings: Settings, notebook: Path, directory: Path) -> AsyncKernelManager:
    specs = _InMemory()
    specs.spec = KernelSpec(
        display_name=settings.image,
        metadata={
            "container": settings.to_json(),
            "kernel_provisioner": {"provisioner_name": PROVISIONER},
            NOTEBOOK: str(notebook),
        },
    )
    manager = AsyncKernelManager(
        kernel_name=GENERIC,
        kernel_spec_manager=specs,
        connection_file=str(directory / "kernel.json"),
    )
    manager.log.setLevel(logging.CRITICAL)  # the provisioner's troubles are raised here
    return manager


def _provisioner(manager: AsyncKernelManager) -> ContainerProvisioner:
    assert isinstance(manager.provisioner, ContainerProvisioner)
    return manager.provisioner


async def _why(manager: AsyncKernelManager) -> KernelError | None:
    """Why a kernel is over; None where it is not, or nobody can tell."""
    container = _provisioner(manager).container
    if container is None:
        return None
    return await container.why() if container.poll() is not None else None
