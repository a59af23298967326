"""The tunnel with real processes: `pod.py tunnel` behind a pipe, and sockets at both ends."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from jupyter_containers.engines.kubernetes import tunnel as tunnels
from jupyter_containers.engines.kubernetes.tunnel import Tunnel, tunnel_secret
from jupyter_containers.errors import EngineDown, EngineError, StartFailed
from jupyter_containers.guest import mux
from tests.helpers.pods import SECRET, Exec, Pod, echo, until

FILES = {"conf/ca.pem": b"certificates\n" * 20_000, "start.json": b"{}"}
GRACE = 20.0


@pytest.fixture
def pod(short_path: Path) -> Iterator[Pod]:
    """One in which nothing listens. Its bridge ends with its guest's socket."""
    pod = Pod(short_path)
    yield pod
    pod.end()


@contextlib.asynccontextmanager
async def opened(pod: Pod, *, ends: bool = True) -> AsyncIterator[Tunnel]:
    """A tunnel to it. It leaves nothing behind: no socket, no task, no process."""
    tunnel = Tunnel(pod.connect, pod.here, SECRET, grace=GRACE)
    await tunnel.open(FILES)
    try:
        yield tunnel
    finally:
        await tunnel.close()
        assert list(pod.here.iterdir()) == []
        assert all(one.process.returncode is not None for one in pod.execs)
        assert [task for task in asyncio.all_tasks() if "Tunnel" in repr(task)] == []
        assert tunnel._streams.ends == set()
        if ends:
            pod.end()  # else it keeps what it connected to, for another server


async def digest(reader: asyncio.StreamReader) -> tuple[str, int]:
    """Of all that comes."""
    found, size = hashlib.sha256(), 0
    while data := await reader.read(1 << 18):
        found.update(data)
        size += len(data)
    return found.hexdigest(), size


async def sent(writer: asyncio.StreamWriter, pieces: list[bytes]) -> str:
    """All of them, and then the end."""
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
        writer.write(piece)
        await writer.drain()
    writer.write_eof()
    return found.hexdigest()


async def test_files_come_before_the_kernel(pod: Pod) -> None:
    async with opened(pod):
        for path, said in (("conf/ca.pem", "conf/ca.pem"), ("start.json", "run/start.json")):
            there = pod.run.parent / said
            assert there.read_bytes() == FILES[path]
            assert there.stat().st_mode & 0o777 == 0o600


async def test_20_mb_with_cuts(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way, and the connection is cut again and again, wherever that is."""
    monkeypatch.setattr(tunnels, "_LASTED", 0.0)
    seed = random.randrange(1 << 32)
    pod.cuts = random.Random(seed)
    pieces = [os.urandom(size) for size in (1, 70_000, 3, 500_000, 1, 1, 0, 129_426)] * 29
    async with echo(pod.run / "k-1"), opened(pod):
        await until(pod.here / "k-1")
        reader, writer = await asyncio.open_unix_connection(pod.here / "k-1")
        async with asyncio.timeout(60):
            came, went = await asyncio.gather(digest(reader), sent(writer, pieces))
        writer.close()
        assert came == (went, sum(map(len, pieces))), seed
        assert sum(map(len, pieces)) > 20_000_000
        assert len(pod.execs) > 8


async def test_an_end_is_handed_on_each_way(pod: Pod) -> None:
    """Who has said all may still hear the answer, at either end."""
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"first")
        writer.write_eof()
        heard.append(await reader.read())
        writer.close()

    server = await asyncio.start_unix_server(answer, pod.run / "k-2")
    async with opened(pod):
        await until(pod.here / "k-2")
        reader, writer = await asyncio.open_unix_connection(pod.here / "k-2")
        assert await asyncio.wait_for(reader.read(), 5) == b"first"
        writer.write(b"then")
        await asyncio.sleep(0.1)
        writer.write(b" more")
        writer.close()
        async with asyncio.timeout(5):
            while heard != [b"then more"]:
                await asyncio.sleep(0.01)
    server.close()


async def test_a_flood_delays_nothing_else(pod: Pod) -> None:
    """A stream whose client does not read takes its window, and the next one goes on."""

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()

    server = await asyncio.start_unix_server(flood, pod.run / "k-2")
    async with echo(pod.run / "k-4"), opened(pod) as tunnel:
        await until(pod.here / "k-4")
        _, silent = await asyncio.open_unix_connection(pod.here / "k-2")
        reader, writer = await asyncio.open_unix_connection(pod.here / "k-4")
        for _ in range(50):
            writer.write(b"ping")
            assert await asyncio.wait_for(reader.readexactly(4), 5) == b"ping"
        (waiting,) = [end for end in tunnel._streams.ends if end.name == "k-2"]
        async with asyncio.timeout(10):
            while waiting.window >= mux.FRAME_COUNTS + mux.CHUNK:
                await asyncio.sleep(0.01)
        assert waiting.transport.get_write_buffer_size() < 2 * mux.WINDOW
        silent.close()
        writer.close()
    server.close()


async def test_a_kernels_restart(pod: Pod) -> None:
    """The server removes the sockets here, and finds the next kernel's under the same name."""
    async with opened(pod), echo(pod.run / "k-1"):
        await until(pod.here / "k-1")
        assert await said(pod.here / "k-1") == b"hello"
        (pod.here / "k-1").unlink()
        os.rename(pod.run / "k-1", pod.run / "old")  # a kernel that was killed leaves it
        async with echo(pod.run / "k-1"):
            await until(pod.here / "k-1")
            assert await said(pod.here / "k-1") == b"hello"
        await until(pod.here / "k-1", there=False)


async def said(path: Path) -> bytes:
    """What is said again there."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"hello")
    writer.write_eof()
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return answer


async def test_nobody_listens_inside(pod: Pod) -> None:
    """A kernel that was killed: the client's connection ends, as it would beside it."""
    async with opened(pod):
        async with echo(pod.run / "k-1"):
            os.link(pod.run / "k-1", pod.run / "k-3")
            await until(pod.here / "k-3")
        assert await said(pod.here / "k-3") == b""


async def test_the_guests_socket_stays_the_guests(pod: Pod) -> None:
    """What a kernel puts in its place is reached by nobody."""
    async with echo(pod.run / "guest"), opened(pod):
        await until(pod.here / "guest")
        (pod.run / "guest").rename(pod.run / "taken")
        impostor = await asyncio.start_unix_server(
            lambda _, writer: writer.close(), pod.run / "guest"
        )
        await asyncio.sleep(0.6)
        assert await said(pod.here / "guest") == b"hello"
        impostor.close()
        (pod.run / "taken").unlink()


async def test_a_bridge_that_is_killed(pod: Pod) -> None:
    """Another one does not know the tunnel's secret; the streams are lost."""
    async with echo(pod.run / "k-1"), opened(pod) as tunnel:
        await until(pod.here / "k-1")
        reader, writer = await asyncio.open_unix_connection(pod.here / "k-1")
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        pod.end()
        assert "was killed" in await asyncio.wait_for(tunnel.wait_lost(), 10)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        assert list(pod.here.iterdir()) == []


async def test_an_impostor_of_the_bridge(pod: Pod) -> None:
    """A kernel listens in its place: it is not told what it would need to pass for it."""
    heard: list[bytes] = []

    def pretend() -> None:
        process, _ = listener.accept()
        _, files, _, _ = socket.recv_fds(process, 1, 2)
        with process, open(files[0], "rb") as said, open(files[1], "wb", 0) as answer:
            heard.append(said.readline())
            answer.write(b'{"nonce": "00", "proof": "%s"}\n' % (b"0" * 64))
            heard.append(said.readline())

    async with opened(pod) as tunnel:
        (pod.run / "tunnel").unlink()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(pod.run / "tunnel"))
            listener.listen()
            pretending = asyncio.create_task(asyncio.to_thread(pretend))
            pod.execs[-1].cut()
            assert "another program answers" in await asyncio.wait_for(tunnel.wait_lost(), 10)
            await asyncio.wait_for(pretending, 10)
    assert b"nonce" in heard[0]
    assert SECRET.encode() not in heard[0]
    assert heard[1] == b""


async def test_the_next_server(pod: Pod) -> None:
    """It takes the kernel over; what the last one had open ends inside."""
    async with echo(pod.run / "k-1"):
        async with opened(pod, ends=False):
            await until(pod.here / "k-1")
            _, left = await asyncio.open_unix_connection(pod.here / "k-1")
            left.write(b"hello")
        left.close()
        after = Tunnel(pod.connect, pod.here, SECRET, grace=GRACE)
        await after.open()
        await until(pod.here / "k-1")
        assert await said(pod.here / "k-1") == b"hello"
        await after.close()
        pod.end()


async def test_a_wrong_secret(pod: Pod) -> None:
    async with opened(pod):
        other = Tunnel(pod.connect, pod.here / "..", "another", grace=GRACE)
        with pytest.raises(StartFailed, match="another program answers"):
            await other.open()


@pytest.mark.parametrize("error", [OSError("no route"), EngineDown("The API does not answer.")])
async def test_what_may_work_later(pod: Pod, error: Exception) -> None:
    """It is tried again until the Pod's end has given up too."""
    tries = 0

    async def connect() -> Exec:
        nonlocal tries
        tries += 1
        if tries in (1, 2):
            raise error
        return await pod.connect()

    tunnel = Tunnel(connect, pod.here, SECRET, grace=GRACE)
    await tunnel.open(FILES)
    assert (tries, tunnel.connected, tunnel.lost) == (3, True, None)
    await tunnel.close()
    tries = -1000
    other = Tunnel(connect, pod.here, SECRET, grace=0.3)

    async def fail() -> Exec:
        raise error

    other._connect = fail
    with pytest.raises(StartFailed, match=r"not reached for 0.3 s \((no route|The API)"):
        await other.open()


async def test_a_pod_that_is_gone(pod: Pod) -> None:
    async def fail() -> Exec:
        raise EngineError("The Pod was deleted.")

    tunnel = Tunnel(fail, pod.here, SECRET, grace=GRACE)
    with pytest.raises(StartFailed, match=r"^The Pod was deleted\.$"):
        await tunnel.open()
    assert await tunnel.wait_lost() == tunnel.lost == "The Pod was deleted."


async def test_no_place_for_a_file(pod: Pod) -> None:
    pod.conf.rmdir()
    tunnel = Tunnel(pod.connect, pod.here, SECRET, grace=GRACE)
    with pytest.raises(StartFailed, match="no place for its files"):
        await tunnel.open(FILES)
    big = Tunnel(pod.connect, pod.here, SECRET, grace=GRACE)
    with pytest.raises(StartFailed, match="too large"):
        await big.open({"start.json": b"x" * 2_000_000})


async def test_no_place_for_the_sockets(pod: Pod) -> None:
    tunnel = Tunnel(pod.connect, pod.here / "gone", SECRET, grace=GRACE)
    await tunnel.open(FILES)
    async with echo(pod.run / "k-1"):
        assert "cannot be made" in await asyncio.wait_for(tunnel.wait_lost(), 10)
    await tunnel.close()


async def test_too_many_clients(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnels, "MOST_STREAMS", 2)
    async with echo(pod.run / "k-1"), opened(pod):
        await until(pod.here / "k-1")
        writers = [(await asyncio.open_unix_connection(pod.here / "k-1"))[1] for _ in range(2)]
        await asyncio.sleep(0.05)
        with contextlib.suppress(OSError):
            assert await said(pod.here / "k-1") == b""
        for writer in writers:
            writer.close()
        await asyncio.sleep(0.2)
        assert await said(pod.here / "k-1") == b"hello"


async def test_a_silent_connection(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is pinged, and made again where nothing comes back."""
    monkeypatch.setattr(mux, "BEAT", 0.1)
    async with echo(pod.run / "k-1"), opened(pod):
        await asyncio.sleep(1)
        assert len(pod.execs) == 1
        pod.execs[0].is_silent = True
        await until(pod.here / "k-1")
        answer = asyncio.create_task(said(pod.here / "k-1"))
        assert await asyncio.wait_for(answer, 10) == b"hello"
        assert len(pod.execs) == 2


async def test_it_is_not_slow(pod: Pod) -> None:
    """Ten times what an idle machine takes."""
    async with echo(pod.run / "k-1"), opened(pod):
        await until(pod.here / "k-1")
        reader, writer = await asyncio.open_unix_connection(pod.here / "k-1")
        began = time.perf_counter()
        for _ in range(200):
            writer.write(b"ping")
            await reader.readexactly(4)
        assert time.perf_counter() - began < 200 * 0.003
        began = time.perf_counter()
        writer.write(b"x" * 20_000_000)
        await reader.readexactly(20_000_000)
        assert time.perf_counter() - began < 10
        writer.close()


def test_the_secret_is_not_the_token() -> None:
    token = "a" * 32
    assert len(tunnel_secret(token)) == 32 and tunnel_secret(token) != tunnel_secret("b" * 32)
    assert token not in tunnel_secret(token)
