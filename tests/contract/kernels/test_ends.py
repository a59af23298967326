"""How kernels end, and that nothing is left of them."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys

import pytest

from jupyter_containers.engines.process_engine import containers as process_containers
from jupyter_containers.host import process
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


async def test_starts_and_shuts_down_ten_times_and_leaves_nothing(
    notebook, engine_program, left_behind
):
    path = notebook()
    for turn in range(10):
        async with running(path) as kernel:
            assert await kernel.value(f"{turn}") == str(turn)
    assert containers(engine_program) == []
    assert left_behind() == []


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


async def test_a_container_removed_by_somebody_else_has_ended(notebook, engine_program):
    async with running(notebook()) as kernel:
        name = containers(engine_program)[0]
        remove_by_hand(engine_program, name)
        while await kernel.provisioner.poll() is None:
            await asyncio.sleep(0.05)
        await kernel.restart(now=True)
        done = await kernel.run("print(1+1)")
        if engine_program.startswith("slurm+"):  # a new job is for the person to ask for
            assert "was cancelled" in done["error"]
            await kernel.restart(now=True)
            assert await kernel.value("1+1") == "2"
            return
        assert "2" in done["text"]
        said = "somebody removed it" if engine_program in DAEMONS else "killed by SIGKILL"
        assert said in done["text"]


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.15, 0.3])
async def test_the_engines_command_is_killed_while_it_starts(
    notebook, delay, engine_program, left_behind, monkeypatch
):
    path = notebook()
    approve(path)
    async with running(path) as kernel:
        assert await kernel.value("1") == "1"  # probe and kit are known now
    real = process._spawn

    async def spawn(argv, *rest):
        started = await real(argv, *rest)
        if "--detach" in argv or argv[0] == "sbatch":
            asyncio.get_running_loop().call_later(delay, _kill, started)
        return started

    def detach(*rest):
        child = process.detach(*rest)
        asyncio.get_running_loop().call_later(delay, _kill, child)
        return child

    monkeypatch.setattr(process, "_spawn", spawn)
    monkeypatch.setattr(process_containers, "detach", detach)
    kernel = Kernel(path)
    try:
        await kernel.start()
        done = await kernel.run("1", timeout=10)
        if done["status"] == "error":
            assert done["error"].startswith("ContainerNotStarted")
    except (RuntimeError, TimeoutError):  # where the command is the container, it may be up by then
        assert engine_program not in DAEMONS
        assert "killed by SIGKILL" in str(await kernel.container.why())
    finally:
        await kernel.shutdown()
    await asyncio.sleep(1.5)
    assert containers(engine_program) == []
    assert left_behind() == []


def _kill(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
