"""A runtime or cache directory that is full or read-only: the fallback kernel runs and says so.

In a mount namespace of its own, on file systems that are really full; the engine is a stand-in,
which is asked what it has before any directory is made.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_containers.errors import SystemRefused, sentence_of, system_errors
from tests.engines.test_lying import INFO, INSPECTED
from tests.helpers.harness import write_notebook

ROOT = Path(__file__).parents[3]
INSIDE = """
import asyncio, json, os, sys
from pathlib import Path
from tests.helpers.harness import Kernel, approve

async def main(notebook, full):
    approve(notebook)
    if full:
        try:
            with open(full, "wb", buffering=0) as file:
                while True:
                    file.write(bytes(512))
        except OSError:
            pass
    kernel = Kernel(notebook)
    await kernel.start()
    done = await kernel.run("1")
    await kernel.restart()
    again = await kernel.run("1")
    where = kernel.manager.transport
    await kernel.shutdown(now=True)
    print(json.dumps([where, done["error"], again["error"]]))

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


def stand_in(place: Path) -> None:
    """A podman that has one image."""
    for name, said in (("info", INFO), ("image", [INSPECTED])):
        (place / name).write_text(json.dumps(said))
    (place / "podman").write_text(f'#!/bin/sh\nexec cat "{place}/$1"\n')
    (place / "podman").chmod(0o755)


@pytest.fixture
def short() -> Iterator[Path]:
    """As short a path as users have for their runtime directory."""
    with tempfile.TemporaryDirectory(prefix="jct", dir="/tmp") as made:
        yield Path(made)


@pytest.mark.parametrize(
    ("which", "options", "said"),
    [
        ("XDG_RUNTIME_DIR", "size=16k", "There is no space left"),
        ("XDG_RUNTIME_DIR", "nr_inodes=3", "There is no space left at /"),
        ("XDG_CACHE_HOME", "nr_inodes=3", "There is no space left at /"),
        ("XDG_CACHE_HOME", "ro", "/cache/jupyter-containers cannot be used: Read-only file system"),
    ],
)
def test_the_fallback_kernel_says_so(
    which: str, options: str, said: str, tmp_path: Path, folder: Path, short: Path
) -> None:
    stand_in(tmp_path)
    notebook = write_notebook(folder / "n.ipynb", {"image": "x:1", "engine": "podman"})
    places = {"XDG_RUNTIME_DIR": short / "run", "XDG_CACHE_HOME": short / "cache"}
    for place in places.values():
        place.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", f"{options},mode=700", "tmpfs", str(places[which])]
    full = str(places[which] / "full") if options.startswith("size") else ""
    python = [sys.executable, "-c", INSIDE, str(notebook), full]
    done = subprocess.run(
        [
            *("unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"),
            '"$1" "$2" "$3" "$4" "$5" "$6" "$7"; shift 7; exec "$@"',
            *("sh", *mount, *python),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            **{name: str(place) for name, place in places.items()},
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    where, first, again = json.loads(done.stdout.splitlines()[-1])
    assert where == "tcp"
    assert said in first and said in again
    assert "XDG_CACHE_HOME" in first or "prune --images" in first


def test_what_is_told_of_this_machine() -> None:
    for raised in (OSError(28, "No space left on device"), OSError(5, "Input/output error", "/x")):
        told = sentence_of(raised)
        assert (
            isinstance(told, SystemRefused) and told.hint and str(raised.strerror) in told.message
        )
    for other in (ConnectionResetError(104, "reset"), ValueError("x"), OSError("no number")):
        assert sentence_of(other) is other
    with pytest.raises(SystemRefused, match="/x cannot be used: Read-only"), system_errors():
        raise OSError(30, "Read-only file system", "/x")
    with pytest.raises(BrokenPipeError), system_errors():
        raise BrokenPipeError(32, "Broken pipe")
