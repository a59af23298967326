"""A Pod's end that knows the secret and says anything: the tunnel ends, and nothing of it grows."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.engines.kubernetes import tunnel as tunnels
from jupyter_containers.engines.kubernetes.tunnel import Tunnel
from jupyter_containers.errors import StartFailed
from jupyter_containers.guest import mux
from jupyter_containers.guest.mux import HEAD, NUMBER
from tests.helpers.pods import SECRET


def frame(kind: int, stream: int = 0, payload: bytes = b"") -> bytes:
    return HEAD.pack(kind, stream, len(payload)) + payload


def count(number: int) -> bytes:
    return NUMBER.pack(number)


class Hostile:
    """The connection of a program that took the bridge's place and its secret. It says `frames`
    after the first frame that it hears, then nothing, or goes on for ever."""

    def __init__(self, frames: Iterator[bytes], received: Any = 0) -> None:
        self._frames, self._received = frames, received
        self._heard: asyncio.Queue[bytes] = asyncio.Queue()
        self._lines = 0
        self._speaks = asyncio.Event()

    async def write(self, data: bytes) -> None:
        self._heard.put_nowait(data)
        if self._lines == 2 and b"k-1" in data:
            self._speaks.set()

    async def read(self) -> bytes:
        self._lines += 1
        if self._lines <= 2:
            said = json.loads(await self._heard.get())
            return self._answer(said)
        if self._lines == 3:
            return frame(mux.SOCKETS, 0, b'{"k-1": 1}')
        if self._lines == 4:
            while b"k-1" not in await self._heard.get():
                pass
        data = next(self._frames, None)
        if data is None:
            await asyncio.sleep(60)
        return data or b""

    def _answer(self, said: dict[str, Any]) -> bytes:
        if self._lines == 1:
            self._words = (said["session"], said["nonce"], "00")
            proof = mux.proof(SECRET, "pod", *self._words)
            return json.dumps({"nonce": "00", "proof": proof}).encode() + b"\n"
        assert said["proof"] == mux.proof(SECRET, "server", *self._words)
        return json.dumps({"received": self._received}).encode() + b"\n"

    async def close(self) -> None:
        pass


@contextlib.asynccontextmanager
async def opened(run: Path, frames: Iterator[bytes]) -> AsyncIterator[Tunnel]:
    """A tunnel to such a one, and a client of it that has a stream, which is the first."""

    async def connect() -> Hostile:
        return Hostile(frames)

    tunnel = Tunnel(connect, run, SECRET, grace=5)
    await tunnel.open()
    writer = None
    try:
        async with asyncio.timeout(5):
            while not (run / "k-1").exists():
                await asyncio.sleep(0.005)
        _, writer = await asyncio.open_unix_connection(run / "k-1")
        yield tunnel
    finally:
        await tunnel.close()
        if writer is not None:
            writer.close()
        assert list(run.iterdir()) == []


WINDOW = mux.WINDOW // (mux.CHUNK + mux.FRAME_COUNTS)


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (frame(mux.OPEN, 1, b"guest"), "unknown kind"),
        (frame(mux.FILE, 0, b"x\ny"), "unknown kind"),
        (frame(200), "unknown kind"),
        (HEAD.pack(mux.DATA, 1, 0xFFFFFFFF), "too long"),
        (HEAD.pack(mux.SOCKETS, 0, mux.CHUNK + 1), "too long"),
        (frame(mux.DATA, 2, b"x"), "never opened"),
        (frame(mux.CLOSE, 0), "never opened"),
        (frame(mux.ACK, 0, count(100)), "what was not sent"),
        (frame(mux.ACK, 0, b""), "number that is none"),
        (frame(mux.CREDIT, 1, count(1)), "what was not sent"),
        (frame(mux.CREDIT, 1, count((1 << 64) - 1)), "what was not sent"),
        (frame(mux.CREDIT, 1, b"1"), "number that is none"),
        (frame(mux.EOF, 1) + frame(mux.DATA, 1, b"x"), "more of a stream than it may"),
        (frame(mux.DATA, 1, b"x" * mux.CHUNK) * 20, "more of a stream than it may"),
        (frame(mux.PLACED), "file that was not sent"),
        (frame(mux.SOCKETS, 0, b"["), "sockets that cannot be"),
        (frame(mux.SOCKETS, 0, b"[" * 60_000), "sockets that cannot be"),
        (frame(mux.SOCKETS, 0, b'["k-1"]'), "sockets that cannot be"),
        (frame(mux.SOCKETS, 0, b'{"k-6": 1}'), "sockets that cannot be"),
        (frame(mux.SOCKETS, 0, b'{"../conf/k-1": 1}'), "sockets that cannot be"),
        (frame(mux.SOCKETS, 0, b'{"k-1": true}'), "sockets that cannot be"),
        (frame(mux.SOCKETS, 0, b'{"k-1": 0}'), "sockets that cannot be"),
        (frame(mux.SOCKETS, 0, b'{"k-1": 1e300}'), "sockets that cannot be"),
    ],
)
async def test_what_is_none_of_the_protocol(short_path: Path, says: bytes, why: str) -> None:
    run = short_path / "run"
    run.mkdir()
    async with opened(run, iter([says])) as tunnel:
        assert why in await asyncio.wait_for(tunnel.wait_lost(), 5)
    assert list(short_path.iterdir()) == [run]


@pytest.mark.parametrize("received", [-1, 1, 10**30, "0", None, True, 0.0, []])
async def test_a_wrong_number_of_frames(short_path: Path, received: Any) -> None:
    async def connect() -> Hostile:
        return Hostile(iter([]), received)

    with pytest.raises(StartFailed, match="what was not sent"):
        await Tunnel(connect, short_path, SECRET, grace=5).open()


class Talker:
    """Says the same for ever and hears nothing."""

    def __init__(self, says: bytes) -> None:
        self.says = says

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        return self.says

    async def write(self, data: bytes) -> None:
        pass

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "says",
    [b"<html>\n", b"x" * 5000, b"\n", b"[" * 4000 + b"\n", b'{"a": 1}\n', b"1" * 4000 + b"\n"],
)
async def test_not_our_protocol(short_path: Path, says: bytes) -> None:
    async def connect() -> Talker:
        return Talker(says)

    with pytest.raises(StartFailed, match="disturbs its connection"):
        await Tunnel(connect, short_path, SECRET, grace=5).open()


async def test_a_silent_one(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnels, "HANDSHAKE", 0.2)

    class Silent(Talker):
        async def read(self) -> bytes:
            await asyncio.sleep(60)
            return b""

    async def connect() -> Silent:
        return Silent(b"")

    with pytest.raises(StartFailed, match=r"not reached for 0\.3 s"):
        await Tunnel(connect, short_path, SECRET, grace=0.3).open()


def sockets() -> Iterator[bytes]:
    """Other ones at each moment."""
    number = 1
    while True:
        number += 500
        names = [dict.fromkeys(mux.NAMES, number + one) if one % 2 else {} for one in range(500)]
        yield b"".join(frame(mux.SOCKETS, 0, json.dumps(one).encode()) for one in names)


def closed() -> Iterator[bytes]:
    """For a stream that is closed."""
    yield frame(mux.CLOSE, 1)
    while True:
        yield frame(mux.DATA, 1, b"x") * 20_000


def forever(data: bytes) -> Iterator[bytes]:
    while True:
        yield data


@pytest.mark.parametrize(
    "says",
    [forever(frame(mux.PING) * 20_000), sockets(), closed(), forever(frame(mux.EOF, 1) * 20_000)],
    ids=["pings", "sockets", "closed", "ends"],
)
async def test_an_endless_flood(short_path: Path, says: Iterator[bytes]) -> None:
    """Others have their turns, and what is kept stays small."""
    async with opened(short_path, says) as tunnel:
        longest, end = 0.0, time.monotonic() + 0.7
        while (before := time.monotonic()) < end:
            await asyncio.sleep(0)
            longest = max(longest, time.monotonic() - before)
        assert longest < 0.3
        assert tunnel._streams.link.size < 10_000
        assert tunnel.lost is None


async def test_it_acknowledges_nothing(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept for it is bounded; data stays in the client's socket."""
    monkeypatch.setattr(mux, "MOST_KEPT", 1 << 18)
    async with opened(short_path, forever(frame(mux.PING))) as tunnel:
        link = tunnel._streams.link
        writers = []
        for _ in range(3):
            _, writer = await asyncio.open_unix_connection(short_path / "k-1")
            writer.write(b"x" * 1_000_000)
            writers.append(writer)
        await asyncio.sleep(0.3)
        assert not link.has_room and link.size < 2 * (1 << 18)
        for _ in range(20_000):
            link.send(mux.CREDIT, 1, count(1))
        assert "acknowledges nothing" in await asyncio.wait_for(tunnel.wait_lost(), 5)
        for writer in writers:
            writer.close()


async def test_noise(short_path: Path) -> None:
    """Whatever it is, the tunnel ends or waits for more, and says so in a sentence."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    for _ in range(30):
        noise = b"".join(
            HEAD.pack(chance.randrange(12), chance.randrange(3), size) + chance.randbytes(size)
            for size in (chance.randrange(40) for _ in range(20))
        )
        async with opened(short_path, iter([noise])) as tunnel:
            with contextlib.suppress(TimeoutError):
                assert await asyncio.wait_for(tunnel.wait_lost(), 0.05), seed
            assert tunnel.lost is None or "disturbs its connection: it" in tunnel.lost, seed
