"""What changes a context's fingerprint, and what finding it costs."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path

import pytest

from jupyter_containers.dockerfile.context import stage, unstage
from jupyter_containers.errors import PolicyRefused
from jupyter_containers.host.paths import cache_directory
from tests.unit.dockerfile.collecting import GB, names, take


class TestFingerprint:
    def test_what_counts(self, here: Path) -> None:
        def now(line: str = "COPY src data /x") -> str:
            return take(here, line).fingerprint

        first = now()
        os.utime(here / "src/a.py", (1, 1))
        (here / "requirements.txt").write_text("not named")
        (here / "src/a.py").chmod(0o664)
        assert now() == now("COPY . /x") or now() == first
        assert now() == first
        seen = {first}
        (here / "src/a.py").write_text("other")
        seen.add(now())
        (here / "src/a.py").chmod(0o755)
        seen.add(now())
        (here / "src/a.py").chmod(0o600)
        seen.add(now())
        (here / "src/a.py").rename(here / "src/c.py")
        seen.add(now())
        (here / "src/l").symlink_to("c.py")
        seen.add(now())
        (here / "src/l").unlink()
        (here / "src/l").symlink_to("d.py")
        seen.add(now())
        (here / "src/empty").mkdir()
        seen.add(now())
        assert len(seen) == 8

    def test_it_is_the_same_elsewhere(self, here: Path, tmp_path: Path) -> None:
        shutil.copytree(here, tmp_path / "there", symlinks=True)
        line = "COPY . /x"
        assert take(here, line).fingerprint == take(tmp_path / "there", line).fingerprint

    def test_names_of_any_bytes(self, here: Path) -> None:
        name = os.fsdecode(b"src/\xff\n\xc3\xa9")
        (here / name).write_text("x")
        context = take(here, "COPY src /x")
        assert len(context.fingerprint) == 64
        into = here.parent / "staged"
        stage(context, into)
        assert (into / name).read_text() == "x"

    def test_what_is_remembered_is_nobody_elses(self, here: Path) -> None:
        take(here, "COPY src /x")
        remembered = cache_directory() / "digests.sqlite"
        remembered.chmod(0o644)
        take(here, "COPY src /x")
        assert remembered.stat().st_mode & 0o777 == 0o600

    def test_a_file_is_read_once(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        reads = 0
        real = hashlib.file_digest

        def counted(*args: object) -> object:
            nonlocal reads
            reads += 1
            return real(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(hashlib, "file_digest", counted)
        time.sleep(1.1)  # until a further change would show in the times
        first = take(here, "COPY src /x")
        assert reads == 2
        stage(first, here.parent / "staged")
        assert os.stat(here / "src/a.py").st_nlink == 2
        assert take(here, "COPY src /x") == first
        unstage(first, here.parent / "staged")
        assert os.stat(here / "src/a.py").st_nlink == 1
        assert take(here, "COPY src /x").fingerprint == first.fingerprint
        assert reads == 2

        (here / "src/a.py").write_text("A.PY")
        times = os.stat(here / "src/deep/b.py")
        (here / "src/deep/b.py").write_text("SRC/DEEP/B.PY")  # same size, same mtime
        os.utime(here / "src/deep/b.py", ns=(times.st_atime_ns, times.st_mtime_ns))
        assert take(here, "COPY src /x").fingerprint != first.fingerprint
        assert reads == 4
        # Just written: what was read is not believed the next time.
        take(here, "COPY src /x")
        assert reads == 6

    def test_without_a_cache_it_works_too(
        self, here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        first = take(here, "COPY src /x").fingerprint
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
        assert take(here, "COPY src /x").fingerprint == first
        broken = tmp_path / "broken/jupyter-containers"
        broken.mkdir(parents=True)
        (broken / "digests.sqlite").write_bytes(b"nonsense" * 1000)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "broken"))
        assert take(here, "COPY src /x").fingerprint == first

    def test_the_limit_comes_before_the_reading(self, here: Path) -> None:
        os.truncate(here / "data/1.csv", 50 * GB)  # sparse
        began = time.process_time()  # reading them would take minutes
        with pytest.raises(PolicyRefused, match=r"50 GB in 3 files.*data/1\.csv \(50 GB\)"):
            take(here, "COPY data /x", max_bytes=2 * GB)
        assert names(here, "COPY src /x")
        assert time.process_time() - began < 1
