"""A kernel at work: cells, interrupts, input, output, sockets and TCP."""

import asyncio
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest
import zmq

from tests.helpers.harness import eventually, running


async def test_while_true_is_interrupted_within_a_second(kernel):
    await kernel.run("kept = 41")
    endless = asyncio.create_task(kernel.run("open('begun', 'w')\nwhile True: pass"))
    await eventually((kernel.folder / "begun").exists, every=0.02)
    begun = time.monotonic()
    await kernel.interrupt()
    done = await endless
    assert time.monotonic() - begun < 1.0
    assert done["error"].startswith("KeyboardInterrupt")
    assert await kernel.value("kept + 1") == "42"


async def test_an_interrupt_reaches_subprocesses(kernel):
    code = "import subprocess; subprocess.run(['sh', '-c', 'touch slept; exec sleep 1000'])"
    sleeping = asyncio.create_task(kernel.run(code))
    await eventually((kernel.folder / "slept").exists, every=0.02)
    await kernel.interrupt()
    assert (await sleeping)["error"].startswith("KeyboardInterrupt")


async def test_input(kernel):
    done = await kernel.run("name = input('who? '); print('hi', name)", answer="Ada")
    assert done["text"].strip() == "hi Ada"


async def test_20_mb_of_output(kernel):
    done = await kernel.run("for i in range(20): print('x' * (1 << 20))", timeout=60)
    assert len(done["text"]) >= 20 << 20


async def test_poll_starts_no_process(kernel, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("poll started a process")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fork", refuse)
        patch.setattr(subprocess.Popen, "__init__", refuse)
        for _ in range(50):
            assert await kernel.poll() is None


async def test_tcp_where_sockets_do_not_cross(notebook, no_sockets, features):
    if "ports" not in features:
        pytest.skip("this engine publishes no port: its sockets cross, or a tunnel brings them")
    async with running(notebook()) as kernel:
        assert kernel.manager.transport == "tcp"
        assert await kernel.value("6*7") == "42"
        ports = [getattr(kernel.manager, f"{c}_port") for c in ("shell", "iopub", "control")]
        for port in ports:
            with socket.socket() as probe:
                probe.connect(("127.0.0.1", port))  # published here …
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        bound = {line.split()[1] for line in lines if line.split()[3] == "0A"}
        for port in ports:
            assert f"00000000:{port:04X}" not in bound  # … and nowhere else
        await kernel.restart()
        assert await kernel.value("'again'") == "again"
        # CurveZMQ: who has the session's key but not the server's gets no answer.
        with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
            stranger.linger = 0
            stranger.connect(f"tcp://127.0.0.1:{ports[0]}")
            session = kernel.manager.session
            session.send(stranger, session.msg("kernel_info_request"))
            assert stranger.poll(1500) == 0
