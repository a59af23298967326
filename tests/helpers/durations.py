"""How long each test and fixture took, by engine: a pytest plugin, and what is said of a whole run.

With JC_DURATIONS set, each test appends a line to that file: stream, test, engine, outcome, the
seconds of setup, call and teardown, and those of the fixtures that were set up for it.
`python -m tests.helpers.durations` writes build/durations.json from the lines, prints
the ten slowest, and compares the sums with tests/durations.json.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

Line = dict[str, Any]
TABLE = Path(__file__).parents[1] / "durations.json"
SLOWER = 1.2
"""What is said loudly: this much more than the committed table says …"""
AT_LEAST = 5.0
"""… and at least this many seconds more, since small sums are noise."""


class Durations:
    """The plugin: lines are appended one by one, so that parallel runs share a file."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._phases: dict[str, Line] = defaultdict(dict)
        self._fixtures: dict[str, dict[str, float]] = defaultdict(dict)
        self._item = ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        self._item = item.nodeid

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any]
    ) -> Generator[None, object, object]:
        begun = time.monotonic()
        try:
            return (yield)
        finally:
            name = fixturedef.argname
            self._fixtures[self._item][name] = round(time.monotonic() - begun, 3)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        phases = self._phases[item.nodeid]
        phases[report.when] = round(report.duration, 3)
        if report.when == "call" or not report.passed:
            phases["outcome"] = report.outcome
        if report.when == "teardown":
            self._append(item, self._phases.pop(item.nodeid))
        return report

    def _append(self, item: pytest.Item, phases: Line) -> None:
        callspec = getattr(item, "callspec", None)
        engine = getattr(callspec and callspec.params.get("engine_env"), "name", "")
        fixtures = self._fixtures.pop(item.nodeid, {})
        line = {
            "stream": os.environ.get("JC_STREAM", "by hand"),
            "engine": engine,
            "test": item.nodeid,
            **phases,
            "fixtures": {name: took for name, took in fixtures.items() if took >= 0.1},
        }
        with Path(self._file).open("a") as out:
            out.write(json.dumps(line) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    if file := os.environ.get("JC_DURATIONS"):
        config.pluginmanager.register(Durations(file), "durations")


# -- what is said of a whole run -----------------------------------------------------------


def seconds(line: Line) -> float:
    return float(sum(line.get(phase, 0) for phase in ("setup", "call", "teardown")))


def by_stream(lines: Iterable[Line]) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for line in lines:
        sums[line["stream"]] += seconds(line)
    return {name: round(took, 1) for name, took in sorted(sums.items())}


def slowest(lines: Iterable[Line], of: int = 10) -> list[str]:
    found = sorted(lines, key=seconds, reverse=True)[:of]
    return [f"{seconds(one):7.1f} s  {one['test']}" for one in found]


def slowest_fixtures(lines: Iterable[Line], of: int = 10) -> list[str]:
    """By all that they took together: a fixture is set up for many tests."""
    sums: dict[str, float] = defaultdict(float)
    times: dict[str, int] = defaultdict(int)
    for line in lines:
        for name, took in line["fixtures"].items():
            sums[name] += took
            times[name] += 1
    found = sorted(sums, key=sums.__getitem__, reverse=True)[:of]
    return [f"{sums[name]:7.1f} s  {name} ({times[name]} times)" for name in found]


def slower(now: dict[str, float], before: dict[str, float]) -> list[str]:
    """Streams that took much longer than the committed table says."""
    return [
        f"{name}: {took:.0f} s, and {before[name]:.0f} s in tests/durations.json"
        for name, took in now.items()
        if name in before and took > before[name] * SLOWER and took > before[name] + AT_LEAST
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lines", type=Path, help="the lines that the streams appended")
    parser.add_argument("--json", type=Path, required=True, help="where the whole goes")
    parser.add_argument("--update", action="store_true", help="take these sums as the table")
    given = parser.parse_args()
    lines = [json.loads(line) for line in given.lines.read_text().splitlines()]
    known = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    now = by_stream(lines)
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps({"streams": now, "tests": lines}, indent=1) + "\n")
    if given.update:
        TABLE.write_text(json.dumps(known | now, indent=2, sort_keys=True) + "\n")
    print("the slowest tests", *slowest(lines), sep="\n")
    print("the slowest fixtures, all their set-ups together", *slowest_fixtures(lines), sep="\n")
    for name, took in now.items():
        print(f"{took:7.1f} s  {name} ({known.get(name, '-')} in tests/durations.json)")
    for sentence in slower(now, known):
        print(f"WARNING: SLOWER THAN IT WAS: {sentence}")


if __name__ == "__main__":
    main()
