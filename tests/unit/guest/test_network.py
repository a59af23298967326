"""A guest whose owner is on another machine, as a plain process: what becomes of the connection
when the network fails. In jobs: tests/contract/kernels/test_jobs.py."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest

import jupyter_containers
from jupyter_containers.kernels.guest_client import _ARGV, GuestClient, certificate_of

MAIN = Path(jupyter_containers.__file__).parent / "guest" / "main.py"
TOKEN = "a" * 32


def wait_for(condition: Callable[[], object], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def read_until(client: GuestClient, condition: Callable[[], object], seconds: float) -> None:
    def met() -> object:
        client.read()
        return condition()

    wait_for(met, seconds)


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, str]]:
    """Its process, its port and its certificate; its kernel sleeps."""
    pem = subprocess.run(_ARGV, capture_output=True, text=True, check=True).stdout
    settings: dict[str, Any] = {
        "argv": ["sleep", "60"],
        "cwd": "/",
        "note": "",
        "token": TOKEN,
        "pem": pem,
    }
    settings |= {"grace": 5.0, "patience": 20, "mounts": [], "port": None}
    (tmp_path / "start.json").write_text(json.dumps(settings))
    (tmp_path / "port").touch()
    process = subprocess.Popen([sys.executable, "-I", "-S", str(MAIN), str(tmp_path)])
    wait_for((tmp_path / "port").read_text)
    yield process, int((tmp_path / "port").read_text()), certificate_of(pem)
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    process.wait(5)


def test_both_ends_notice_a_machine_that_is_gone(
    guest: tuple[subprocess.Popen[bytes], int, str],
) -> None:
    _, port, certificate = guest
    client = GuestClient(("127.0.0.1", port), TOKEN, certificate)
    wait_for(client.try_connect)
    which = f"sport = :{port} or dport = :{port}"
    argv = ["ss", "--tcp", "--numeric", "--options", "--no-header", "state", "established", which]

    def told() -> list[str]:
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()

    wait_for(lambda: ["timer:(keepalive," in line for line in told()] == [True, True])
    client.close()


class Network:
    """Between an owner and a guest; `fail` ends what goes through it, and it can be `down`."""

    def __init__(self, port: int) -> None:
        self._to, self._ends, self.down = port, list[socket.socket](), False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                owner, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self.down:
                    raise ConnectionRefusedError
                guest = socket.create_connection(("127.0.0.1", self._to))
            except ConnectionRefusedError:  # a guest tells its port before it listens
                owner.close()
                continue
            self._ends += [owner, guest]
            for one, other in ((owner, guest), (guest, owner)):
                threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with one, contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_RDWR)

    def fail(self) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.fail()


@pytest.fixture
def network(guest: tuple[subprocess.Popen[bytes], int, str]) -> Iterator[Network]:
    with Network(guest[1]) as made:
        yield made


def test_an_owner_comes_back_after_the_network_failed(
    guest: tuple[subprocess.Popen[bytes], int, str], network: Network
) -> None:
    process, _, certificate = guest
    client = GuestClient(("127.0.0.1", network.port), TOKEN, certificate)
    wait_for(client.try_connect)
    network.down = True
    network.fail()
    until = time.monotonic() + 2
    while time.monotonic() < until:
        client.read()
        assert not client.closed
        time.sleep(0.05)
    network.down = False

    def interrupted() -> bool:
        client.read()
        client.signal(signal.SIGINT)
        return client.ended == -signal.SIGINT

    wait_for(interrupted)
    assert process.poll() is None
    client.close()


def test_a_guest_that_is_gone_is_not_waited_for(
    guest: tuple[subprocess.Popen[bytes], int, str],
) -> None:
    process, port, certificate = guest
    client = GuestClient(("127.0.0.1", port), TOKEN, certificate)
    wait_for(client.try_connect)
    process.kill()
    read_until(client, lambda: client.closed, 2)


def test_a_kernel_that_shall_end_is_not_looked_for(
    guest: tuple[subprocess.Popen[bytes], int, str], network: Network
) -> None:
    _, _, certificate = guest
    client = GuestClient(("127.0.0.1", network.port), TOKEN, certificate)
    wait_for(client.try_connect)
    network.down = True
    network.fail()
    read_until(client, lambda: client._again, 2)
    assert not client.closed
    client.signal(signal.SIGKILL)
    read_until(client, lambda: client.closed, 4)


def test_strangers_keep_nobody_waiting(guest: tuple[subprocess.Popen[bytes], int, str]) -> None:
    _, port, certificate = guest
    client = GuestClient(("127.0.0.1", port), TOKEN, certificate)
    with contextlib.ExitStack() as strangers:
        for said in (b"", b"\x16\x03\x01", b"GET / HTTP/1.0\r\n\r\n", TOKEN.encode() + b"\n") * 5:
            stranger = strangers.enter_context(socket.create_connection(("127.0.0.1", port)))
            stranger.sendall(said)
        wait_for(client.try_connect)
        client.signal(signal.SIGINT)
        read_until(client, lambda: client.ended == -signal.SIGINT, 5)
    client.close()
