"""Many kernels, starts and restarts: what goes wrong once in a hundred times."""

import asyncio

import pytest

from tests.helpers.harness import Kernel, approve, containers, running, write_notebook
from tests.helpers.killing import killed_while_it_starts
from tests.helpers.slurm import ours


async def test_starts_and_shuts_down_ten_times_and_leaves_nothing(
    notebook, engine_program, left_behind
):
    path = notebook()
    for turn in range(10):
        async with running(path) as kernel:
            assert await kernel.value(f"{turn}") == str(turn)
    assert containers(engine_program) == []
    assert left_behind() == []


async def test_restarts_in_the_same_container_ten_times(notebook, engine_program):
    async with running(notebook()) as kernel:
        names = containers(engine_program)
        for turn in range(10):
            await kernel.run(f"turn = {turn}")
            await kernel.restart()
            done = await kernel.run("turn")
            assert done["error"].startswith("NameError")
        assert containers(engine_program) == names


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


@pytest.mark.parametrize("delay", [moment / 50 for moment in range(0, 50, 2)])
async def test_the_engines_command_is_killed_while_it_starts(
    notebook, delay, engine_program, left_behind, monkeypatch
):
    path = notebook()
    await killed_while_it_starts(path, delay, engine_program, left_behind, monkeypatch)


async def test_fifty_start_at_once(engine, image, folder, features):
    """The cluster has room for 24 of them: the others wait until the first have ended."""
    if "jobs" not in features:
        pytest.skip("this engine's containers run on this machine")
    path = write_notebook(folder / "n.ipynb", {"image": image, "engine": engine})
    approve(path)

    async def one(number):
        kernel = Kernel(path)
        try:
            await kernel.start()
            return await kernel.value(f"{number}")
        finally:
            await kernel.shutdown(now=True)

    values = await asyncio.gather(*(one(number) for number in range(50)))
    assert values == [str(number) for number in range(50)]
    assert not ours()
