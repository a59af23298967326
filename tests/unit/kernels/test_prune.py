"""What killed servers left is removed, each by itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_containers.host.rundir import RunDir, make_run_dir
from jupyter_containers.kernels.prune import leftovers
from tests.helpers.private_home import private_runtime


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with private_runtime(tmp_path, monkeypatch) as directory:
        yield directory


def orphan() -> RunDir:
    """A run directory that nobody has claimed, made long ago."""
    run_dir = make_run_dir()
    (run_dir.root / "owner").unlink()
    os.utime(run_dir.root, (0, 0))
    return run_dir


def prune() -> dict[str, int | None]:
    """Remove all that is found; the sizes by name."""

    async def all_of_it() -> dict[str, int | None]:
        found = await leftovers([], images=False)
        for one in found:
            await one.remove()
        return {one.name: one.size for one in found}

    return asyncio.run(all_of_it())


def test_a_home_with_directories_deep_in_each_other_keeps_no_other(tmp_path: Path) -> None:
    run_dirs = [orphan(), orphan()]
    for run_dir in run_dirs:
        deep = str(run_dir.home)
        for _ in range(1200):
            deep += "/d"
            os.mkdir(deep)
        Path(deep, "file").write_text("x" * 1000)
    sizes = prune()
    assert set(sizes) == {str(one.root) for one in run_dirs}
    assert all(size is not None and size >= 1000 for size in sizes.values())
    assert not any(one.root.exists() or one.home.exists() for one in run_dirs)
