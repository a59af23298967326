"""What an engine said of itself, remembered: a launch must not pay for the question, and a daemon
that was mended must show."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from ...errors import EngineError
from ...models import EngineInfo, Problem

_SECONDS = 60.0


class InfoCache:
    """The answer of one engine; only a usable engine's is kept."""

    def __init__(self, name: str, ask: Callable[[], Awaitable[EngineInfo]]) -> None:
        self._name, self._ask = name, ask
        self._info: EngineInfo | None = None
        self._until = 0.0

    async def get(self) -> EngineInfo:
        """See `Engine.info`."""
        if self._info is None or time.monotonic() > self._until:
            try:
                info = await self._ask()
            except EngineError as error:
                return EngineInfo(name=self._name, problems=(Problem(error.message, error.hint),))
            if not info.usable:
                return info
            self._info, self._until = info, time.monotonic() + _SECONDS
        return self._info
