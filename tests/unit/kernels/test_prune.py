"""What killed servers left is removed, each by itself."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_containers.host.paths import cache_directory
from jupyter_containers.host.rundir import RunDir, make_run_dir
from jupyter_containers.kernels.prune import leftovers
from tests.helpers import ROOT
from tests.helpers.namespaces import with_own_mounts
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


MOUNTED = """
import subprocess
from jupyter_containers.errors import KernelError
from tests.unit.kernels.test_prune import orphan, prune

run_dir = orphan()
place = run_dir.home / "theirs"
place.mkdir()
subprocess.run(["mount", "-t", "tmpfs", "none", place], check=True)
for _ in range(2):
    try:
        prune()
    except KernelError as error:
        assert str(run_dir.home) in error.message and "it is a mount" in error.message, error
    else:
        raise AssertionError("nothing was said")
    assert place.exists()
subprocess.run(["umount", place], check=True)
assert list(prune()) == [str(run_dir.root)]
assert not run_dir.home.exists() and not run_dir.root.exists()
"""


def test_what_stays_is_told_and_found_again() -> None:
    done = with_own_mounts(sys.executable, "-c", MOUNTED, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_what_was_looked_at_is_found_again() -> None:
    old = cache_directory() / "builds" / "old"
    old.mkdir(parents=True)
    (old / "file").write_text("x" * 1000)
    os.utime(old, (0, 0))
    for _ in range(2):
        found = asyncio.run(leftovers([], images=False))
        assert [one.name for one in found] == [str(old)]
    assert prune() == {str(old): found[0].size}
    assert not old.exists()
