"""A container that puts something else where its socket was leads nobody to it. Real sockets."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_containers.host.sockets import connect, take


def listening(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    made.listen()
    made.settimeout(0.2)
    return made


@pytest.fixture
def tmp_path(short_path: Path) -> Path:
    return short_path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """What the container writes to."""
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket of the person's, such as the ssh-agent's."""
    with listening(tmp_path / "agent") as made:
        yield made


def assert_unheard(canary: socket.socket) -> None:
    with pytest.raises(TimeoutError):
        canary.accept()


def test_what_was_taken_is_the_kernels_after_the_swap(
    tmp_path: Path, run: Path, canary: socket.socket
) -> None:
    with listening(run / "k-1") as kernel:
        take(run / "k-1", tmp_path / "taken")
        (run / "k-1").unlink()
        (run / "k-1").symlink_to(tmp_path / "agent")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "taken"))
            kernel.accept()[0].close()
    assert_unheard(canary)


@pytest.mark.parametrize("what", ["link", "link-to-link", "fifo", "file", "folder"])
def test_nothing_but_a_socket_is_taken(
    what: str, tmp_path: Path, run: Path, canary: socket.socket
) -> None:
    source = run / "k-1"
    if what == "link":
        source.symlink_to(tmp_path / "agent")
    elif what == "link-to-link":
        (run / "other").symlink_to(tmp_path / "agent")
        source.symlink_to("other")
    elif what == "fifo":
        os.mkfifo(source)
    elif what == "file":
        source.write_text("x")
    else:
        source.mkdir()
    with pytest.raises(OSError) as caught:
        take(source, tmp_path / "taken")
    assert caught.value.errno in (errno.ENOTSOCK, errno.EPERM)
    with pytest.raises(OSError):
        connect(str(source))
    assert [path.name for path in tmp_path.iterdir() if "taken" in path.name] == []
    assert_unheard(canary)


def test_taken_again_after_a_restart_and_where_it_is_the_same(tmp_path: Path, run: Path) -> None:
    taken = tmp_path / "taken"
    with listening(run / "k-1"):
        take(run / "k-1", taken)
        take(run / "k-1", taken)
        first = taken.stat().st_ino
    (run / "k-1").unlink()
    with pytest.raises(FileNotFoundError):
        take(run / "k-1", taken)
    assert taken.stat().st_ino == first  # there is no other yet
    with listening(run / "k-1") as kernel:
        take(run / "k-1", taken)
        with connect(str(taken)):
            kernel.accept()[0].close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "taken"]


def test_a_swap_at_any_moment(tmp_path: Path, run: Path, canary: socket.socket) -> None:
    """A loop puts the socket and the link there in turns, as fast as it can."""
    source, over = run / "k-1", threading.Event()
    with listening(run / "real"):
        (run / "link").symlink_to(tmp_path / "agent")

        def swap() -> None:
            while not over.is_set():
                for name in ("real", "link"):
                    os.link(run / name, run / "next", follow_symlinks=False)
                    (run / "next").rename(source)
                    (run / "next").unlink(missing_ok=True)

        swapping = threading.Thread(target=swap)
        swapping.start()
        taken = refused = 0
        try:
            while not (taken > 200 and refused > 200):
                try:
                    take(source, tmp_path / "taken")
                    taken += 1
                except OSError:
                    refused += 1
                    continue
                assert (tmp_path / "taken").lstat().st_ino == (run / "real").lstat().st_ino
            with connect(str(tmp_path / "taken")):
                pass
        finally:
            over.set()
            swapping.join()
    assert_unheard(canary)
