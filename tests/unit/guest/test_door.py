"""Who knocks at the guest: strangers are let go, and nobody waits for them."""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.guest import door
from jupyter_containers.guest.door import Door

TOKEN = "a" * 32


class House:
    """A door, what it listens on, and whom it has let in."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.admitted: list[tuple[socket.socket, bytes]] = []
        self.callers: list[socket.socket] = []
        self.events = selectors.DefaultSelector()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.listener.setblocking(False)
        self.door: Any = Door(self.listener, TOKEN, self.events, None, self._admit)

    def _admit(self, connection: socket.socket, said: bytes) -> None:
        self.admitted.append((connection, said))

    def caller(self, says: bytes = b"") -> socket.socket:
        """Somebody who knocks."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self.path)
        connection.settimeout(1)
        self.callers.append(connection)
        if says:
            connection.sendall(says)
        self.turn()
        return connection

    def turn(self) -> None:
        """What the guest's loop does, until nothing is left to do."""
        while ready := self.events.select(0):
            for key, _ in ready:
                key.data()

    def close(self) -> None:
        for connection in (*self.callers, self.listener, *(one for one, _ in self.admitted)):
            connection.close()
        for connection in list(self.door.waiting):
            self.door.dismiss(connection)
        self.events.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with contextlib.closing(House(tmp_path / "s")) as made:
        yield made


def test_the_token_opens_and_what_follows_is_not_lost(house: House) -> None:
    house.caller(TOKEN.encode() + b'\n{"do": "stop"}\n')
    assert [said for _, said in house.admitted] == [b'{"do": "stop"}\n']
    assert not house.door.waiting


def test_a_token_may_come_in_pieces(house: House) -> None:
    slow = house.caller(TOKEN[:7].encode())
    assert not house.admitted
    slow.sendall(TOKEN[7:].encode() + b"\n")
    house.turn()
    assert len(house.admitted) == 1


@pytest.mark.parametrize("says", [b"b" * 32 + b"\n", b"\xff\xfe\n", b"\n", b"x" * 201])
def test_anything_else_does_not(house: House, says: bytes) -> None:
    assert house.caller(says).recv(1) == b""
    assert not house.admitted
    assert not house.door.waiting


def test_the_silent_are_let_go(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert house.door.expire() is None
    patient = house.caller()
    assert 0 < house.door.expire() <= door.PATIENCE
    monkeypatch.setattr(door, "PATIENCE", -1.0)
    late = house.caller()
    assert house.door.expire() > 0  # the first is asked about first, and has time left
    house.door.waiting[next(iter(house.door.waiting))][0] = 0.0
    assert house.door.expire() is None
    assert patient.recv(1) == late.recv(1) == b""


def test_many_of_them_keep_nobody_out(house: House) -> None:
    strangers = [house.caller() for _ in range(door.MOST + 5)]
    assert len(house.door.waiting) == door.MOST
    assert strangers[0].recv(1) == b""
    house.caller(TOKEN.encode() + b"\n")
    assert len(house.admitted) == 1
