"""Progress of a command that fills a directory and prints no sizes."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from ...host.process import Environment, Stream
from ...host.reaper.trees import size_of
from ...models import Progress
from ...text import one_line, printable

_LOOK = 0.5
"""Seconds between two looks at how much has arrived."""


async def lines_and_size(stream: Stream, directory: str) -> AsyncGenerator[tuple[str | None, int]]:
    """The command's lines, and between them the bytes that have arrived in `directory`."""
    lines, arrived = aiter(stream), 0
    while True:
        coming = asyncio.ensure_future(anext(lines, None))
        try:
            while not (await asyncio.wait({coming}, timeout=_LOOK))[0]:
                now = await asyncio.to_thread(size_of, directory)
                if now > arrived:
                    arrived = now
                    yield None, arrived
        finally:
            coming.cancel()
        if (got := coming.result()) is None:
            return
        yield got[1], 0


class Transfer:
    """A command that makes an image in `directory`, with its progress. Called by apptainer and
    enroot; `lines` finds the text to show in a line that the command prints."""

    code = 0
    printed = ""
    """The last lines, for an error; set when `events` has ended."""

    def __init__(
        self,
        argv: Sequence[str],
        env: Environment,
        directory: str,
        reference: str,
        lines: re.Pattern[str],
    ) -> None:
        self._argv, self._env, self._directory = argv, env, directory
        self._reference, self._lines = reference, lines

    async def events(self) -> AsyncGenerator[Progress]:
        """Bytes that have arrived, and the command's own lines. Closing it ends the command."""
        last: deque[str] = deque(maxlen=40)
        async with Stream(self._argv, env=self._env) as stream:
            async with aclosing(lines_and_size(stream, self._directory)) as lines:
                async for line, arrived in lines:
                    if line is None:
                        yield Progress(kind="bytes", text=self._reference, done=arrived)
                        continue
                    last.append(line)
                    if found := self._lines.match(line):
                        yield Progress(kind="log", text=one_line(printable(found[1])))
            self.code = await stream.wait()
        self.printed = printable("\n".join(last), 20_000)
