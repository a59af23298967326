"""Ports of this machine that a notebook names for what its container serves."""

from __future__ import annotations

import urllib.request

import pytest

from jupyter_containers.kernels.connection import free_ports
from tests.helpers.command import jc_json
from tests.helpers.harness import Kernel, approve, containers, running, write_notebook
from tests.helpers.listening import listening

SERVE = """
import pathlib, subprocess, sys, urllib.request, time
folder = pathlib.Path("/tmp/served"); folder.mkdir()
(folder / "page").write_text("served")
server = subprocess.Popen([sys.executable, "-m", "http.server", "8000", "-d", str(folder)])
for _ in range(100):
    try:
        urllib.request.urlopen("http://127.0.0.1:8000/page"); break
    except OSError:
        time.sleep(0.1)
"""


@pytest.fixture(autouse=True)
def publishes(features):
    if "ports" not in features:
        pytest.skip("this engine publishes no ports")


async def said_of(path):
    """What a notebook says that cannot start."""
    approve(path)
    kernel = await Kernel(path).start()
    try:
        return (await kernel.run("1"))["error"]
    finally:
        await kernel.shutdown()


async def test_a_port_that_is_named(notebook, engine, image, folder, engine_program):
    (port,) = free_ports(1)
    settings = {"image": image, "engine": engine, "ports": [f"{port}:8000"]}
    async with running(notebook()) as kernel:
        approve(notebook(ports=settings["ports"]))
        await kernel.restart()
        assert (await kernel.run(SERVE))["status"] == "ok"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/page") as page:
            assert page.read() == b"served"
        (row,) = jc_json("ps", "--engine", engine)["containers"]
        assert row["published"] == [{"port": 8000, "host": "127.0.0.1", "host_port": port}]
        assert [one["port"] for one in row["listening"]] == [8000]
        names = containers(engine_program)

        said = await said_of(write_notebook(folder / "other.ipynb", settings))
        assert f"Port {port} of this machine is taken: it leads to n.ipynb." in said
        assert "Shut down the kernel of n.ipynb, or take another port" in said
        assert containers(engine_program) == names

        approve(notebook(ports=settings["ports"], env={"NEW": "1"}))
        await kernel.restart()  # in another container, which has the port as well
        gone = "not __import__('os').path.exists('/tmp/served')"
        assert await kernel.value(f"__import__('os').environ['NEW'], {gone}") == "1 True"


async def test_a_port_that_another_program_has(notebook, engine_program):
    with listening("127.0.0.1") as port:
        said = await said_of(notebook(ports=[f"{port}:8000"]))
    assert f"Port {port} of this machine is in use by another program." in said
    assert "any that is free: 8000 alone" in said
    assert containers(engine_program) == []
