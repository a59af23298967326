"""Who is ended is asked first and killed after: a command may put away what it made."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from pathlib import Path

import pytest

from jupyter_containers.host.process import run
from jupyter_containers.host.reaper import main as reaper_main
from tests.helpers.harness import eventually


def tidy(folder: Path) -> list[str]:
    """A command that works until it is asked to end, and then puts something away."""
    says = f"trap 'touch {folder}/tidied; exit' TERM; touch {folder}/works"
    return ["sh", "-c", f"{says}; while :; do sleep 0.05; done"]


async def test_of_a_command_that_is_cancelled(tmp_path: Path) -> None:
    task = asyncio.create_task(run(tidy(tmp_path)))
    await eventually((tmp_path / "works").exists, every=0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (tmp_path / "tidied").exists()


async def test_of_a_command_whose_owner_was_killed(tmp_path: Path) -> None:
    command = subprocess.Popen(tidy(tmp_path), start_new_session=True)
    threading.Thread(target=command.wait).start()
    await eventually((tmp_path / "works").exists, every=0.02)
    await asyncio.to_thread(reaper_main._clean_up, [{"pgid": command.pid}])
    assert command.wait(5) is not None
    assert (tmp_path / "tidied").exists()
