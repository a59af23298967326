"""What a path leads to, and who can make it lead elsewhere."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_containers.host import mount_sources
from jupyter_containers.host.mount_sources import (
    find_source,
    is_exposed,
    opened,
    tell_writable,
    told_writable,
)
from tests.helpers.private_home import private_home, private_runtime


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return private_home(tmp_path, monkeypatch)


@pytest.fixture
def runtime(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with private_runtime(tmp_path, monkeypatch) as runtime:
        yield runtime


def test_a_path_is_known_by_what_it_leads_to(home: Path) -> None:
    (home / "data").mkdir()
    (home / "link").symlink_to("data")
    (home / "data/file").write_text("x")
    found = find_source(str(home / "link/../link"))
    assert found.path == str(home / "data")
    assert found.status.st_ino == (home / "data").stat().st_ino
    assert find_source(str(home / "link/file")).path == str(home / "data/file")
    for path in (home / "nothing", home / "data/file/below"):
        with pytest.raises(OSError):
            find_source(str(path))


def test_what_is_open_stays_what_it_is(home: Path) -> None:
    (home / "data").mkdir()
    (home / "secret").mkdir()
    inode = (home / "data").stat().st_ino
    with opened(str(home / "data")) as descriptor:
        (home / "data").rename(home / "was")
        (home / "data").symlink_to("secret")
        assert os.fstat(descriptor).st_ino == inode
        assert os.readlink(f"/proc/self/fd/{descriptor}") == str(home / "was")


def test_a_socket_is_looked_at_and_not_opened(home: Path) -> None:
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(home / "s"))
    made.close()
    os.mkfifo(home / "fifo")
    assert find_source(str(home / "s")).path == str(home / "s")
    assert find_source(str(home / "fifo")).path == str(home / "fifo")


def test_below_what_a_container_can_write(home: Path) -> None:
    (home / "nb/data").mkdir(parents=True)
    (home / "nb-other").mkdir()
    writable = [str(home / "nb")]
    assert is_exposed(str(home / "nb/data"), writable)
    # The folder itself has its name in another one, which the container cannot write.
    assert not is_exposed(str(home / "nb"), writable)
    assert not is_exposed(str(home / "nb-other"), writable)
    assert not is_exposed(str(home / "nb/data"), [])


@pytest.mark.parametrize(
    ("mode", "exposed"), [(0o755, False), (0o700, False), (0o757, True), (0o1777, False)]
)
def test_where_others_can_rename(home: Path, mode: int, exposed: bool) -> None:
    (home / "shared/mine/data").mkdir(parents=True)
    (home / "shared").chmod(mode)
    assert is_exposed(str(home / "shared/mine/data"), []) is exposed
    assert not is_exposed(str(home / "shared"), [])


def test_a_group_is_others_unless_it_is_ones_own(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "shared/data").mkdir(parents=True)
    (home / "shared").chmod(0o775)
    monkeypatch.setattr(mount_sources, "_is_own_group", lambda gid: False)
    assert is_exposed(str(home / "shared/data"), [])
    monkeypatch.setattr(mount_sources, "_is_own_group", lambda gid: True)
    assert not is_exposed(str(home / "shared/data"), [])


def test_what_is_not_there_is_exposed(home: Path) -> None:
    assert is_exposed(str(home / "gone/data"), [])


def test_containers_tell_what_they_can_write(home: Path, runtime: Path) -> None:
    (home / "nb").mkdir()
    (home / "link").symlink_to("nb")
    assert told_writable() == set()
    for name, places in {"00000001": [str(home / "link")], "00000002": []}.items():
        run_dir = runtime / name
        run_dir.mkdir(mode=0o700)
        tell_writable(run_dir, places)
    assert told_writable() == {str(home / "nb")}


@pytest.mark.parametrize("text", ["", "null", "7", "[[", '{"a": 1}', "\xff", "[" * 60_000])
def test_what_is_damaged_is_passed_over(runtime: Path, text: str) -> None:
    good, bad = runtime / "00000001", runtime / "00000002"
    good.mkdir()
    bad.mkdir()
    tell_writable(good, ["/a"])
    (bad / "writable").write_text(text)
    (runtime / "00000003").mkdir()
    (runtime / "00000003/writable").symlink_to(good / "writable")
    assert "/a" in told_writable()
