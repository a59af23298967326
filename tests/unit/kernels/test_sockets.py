"""Where the server's clients connect, whatever a container puts in place of its sockets: by
ZeroMQ, which connects by path and comes again. Real sockets, no engine."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq
from jupyter_client.manager import KernelManager

from jupyter_containers.errors import StartFailed
from jupyter_containers.host.rundir import RunDir
from jupyter_containers.images.probe import _Trial
from jupyter_containers.kernels.connection import use_sockets
from jupyter_containers.kernels.container_files import bound, guest_socket, unbind

NAMES = [f"k-{number}" for number in range(1, 6)]


@pytest.fixture
def tmp_path(short_path: Path) -> Path:
    return short_path


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    made = RunDir(root=tmp_path, home=tmp_path / "home")
    for directory in (made.run, made.sockets):
        directory.mkdir()
    return made


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket of the person's, such as podman's."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "podman.sock"))
        made.listen()
        made.settimeout(0.4)
        yield made


Make = Callable[[int], zmq.Socket[bytes]]


@pytest.fixture
def make() -> Iterator[Make]:
    """A socket of ZeroMQ's of a kind; closed after the test."""
    context, made = zmq.Context(), list[zmq.Socket[bytes]]()

    def one(kind: int) -> zmq.Socket[bytes]:
        made.append(context.socket(kind))
        return made[-1]

    yield one
    for each in made:
        each.close(linger=0)
    context.term()


class Kernel:
    """Binds what a kernel binds, and answers on the first."""

    def __init__(self, make: Make, run: Path) -> None:
        self.bound = [make(zmq.ROUTER) for _ in NAMES]
        for one, name in zip(self.bound, NAMES, strict=True):
            one.bind(f"ipc://{run / name}")

    def answer(self) -> None:
        assert self.bound[0].poll(5000)
        self.bound[0].send_multipart(self.bound[0].recv_multipart())

    def end(self) -> None:
        for one in self.bound:
            one.close(linger=0)


def swap(run_dir: RunDir, canary: Path) -> None:
    for name in [*NAMES, "guest"]:
        (run_dir.run / name).unlink(missing_ok=True)
        (run_dir.run / name).symlink_to(canary)


async def test_a_kernel_that_swaps_its_sockets(
    run_dir: RunDir,
    canary: socket.socket,
    make: Make,
    tmp_path: Path,
) -> None:
    manager = KernelManager(connection_file=str(tmp_path / "connection.json"))
    inside = use_sockets(manager, run_dir, "")
    assert inside["ip"] == "/opt/jupyter-containers/run/k"
    kernel = Kernel(make, run_dir.run)
    await bound(run_dir, lambda: False)
    client = make(zmq.DEALER)
    client.connect(f"ipc://{manager.ip}-{manager.shell_port}")
    client.send(b"1")
    kernel.answer()
    assert client.recv() == b"1"
    swap(run_dir, tmp_path / "podman.sock")
    later = make(zmq.DEALER)  # a page that is opened now
    later.connect(f"ipc://{manager.ip}-{manager.shell_port}")
    later.send(b"2")
    kernel.answer()
    assert later.recv() == b"2"
    kernel.end()  # both come again and again from now on
    with pytest.raises(TimeoutError):
        canary.accept()
    unbind(run_dir)
    kernel = Kernel(make, run_dir.run)
    await bound(run_dir, lambda: False)
    client.send(b"3")
    kernel.answer()
    assert client.recv() == b"3"


async def test_links_where_the_sockets_should_be(
    run_dir: RunDir, canary: socket.socket, tmp_path: Path
) -> None:
    swap(run_dir, tmp_path / "podman.sock")
    with pytest.raises(StartFailed, match=r"'k-1' .* was not connected to: it is a link"):
        await bound(run_dir, lambda: False)
    with pytest.raises(StartFailed, match=r"'guest' .* it is a link"):
        guest_socket(run_dir)
    assert list(run_dir.sockets.iterdir()) == []
    with pytest.raises(TimeoutError):
        canary.accept()


async def test_the_fallback_kernels_are_its_own(run_dir: RunDir, make: Make) -> None:
    """It runs on this machine, and binds where clients connect."""
    swap(run_dir, run_dir.root / "podman.sock")
    waiting = asyncio.ensure_future(bound(run_dir, lambda: False, inside=False))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    Kernel(make, run_dir.sockets)
    await asyncio.wait_for(waiting, 5)


def test_the_guests_is_the_first_that_was_seen(run_dir: RunDir) -> None:
    """A server that adopts the kernel later sends it the token."""
    assert guest_socket(run_dir) is None
    with socket.socket(socket.AF_UNIX) as guest, socket.socket(socket.AF_UNIX) as other:
        guest.bind(str(run_dir.run / "guest"))
        seen = guest_socket(run_dir)
        assert seen is not None and seen.parent == run_dir.sockets
        first = seen.stat().st_ino
        (run_dir.run / "guest").unlink()
        other.bind(str(run_dir.run / "guest"))
        assert guest_socket(run_dir) == seen and seen.stat().st_ino == first


async def test_a_probe_that_swaps_its_socket(tmp_path: Path, canary: socket.socket) -> None:
    async with _Trial(tmp_path) as trial:
        (trial.directory / "c").symlink_to(tmp_path / "podman.sock")
        reader, writer = await asyncio.open_unix_connection(str(trial.directory / "s"))
        writer.write(trial.nonce.encode() + b"\n")
        assert await reader.read() == b""
        writer.close()
        assert trial.verdict({"trouble": "x"})["transport"] != "sockets"
    with pytest.raises(TimeoutError):
        canary.accept()
