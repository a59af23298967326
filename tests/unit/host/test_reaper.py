"""What the reaper does with a killed server's kernels while they wait for the next server."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from jupyter_containers.host.reaper.client import Reaper

Left = Callable[[float], "subprocess.Popen[bytes]"]


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    made.mkdir()
    (made / "owner").write_text("killed")
    (tmp_path / "killed").write_text("{}")
    return made


@pytest.fixture
def leave(run_dir: Path) -> Iterator[Left]:
    """The reaper of a server that was killed, and whose kernel is kept for so many seconds."""
    with ExitStack() as at_the_end:

        def leave(seconds: float) -> subprocess.Popen[bytes]:
            made = Reaper()
            removal = [sys.executable, "-c", f"open({str(run_dir.parent / 'removed')!r}, 'w')"]
            made.add("one", [removal], [str(run_dir)])
            made.keep(["one"], seconds, run_dir / "owner", run_dir.parent / "killed")
            process, made._process = made._process, None
            assert process is not None and process.stdin is not None
            process.stdin.close()
            at_the_end.enter_context(process)
            at_the_end.callback(process.kill)
            return process

        yield leave


def test_ends_what_nobody_took_over(leave: Left, run_dir: Path) -> None:
    assert leave(1.0).wait(10) == 0
    assert (run_dir.parent / "removed").exists()
    assert not run_dir.exists()


def test_leaves_alone_what_another_took_over(leave: Left, run_dir: Path) -> None:
    reaper = leave(2.0)
    (run_dir / "owner").write_text("another")
    assert reaper.wait(10) == 0
    assert not (run_dir.parent / "removed").exists()
    assert run_dir.exists()


def test_ends_what_another_gave_back(leave: Left, run_dir: Path) -> None:
    reaper = leave(4.0)
    (run_dir / "owner").write_text("another")
    time.sleep(2)  # it looks once a second
    (run_dir / "owner").write_text("killed")
    assert reaper.wait(10) == 0
    assert not run_dir.exists()


def test_ends_early_where_all_is_gone(leave: Left, run_dir: Path) -> None:
    reaper = leave(600.0)
    shutil.rmtree(run_dir)
    assert reaper.wait(5) == 0
