"""Notebooks with Dockerfile cells, and builds that go on when the test says so."""

from __future__ import annotations

import os
import random
import signal
import uuid
from pathlib import Path
from typing import Any

import nbformat

from .lab import until


def write(path: Path, *cells: str, spec: str = "", settings: Any = None, outputs: Any = ()) -> Path:
    """A notebook with code cells. `outputs` are the first one's."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells])
    if spec:
        notebook.metadata["kernelspec"] = {"name": spec, "display_name": spec, "language": "python"}
    if settings is not None:
        notebook.metadata["jupyter_containers"] = {"version": 1, **settings}
    notebook.cells[0].outputs = [nbformat.from_dict(one) for one in outputs]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def dockerfile(image: str, *lines: str, options: str = "") -> str:
    return "\n".join([f"%%dockerfile {options}".strip(), f"FROM {image}", *lines])


def mark() -> str:
    """A word that no other build knows: what holds it is built anew."""
    return uuid.uuid4().hex[:12]


class Brake:
    """An instruction that takes a minute, or until it is let go."""

    def __init__(self) -> None:
        self.seconds = f"60.{random.randrange(10**9):09}"
        self.line = f"RUN echo the brake is on; sleep {self.seconds}; echo it goes on"

    @property
    def processes(self) -> list[int]:
        """The processes of the instruction, wherever they run on this machine."""
        return processes_with(self.seconds)

    def wait(self) -> None:
        """Until the instruction runs."""
        until(lambda: self._sleeping, "the instruction runs")

    def release(self) -> None:
        self.wait()
        for pid in self._sleeping:
            os.kill(pid, signal.SIGTERM)

    @property
    def _sleeping(self) -> list[int]:
        return [pid for pid in self.processes if _argv(pid) == ["sleep", self.seconds]]


def processes_with(word: str) -> list[int]:
    """Processes that were started with an argument that holds this word."""
    pids = [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]
    return [pid for pid in pids if pid != os.getpid() and any(word in one for one in _argv(pid))]


def _argv(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")[:-1]
    except OSError:
        return []
