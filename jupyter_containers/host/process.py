"""Where commands are started: nowhere else (ruff's banned-api holds this).

Everything runs in a session of its own, so that cancelling ends the whole process tree, and is
entered with the reaper, so that a killed owner leaves no command behind. With the logger
`jupyter_containers.commands` at DEBUG (`--verbose`) each command is shown as one can repeat it.
Some children belong to no event loop: any loop and thread may poll them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Self

from ..errors import EngineDown, EngineError, EngineFailed, EngineMissing
from .reaper.client import reaper

log = logging.getLogger("jupyter_containers.commands")

Environment = Mapping[str, str | None]
"""What is added to this process's own for a command, and with None what is taken away."""

_MAX_LINE = 64 * 1024
_MAX_OUTPUT = 32 * 1024 * 1024
_LOOK = 1.0
"""Seconds without a line until a stream looks whether its process was killed."""
_TERM_GRACE = 3.0
"""Seconds between SIGTERM and SIGKILL for a cancelled command: enough for buildah to unmount."""


@dataclass(frozen=True)
class Completed:
    """A command that ended: what was run, its exit code (negative: a signal), what it printed."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str


async def run(
    argv: Sequence[str],
    *,
    input: bytes | None = None,
    timeout: float = 60.0,
    env: Environment | None = None,
    cwd: str | None = None,
) -> Completed:
    """Run a command to its end and return all it printed, whatever its exit code.

    Raises EngineMissing where the program is not there, EngineDown where it cannot be started or
    after `timeout` seconds, and EngineFailed after 32 MiB of output; cancelling it
    ends the process tree first.
    """
    process = await _spawn(argv, input, env, cwd)
    try:
        async with asyncio.timeout(timeout):
            out, err = await asyncio.gather(_capped(process, 1), _capped(process, 2))
            await process.wait()
    except TimeoutError:
        await _end(process)
        raise EngineDown(
            f"`{shlex.join(argv[:3])}` did not answer within {timeout:g} s.",
            "Run it by hand to see where it hangs, or restart the engine.",
        ) from None
    except BaseException:
        await asyncio.shield(_end(process))
        raise
    finally:
        reaper.forget(_key(process))
    assert process.returncode is not None
    if max(len(out), len(err)) > _MAX_OUTPUT:
        raise EngineFailed(argv, process.returncode, "it printed more than 32 MiB")
    return Completed(
        tuple(argv),
        process.returncode,
        out.decode(errors="replace"),
        err.decode(errors="replace"),
    )


async def _capped(process: asyncio.subprocess.Process, number: int) -> bytes:
    """All of one pipe. A command that floods us (a container's output comes through here) is
    killed, and what it still sends thrown away."""
    pipe = process.stdout if number == 1 else process.stderr
    assert pipe is not None
    kept = bytearray()
    while chunk := await pipe.read(_MAX_LINE):
        if len(kept) <= _MAX_OUTPUT:
            kept += chunk
            if len(kept) > _MAX_OUTPUT:
                _signal(process, signal.SIGKILL)
    return bytes(kept)


class Stream:
    """A running command whose lines are read as they come.

    async with Stream(argv) as stream:
        async for source, line in stream: ...      # source is "stdout" or "stderr"
        code = await stream.wait()

    Leaving the block, by an error or a cancel too, ends the process tree.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        input: bytes | None = None,
        env: Environment | None = None,
        cwd: str | None = None,
    ) -> None:
        self.argv = tuple(argv)
        self._input = input
        self._env = env
        self._cwd = cwd

    async def __aenter__(self) -> Self:
        self._process = await _spawn(self.argv, self._input, self._env, self._cwd)
        return self

    async def __aiter__(self) -> AsyncIterator[tuple[str, str]]:
        """Lines of both pipes in their order of arrival, without their end, cut at 64 KiB."""
        queue: asyncio.Queue[tuple[str, str] | None] = asyncio.Queue(maxsize=1000)

        async def pump(name: str, pipe: asyncio.StreamReader) -> None:
            turn = Turn()
            while raw := await read_line(pipe):
                await turn.over()
                await queue.put((name, raw.decode(errors="replace").rstrip("\r\n")))
            await queue.put(None)

        assert self._process.stdout is not None and self._process.stderr is not None
        pumps = [
            asyncio.create_task(pump("stdout", self._process.stdout)),
            asyncio.create_task(pump("stderr", self._process.stderr)),
        ]
        turn = Turn()
        try:
            open_pipes = len(pumps)
            while open_pipes:
                await turn.over()
                if (item := await self._next(queue)) is None:
                    open_pipes -= 1
                else:
                    yield item
        finally:
            for task in pumps:
                task.cancel()

    async def _next(self, queue: asyncio.Queue[tuple[str, str] | None]) -> tuple[str, str] | None:
        """The queue's next. Where another killed the process, what that had started still has the
        pipes open, and is ended."""
        while queue.empty():
            try:
                async with asyncio.timeout(_LOOK):
                    return await queue.get()
            except TimeoutError:
                if (self._process.returncode or 0) < 0:
                    await asyncio.shield(_end(self._process))
        return queue.get_nowait()

    async def wait(self) -> int:
        """Its exit code; negative for a signal."""
        return await self._process.wait()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        code = self._process.returncode
        if code is None or code < 0:  # killed by another, its children may still run
            await asyncio.shield(_end(self._process))
        reaper.forget(_key(self._process))


async def _spawn(
    argv: Sequence[str], input: bytes | None, env: Environment | None, cwd: str | None
) -> asyncio.subprocess.Process:
    log.debug("%s", shlex.join(argv))
    pipe = asyncio.subprocess.PIPE
    # A nameless file rather than a pipe: asyncio's is a socket pair, which `--env-file
    # /dev/stdin` cannot open again.
    with _nameless(input) as stdin:
        try:
            process = await _whole(
                asyncio.create_subprocess_exec(
                    *argv,
                    stdin=stdin or asyncio.subprocess.DEVNULL,
                    stdout=pipe,
                    stderr=pipe,
                    env=with_env(env),
                    cwd=cwd,
                    start_new_session=True,
                    limit=_MAX_LINE,
                )
            )
        except (OSError, ValueError) as error:
            raise cannot_run(argv[0], error) from error
    reaper.add_group(_key(process), process.pid)
    return process


def with_env(env: Environment | None) -> dict[str, str]:
    """This process's environment with that on top."""
    return {k: v for k, v in {**os.environ, **(env or {})}.items() if v is not None}


def cannot_run(program: str, error: OSError | ValueError) -> EngineError:
    """Why a program did not start: it is not there; or this machine has no memory, processes or
    open files left for it, it is damaged, or its arguments are none."""
    if isinstance(error, FileNotFoundError | PermissionError):
        return EngineMissing(
            f"`{program}` cannot be run: {error.strerror}.",
            "`jupyter containers doctor` says what is missing and how to install it.",
        )
    why = error.strerror if isinstance(error, OSError) else str(error)
    return EngineDown(f"`{program}` cannot be started: {why}.", "Run it by hand to see more.")


async def _whole(
    creation: Coroutine[Any, Any, asyncio.subprocess.Process],
) -> asyncio.subprocess.Process:
    """A cancel in the few milliseconds of a start must neither forget the process nor wait for
    it for ever, as asyncio may (https://github.com/python/cpython/issues/103847, 125502)."""
    creating = asyncio.ensure_future(creation)
    try:
        return await asyncio.shield(creating)
    except asyncio.CancelledError:
        await asyncio.wait({creating}, timeout=2.0)
        if not creating.done():
            creating.cancel()
        elif not creating.cancelled() and creating.exception() is None:
            await asyncio.shield(_end(creating.result()))
        raise


@contextlib.contextmanager
def _nameless(content: bytes | None) -> Iterator[IO[bytes] | None]:
    if content is None:
        yield None
        return
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        yield file


def _key(process: asyncio.subprocess.Process) -> str:
    return f"group-{process.pid}"


async def _end(process: asyncio.subprocess.Process) -> None:
    """SIGTERM to the whole group, SIGKILL after a grace; returns when the leader is gone."""
    for signum, patience in ((signal.SIGTERM, _TERM_GRACE), (signal.SIGKILL, 30.0)):
        _signal(process, signum)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await process.wait()
                break
    _signal(process, signal.SIGKILL)


def _signal(process: asyncio.subprocess.Process, signum: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signum)


Child = subprocess.Popen[bytes]


class Waiting:
    """See `base.Watch`: one attached child whose end tells the end of something else."""

    def __init__(self, argv: Sequence[str]) -> None:
        log.debug("%s", shlex.join(argv))
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise cannot_run(argv[0], error) from error
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        reaper.add_group(f"group-{self._process.pid}", self._process.pid)

    def poll(self) -> Completed | None:
        """None while it runs; what it printed and its exit code after."""
        code = self._process.poll()
        if code is None:
            return None
        reaper.forget(f"group-{self._process.pid}")
        assert self._process.stdout is not None
        out = b""
        if not self._process.stdout.closed:
            # What it left running may hold the other end: there is no waiting for that to close.
            with contextlib.suppress(BlockingIOError):
                out = os.read(self._process.stdout.fileno(), 4096)
        self._process.stdout.close()
        return Completed(("watch",), code, out.decode(errors="replace"), "")

    def close(self) -> None:
        """End the child; what it watched goes on."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self.poll()


def detach(argv: Sequence[str], output: IO[bytes], env: Environment) -> Child:
    """Start a command that goes on by itself, what it prints in a file. Raises EngineMissing.

    For containers that are processes: who calls it waits for it, and has the reaper `forget` its
    process group once the container's record names it.
    """
    log.debug("%s", shlex.join(argv))
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=with_env(env),
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise cannot_run(argv[0], error) from error
    reaper.add_group(f"group-{process.pid}", process.pid)
    return process


@contextlib.contextmanager
def logged(argv: Sequence[str]) -> Iterator[tuple[Child, IO[bytes]]]:
    """Start a command that goes on by itself and reads what is written to the file that comes with
    it: until nobody has it open, which is the output of a `detach`."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as file:
        with os.fdopen(reading, "rb") as pipe:
            process = subprocess.Popen(
                argv,
                stdin=pipe,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        yield process, file


def ends(process: Child, seconds: float) -> bool:
    """Whether it has ended within so many seconds. Blocks."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def forget(process: Child) -> None:
    """The reaper need not know of it any longer."""
    reaper.forget(f"group-{process.pid}")


_TURN = 0.002
"""Seconds for which a flood of lines may keep the event loop."""


class Turn:
    """Lines that are there already are read without waiting: somebody else must have a turn."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def over(self) -> None:
        """Called for every line; lets others go on after a few milliseconds."""
        if time.monotonic() - self._since > _TURN:
            await asyncio.sleep(0)
            self._since = time.monotonic()


async def read_line(pipe: asyncio.StreamReader) -> bytes:
    """One line, or its first 64 KiB where a program prints without end."""
    try:
        return await pipe.readuntil(b"\n")
    except asyncio.IncompleteReadError as end:
        return end.partial
    except asyncio.LimitOverrunError as over:
        return await pipe.readexactly(over.consumed)
