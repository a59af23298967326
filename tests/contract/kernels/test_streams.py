"""Streams into a running container: programs, terminals, connections to its ports."""

import asyncio
import contextlib
import signal
import socket
import time
from dataclasses import replace

import pytest

from jupyter_containers.errors import StreamFailed
from tests.helpers.harness import running

WAITS = "import time; print('on', flush=True); time.sleep(100)"
STRANGERS = """
import os, socket
run = '/opt/jupyter-containers/run/streams'
def stranger():
    made = socket.socket(socket.AF_INET if port else socket.AF_UNIX)
    made.connect(('127.0.0.1', port) if port else run)  # waits where as many wait as may
    made.settimeout(20)
    return made
def said(text):
    with stranger() as one:
        try:
            one.sendall(text)
            return one.recv(100)
        except (ConnectionResetError, BrokenPipeError): return b''
"""
FORWARDER = """
import os, signal
def parent(pid):
    try: return open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()[1]
    except OSError: return ''
def forwarders():
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try: is_one = b'guest/main.py' in open(f'/proc/{pid}/cmdline', 'rb').read()
        except OSError: continue
        if is_one and parent(pid) == str(os.getppid()): found.append(int(pid))
    return found
"""
SERVER = """
import http.server, threading
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'hello')
    def log_message(self, *_): pass
server = http.server.HTTPServer(('127.0.0.1', 0), Page)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port)
"""


async def ran(program):
    said = b""
    async with asyncio.timeout(30):
        async for _, data in program.output():
            said += data
    return said.decode(), program.code


async def until(program, text):
    said = ""
    try:
        async with asyncio.timeout(30):
            async for _, data in program.output():
                said += data.decode()
                if text in said:
                    return
    except TimeoutError:
        pass
    raise AssertionError(said)


async def test_programs_and_terminals(notebook):
    async with running(notebook(env={"GREETING": "hello"})) as kernel:
        streams = kernel.container.streams
        script = "echo $GREETING $HOME $(id -u) $(pwd); exit 3"
        told = await kernel.value(
            "*map(str, [__import__('os').environ['HOME'], __import__('os').getuid(),"
            " __import__('os').getcwd()])"
        )
        assert await ran(await streams.exec(["sh", "-c", script])) == (f"hello {told}\n", 3)
        with pytest.raises(StreamFailed, match="There is no program nothing-of-the-kind"):
            await streams.exec(["nothing-of-the-kind"])
        killed = await streams.exec(["sh", "-c", "kill -9 $$"])
        assert await ran(killed) == ("", -signal.SIGKILL)

        waiting = await streams.exec(["python3", "-c", WAITS], tty=True)
        await until(waiting, "on")
        await waiting.write(b"\x03")
        await until(waiting, "KeyboardInterrupt")
        waiting.close()
        shell = await streams.exec(tty=True, rows=31, cols=77)
        await shell.write(b"stty size; echo $TERM\n")
        await until(shell, "31 77\r\nxterm-256color")
        await kernel.restart()
        await shell.write(b"echo still $((6 * 8))\n")
        await until(shell, "still 48")
        again = await streams.exec(["echo", "again"])
        assert await ran(again) == ("again\n", 0)
    assert (await ran(shell))[1] is None  # it ends with its container


async def listed(streams):
    """The ports that are told first: one that Linux chose after some seconds."""
    async with asyncio.timeout(20), contextlib.aclosing(streams.ports()) as told:
        async for now in told:
            if now:
                return [one.port for one in now]
    raise AssertionError("they are told until the stream ends")


async def test_ports(notebook, features):
    network = {"network": "none"} if "network-none" in features else {}
    async with running(notebook(**network)) as kernel:
        streams = kernel.container.streams
        port = int((await kernel.run(SERVER))["text"])
        stream = await streams.tcp(port)
        await stream.write(b"GET / HTTP/1.0\r\n\r\n")
        assert (await stream.read_until_close()).endswith(b"hello")
        assert await listed(streams) == [port]
        with (
            socket.create_server(("127.0.0.1", 0)) as other,
            pytest.raises(StreamFailed, match="Nothing in the container listens"),
        ):
            await streams.tcp(other.getsockname()[1])


async def test_where_sockets_do_not_cross(notebook, no_sockets, features):
    """Its port is published on this machine, and whoever is here is a stranger."""
    if "ports" not in features:
        pytest.skip("this engine publishes no port: its sockets cross, or a tunnel brings them")
    async with running(notebook()) as kernel:
        streams = kernel.container.streams
        assert (streams.path, streams.host) == ("", "127.0.0.1")
        program = await streams.exec(["sh", "-c", "cat; exit 3"])
        await program.write(b"x" * 1_000_000)
        await program.end_input()
        said, code = await ran(program)
        assert (len(said), code) == (1_000_000, 3)
        shell = await streams.exec(tty=True, rows=31, cols=77)
        await shell.write(b"stty size\n")
        await until(shell, "31 77")
        port = int((await kernel.run(SERVER))["text"])
        stream = await streams.tcp(port)
        await stream.write(b"GET / HTTP/1.0\r\n\r\n")
        stream.socket.shutdown(socket.SHUT_WR)
        assert (await stream.read_until_close()).endswith(b"hello")
        assert await listed(streams) == [port]
        with pytest.raises(StreamFailed):
            await replace(streams, token="0" * 32).exec(["id"])
        held = [socket.create_connection((streams.host, streams.port)) for _ in range(100)]
        assert await ran(await streams.exec(["echo", "1"])) == ("1\n", 0)
        for one in held:
            one.close()
    assert (await ran(shell))[1] is None


async def test_its_forwarder_is_killed(notebook):
    """The kernel's own user may."""
    async with running(notebook()) as kernel:
        streams = kernel.container.streams
        shell = await streams.exec(tty=True)
        port = int((await kernel.run(SERVER))["text"])
        stream = await streams.tcp(port)
        await asyncio.sleep(1.5)  # one that ends at once is not started again
        await kernel.run(FORWARDER)
        assert await kernel.value("[os.kill(pid, signal.SIGKILL) for pid in forwarders()]") == (
            "[None]"
        )
        assert (await ran(shell))[1] is None
        assert await stream.read_until_close() == b""
        assert await ran(await streams.exec(["echo", "again"])) == ("again\n", 0)
        assert await kernel.value("len(forwarders())") == "1"
        stream = await streams.tcp(port)
        await stream.write(b"GET / HTTP/1.0\r\n\r\n")
        assert (await stream.read_until_close()).endswith(b"hello")
        await kernel.restart()
        assert await ran(await streams.exec(["echo", "still"])) == ("still\n", 0)


async def test_a_process_inside_gets_nothing(notebook):
    async with running(notebook()) as kernel:
        streams = kernel.container.streams
        await kernel.run(f"port = {streams.port}\n{STRANGERS}")
        order = b'{"open": "exec", "argv": ["id"]}\n'
        for text in (b"\n" + order, b"0" * 32 + b"\n" + order, b"x" * 200_000):
            assert await kernel.value(f"b'ok' in said({text!r})") == "False"
        assert await kernel.value("len(silent := [stranger() for _ in range(100)])") == "100"
        assert await ran(await streams.exec(["echo", "1"])) == ("1\n", 0)
        # What it would find the token in: nothing of the forwarder is open to it.
        pids = "[p for p in os.listdir('/proc') if p.isdigit()]"
        await kernel.run(
            "def opened(pid):\n"
            "    try: return b'main.py' in open(f'/proc/{pid}/cmdline', 'rb').read() and "
            "open(f'/proc/{pid}/mem', 'rb')\n"
            "    except OSError as error: return type(error).__name__"
        )
        found = await kernel.value(f"[one for p in {pids} if (one := opened(p))]")
        if await kernel.value("os.getppid()") == "1":
            assert found == "['PermissionError', 'PermissionError']"
        if streams.path:
            await kernel.run("[os.unlink(run), socket.socket(socket.AF_UNIX).bind(run)]")
        assert await ran(await streams.exec(["echo", "2"])) == ("2\n", 0)


async def test_a_flood_in_a_terminal_delays_no_interrupt(notebook):
    async with running(notebook()) as kernel:
        script = "head -c 1000000000 /dev/zero | tr '\\0' x; echo end"
        flood = await kernel.container.streams.exec(["sh", "-c", script], tty=True)
        size = 0

        async def read():
            nonlocal size
            async for _, data in flood.output():
                size += len(data)

        reading = asyncio.create_task(read())
        waiting = asyncio.create_task(kernel.run("import time; time.sleep(60)"))
        await asyncio.sleep(0.5)
        began = time.monotonic()
        await kernel.manager.interrupt_kernel()
        assert (await waiting)["error"].startswith("KeyboardInterrupt")
        assert time.monotonic() - began < 30
        assert size > 0
        assert not reading.done()
        reading.cancel()
        flood.close()
        assert await kernel.value("6 * 7") == "42"
