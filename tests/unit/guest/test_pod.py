"""The Pod's end of the tunnel as plain processes; what a Pod has of its own is a namespace here."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from jupyter_containers.engines.kubernetes.tunnel import Tunnel
from jupyter_containers.errors import StartFailed
from jupyter_containers.guest.mux import Lines, proof
from jupyter_containers.kernels.guest_client import GuestClient
from jupyter_containers.layout import GUEST_DIR
from tests.helpers.pods import SECRET, Pod, echo, until

TOKEN = "a" * 32
KERNEL = """
import os, socket, time
for number in range(1, 6):
    path = f"k-{number}"
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    globals()[path] = listener
while True:
    connection, _ = globals()["k-1"].accept()
    connection.sendall(os.environ.get("JUPYTER_CONTAINERS_NOTE", "-").encode())
    connection.close()
"""
AS_IN_A_CONTAINER = (
    *("unshare", "--user", "--map-current-user", "--pid", "--fork", "--kill-child"),
    "--mount-proc",
)


@pytest.fixture
def pod(short_path: Path) -> Iterator[Pod]:
    pod = Pod(short_path)
    yield pod
    pod.end()


@contextlib.contextmanager
def started(pod: Pod) -> Iterator[subprocess.Popen[bytes]]:
    """Its first process, in a namespace of process ids."""
    argv = [*AS_IN_A_CONTAINER, *pod.program, "start", str(pod.run)]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextlib.asynccontextmanager
async def opened(pod: Pod, grace: float = 20.0) -> AsyncIterator[Tunnel]:
    """With the files that a guest needs."""
    start = {
        "argv": [sys.executable, "-c", KERNEL],
        "cwd": str(pod.run),
        "note": "",
        "token": TOKEN,
        "grace": 20,
        "patience": 20,
        "mounts": [],
    }
    tunnel = Tunnel(pod.connect, pod.here, SECRET, grace=grace)
    await tunnel.open({"start.json": json.dumps(start).encode()})
    try:
        yield tunnel
    finally:
        await tunnel.close()


async def heard(path: Path) -> str:
    """What the kernel says to who connects."""
    await until(path)
    reader, writer = await asyncio.open_unix_connection(path)
    said = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return said.decode()


async def gone(found: Callable[[], list[int]], seconds: float = 5.0) -> float:
    """How long it takes until there are none."""
    began = time.monotonic()
    while found():
        assert time.monotonic() < began + seconds
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def test_a_kernels_life(pod: Pod) -> None:
    """It starts once its files have come, starts again in place, and ends with all that is there;
    the bridge and its connection outlive the kernel."""
    with started(pod) as process:
        await asyncio.sleep(0.2)
        assert process.poll() is None
        async with opened(pod) as tunnel:
            await until(pod.here / "guest")
            client = GuestClient(str(pod.here / "guest"), TOKEN)
            await client.connect(10)
            assert await heard(pod.here / "k-1") == "-"
            client.signal(signal.SIGKILL)
            async with asyncio.timeout(10):
                while client.ended is None:
                    client.read()
                    await asyncio.sleep(0.01)
            assert client.ended == -signal.SIGKILL
            for number in range(1, 6):
                (pod.here / f"k-{number}").unlink()
            client.start("again")
            assert await heard(pod.here / "k-1") == "again"
            assert len(pod.execs) == 1
            assert not (pod.run / "start.json").exists()
            client.stop()
            assert "was killed" in await asyncio.wait_for(tunnel.wait_lost(), 10)
            client.read()
            assert client.closed
        assert process.wait(5) == 0


def test_ends_on_a_signal_while_it_waits(pod: Pod) -> None:
    """As pid 1, which ignores what it does not ask for."""
    with started(pod) as process:
        while not (pod.run / "tunnel").exists():
            time.sleep(0.01)
        time.sleep(0.1)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGTERM)
        assert process.wait(5) == 128 + signal.SIGTERM


def test_no_server_comes(pod: Pod) -> None:
    code = f"import sys; sys.path.insert(0, {str(GUEST_DIR)!r}); import pod; pod.PATIENCE = 0.2; "
    code += f"pod.start({str(pod.run)!r})"
    said = pod.here / "said"
    with said.open("wb") as file:  # the bridge has it too, for as long as it waits
        done = subprocess.run([sys.executable, "-I", "-c", code], stderr=file, timeout=10)
    assert (done.returncode, said.read_text()) == (1, "No server came within 0 s.\n")


async def test_the_bridge_ends_without_a_server(pod: Pod) -> None:
    async with opened(pod, grace=0.5):
        await asyncio.sleep(1)
        assert len(pod.bridges()) == 1
    assert await gone(pod.bridges) > 0.2


async def test_a_cell_that_removes_the_names_of_sockets_cuts_nothing(pod: Pod) -> None:
    async with echo(pod.run / "guest"), opened(pod):
        await until(pod.here / "guest")
        reader, writer = await asyncio.open_unix_connection(pod.here / "guest")
        (pod.run / "guest").unlink()
        await asyncio.sleep(1)
        writer.write(b"still")
        async with asyncio.timeout(5):
            assert await reader.readexactly(5) == b"still"
        writer.close()


async def test_one_bridge_however_many_come(pod: Pod) -> None:
    """The last one that listens is found by all; the others end after a while."""
    made = [await pod.connect() for _ in range(4)]
    for one in made:
        await one.write(b'{"secret": "' + SECRET.encode() + b'", "session": "s", "nonce": "n"}\n')
    answers = [json.loads(await one.read()) for one in made]
    assert all(answer["proof"] for answer in answers)
    for one in made:
        await one.close()


async def test_a_connection_takes_the_place_of_the_last(pod: Pod) -> None:
    """An API server may have lost one without telling the Pod."""
    made = [await pod.connect() for _ in range(2)]
    for one in made:
        lines = Lines(one)
        await lines.say({"secret": SECRET, "session": "s", "nonce": "n"})
        words = ("s", "n", (await lines.hear())["nonce"])
        await lines.say({"proof": proof(SECRET, "server", *words), "received": 0})
        assert await lines.hear() == {"received": 0}
    assert await asyncio.wait_for(made[0].process.wait(), 5) == 0
    assert made[1].process.returncode is None
    for one in made:
        await one.close()


async def test_strangers(pod: Pod) -> None:
    """Who does not know the secret changes nothing, however many there are."""
    async with echo(pod.run / "k-1"), opened(pod) as tunnel:
        await until(pod.here / "k-1")
        reader, writer = await asyncio.open_unix_connection(pod.here / "k-1")
        says = (b"", b"x" * 9000, b"{}\n", ask(tunnel), b"[]\n")
        strangers = []
        with (pod.here / "file").open("w+") as file:
            for number in range(60):
                one = socket.socket(socket.AF_UNIX)
                strangers.append(one)
                one.connect(str(pod.run / "tunnel"))
                if number % 3 == 0:
                    one.sendall(b"no files")
                elif number % 3 == 1:
                    socket.send_fds(one, [b"."], [file.fileno()] * (number % 4))
                else:
                    read, write = os.pipe()
                    os.write(write, says[number % 5])
                    socket.send_fds(one, [b"."], [read, write])
                    os.close(read)
                    os.close(write)
                await asyncio.sleep(0.002)
        assert len(pod.execs) == 1
        pod.execs[0].cut()
        writer.write(b"hello")
        assert await asyncio.wait_for(reader.readexactly(5), 10) == b"hello"
        for one in strangers:
            one.close()
        writer.close()
        pod.end()


def ask(tunnel: Tunnel) -> bytes:
    """As the server asks, with a proof that is none."""
    said = {"session": tunnel._session, "nonce": "n", "secret": "x", "grace": 0}
    return json.dumps(said).encode() + b'\n{"proof": "x", "received": 0}\n'


async def test_no_file_leads_elsewhere(pod: Pod) -> None:
    for name in ("../x", "conf/../x", "/tmp/x", "run/x", "conf/.x", "conf/a/b", ".x"):
        tunnel = Tunnel(pod.connect, pod.here, SECRET, grace=20)
        with pytest.raises(StartFailed, match="no place for"):
            await tunnel.open({name: b"x"})
        pod.end()
    assert sorted(path.name for path in pod.run.parent.rglob("*")) == ["conf", "run", "tunnel"]


LESS = "--bounding-set=-sys_ptrace,-dac_override,-sys_resource"
AS_ANYBODY = ("setpriv", LESS) if os.getuid() == 0 else ()


async def test_a_kernel_cannot_look_into_the_bridge(pod: Pod) -> None:
    pod.program = (*AS_ANYBODY, *pod.program)
    look = "import os, sys; os.readlink('/proc/%s/fd/0' % sys.argv[1])"
    async with opened(pod):
        (pid,) = pod.bridges()
        for one, why in ((pid, b"PermissionError"), ("self", b"")):
            argv = [*AS_ANYBODY, sys.executable, "-c", look, str(one)]
            done = subprocess.run(argv, capture_output=True, timeout=10)
            assert why in done.stderr and bool(why) == bool(done.returncode), done
