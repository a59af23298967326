"""Files that a container wrote are read with care; ours are replaced whole."""

from __future__ import annotations

import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from jupyter_containers.errors import KernelError
from jupyter_containers.host import paths


def test_only_plain_files_of_ours_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "good").write_bytes(b"x" * 100)
    assert paths.read_untrusted(tmp_path / "good", 100) == b"x" * 100
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # a socket's path must be short
        listening.bind("socket")
    said = {
        "good": "larger than 99 bytes",
        "link": "symlink",
        "directory": "no regular file",
        "fifo": "no regular file",
        "socket": "No such device",
        "nothing": "No such file",
    }
    for name, why in said.items():
        with pytest.raises(KernelError, match=why):
            paths.read_untrusted(tmp_path / name, 99)


def test_files_of_others_are_not_read(tmp_path: Path) -> None:
    theirs = Path("/etc/passwd")
    if os.getuid() == 0:
        theirs = tmp_path / "theirs"
        theirs.write_text("x")
        os.chown(theirs, 65534, 65534)
    with pytest.raises(KernelError, match="belongs to user"):
        paths.read_untrusted(theirs, 1 << 20)


def test_a_replaced_file_is_whole_and_private(tmp_path: Path) -> None:
    file = tmp_path / "file"
    stop = threading.Event()
    seen: set[bytes] = set()

    def read() -> None:
        while not stop.is_set():
            seen.add(file.read_bytes()[:1] + bytes(str(len(file.read_bytes())), "ascii"))

    paths.replace_file(file, b"0" * 100_000)
    reader = threading.Thread(target=read)
    reader.start()
    for digit in b"123456789":
        paths.replace_file(file, bytes([digit]) * 100_000)
    stop.set()
    reader.join()
    assert seen and {one[1:] for one in seen} == {b"100000"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (tmp_path / "directory").mkdir()
    with pytest.raises(OSError, match="directory"):
        paths.replace_file(tmp_path / "directory", b"x")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["directory", "file"]
