"""What a container says through its guest's socket hurts nobody: it may be anything."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jupyter_containers.kernels.guest_client import GuestClient

HELLO = b'{"event": "hello", "uid": 1000, "gid": 1000, "memory": 5, "network": []}\n'
Says = Callable[[bytes], GuestClient]


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "guest"))
        made.listen()
        yield made


@pytest.fixture
def client(listener: socket.socket, tmp_path: Path) -> Iterator[GuestClient]:
    made = GuestClient(str(tmp_path / "guest"), "a" * 32)
    made.try_connect()
    yield made
    made.close()


@pytest.fixture
def guest(listener: socket.socket, client: GuestClient) -> Iterator[socket.socket]:
    """The other end, which has said hello."""
    connected, _ = listener.accept()
    with connected:
        connected.sendall(HELLO)
        assert client.try_connect()
        yield connected


def test_a_flood_is_hung_up_on(guest: socket.socket, client: GuestClient) -> None:
    def flood() -> None:
        try:
            while True:
                guest.sendall(b"y\n" * 32768)
        except OSError:
            pass

    thread = threading.Thread(target=flood)
    thread.start()
    begun = time.monotonic()
    while not client.closed and time.monotonic() - begun < 5:
        client.read()
    assert client.closed and client.flooded
    thread.join(5)
    assert not thread.is_alive()


@pytest.mark.parametrize("line", [b"\n", b"[\n", b"1\n", b"{}\n"])
def test_many_short_lines_are_a_flood(
    line: bytes, guest: socket.socket, client: GuestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[bytes] = []
    monkeypatch.setattr(client, "_take", taken.append)
    guest.sendall(line * (20_000 // len(line)))
    client.read()
    assert (client.closed, client.flooded, taken) == (True, True, [])


def test_what_a_guest_says_in_its_life_is_no_flood(
    guest: socket.socket, client: GuestClient
) -> None:
    guest.sendall(b'{"event": "started", "pid": 7}\n{"event": "ended", "code": 3}\n' * 25)
    client.read()
    assert (client.ended, client.closed, client.flooded) == (3, False, False)


@pytest.mark.parametrize(
    "line",
    [
        b'{"event": "ended", "code": true}',
        b'{"event": "ended", "code": 1e999}',
        b'{"event": "ended", "code": Infinity}',
        b'{"event": "ended", "code": 256}',
        b'{"event": "ended", "code": -65}',
        b'{"event": "ended", "code": ' + b"9" * 4000 + b"}",
        b'{"event": "hello", "uid": 1e999, "memory": NaN}',
        b"[" * 60_000,
        b"\xff\xfe",
        b"7",
    ],
)
def test_nonsense_is_passed_over(line: bytes, guest: socket.socket, client: GuestClient) -> None:
    guest.sendall(line + b"\n")
    client.read()
    assert (client.ended, client.closed) == (None, False)
    assert client.applied is not None and (client.applied.uid, client.applied.memory) == (1000, 5)
    guest.sendall(b'{"event": "ended", "code": -9}\n')
    client.read()
    assert client.ended == -9
