"""Directories that come and go with what is done in them."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.host.cache import make_directory, personal_word, workplace


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that takes its time, as a shared one may."""
    real = tempfile.mkdtemp

    def later(**options: Any) -> str:
        time.sleep(0.2)
        return str(real(**options))

    monkeypatch.setattr(tempfile, "mkdtemp", later)


@pytest.mark.usefixtures("slow")
async def test_cancelled_while_it_is_made_it_is_not_there(tmp_path: Path) -> None:
    task = asyncio.create_task(make_directory(tmp_path))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.3)
    assert os.listdir(tmp_path) == []


async def test_a_workplace_goes_with_what_was_left_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    async with workplace("contexts") as work:
        (work / "shut").mkdir(0)
    assert os.listdir(work.parent) == []


def test_a_persons_word_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "one"))
    word = personal_word()
    assert len(word) == 32 and personal_word() == word
    (kept,) = (tmp_path / "one" / "jupyter-containers").glob("personal-word")
    assert kept.stat().st_mode & 0o077 == 0
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "two"))
    assert personal_word() != word
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert personal_word() == str(os.getuid())
