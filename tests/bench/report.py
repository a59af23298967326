"""Rows of the bench: how they are measured, shown and written."""

from __future__ import annotations

import json
import statistics
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

Timed = Callable[[], Awaitable[float]]
"""Does the thing once, cleans up, and returns the seconds that count."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table. `ours` and `theirs` say what was measured, or the command."""

    name: str
    aim: float
    ours: str
    theirs: str
    ours_s: float
    theirs_s: float
    runs: int
    note: str = ""
    """What the numbers alone would not tell."""

    @property
    def ratio(self) -> float:
        """Ours to theirs: smaller is better."""
        return self.ours_s / self.theirs_s

    def document(self) -> dict[str, str | float]:
        """The row as others read it from `build/bench.json`."""
        return {
            "name": self.name,
            "ours_s": round(self.ours_s, 6),
            "theirs_s": round(self.theirs_s, 6),
            "ratio": round(self.ratio, 4),
            "aim": self.aim,
        }


async def in_turns(ours: Timed, theirs: Timed, runs: int) -> tuple[float, float]:
    """Medians of both. Who goes first changes with every turn, so that neither always finds
    what the other one left."""
    seconds: dict[Timed, list[float]] = {ours: [], theirs: []}
    for turn in range(runs):
        for one in (ours, theirs) if turn % 2 == 0 else (theirs, ours):
            seconds[one].append(await one())
    return statistics.median(seconds[ours]), statistics.median(seconds[theirs])


def table(rows: Iterable[Row]) -> str:
    """For people: one line per row, and below it what was measured."""
    rows = list(rows)
    width = max((len(row.name) for row in rows), default=0)
    lines = [f"{'':{width}}  {'ours':>10}  {'theirs':>10}  {'ratio':>6}  {'aim':>5}  runs"]
    for row in rows:
        over = "" if row.ratio <= row.aim else "  above the aim"
        lines += [
            f"{row.name:{width}}  {_shown(row.ours_s):>10}  {_shown(row.theirs_s):>10}  "
            f"{row.ratio:6.2f}  {row.aim:5.2f}  {row.runs}{over}",
            f"    ours:   {row.ours}",
            f"    theirs: {row.theirs}",
            *([f"    note:   {row.note}"] if row.note else []),
        ]
    return "\n".join(lines)


def _shown(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 10 else f"{seconds * 1000:.1f} ms"


def write(rows: Sequence[Row], path: Path) -> None:
    """`build/bench.json`, in the shape that others rely on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([row.document() for row in rows], indent=2) + "\n")
