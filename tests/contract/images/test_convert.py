"""A name that means another image than at the last start: what it means now runs.

A start believes what the name meant last and asks while the container comes up, so each of these
begins with a start that makes this process know the name.
"""

import subprocess

import pytest

from tests.helpers.derived import make_image as make_image
from tests.helpers.harness import Kernel, approve, containers, running, write_notebook

NAME = "localhost/jupyter-containers-test/moves:latest"
WHICH = "__import__('os').environ['WHICH']"


@pytest.fixture
def move(engine_program, image, make_image):
    """Make the name mean the image whose WHICH is this; an empty one takes it away."""

    async def move(which):
        if not which:
            subprocess.run([engine_program, "rmi", NAME], check=True, capture_output=True)
            return
        made = await make_image(f"moves-{which}", f"FROM {image}\nENV WHICH={which}\n")
        subprocess.run([engine_program, "tag", made, NAME], check=True)

    yield move
    subprocess.run([engine_program, "rmi", NAME], check=False, capture_output=True)


@pytest.fixture
def notebook(engine, folder):
    path = write_notebook(folder / "n.ipynb", {"image": NAME, "engine": engine})
    approve(path)
    return path


async def test_the_next_start_runs_what_the_name_means_now(
    notebook, move, engine_program, left_behind
):
    await move("first")
    async with running(notebook) as kernel:
        assert await kernel.value(WHICH) == "first"
    await move("second")
    async with running(notebook) as kernel:
        assert await kernel.value(WHICH) == "second"
        await kernel.restart()
        assert await kernel.value(WHICH) == "second"
        name = kernel.container.id
    assert name not in containers(engine_program)
    assert left_behind() == []


async def test_a_restart_runs_what_the_name_means_now(notebook, move, engine_program, left_behind):
    await move("first")
    async with running(notebook) as kernel:
        assert await kernel.value(WHICH) == "first"
        await move("second")
        await kernel.restart()
        assert await kernel.value(WHICH) == "second"
        name = kernel.container.id
    assert name not in containers(engine_program)
    assert left_behind() == []


async def test_a_name_that_was_taken_away_starts_nothing(notebook, move, left_behind):
    await move("first")
    async with running(notebook) as kernel:
        assert await kernel.value(WHICH) == "first"
    await move("")
    kernel = Kernel(notebook)
    try:
        await kernel.start()
        assert NAME in kernel.provisioner.trouble.message
        assert kernel.container is None
    finally:
        await kernel.shutdown()
    assert left_behind() == []
