"""`python -m tests.bench`: measures on the engines that JC_TEST_ENGINES_FILE names (`make bench`
starts them and writes it), prints the table, writes a JSON file."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import platform
import sys
import tempfile
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from jupyter_containers.policy.policy import CONFIG
from tests.helpers.harness import DAEMONS

from . import by_hand, images, jobs, outputs, pods, processes, sidebar, streams
from .kernels import Kernels
from .loop import Loop
from .report import Row, table, write

ENGINES = (
    *("podman", "docker", "apptainer", "charliecloud"),
    *("slurm+charliecloud", "slurm+apptainer", "kubernetes"),
)
"""Measured unless JC_TEST_ENGINES says otherwise."""

ROWS = (
    *("start", "same", "restart", "execute", "no-change", "no-change-1gb", "full", "idle", "loop"),
    *("bare", "conversion", "job", "pods", "outputs", "sidebar", "streams"),
)
AIMS = {
    "same": 1.05,
    "restart": 1.6,
    "execute": 1.05,
    "no-change": 1.0,
    "no-change-1gb": 0.2,
    "full": 1.05,
    "idle": 1.0,
    "bare": 1.05,
    "conversion": 1.05,
    "job": 1.1,
}
EXECUTE_AIMS = {"kubernetes": 1.3}
"""Where the way is longer."""
MOST_LOOPS = 5
"""Runs of the loop's row: each is a build and six kernels, and hundreds of wakes."""
MOST_PAGES = 5
"""Pages of the sidebar's row, which do some ten things each."""
START_AIMS = {"podman": 1.6, "docker": 1.9, "apptainer": 1.65, "charliecloud": 1.1}
POD_ROWS = ("restart", "execute")
NEED_A_KERNEL = {"start", "same", "restart", "execute", "idle", "job"}
PROCESS_ROWS = ("start", "same", "restart", "execute", "bare", "conversion")
"""Of engines whose containers are processes: another engine builds for them, and is measured."""


def main() -> int:
    """Measure all, or what the options pick."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=11, help="of each side (default: 11)")
    parser.add_argument("--rows", default=",".join(ROWS), help="default: %(default)s")
    parser.add_argument("--json", type=Path, default="build/bench.json", help="%(default)s")
    options = parser.parse_args()
    wanted = options.rows.split(",")
    if unknown := set(wanted) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    logging.disable(logging.WARNING)
    rows: list[Row] = []
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, load {_load()}", flush=True)
    for name, engine in _engines().items():
        with _reaching(engine), tempfile.TemporaryDirectory(dir=Path.home()) as folder:
            image = _image()
            for row in asyncio.run(_measure(engine["engine"], image, folder, wanted, options.runs)):
                rows.append(replace(row, name=f"{name}: {row.name}"))
            if "pods" in wanted and name == "kubernetes":
                kernels = Kernels(name, image, _below(Path(folder), "pods"), options.runs)
                place = _below(Path(folder), "local")
                rows += asyncio.run(pods.rows(kernels, image, place, options.runs))
            if "streams" in wanted and name in DAEMONS:
                place = _below(Path(folder), "streams")
                for row in streams.rows(engine["engine"], image, min(options.runs, 5), place):
                    rows.append(replace(row, name=f"{name}: {row.name}"))
    if "outputs" in wanted and "podman" in _engines():  # no engine: once is enough
        with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
            rows += outputs.rows(options.runs, Path(folder))
    if "sidebar" in wanted and "podman" in _engines():
        with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
            rows.append(sidebar.row(min(options.runs, MOST_PAGES), Path(folder)))
    print(f"\n{table(rows)}\nload {_load()}")
    write(rows, options.json)
    return 0


async def _measure(engine: str, image: str, folder: str, wanted: list[str], runs: int) -> list[Row]:
    place = Path(folder)
    kernels = Kernels(engine, image, _below(place, "kernels"), runs)
    mine = _rows_of(engine)
    if {"start", "same", "restart", "execute", "idle", "job"} & set(wanted) & set(mine):
        await kernels.prepare()
    measures: dict[str, Callable[[], Awaitable[Row]]] = {
        "start": lambda: kernels.start(START_AIMS[engine]),
        "same": lambda: by_hand.same_command(kernels, runs, AIMS["same"]),
        "job": lambda: jobs.job(kernels, runs, AIMS["job"]),
        "restart": lambda: kernels.restart(AIMS["restart"]),
        "execute": lambda: kernels.round_trip(EXECUTE_AIMS.get(engine, AIMS["execute"])),
        "no-change": lambda: images.no_change(
            engine, image, _below(place, "small"), runs, AIMS["no-change"]
        ),
        "no-change-1gb": lambda: images.no_change_large(
            engine, image, _below(place, "large"), runs, AIMS["no-change-1gb"]
        ),
        "full": lambda: images.full(engine, image, _below(place, "full"), runs, AIMS["full"]),
        "idle": lambda: kernels.idle(AIMS["idle"]),
        "bare": lambda: processes.bare(engine, image, place, runs, AIMS["bare"]),
        "conversion": lambda: processes.conversion(engine, image, place, runs, AIMS["conversion"]),
        "loop": lambda: Loop(engine, image, _below(place, "loop")).row(min(runs, MOST_LOOPS)),
    }
    rows = []
    for name in (one for one in wanted if one in mine):
        row = await measures[name]()
        print(f"{engine}: {row.name}: {row.ratio:.2f} (aim {row.aim}), load {_load()}", flush=True)
        rows.append(row)
    return rows


def _rows_of(engine: str) -> Collection[str]:
    if engine.startswith("slurm+"):
        return ("job",)
    if engine == "kubernetes":
        return POD_ROWS
    if engine not in DAEMONS:
        return PROCESS_ROWS
    apart = {"bare", "conversion", "job", "pods", "outputs", "sidebar", "streams"}
    return set(ROWS) - apart


def _below(place: Path, name: str) -> Path:
    folder = place / name
    folder.mkdir()
    return folder


def _file() -> dict[str, Any]:
    file = os.environ.get("JC_TEST_ENGINES_FILE")
    if not file:
        sys.exit("No engines were started for the bench: `make bench` does.")
    said: dict[str, Any] = json.loads(Path(file).read_text())
    return said


def _engines() -> dict[str, dict[str, Any]]:
    known = _file()["engines"]
    asked = [name for name in os.environ.get("JC_TEST_ENGINES", "").split(",") if name]
    return {name: known[name] for name in asked or ENGINES if name in known}


def _image() -> str:
    """The base image whose Python is this one's, as far as there is one."""
    known = _file()["images"]
    mine = "python{}.{}".format(*sys.version_info)
    reference: str = known.get(mine, known["python3.11"])
    return reference


@contextmanager
def _reaching(engine: dict[str, Any]) -> Iterator[None]:
    """This process and its commands reach that engine, and a Jupyter of its own."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as home:
        for name in ("CONTAINER_HOST", "DOCKER_CONTEXT", "DOCKER_HOST", "JUPYTER_PATH"):
            os.environ.pop(name, None)
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            os.environ[name] = f"{home}/{name.lower()}"
        os.environ.update(engine.get("env", {}))
        if path := engine.get("path"):
            os.environ["PATH"] = f"{path}:{os.environ['PATH']}"
        Path(home, f"{CONFIG}.json").write_text(json.dumps({"Policy": engine.get("policy", {})}))
        os.environ["JUPYTER_CONFIG_PATH"] = home
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _load() -> str:
    return "{:.1f} {:.1f} {:.1f}".format(*os.getloadavg())


if __name__ == "__main__":
    sys.exit(main())
