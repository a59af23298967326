"""The files that an engine gets: these, and as they were."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from jupyter_containers.dockerfile.context import stage, unstage
from jupyter_containers.errors import BadInput
from tests.unit.dockerfile.collecting import take


class TestStage:
    def test_just_these_files(self, here: Path, tmp_path: Path) -> None:
        (here / "src/in").symlink_to("a.py")
        (here / "src/empty").mkdir(mode=0o750)
        (here / "src/a.py").chmod(0o751)
        context = take(here, "COPY src data/1.csv /x")
        into = tmp_path / "staged"
        stage(context, into)
        found = sorted(str(path.relative_to(into)) for path in into.rglob("*"))
        assert found == [
            "data",
            "data/1.csv",
            "src",
            "src/a.py",
            "src/deep",
            "src/deep/b.py",
            "src/empty",
            "src/in",
        ]
        assert os.readlink(into / "src/in") == "a.py"
        assert (into / "src/a.py").samefile(here / "src/a.py")
        assert stat.S_IMODE((into / "src/empty").stat().st_mode) == 0o750
        assert stat.S_IMODE(into.stat().st_mode) == 0o700
        unstage(context, into)
        unstage(context, into)
        assert not into.exists()
        assert (here / "src/a.py").read_text() == "src/a.py"

    def test_across_file_systems_it_copies(self, here: Path) -> None:
        shm = Path("/dev/shm")
        if os.stat(shm).st_dev == os.stat(here).st_dev:
            pytest.fail("/dev/shm is no other file system here: nothing is tested")
        (here / "src/a.py").chmod(0o711)
        context = take(here, "COPY src /x")
        into = shm / f"jc-test-{os.getpid()}"
        try:
            stage(context, into)
            assert (into / "src/a.py").read_text() == "src/a.py"
            assert stat.S_IMODE((into / "src/a.py").stat().st_mode) == 0o711
        finally:
            unstage(context, into)
        assert not into.exists()

    def test_what_a_run_may_write_is_a_copy(self, here: Path, tmp_path: Path) -> None:
        context = take(here, "RUN --mount=source=src,target=/x,rw true")
        stage(context, tmp_path / "staged")
        (tmp_path / "staged/src/a.py").write_text("scribbled")
        assert (here / "src/a.py").read_text() == "src/a.py"

    @pytest.mark.parametrize("trick", ["file", "folder", "changed", "gone"])
    def test_a_swap_after_collecting_is_seen(self, here: Path, tmp_path: Path, trick: str) -> None:
        context = take(here, "COPY src /x")
        if trick == "file":
            (here / "src/a.py").unlink()
            (here / "src/a.py").symlink_to(tmp_path / "secret")
        elif trick == "folder":
            (tmp_path / "evil").mkdir()
            (tmp_path / "evil/a.py").write_text("outside!")
            (here / "src").rename(here / "old")
            (here / "src").symlink_to(tmp_path / "evil")
        elif trick == "changed":
            (here / "src/a.py").write_text("SRC/A.PY")
        else:
            (here / "src/a.py").unlink()
        with pytest.raises(BadInput, match=r"src/a\.py cannot be read"):
            stage(context, tmp_path / "staged")
        assert not (tmp_path / "staged").exists()
