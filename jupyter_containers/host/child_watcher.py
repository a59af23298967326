"""How an event loop hears of its commands' ends, where Python 3.11 would start a thread for each.

The loop waits until such a thread runs, which on a busy machine takes 10 ms and more. From 3.12 on
asyncio uses a descriptor of the process by itself (https://github.com/python/cpython/pull/98024).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self


def watch_children() -> None:
    """Called by a server when it starts. Does nothing where the kernel has no such descriptors,
    and where somebody has chosen another watcher."""
    if sys.version_info >= (3, 12) or not hasattr(os, "pidfd_open"):
        return
    if type(asyncio.get_child_watcher()) is asyncio.ThreadedChildWatcher:
        with contextlib.suppress(OSError):  # before Linux 5.3, or forbidden
            os.close(os.pidfd_open(os.getpid()))
            asyncio.set_child_watcher(_Descriptors())


if sys.version_info < (3, 12):

    class _Descriptors(asyncio.AbstractChildWatcher):
        """For any loop in any thread; asyncio's own of this version is for a single loop."""

        def add_child_handler(  # type: ignore[override]
            self, pid: int, callback: Callable[..., Any], *args: Any
        ) -> None:
            loop, descriptor = asyncio.get_running_loop(), os.pidfd_open(pid)
            loop.add_reader(descriptor, self._ended, loop, pid, descriptor, callback, args)

        @staticmethod
        def _ended(
            loop: asyncio.AbstractEventLoop,
            pid: int,
            descriptor: int,
            callback: Callable[..., Any],
            args: tuple[Any, ...],
        ) -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            code = 255  # asyncio's own, where somebody else has waited for it
            with contextlib.suppress(ChildProcessError):
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            callback(pid, code, *args)

        def remove_child_handler(self, pid: int) -> bool:  # noqa: ARG002
            return True

        def attach_loop(self, loop: asyncio.AbstractEventLoop | None) -> None:
            pass

        def close(self) -> None:
            pass

        def is_active(self) -> bool:
            return True

        def __enter__(self) -> Self:
            return self

        def __exit__(
            self,
            kind: type[BaseException] | None,
            error: BaseException | None,
            trace: TracebackType | None,
        ) -> None:
            pass
