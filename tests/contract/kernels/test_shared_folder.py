"""A notebook in a folder that everybody can write in, such as /tmp, with a tmux of ours in it."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path

import pytest

from tests.helpers.command import jc
from tests.helpers.harness import approve, running, write_notebook


@pytest.fixture
def shared():
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        Path(made).chmod(0o1777)
        yield Path(made).resolve()


async def test_is_not_mounted_unasked_and_its_sockets_never(shared, engine, image):
    (shared / "data.txt").write_text("mine")
    settings = {"image": image, "engine": engine}
    path = write_notebook(shared / "n.ipynb", settings, "1")
    approve(path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(shared / "tmux.sock"))
        listening.listen()
        async with running(path) as kernel:
            there = await kernel.value(f"__import__('os').listdir({str(shared)!r})")
            assert there == "[]"
        said = jc("run", str(path)).stderr
        assert f"Its folder {shared} is not in the container: everybody on this machine" in said

        mount = {"source": ".", "target": str(shared), "writable": True}
        approve(write_notebook(shared / "n.ipynb", settings | {"mounts": [mount]}, "1"))
        # The yes holds for another notebook of that folder.
        other = write_notebook(shared / "other.ipynb", settings, "1")
        approve(other)
        async with running(other) as kernel:
            assert await kernel.value("open('data.txt').read()") == "mine"
            await kernel.run("import os, socket, stat")
            assert await kernel.value("stat.S_ISSOCK(os.stat('tmux.sock').st_mode)") == "False"
            done = await kernel.run("socket.socket(socket.AF_UNIX).connect('tmux.sock')")
            assert done["status"] == "error", done
            with pytest.raises(BlockingIOError):
                listening.setblocking(False)
                listening.accept()
