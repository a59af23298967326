"""How kernels end, and that nothing is left of them."""

import asyncio
import subprocess
import sys

import pytest

from tests.helpers import ROOT
from tests.helpers.harness import (
    DAEMONS,
    Kernel,
    approve,
    containers,
    eventually,
    remove_by_hand,
    running,
    write_notebook,
)
from tests.helpers.killing import killed_while_it_starts

LEAVE = """
import os
here = os.open(os.path.expanduser("~"), os.O_RDONLY)
for _ in range(1500):
    os.mkdir("a" * 100, dir_fd=here)
    here, above = os.open("a" * 100, os.O_RDONLY, dir_fd=here), here
    os.close(above)
os.makedirs(os.path.expanduser("~/shut/full"))
os.chmod(os.path.expanduser("~/shut/full"), 0)
os.chmod(os.path.expanduser("~/shut"), 0)
"""
"""What no path leads to, and what nobody may look into, in the kernel's HOME."""


async def test_the_end_of_a_kernel_is_exact(notebook):
    async with running(notebook()) as kernel:
        kernel.client.execute("import os; os._exit(7)")
        while await kernel.provisioner.poll() is None:
            await asyncio.sleep(0.02)
        assert await kernel.provisioner.poll() == 7
        assert "exit code 7" in (await kernel.container.why()).message


async def test_out_of_memory_is_named_and_said_in_the_notebook(
    notebook, enforces_memory, tmp_path, monkeypatch
):
    if not enforces_memory:
        pytest.skip("this engine enforces no memory limit here (cgroup v1, rootless)")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    async with running(notebook(memory="300m")) as kernel:
        kernel.client.execute("x = bytearray(2 << 30); x[::4096] = b'1' * len(x[::4096])")
        while await kernel.provisioner.poll() is None:
            await asyncio.sleep(0.02)
        why = await kernel.container.why()
        assert why.out_of_memory
        assert "300m" in why.message
        await kernel.restart(now=True)
        done = await kernel.run("print('alive')")
        assert "ran out of memory" in done["text"]
        assert "alive" in done["text"]
    assert list((tmp_path / "here").iterdir()) == []


async def test_killed_client_leaves_nothing(engine, image, folder, engine_program, left_behind):
    path = write_notebook(folder / "n.ipynb", {"image": image, "engine": engine})
    approve(path)
    script = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom tests.helpers.harness import Kernel\n"
        "async def main():\n"
        f"    kernel = await Kernel(Path({str(path)!r})).start()\n"
        f"    await kernel.run({LEAVE!r})\n"
        "    print(await kernel.value('1+1'), flush=True)\n    await asyncio.sleep(1000)\n"
        "asyncio.run(main())\n"
    )
    client = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert client.stdout is not None
    assert client.stdout.readline().strip() == "2"
    assert len(containers(engine_program)) == 1
    client.kill()
    client.wait()
    client.stdout.close()
    await eventually(lambda: containers(engine_program) == [])
    await eventually(lambda: left_behind() == [])


async def test_whatever_a_kernel_leaves_is_deleted(notebook, left_behind):
    async with running(notebook()) as kernel:
        assert (await kernel.run(LEAVE))["status"] == "ok"
    assert left_behind() == []


async def test_a_container_removed_by_somebody_else_has_ended(notebook, engine_program):
    async with running(notebook()) as kernel:
        name = containers(engine_program)[0]
        remove_by_hand(engine_program, name)
        while await kernel.provisioner.poll() is None:
            await asyncio.sleep(0.05)
        await kernel.restart(now=True)
        done = await kernel.run("print(1+1)")
        if engine_program.startswith(("slurm+", "kubernetes")):  # a new one is asked for
            said = "was deleted" if engine_program == "kubernetes" else "was cancelled"
            assert said in done["error"]
            await kernel.restart(now=True)
            assert await kernel.value("1+1") == "2"
            return
        assert "2" in done["text"]
        said = "somebody removed it" if engine_program in DAEMONS else "killed by SIGKILL"
        assert said in done["text"]


async def test_the_engines_command_is_killed_while_it_starts(
    notebook, engine_program, left_behind, monkeypatch
):
    await killed_while_it_starts(notebook(), 0.05, engine_program, left_behind, monkeypatch)


async def test_several_at_once_leave_nothing(notebook, engine_program, left_behind):
    path = notebook()
    approve(path)
    kernels = [Kernel(path) for _ in range(3)]
    try:
        await asyncio.gather(*(kernel.start() for kernel in kernels))
        values = await asyncio.gather(*(k.value(f"{i}") for i, k in enumerate(kernels)))
        assert values == ["0", "1", "2"]
    finally:
        await asyncio.gather(*(kernel.shutdown(now=True) for kernel in kernels))
    assert containers(engine_program) == []
    assert left_behind() == []
