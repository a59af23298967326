"""What containers have mounted stays of one version, whatever is installed meanwhile."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_containers.host import guest_files
from jupyter_containers.host.guest_files import guest_directory
from jupyter_containers.host.rundir import RunDir
from jupyter_containers.layout import GUEST_DIR


def forget() -> None:
    """As a process that has just begun."""
    guest_files.guest_files.cache_clear()
    guest_files._digest.cache_clear()
    guest_files._whole.clear()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the package is, which an upgrade changes; a cache of the test's own."""
    copy = tmp_path / "site-packages" / "guest"
    shutil.copytree(GUEST_DIR, copy)
    monkeypatch.setattr(guest_files, "GUEST_DIR", copy)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    forget()
    yield copy
    forget()


def test_an_upgrade_under_a_running_server(installed: Path, tmp_path: Path) -> None:
    run_dir = RunDir(root=tmp_path, home=tmp_path)
    mounted = run_dir.guest
    before = {path.name: path.read_bytes() for path in mounted.iterdir()}
    assert before["main.py"] == (GUEST_DIR / "main.py").read_bytes()
    (installed / "main.py").write_text("raise SystemExit('another version')\n")
    (installed / "door.py").unlink()
    assert run_dir.guest == mounted
    assert {path.name: path.read_bytes() for path in mounted.iterdir()} == before
    forget()  # a server that starts after it
    assert run_dir.guest != mounted
    assert (run_dir.guest / "main.py").read_text().startswith("raise SystemExit")
    assert {path.name: path.read_bytes() for path in mounted.iterdir()} == before


@pytest.mark.parametrize("damage", ["cut", "more", "less", "a file"])
def test_a_copy_that_is_not_whole(damage: str, installed: Path) -> None:
    place = guest_directory()
    if damage == "cut":
        (place / "main.py").write_bytes(b"")
    elif damage == "more":
        (place / "json.py").write_text("raise SystemExit")
    elif damage == "less":
        (place / "main.py").unlink()
    else:
        shutil.rmtree(place)
        place.write_text("x")
    forget()
    assert guest_directory() == place
    assert {path.name for path in place.iterdir()} == set(guest_files.guest_files())
    assert (place / "main.py").read_bytes() == (installed / "main.py").read_bytes()


def test_anybody_inside_may_read_it_whatever_the_umask(installed: Path) -> None:
    before = os.umask(0o077)
    try:
        place = guest_directory()
    finally:
        os.umask(before)
    assert stat.S_IMODE(place.stat().st_mode) == 0o755
    assert {stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()} == {0o644}


def test_a_start_reads_nothing_again(installed: Path) -> None:
    guest_directory()
    opened: list[str] = []
    listening = True

    def heard(event: str, arguments: tuple[object, ...]) -> None:
        if listening and event in ("open", "os.scandir", "os.listdir"):
            opened.append(str(arguments[0]))

    sys.addaudithook(heard)
    guest_directory()
    listening = False
    assert opened == []


def test_one_that_was_deleted_is_made_again(installed: Path) -> None:
    place = guest_directory()
    shutil.rmtree(place)
    assert guest_directory() == place and (place / "main.py").exists()
