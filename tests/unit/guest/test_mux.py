"""The tunnel's protocol, both ends in this process. With processes: tests/engines/kubernetes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import AsyncIterator

import pytest

from jupyter_containers.guest import mux
from jupyter_containers.guest.mux import (
    ACK,
    CHUNK,
    DATA,
    FRAME_COUNTS,
    HEAD,
    MOST_KEPT,
    NUMBER,
    OPEN,
    PING,
    SOCKETS,
    WINDOW,
    Broken,
    End,
    Lines,
    Link,
    Mux,
    proof,
)


class Wire:
    """One end of a connection in memory, which hands on pieces of any size."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.came: asyncio.Queue[bytes] = asyncio.Queue()
        self.other: Wire
        self.left = b""

    async def read(self) -> bytes:
        data = self.left or await self.came.get()
        size = self.chance.choice((1, 8, 9, 10, 1000, len(data)))
        self.left = data[size:]
        return data[:size]

    async def write(self, data: bytes) -> None:
        await asyncio.sleep(0)
        self.other.came.put_nowait(data)

    async def close(self) -> None:
        pass


def wires(seed: int) -> tuple[Wire, Wire]:
    chance = random.Random(seed)
    one, other = Wire(chance), Wire(chance)
    one.other, other.other = other, one
    return one, other


class Recorder(Mux):
    """What comes, as it came; it knows every kind."""

    def __init__(self) -> None:
        super().__init__(1 << 20)
        self.came: list[tuple[int, int, bytes]] = []

    def take(self, kind: int, stream: int, payload: memoryview) -> None:
        self.came.append((kind, stream, bytes(payload)))


async def test_each_frame_once_and_in_order() -> None:
    """However the bytes are cut into pieces, and whenever the connection is."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    one, other = Recorder(), Recorder()
    sent = [
        (chance.randrange(8), n, chance.randbytes(chance.choice((0, 9, 3000)))) for n in range(300)
    ]
    for frame in sent:
        one.link.send(*frame)
        other.link.send(*frame)
    async with asyncio.timeout(60):
        while one.came != sent or other.came != sent:
            here, there = wires(seed)
            one.link.resume(other.link.received)
            other.link.resume(one.link.received)
            parts = (one.link.carry(here, b""), other.link.carry(there, b""))
            tasks = [asyncio.create_task(part) for part in parts]
            await asyncio.sleep(chance.choice((0, 0.001, 0.01, 0.1)))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert one.came == sent[: len(one.came)], seed
    one.link.resume(300)
    assert (len(one.link.kept), one.link.size) == (0, 0)


async def test_what_is_kept() -> None:
    """Until it is acknowledged, and at MOST_KEPT nobody reads more to send."""
    link = Recorder().link
    for number in range(3):
        link.send(DATA, number, b"x")
    link.unsent.popleft()
    link.unsent.popleft()
    for wrong in (3, -1, "1", None, True, 1.0):
        with pytest.raises(Broken):
            link.acknowledge(wrong)
    link.acknowledge(1)
    link.acknowledge(1)
    with pytest.raises(Broken):
        link.acknowledge(0)
    assert [HEAD.unpack_from(frame)[1] for frame in link.kept] == [1, 2]
    link.resume(2)
    assert (len(link.kept), list(link.unsent)) == (1, list(link.kept))
    while link.has_room:
        link.send(DATA, 1, b"x" * CHUNK)
    assert MOST_KEPT <= link.size < MOST_KEPT + 2 * CHUNK
    link.unsent.clear()
    link.acknowledge(link.first + 10)
    rooms = [link.has_room]
    link.acknowledge(link.first + len(link.kept))
    assert [*rooms, link.has_room] == [False, True]
    assert link.size == 0


async def test_small_frames_count_too() -> None:
    link = Recorder().link
    count = 0
    while link.has_room:
        link.send(DATA, 1)
        count += 1
    assert count * FRAME_COUNTS < MOST_KEPT


async def test_an_acknowledgement_comes_before_much_is_kept() -> None:
    link = Recorder().link
    took = 0
    while not link.ack_due:
        link.take(DATA, 1, memoryview(b"x" * 1000))
        took += 1
    assert took < 300
    assert link.batch() == HEAD.pack(ACK, 0, NUMBER.size) + NUMBER.pack(took)
    link.take(PING, 0, memoryview(b""))
    assert link.batch()[: HEAD.size] == HEAD.pack(ACK, 0, NUMBER.size)
    assert link.batch() == b""


async def test_a_frame_that_is_too_long() -> None:
    link = Link(Recorder(), 10)
    assert await link.handle(HEAD.pack(SOCKETS, 0, 10)) == HEAD.pack(SOCKETS, 0, 10)
    with pytest.raises(Broken, match="too long"):
        await link.handle(HEAD.pack(SOCKETS, 0, 11))


async def test_a_connection_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mux, "BEAT", 0.02)
    here, there = wires(1)
    await asyncio.wait_for(Recorder().link.carry(here, b""), 5)
    assert sum(data.count(HEAD.pack(PING, 0, 0)) for data in queued(there)) == mux.MOST_MISSED


def queued(wire: Wire) -> list[bytes]:
    return [wire.came.get_nowait() for _ in range(wire.came.qsize())]


def test_a_proof_is_for_one_connection_and_one_end() -> None:
    words = [("k", "pod", "a", "b"), ("k", "pod", "b", "a"), ("k", "server", "a", "b")]
    words += [("l", "pod", "a", "b"), ("k", "pod", "a", "")]
    assert len({proof(*one) for one in words}) == len(words)
    assert proof(*words[0]) == proof(*words[0])


async def test_the_first_lines() -> None:
    here, there = wires(7)
    lines = Lines(here)
    await Lines(there).say({"a": "b" * 3000})
    await there.write(b'{"c": 1}\nrest')
    assert await lines.hear() == {"a": "b" * 3000}
    assert await lines.hear() == {"c": 1}
    while lines.rest != b"rest":
        lines.rest += await here.read()
    for wrong in (
        b"[]\n",
        b"\n",
        b"x\n",
        b"\xff\n",
        b"[" * 4096 + b"\n",
        b'{"a": "%s"}\n' % (b"x" * 5000),
    ):
        here, there = wires(7)
        await there.write(wrong)
        with pytest.raises(Broken):
            await Lines(here).hear()
    here, there = wires(7)
    await there.write(b"")
    with pytest.raises(ConnectionError):
        await Lines(here).hear()


class Joined(Mux):
    """An end of a pair, whose streams the test opens at both."""

    def end(self) -> tuple[End, socket.socket]:
        """The next stream's, and the socket that a program would have."""
        self.open(self.opened + 1)
        self.ours, theirs = socket.socketpair()
        self.ours.setblocking(False)
        return End(self, self.opened, "x"), theirs


@contextlib.asynccontextmanager
async def pair() -> AsyncIterator[tuple[Joined, Joined]]:
    """Two ends that are connected."""
    one, other = Joined(CHUNK), Joined(CHUNK)
    here, there = wires(3)
    parts = (one.link.carry(here, b""), other.link.carry(there, b""))
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        yield one, other
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for end in (one, other):
            end.abort()
        await asyncio.sleep(0)


async def connected(end: Joined) -> tuple[End, asyncio.StreamReader, asyncio.StreamWriter]:
    """A stream's end, and what a program has of it."""
    made, theirs = end.end()
    await asyncio.get_running_loop().create_connection(lambda: made, sock=end.ours)
    return made, *await asyncio.open_unix_connection(sock=theirs)


async def test_a_stream_both_ways() -> None:
    async with pair() as (one, other):
        _, reader, writer = await connected(one)
        _, far_reader, far_writer = await connected(other)
        data = os.urandom(3 * WINDOW)
        writer.write(data)
        writer.write_eof()
        far_writer.write(b"answer")
        assert await asyncio.wait_for(far_reader.read(), 10) == data
        assert await reader.readexactly(6) == b"answer"
        far_writer.close()
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        async with asyncio.timeout(5):
            while one.ends or other.ends:
                await asyncio.sleep(0.01)


async def test_a_stream_has_its_window() -> None:
    """What nobody takes at the other end stays with the sender, after a window's worth."""
    async with pair() as (one, other):
        sender, _, writer = await connected(one)
        made, theirs = other.end()
        writer.write(b"x" * (2 * WINDOW))
        await asyncio.sleep(0.2)
        assert WINDOW - CHUNK < sum(map(len, made.early)) < WINDOW
        assert 0 <= sender.credit == made.window < CHUNK
        assert not sender.transport.is_reading()
        await asyncio.get_running_loop().create_connection(lambda: made, sock=other.ours)
        reader, far = await asyncio.open_unix_connection(sock=theirs)
        assert len(await asyncio.wait_for(reader.readexactly(2 * WINDOW), 5)) == 2 * WINDOW
        writer.close()
        far.close()


async def test_closed_before_it_was_connected() -> None:
    """What was said before is still handed over."""
    async with pair() as (one, other):
        _, _, writer = await connected(one)
        made, theirs = other.end()
        writer.write(b"last words")
        await asyncio.sleep(0.05)
        one.streams[1].transport.abort()
        async with asyncio.timeout(5):
            while not made.closed:
                await asyncio.sleep(0.01)
        await asyncio.get_running_loop().create_connection(lambda: made, sock=other.ours)
        reader, far = await asyncio.open_unix_connection(sock=theirs)
        assert await asyncio.wait_for(reader.read(), 5) == b"last words"
        far.close()
        writer.close()


async def test_streams_are_opened_in_turn() -> None:
    end = Mux(CHUNK)
    end.open(1)
    for wrong in (0, 1, 3):
        with pytest.raises(Broken):
            end.open(wrong)
    end.take(DATA, 1, memoryview(b"x"))  # it was closed here
    with pytest.raises(Broken):
        end.take(DATA, 2, memoryview(b"x"))
    with pytest.raises(Broken):
        end.take(OPEN, 1, memoryview(b"x"))
