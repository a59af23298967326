"""Streams through a real guest and its forwarder, as plain processes of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from jupyter_containers.errors import StreamFailed
from jupyter_containers.kernels.streams import Listening, Program, Streams
from jupyter_containers.layout import GUEST_DIR

TOKEN = "b" * 32
KERNEL = [sys.executable, "-c", "import time; time.sleep(600)"]


@contextlib.contextmanager
def running(path: Path, guest: Path = GUEST_DIR) -> Iterator[Streams]:
    """The streams of a guest without an owner, in a namespace of process ids of its own, as in a
    container."""
    start = {
        "argv": KERNEL,
        "cwd": str(path),
        "note": "",
        "token": "a" * 32,
        "streams": TOKEN,
        "grace": 60,
        "patience": 60,
        "mounts": [],
    }
    (path / "start.json").write_text(json.dumps(start))
    within = ("unshare", "--user", "--map-current-user", "--pid", "--fork", "--kill-child")
    argv = [sys.executable, "-I", "-S", str(guest / "main.py"), str(path)]
    environment = {**os.environ, "SHELL": "/bin/sh", "PS1": "$ "}
    process = subprocess.Popen([*within, "--mount-proc", *argv], env=environment)
    try:
        with socket.socket(socket.AF_UNIX) as trial:
            while trial.connect_ex(str(path / "streams")):  # bound comes before listening
                assert process.poll() is None
        yield Streams(token=TOKEN, path=str(path / "streams"))
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def streams(short_path: Path) -> Iterator[Streams]:
    """Those of a guest."""
    with running(short_path) as found:
        yield found


async def ran(program: Program) -> tuple[bytes, bytes, int | None]:
    """What it wrote, and how it ended."""
    said = {1: b"", 2: b""}
    async for kind, data in program.output():
        said[kind] += data
    return said[1], said[2], program.code


async def until(program: Program, text: bytes) -> bytes:
    """Its output until it has said that."""
    said = b""
    async with asyncio.timeout(10):
        async for _, data in program.output():
            said += data
            if text in said:
                break
    return said


async def test_a_program(streams: Streams, short_path: Path) -> None:
    script = "cat; echo $GREETING; pwd; echo no >&2; exit 3"
    program = await streams.exec(["sh", "-c", script], env={"GREETING": "hello"})
    await program.write(b"fed\n")
    await program.end_input()
    assert await ran(program) == (f"fed\nhello\n{short_path}\n".encode(), b"no\n", 3)


async def test_a_large_input_and_output(streams: Streams) -> None:
    """What is not read yet waits on the way, and nothing is lost."""
    program = await streams.exec(["sh", "-c", "sleep 0.3; cat"])
    data = os.urandom(5_000_000)

    async def feed() -> None:
        await program.write(data)
        await program.end_input()

    _, (said, _, code) = await asyncio.gather(feed(), ran(program))
    assert (said == data, code) == (True, 0)


@pytest.mark.parametrize(
    ("argv", "cwd", "code"),
    [
        (["no-such-program"], None, "not-found"),
        (["/etc/passwd"], None, "not-executable"),
        (["true"], "/no/such/folder", "cwd"),
        (["tr\0ue"], None, "failed"),
    ],
)
async def test_what_cannot_be_run(
    streams: Streams, argv: list[str], cwd: str | None, code: str
) -> None:
    with pytest.raises(StreamFailed) as refused:
        await streams.exec(argv, cwd=cwd)
    assert refused.value.code == code


async def test_signals(streams: Streams) -> None:
    program = await streams.exec(["sh", "-c", "echo on; sleep 100"])
    await until(program, b"on")
    await program.signal(signal.SIGTERM)
    assert (await ran(program))[2] == -signal.SIGTERM


async def test_a_terminal(streams: Streams) -> None:
    program = await streams.exec(tty=True, rows=31, cols=77)
    assert program.argv == ("/bin/sh",)
    await program.write(b"stty size; echo $TERM; tty; echo on\n")
    said = await until(program, b"\non")
    assert b"31 77" in said
    assert b"xterm-256color" in said
    assert b"/dev/pts/" in said
    await program.resize(40, 100)
    await program.write(b"stty size\n")
    await until(program, b"40 100")
    await program.write(b"exit 5\n")
    assert (await ran(program))[2] == 5


async def test_ctrl_c(streams: Streams) -> None:
    script = "import time; print('on', flush=True); time.sleep(100)"
    program = await streams.exec([sys.executable, "-c", script], tty=True)
    await until(program, b"on")
    await program.write(b"\x03")
    said, _, code = await ran(program)
    assert (b"KeyboardInterrupt" in said, code) == (True, -signal.SIGINT)


async def test_a_client_that_goes_ends_its_program(streams: Streams) -> None:
    for tty in (False, True):
        program = await streams.exec(["sh", "-c", "echo on; sleep 4251"], tty=tty)
        await until(program, b"on")
        program.close()
    look = ["sh", "-c", "ps -e -o args | grep -c '[s]leep 4251'"]
    async with asyncio.timeout(10):
        while (await ran(await streams.exec(look)))[0] != b"0\n":
            await asyncio.sleep(0.05)


async def test_what_a_program_leaves_behind_holds_nobody_up(streams: Streams) -> None:
    program = await streams.exec(["sh", "-c", "sleep 100 & echo done"])
    async with asyncio.timeout(10):
        assert await ran(program) == (b"done\n", b"", 0)


async def test_a_client_that_reads_late_gets_all(streams: Streams) -> None:
    program = await streams.exec(["sh", "-c", "head -c 3000000 /dev/zero; echo no >&2; exit 3"])
    await asyncio.sleep(1.5)
    said, errors, code = await ran(program)
    assert (len(said), errors, code) == (3_000_000, b"no\n", 3)


@pytest.mark.parametrize("frame", [b"\x03\0\0\0\x01[", b"\x04\0\0\0\x02[]", b"\0\xff\0\0\0"])
async def test_a_frame_that_is_none_ends_the_program(streams: Streams, frame: bytes) -> None:
    program = await streams.exec(["sleep", "4252"], tty=True)
    await program._stream.write(frame)
    async with asyncio.timeout(20):
        assert (await ran(program))[2] is None
    assert (await ran(await streams.exec(["echo", "1"])))[0] == b"1\n"


async def test_a_flood_stalls_no_other_stream(streams: Streams) -> None:
    flood = await streams.exec(["sh", "-c", "yes"], tty=True)  # nobody reads it
    await until(flood, b"y")
    assert (await ran(await streams.exec(["echo", "1"])))[0] == b"1\n"
    reading = asyncio.create_task(ran(flood))  # somebody reads it as fast as it comes
    assert (await ran(await streams.exec(["echo", "2"])))[0] == b"2\n"
    reading.cancel()
    flood.close()


ENDLESS = """
import socket
server = socket.create_server(('127.0.0.1', 0))
print(server.getsockname()[1], flush=True)
there, _ = server.accept()
while True: there.sendall(bytes(1 << 20))
"""


async def test_a_flood_from_a_port_stalls_no_other_stream(streams: Streams) -> None:
    program = await streams.exec([sys.executable, "-c", ENDLESS])
    flood = await streams.tcp(int(await until(program, b"\n")))
    assert (await ran(await streams.exec(["echo", "1"])))[0] == b"1\n"  # nobody reads it

    async def read() -> None:
        while await flood.read_bytes(1 << 20, partial=True):
            pass

    reading = asyncio.create_task(read())
    assert (await ran(await streams.exec(["echo", "2"])))[0] == b"2\n"
    reading.cancel()
    flood.close()
    program.close()


async def test_a_flood_of_strangers_stalls_no_stream(streams: Streams) -> None:
    """As fast as they can, each with something to say, and as many as may wait."""
    knock = f"""
import collections, socket
held = collections.deque(maxlen=200)
while True:
    one = socket.socket(socket.AF_UNIX)
    one.connect({streams.path!r})
    try: one.sendall(b'x' * 1000)
    except OSError: pass
    held.append(one)
"""
    with subprocess.Popen([sys.executable, "-c", knock]) as strangers:
        try:
            for number in range(20):
                program = await streams.exec(["echo", str(number)])
                assert (await ran(program))[0] == f"{number}\n".encode()
        finally:
            strangers.kill()


SERVER = """
import http.server, os, sys
os.chdir(sys.argv[1])
server = http.server.HTTPServer((sys.argv[2], 0), http.server.SimpleHTTPRequestHandler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextlib.asynccontextmanager
async def serving(streams: Streams, path: Path, address: str) -> AsyncIterator[int]:
    program = await streams.exec([sys.executable, "-c", SERVER, str(path), address])
    yield int(await until(program, b"\n"))
    program.close()


@pytest.mark.parametrize("address", ["127.0.0.1", ""])
async def test_a_port(streams: Streams, short_path: Path, address: str) -> None:
    (short_path / "page").write_text("x" * 100_000)
    async with serving(streams, short_path, address) as port:
        stream = await streams.tcp(port)
        await stream.write(b"GET /page HTTP/1.0\r\n\r\n")
        stream.socket.shutdown(socket.SHUT_WR)
        said = await stream.read_until_close()
    assert said.partition(b"\r\n\r\n")[2] == b"x" * 100_000


async def test_ports_of_others_are_not_reached(streams: Streams) -> None:
    """The guest shares this machine's network here, as with engines that make none."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        with pytest.raises(StreamFailed, match="Nothing in the container listens on port"):
            await streams.tcp(other.getsockname()[1])
        async with contextlib.aclosing(streams.ports()) as told:
            assert other.getsockname()[1] not in [one.port for one in await anext(told)]


async def test_listening_ports_are_told(streams: Streams, short_path: Path) -> None:
    told = streams.ports()
    assert await anext(told) == []
    async with serving(streams, short_path, "127.0.0.1") as port:
        async with asyncio.timeout(10):
            (one,) = await anext(told)
        assert one == Listening(port, one.process, "127.0.0.1")
        assert one.process.startswith("python")
    async with asyncio.timeout(10):
        assert await anext(told) == []
    await told.aclose()


WAITS = """
import socket
with socket.create_server(("127.0.0.1", 0)) as one:
    print(one.getsockname()[1], flush=True)
    one.settimeout(3)
    try:
        print("came from", one.accept()[1], flush=True)
    except TimeoutError:
        print("nobody came", flush=True)
"""


async def test_who_waits_for_one_connection_gets_that(streams: Streams) -> None:
    """As debugpy does for its adapter: to find out what listens there, nobody connects."""
    async with contextlib.aclosing(streams.ports()) as told:
        assert await anext(told) == []
        program = await streams.exec([sys.executable, "-c", WAITS])
        await until(program, b"\n")
        assert await until(program, b"\n") == b"nobody came\n"
        program.close()


MARKED = """
import os, socket, sys
one, other = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
os.memfd_create("jupyter-containers-port-%d" % one.getsockname()[1])
print(other.getsockname()[1], flush=True)
input()
"""
DEBUGGED = """
import debugpy
debugpy.listen(("127.0.0.1", 0))
print("listens", flush=True)
input()
"""


async def test_ports_of_a_kernel_itself_are_not_told(streams: Streams, short_path: Path) -> None:
    """What `boot.py` has marked, the channels, and the debugger's."""
    debugged = await streams.exec([sys.executable, "-c", DEBUGGED])
    await until(debugged, b"listens")
    with_mark = await streams.exec([sys.executable, "-c", MARKED])
    port = int(await until(with_mark, b"\n"))
    async with contextlib.aclosing(streams.ports()) as told, asyncio.timeout(10):
        assert await anext(told) == []  # not yet: these processes are young
        assert [one.port for one in await anext(told)] == [port]
    (short_path / "connection.json").write_text(json.dumps({"shell_port": port, "ip": "[]"}))
    async with contextlib.aclosing(streams.ports()) as told:
        assert await anext(told) == []
    for program in (debugged, with_mark):
        program.close()


async def test_a_forwarder_that_cannot_run_is_not_started_for_ever(short_path: Path) -> None:
    guest = shutil.copytree(GUEST_DIR, short_path / "its")
    (guest / "streams.py").write_text(f"open({str(short_path / 'n')!r}, 'a').write('x'); 1 / 0")
    with running(short_path, guest) as streams:
        for _ in range(2):
            with pytest.raises(StreamFailed, match="The container opens no streams") as failed:
                await streams.exec(["true"])
            assert "shut the kernel down and start it anew" in failed.value.hint
    assert (short_path / "n").read_text() == "x"
