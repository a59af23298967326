"""A kernel at work: cells, interrupts, input, output, sockets and TCP, twenty at once."""

import asyncio
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest
import zmq

from tests.helpers.harness import Kernel, approve, containers, running, write_notebook


async def test_while_true_is_interrupted_within_a_second(notebook):
    async with running(notebook()) as kernel:
        await kernel.run("kept = 41")
        endless = asyncio.create_task(kernel.run("while True: pass"))
        await asyncio.sleep(0.5)
        begun = time.monotonic()
        await kernel.manager.interrupt_kernel()
        done = await endless
        assert time.monotonic() - begun < 1.0
        assert done["error"].startswith("KeyboardInterrupt")
        assert await kernel.value("kept + 1") == "42"


async def test_an_interrupt_reaches_subprocesses(notebook):
    async with running(notebook()) as kernel:
        sleeping = asyncio.create_task(
            kernel.run("import subprocess; subprocess.run(['sleep', '1000'])")
        )
        await asyncio.sleep(0.7)
        await kernel.manager.interrupt_kernel()
        assert (await sleeping)["error"].startswith("KeyboardInterrupt")


async def test_input(notebook):
    async with running(notebook()) as kernel:
        done = await kernel.run("name = input('who? '); print('hi', name)", answer="Ada")
        assert done["text"].strip() == "hi Ada"


async def test_20_mb_of_output(notebook):
    async with running(notebook()) as kernel:
        done = await kernel.run("for i in range(20): print('x' * (1 << 20))", timeout=60)
        assert len(done["text"]) >= 20 << 20


async def test_poll_starts_no_process(notebook, monkeypatch):
    async with running(notebook()) as kernel:

        def refuse(*args, **kwargs):
            raise AssertionError("poll started a process")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fork", refuse)
            patch.setattr(subprocess.Popen, "__init__", refuse)
            for _ in range(50):
                assert await kernel.provisioner.poll() is None


async def test_tcp_where_sockets_do_not_cross(notebook, no_sockets, features):
    if "ports" not in features:
        pytest.skip("containers of this engine are processes of this machine: sockets cross")
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


async def test_20_kernels_at_once(engine, image, folder, engine_program):
    path = write_notebook(folder / "n.ipynb", {"image": image, "engine": engine})
    approve(path)
    kernels = [Kernel(path) for _ in range(20)]
    try:
        for start in range(0, 20, 4):
            await asyncio.gather(*(kernel.start() for kernel in kernels[start : start + 4]))
        values = await asyncio.gather(*(k.value(f"{i}") for i, k in enumerate(kernels)))
        assert values == [str(i) for i in range(20)]
    finally:
        await asyncio.gather(*(kernel.shutdown(now=True) for kernel in kernels))
    assert containers(engine_program) == []
