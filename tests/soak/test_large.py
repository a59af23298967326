"""Large files and long builds."""

import os

import nbformat
import pytest

from tests.contract.clients.test_notebooks import NOTEBOOKS, base, run_notebook
from tests.helpers.command import containers_of
from tests.helpers.harness import running

__all__ = ["base"]


async def test_a_2_gb_file_on_a_mount_is_ours(notebook, folder):
    data = folder / "data"
    data.mkdir()
    settings = notebook(mounts=[{"source": "data", "target": "/data", "writable": True}])
    async with running(settings) as kernel:
        done = await kernel.run(
            "b = bytes(1 << 20)\nwith open('/data/big', 'wb') as f:\n"
            "    for _ in range(2048): f.write(b)",
            timeout=120,
        )
        assert done["status"] == "ok", done["error"]
    made = (data / "big").stat()
    assert made.st_size == 2 << 30
    assert (made.st_uid, made.st_gid) == (os.getuid(), os.getgid())
    (data / "big").unlink()


@pytest.mark.timeout(900)
def test_speech_to_text(folder, base, engine, engine_program):
    path = folder / "08-speech-to-text.ipynb"
    notebook = nbformat.read(NOTEBOOKS / path.name, 4)
    if index := os.environ.get("PIP_INDEX_URL"):
        (recipe,) = [cell for cell in notebook.cells if cell.id == "dockerfile"]
        recipe.source = recipe.source.replace(
            "ARG VERSION\n", f"ARG VERSION\nENV PIP_INDEX_URL={index}\n"
        )
    nbformat.write(notebook, path)
    shown = run_notebook(path, engine, "--approve")
    assert "compiler:     None" in shown["sizes"]
    said = dict(line.split(None, 1) for line in shown["transcribe"].splitlines())
    assert said["001.wav"] == "ten of clubs"
    assert said["005.wav"] == "eight of spades four of clubs seven of hearts"
    assert shown["from-mount"].startswith(shown["transcribe"])
    assert "/data cannot be written: Read-only file system" in shown["from-mount"]
    assert containers_of(engine_program, path) == []
