"""A Hub: from log-in to the first cell in a container, against the same Hub's kernel on the host.

`make bench` runs it as root, where it is wanted; `python -m tests.bench.hub`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import time
from pathlib import Path

from ..hub.hub import Hub, Person
from ..hub.site import site
from ..hub.visit import Visit, notebook
from .report import Row, in_turns, table, write

AIM = 1.3


def first_cell(hub: Hub, person: Person, kernel: str) -> float:
    """Seconds from the log-in page to the first cell's output; their server did not run before."""
    visit = Visit(hub, person)
    begun = time.perf_counter()
    visit.log_in()
    visit.start()
    said = visit.open("work/n.ipynb", kernel).run("print(6 * 7)")
    seconds = time.perf_counter() - begun
    assert said == "42"
    visit.stop()
    return seconds


async def row(runs: int) -> Row:
    """With a rootless Podman. The kit is here before: it is fetched once per image."""
    said = json.loads(Path(os.environ["JC_TEST_ENGINES_FILE"]).read_text())
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(site(said))
        person = stack.enter_context(place.person("bench"))
        with contextlib.redirect_stdout(None):
            hub = stack.enter_context(place.hub("jupyterhub_own_engine"))
        notebook(person, person.home / "work/n.ipynb", {"image": place.image})
        before = Visit(hub, person)
        before.log_in()
        before.start()
        before.approve("work/n.ipynb")
        before.open("work/n.ipynb").run("1")
        before.stop()

        async def ours() -> float:
            return await asyncio.to_thread(first_cell, hub, person, "container")

        async def theirs() -> float:
            return await asyncio.to_thread(first_cell, hub, person, "python3")

        medians = await in_turns(ours, theirs, runs)
    return Row(
        name="hub: log-in to first cell",
        aim=AIM,
        ours="a kernel in a container of the person's own rootless podman",
        theirs="the same Hub's kernel python3 on the host",
        ours_s=medians[0],
        theirs_s=medians[1],
        runs=runs,
    )


def main() -> None:
    """Print the row, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7, help="%(default)s")
    parser.add_argument("--json", type=Path, default="build/bench-hub.json", help="%(default)s")
    options, _ = parser.parse_known_args()
    rows = [asyncio.run(row(options.runs))]
    print(table(rows))
    write(rows, options.json)


if __name__ == "__main__":
    main()
