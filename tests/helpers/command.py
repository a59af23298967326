"""The command line as a person runs it: a process of its own, judged by what it says."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat

from jupyter_containers.host.owners import run_dir_of
from jupyter_containers.kernels.listing import notebook_of as notebook_of_kernel
from tests.helpers.harness import containers

COMMAND = (sys.executable, "-m", "jupyter_containers.cli.main")


def jc(
    *args: object, code: int = 0, timeout: float = 240, **options: Any
) -> subprocess.CompletedProcess[str]:
    """`jupyter containers ARGS`, which must end with `code` and without a traceback."""
    done = subprocess.run(
        [*COMMAND, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
        **options,
    )
    assert "Traceback (most recent call last):\n  File" not in done.stderr, done.stderr
    assert done.returncode == code, f"{done.returncode}: {done.stderr}"
    return done


def jc_json(*args: object, code: int = 0) -> Any:
    """Its data."""
    return json.loads(jc(*args, "--json", code=code).stdout)


class Running:
    """A command in the background, whose standard error is read until it says something."""

    def __init__(self, *args: object) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""

    def until(self, text: str) -> None:
        """Read lines until one holds `text`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if text in line:
                return
        raise AssertionError(f"ended without {text!r}: {self.said}")

    def end(self, signum: int = signal.SIGINT, within: float = 20.0) -> int:
        """Signal it; returns its exit code."""
        self.process.send_signal(signum)
        out, _ = self.process.communicate(timeout=within)
        self.said += out
        return self.process.returncode


def notebook_of(path: Path, *cells: str, settings: dict[str, Any] | None = None) -> Path:
    """A notebook with these code cells."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    if settings is not None:
        notebook.metadata["jupyter_containers"] = {"version": 1, **settings}
    nbformat.write(notebook, path)
    return path


def texts(path: Path) -> list[str]:
    """What the cells of a notebook on disk show: text of streams and results, and errors."""
    return ["".join(_texts(cell.outputs)) for cell in nbformat.read(path, 4).cells]


def _texts(outputs: Iterable[Any]) -> Iterable[str]:
    for output in outputs:
        if output.output_type == "stream":
            yield output.text
        elif output.output_type == "error":
            yield f"{output.ename}: {output.evalue}"
        else:
            yield output.data.get("text/plain", "")


def processes(words: str) -> list[str]:
    """Command lines of this host that hold `words` (zombies have none)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if words in line:
            found.append(line)
    return found


def containers_of(program: str, notebook: Path) -> list[str]:
    """This person's containers on the engine, as it says itself, but for those whose directory
    says that they are of another notebook."""
    found = {name: run_dir_of(name) for name in containers(program)}
    of = {name: notebook_of_kernel(room) if room else None for name, room in found.items()}
    return [name for name, its in of.items() if its is None or its.name == notebook.name]


def soon(condition: Any, seconds: float = 15.0) -> None:
    """Wait until it holds; fail the test where it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)
