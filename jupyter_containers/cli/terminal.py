"""What people see in a terminal: aligned tables, sizes, questions, and live progress.

Data goes to standard output, everything else to standard error, so that a pipe gets only data.
On a terminal each step is one line, redrawn until the next step begins; elsewhere (CI, a file)
every event is a plain line of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import BadInput, ContainersError
from ..models import Progress
from ..text import escaped, one_line, printable

if TYPE_CHECKING:
    from ..builds.manager import Build, Builds, Built

_TICK = 0.5
"""Seconds between redraws of a silent step's clock."""
_SETTLE_SECONDS = 5.0


class Screen:
    """Shows a run's or build's events as they come. `close` ends the line being redrawn."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        talkative = logging.getLogger("jupyter_containers.commands").isEnabledFor(logging.DEBUG)
        dumb = os.environ.get("TERM", "dumb") == "dumb"
        self.live = self._stream.isatty() and not dumb and not talkative
        self._title = ""
        self._detail = ""
        self._begun = 0.0
        self._drawn = False

    def step(self, title: str) -> None:
        """Begin a step; the one before keeps its line."""
        self.close()
        self._title, self._detail, self._begun = one_line(title, 400), "", time.monotonic()
        if self.live:
            self._draw()
        else:
            self._write(self._title + "\n")

    def detail(self, text: str) -> None:
        """The step's newest output: behind its title, or a plain line under it."""
        if self.live:
            self._detail = one_line(text, 400)
            self._draw()
        else:
            self._write("".join(f"    {line}\n" for line in printable(text).splitlines()))

    def line(self, text: str) -> None:
        """A line that stays."""
        self.close()
        self._write(escaped(text) + "\n")

    def event(self, event: Progress) -> None:
        """One event of a pull or build."""
        if event.kind == "step":
            count = f"[{event.step}/{event.steps}] " if event.steps else ""
            self.step(f"{count}{event.text}")
        elif event.kind == "cached":
            self._title = f"{self._title} (as before)"
            self.detail("" if self.live else "(as before)")
        elif event.kind == "bytes" and self.live:
            total = f" of {size(event.total)}" if event.total else ""
            self.detail(f"{event.text} {size(event.done)}{total}".strip())
        elif event.kind == "log" and event.text.strip():
            self.detail(event.text)
        elif event.kind == "notice":
            self.line(event.text)

    def close(self) -> None:
        """Finish the line that is being redrawn."""
        if self._drawn:
            self._draw(final=True)
            self._write("\n")
        self._title, self._drawn = "", False

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Screen]:
        """Around what is shown: keeps the clock of a silent step going, and closes at the end."""
        ticking = asyncio.create_task(self._tick()) if self.live else None
        try:
            yield self
        finally:
            if ticking is not None:
                ticking.cancel()
            self.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            if self._drawn:
                self._draw()

    def _draw(self, *, final: bool = False) -> None:
        if not self._title:
            return
        elapsed = time.monotonic() - self._begun
        clock = f"  {elapsed:.1f} s" if elapsed >= 1 else ""
        width = shutil.get_terminal_size().columns - 1
        text = self._title[: max(20, width - len(clock))] + clock
        if not final and self._detail:
            text = f"{text}  {self._detail}"
        self._write(f"\r\x1b[K{text[:width]}")
        self._drawn = True

    def _write(self, text: str) -> None:
        # A terminal that went away must not end a run before it has cleaned up.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()


async def follow(build: Build, screen: Screen) -> Built:
    """Show a build from its first event to its end. Being cancelled cancels it too. Raises what
    the build ended with."""
    try:
        async for event in build.events():
            screen.event(event)
        await build.result()
    except BaseException:
        await asyncio.shield(build.cancel())
        raise
    assert build.built is not None
    return build.built


async def settle(builds: Builds) -> None:
    """Let superseded images be removed before the command ends; the next one does the rest
    where the engine takes its time."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(builds.settled(), _SETTLE_SECONDS)


def size(count: int) -> str:
    """Bytes for people, in powers of 1000 as disks and registries count."""
    value, units = float(count), iter(("B", "kB", "MB", "GB"))
    for unit in units:
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], empty: str) -> None:
    """Print rows under their headings, aligned; `empty` where there are none."""
    if not rows:
        show(empty)
        return
    lines = [[column.upper() for column in columns]]
    lines += [[one_line(escaped(str(row.get(column, "")))) for column in columns] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        print("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip())


def show(text: str) -> None:
    """A result, on standard output. Names in it are an engine's, an image's or a file's: what
    would do something to the terminal is written out. No other module of ours prints."""
    print(escaped(text))


_ODD = re.compile(r"[^\x20-\x7e\n]")


def print_json(data: Any) -> None:
    """One JSON document for programs, or for people on a terminal."""
    said = json.dumps(data, indent=2, ensure_ascii=False)
    print(_ODD.sub(lambda found: found[0] if found[0].isprintable() else _json(found[0]), said))


def _json(character: str) -> str:
    return json.dumps(character)[1:-1]


def confirm(question: str, *, yes: bool) -> bool:
    """Ask on a terminal; `yes` (`--yes`) answers. Raises BadInput where nobody can be asked."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise BadInput(f"{question} Nobody can be asked here.", "Add --yes.")
    sys.stderr.write(f"{escaped(question)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def show_note(text: str) -> None:
    """Something worth knowing that is no error, on standard error."""
    print(escaped(text), file=sys.stderr)


def show_error(error: ContainersError) -> None:
    """Message and hint on standard error."""
    show_note(f"Error: {error.message}")
    if error.hint:
        show_note(error.hint)
