"""Terminals in kernels' containers, and the pages that show them.

A terminal lives as long as its shell: over a kernel's restart, without a page that shows it, until
its container ends. What it has printed last is kept for a page that is reloaded. Pages are told
lists, as those of jupyter_server_terminals are: ["setup", {}], ["stdout", text], ["disconnect", 1],
or 0 where its container has ended, or 2 where only the connection into it has.
https://github.com/jupyter/terminado/blob/main/terminado/websocket.py
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
from collections import deque
from collections.abc import Awaitable
from typing import Any, Protocol

from ..errors import BadInput, Unknown
from ..kernels.streams import Program, Streams

MOST = 20
"""Terminals of one kernel."""
KEPT = 256 << 10
"""Characters of its output."""
_SLOW = 20.0
"""Seconds in which a page has to take what it is told; the terminal waits for it meanwhile."""


class Page(Protocol):
    """A page that shows a terminal."""

    def tell(self, said: list[Any]) -> Awaitable[None]:
        """Tell it something, at once; done when that has left this process."""
        ...

    def close(self) -> None:
        """Let it go."""
        ...


class Terminal:
    """A shell with a terminal. Pages `join` and `leave`."""

    def __init__(self, name: str, program: Program, streams: Streams) -> None:
        self.name = name
        self._program, self._streams = program, streams
        self._kept: deque[str] = deque()
        self._length = 0
        self._pages: dict[Page, tuple[int, int]] = {}
        self._is_closed = self._is_cut = False
        self.ended = asyncio.create_task(self._read())

    async def join(self, page: Page) -> None:
        """From now on this page is told what comes; first what has been."""
        await page.tell(["setup", {}])
        self._pages[page] = (0, 0)
        if self._kept:
            await page.tell(["stdout", "".join(self._kept)])
        if self.ended.done():
            await page.tell(self._last)

    def leave(self, page: Page) -> None:
        """It has gone, and its size no longer counts."""
        if self._pages.pop(page, None) is not None:
            self._resize()

    def obey(self, page: Page, said: Any) -> Awaitable[None] | None:
        """Do what a page says, at once: it may say anything. Done when the program has got it."""
        match said:
            case ["stdin", str(text)]:
                return self._program.write(text.encode("utf-8", "replace"))
            case ["set_size", int(rows), int(cols), *_] if page in self._pages:
                self._pages[page] = (rows, cols)
                self._resize()
        return None

    def close(self) -> None:
        """End its shell."""
        self._is_closed = True
        self._program.close()

    @property
    def _last(self) -> list[Any]:
        """What pages are told at its end."""
        ended_alone = self._is_closed or self._program.code is not None
        return ["disconnect", 1 if ended_alone else 2 if self._is_cut else 0]

    def _resize(self) -> None:
        """What all pages can show."""
        sizes = [size for size in self._pages.values() if min(size) > 0]
        if sizes:
            rows, cols = (min(one) for one in zip(*sizes, strict=True))
            self._program.resize(rows, cols)

    async def _read(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        async for _, data in self._program.output():
            if text := decoder.decode(data):
                self._keep(text)
                await self._tell(["stdout", text])
        if self._program.code is None and not self._is_closed:
            self._is_cut = await self._streams.are_open()
        await self._tell(self._last)

    def _keep(self, text: str) -> None:
        self._kept.append(text)
        self._length += len(text)
        while self._length > KEPT:
            self._length -= len(self._kept.popleft())

    async def _tell(self, said: list[Any]) -> None:
        """Tell all pages. One that has gone, or sleeps, is let go: the others' terminal goes on."""
        telling: dict[asyncio.Future[None], Page] = {}
        for page in tuple(self._pages):
            try:
                telling[asyncio.ensure_future(page.tell(said))] = page
            except Exception:  # noqa: BLE001 - whatever a page is told by
                self._let_go(page)
        if telling:
            _, late = await asyncio.wait(telling, timeout=_SLOW)
            for told, page in telling.items():
                if told in late or told.cancelled() or told.exception() is not None:
                    self._let_go(page)

    def _let_go(self, page: Page) -> None:
        page.close()
        self.leave(page)


class Terminals:
    """All of one server, by their kernels."""

    def __init__(self) -> None:
        self._all: dict[str, dict[str, Terminal]] = {}

    async def start(self, kernel: str, streams: Streams) -> Terminal:
        """A new one. Raises BadInput where there are many, StreamFailed."""
        if len(self.of(kernel)) >= MOST:
            raise BadInput(f"This kernel has {MOST} terminals.", "Close one of them.")
        program = await streams.exec(tty=True)
        here = self._all.setdefault(kernel, {})
        number = next(one for one in range(1, MOST * 2) if str(one) not in here)
        made = here[str(number)] = Terminal(str(number), program, streams)
        made.ended.add_done_callback(lambda _: self._forget(kernel, made.name))
        return made

    def of(self, kernel: str) -> list[Terminal]:
        """Those of a kernel."""
        return list(self._all.get(kernel, {}).values())

    def get(self, kernel: str, name: str) -> Terminal:
        """One of them. Raises Unknown."""
        found = self._all.get(kernel, {}).get(name)
        if found is None:
            raise Unknown(
                f"This kernel has no terminal {name[:40]!r}.",
                "Its shell or its container has ended. Open a new one.",
            )
        return found

    async def close(self) -> None:
        """End all."""
        tasks = [one.ended for of_one in self._all.values() for one in of_one.values()]
        for of_one in tuple(self._all.values()):
            for one in of_one.values():
                one.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, kernel: str, name: str) -> None:
        here = self._all.get(kernel, {})
        here.pop(name, None)
        if not here:
            self._all.pop(kernel, None)
