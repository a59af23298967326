"""A kernel's private directories over its starts: nothing of an old container is in the next."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_containers.host.rundir import RunDir, make_run_dir, remove_run_dir, run_dir_for
from jupyter_containers.kernels.container_files import _mount_points, _write
from jupyter_containers.models import Mount
from tests.helpers import ROOT
from tests.helpers.namespaces import with_own_mounts
from tests.helpers.private_home import private_runtime


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with private_runtime(tmp_path, monkeypatch) as directory:
        yield directory


def next_one(before: RunDir | None, *, used: bool = False) -> RunDir:
    return run_dir_for(before, shared=False, used=used)


def test_it_stays_where_it_is() -> None:
    first = next_one(None)
    assert next_one(first) == first  # asked for several times before one start
    _write(first.conf / "connection.json", "{}")
    (first.home / "file").touch()
    assert next_one(first, used=True) == first  # a restart in the same container
    assert remove_run_dir(first) == []
    assert next_one(first) == first
    assert not list(first.home.iterdir()) and not list(first.conf.iterdir())


STAYS = """
import subprocess
from jupyter_containers.host.rundir import make_run_dir, remove_run_dir
from jupyter_containers.kernels.container_files import _write
from tests.unit.kernels.test_run_dirs import next_one

for place in ("home/theirs", "home", "run/theirs"):
    first = make_run_dir()
    _write(first.conf / "connection.json", "{}")
    kind, _, below = place.partition("/")
    mounted = getattr(first, kind) / below
    mounted.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", mounted], check=True)
    assert remove_run_dir(first)
    then = next_one(first)
    assert then.root != first.root and then.home != first.home, place
    _write(then.conf / "connection.json", "{}")
    assert next_one(first).root != first.root
    subprocess.run(["umount", mounted], check=True)
    assert remove_run_dir(first) == []
"""


def test_what_stays_of_it_keeps_no_kernel_from_starting() -> None:
    done = with_own_mounts(sys.executable, "-c", STAYS, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_mount_points_are_made_through_no_link(tmp_path: Path) -> None:
    run_dir, victim = make_run_dir(), tmp_path / "victim"
    victim.mkdir()
    (tmp_path / "file").touch()
    folder, file = Mount(str(tmp_path), "/h/d/below"), Mount(str(tmp_path / "file"), "/h/d/f/g")
    _mount_points(run_dir, "/h", (folder, file, Mount(str(tmp_path), "/else"), folder))
    assert (run_dir.home / "d/below").is_dir() and (run_dir.home / "d/f/g").is_file()
    assert [one.name for one in run_dir.home.iterdir()] == ["d"]
    for name, source in (("link/x", tmp_path), ("link/x", tmp_path / "file"), ("l", victim)):
        link = run_dir.home / name.partition("/")[0]
        link.unlink(missing_ok=True)
        link.symlink_to(victim)
        with pytest.raises(OSError):
            _mount_points(run_dir, "/h", (Mount(str(source), f"/h/{name}"),))
    assert not list(victim.iterdir())
