"""The end of a container that has no guest to tell it: one attached child of the engine's does."""

from __future__ import annotations

import math
import signal
import time

from .engines.guarded import Guarded


class Watched:
    """Owned by a `KernelContainer`; `poll` may be called from any loop at any time."""

    def __init__(self, engine: Guarded, id: str) -> None:
        self._engine, self._id = engine, id
        self._ended: int | None = None
        self._watch = engine.watch(id)
        self._again = -math.inf

    def poll(self) -> int | None:
        """None while it runs; else how it ended, as Popen says."""
        done = self._watch.poll() if self._ended is None else None
        if done is not None and done.code == 0 and done.stdout.strip().isdigit():
            code = int(done.stdout.strip())
            self._ended = 128 - code if 128 < code < 160 else code
        elif done is not None:
            # Somebody killed the engine's command, not the container: watch again. Where
            # the container is gone, the new child says so at once by failing again.
            now = time.monotonic()
            if now - self._again < 1.0:
                self._ended = -signal.SIGKILL
            else:
                self._watch, self._again = self._engine.watch(self._id), now
        return self._ended

    def close(self) -> None:
        """Watch no more."""
        self._watch.close()
