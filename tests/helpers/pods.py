"""What a server has of a Pod, as plain processes of this machine: `pod.py tunnel` and pipes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from jupyter_containers.layout import GUEST_DIR

SECRET = "c" * 32


class Exec:
    """A connection to `pod.py tunnel`, cut after so many bytes both ways."""

    def __init__(self, process: asyncio.subprocess.Process, lasts: float) -> None:
        self.process, self._left = process, lasts
        self.is_silent = False
        """Whether nothing goes either way, and nobody is told."""

    async def read(self) -> bytes:
        assert self.process.stdout is not None
        data = await self.process.stdout.read(1 << 18)
        while self.is_silent:
            await asyncio.sleep(1)
        return self._part(data)

    async def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"" if self.is_silent else self._part(data))
        await self.process.stdin.drain()

    def _part(self, data: bytes) -> bytes:
        """All of it, or what goes before the cut."""
        part = data if self._left >= len(data) else data[: int(self._left)]
        self._left -= len(part)
        if self._left < 1:
            self.cut()
        return part

    def cut(self) -> None:
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                # Not its `kill`, which may take the exit code away from asyncio.
                os.kill(self.process.pid, signal.SIGKILL)

    async def close(self) -> None:
        self.cut()
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.wait()
        # Whose output nobody has read to its end, asyncio itself does not close.
        vars(self.process)["_transport"].close()


class Pod:
    """A Pod's directories, what is run in it, and the directory of the server's sockets."""

    def __init__(self, root: Path, guest: Path = GUEST_DIR) -> None:
        self.run, self.conf, self.here = root / "pod/run", root / "pod/conf", root / "run"
        for made in (self.run, self.conf, self.here):
            made.mkdir(parents=True)
        self.program = (sys.executable, "-I", "-S", "-B", str(guest / "pod.py"))
        self.execs: list[Exec] = []
        self.cuts: random.Random | None = None
        """Where connections are cut, if they are."""

    async def connect(self) -> Exec:
        """What the server has of an exec."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *self.program, "tunnel", str(self.run), stdin=pipe, stdout=pipe, limit=1 << 18
        )
        lasts = self.cuts.randrange(1_000_000, 5_000_000) if self.cuts else float("inf")
        self.execs.append(Exec(process, lasts))
        return self.execs[-1]

    def bridges(self) -> list[int]:
        """The process ids of its bridges: what runs `pod.py` and was forked."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                pid = int(entry.name)
                ours = str(self.run).encode() in (entry / "cmdline").read_bytes().split(b"\0")
                if ours and os.getsid(pid) == pid:
                    found.append(pid)
        return found

    def end(self) -> None:
        """Kill its bridges."""
        for pid in self.bridges():
            os.kill(pid, signal.SIGKILL)


async def until(path: Path, *, there: bool = True) -> None:
    """Wait until something is there, or no longer."""
    async with asyncio.timeout(10):
        while path.exists() != there:
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def echo(path: Path) -> AsyncIterator[None]:
    """Something that listens on a socket and says all again, until the other direction ends."""
    tasks = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_unix_server(answer, path)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)
