"""Kernels of other languages found in an image: R, with and without a Python beside it."""

import asyncio
import base64
import json
import secrets
import signal
import subprocess
import time
from dataclasses import dataclass

import nbformat

from jupyter_containers.engines.registry import _instance
from tests.helpers.command import jc, notebook_of, texts
from tests.helpers.derived import make_image as make_image
from tests.helpers.harness import (
    DAEMONS,
    Kernel,
    approve,
    containers,
    eventually,
    running,
    write_notebook,
)

INSTALL = (
    "RUN apt-get update && apt-get install -y --no-install-recommends r-cran-irkernel"
    " && rm -rf /var/lib/apt/lists/*\n"
)


async def test_r_draws_a_plot(engine, image, folder, make_image):
    r = await make_image("r", f"FROM {image}\n{INSTALL}")
    path = write_notebook(folder / "n.ipynb", {"image": r, "engine": engine, "kernel": "ir"})
    async with running(path) as kernel:
        done = await kernel.run("plot(1:10); cat(R.version$language)", timeout=60)
        assert done["status"] == "ok", done["error"]
        assert done["text"] == "R"
        pictures = [data["image/png"] for data in done["data"] if "image/png" in data]
        assert base64.b64decode(pictures[0]).startswith(b"\x89PNG")


async def test_a_notebook_in_r_is_run_by_r(engine, image, folder, make_image):
    r = await make_image("r", f"FROM {image}\n{INSTALL}")
    path = notebook_of(folder / "r.ipynb", f"%%dockerfile --engine {engine}\nFROM {r}", "6 * 7")
    notebook = nbformat.read(path, 4)
    notebook.metadata["kernelspec"] = {"name": "ir", "display_name": "R", "language": "R"}
    nbformat.write(notebook, path)
    await asyncio.to_thread(jc, "run", path)
    assert texts(path)[1] == "[1] 42"
    after = nbformat.read(path, 4).metadata
    assert (after["kernelspec"]["name"], after["language_info"]["name"]) == ("container", "R")
    await asyncio.to_thread(jc, "run", path)  # as it stands there now
    assert texts(path)[1] == "[1] 42"


async def test_a_notebook_in_r_is_refused_before_a_build_without_r(
    engine, image, folder, engine_program, left_behind
):
    """The base has Python alone, and nothing of the Dockerfile could bring R."""
    ran = f"ran-{secrets.token_hex(4)}"
    path = notebook_of(
        folder / "r.ipynb",
        f"%%dockerfile --engine {engine}\nFROM {image} AS {ran}\nFROM {ran}\nRUN echo {ran}",
        "6 * 7",
    )
    says(path, "R")
    before = path.read_bytes()
    listed = (engine_program, "images", "--all", "--quiet", "--no-trunc")
    images = subprocess.run(listed, capture_output=True, text=True, check=True).stdout
    told = (await asyncio.to_thread(jc, "run", path, code=1)).stderr
    assert "is written in R, and its image would have no kernel for that" in told
    assert "has one for python only" in told and "--kernel NAME" in told
    assert f"\n{ran}" not in told
    assert path.read_bytes() == before
    assert subprocess.run(listed, capture_output=True, text=True, check=True).stdout == images
    assert containers(engine_program) == []
    assert left_behind() == []


async def test_a_notebook_in_r_gets_r_beside_python(engine, image, folder, make_image):
    r = await make_image("r", f"FROM {image}\n{INSTALL}")
    path = write_notebook(folder / "n.ipynb", {"image": r, "engine": engine})
    says(path, "R")
    async with running(path) as kernel:
        assert (await kernel.run("cat(R.version$language)", timeout=60))["text"] == "R"
        await kernel.restart()
        assert (await kernel.run("cat(R.version$language)", timeout=60))["text"] == "R"
    assert nbformat.read(path, 4).metadata["kernelspec"]["language"] == "R"


async def test_a_notebook_in_julia_gets_neither_r_nor_python(engine, image, folder, make_image):
    r = await make_image("r", f"FROM {image}\n{INSTALL}")
    path = write_notebook(folder / "n.ipynb", {"image": r, "engine": engine})
    says(path, "julia")
    approve(path)
    kernel = Kernel(path)
    try:
        await kernel.start()
        assert "is written in julia, and the image has a kernel for" in (
            kernel.provisioner.trouble.message
        )
        info = await kernel.client.kernel_info(reply=True, timeout=30)
        assert info["content"]["language_info"]["name"] == "julia"
    finally:
        await kernel.shutdown()


def says(path, language):
    notebook = nbformat.read(path, 4)
    notebook.metadata["kernelspec"] = {"name": "x", "display_name": "X", "language": language}
    nbformat.write(notebook, path)


async def r_alone(make_image, image):
    await make_image("r", f"FROM {image}\n{INSTALL}")
    return await make_image(
        "r-bare",
        "FROM localhost/jupyter-containers-test/derived-r\nRUN rm -rf /usr/bin/python3*\n",
    )


async def test_r_without_python_in_the_image(engine, image, folder, make_image, engine_program):
    bare = await r_alone(make_image, image)
    path = write_notebook(folder / "n.ipynb", {"image": bare, "engine": engine})
    await lives_without_a_guest(path, engine, R)
    assert containers(engine_program) == []


async def test_a_kernel_in_an_image_without_python(
    engine, image, folder, make_image, engine_program
):
    """ipykernel by another name, where nobody looks for a Python: a small image, for the engines
    that copy images."""
    kernel = {
        "argv": ["/opt/own/run", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Own",
        "language": "own",
    }
    own = await make_image(
        "own-kernel",
        f"FROM {image}\n"
        "RUN mkdir /opt/own && mv /usr/bin/python3.11 /opt/own/run && rm -f /usr/bin/python3*\n"
        "COPY site /usr/local/lib/python3.11/dist-packages\n"
        "COPY kernel.json /usr/share/jupyter/kernels/own/\n",
        wheels={"site": ["3.11", "ipykernel"]},
        files={"kernel.json": json.dumps(kernel)},
    )
    path = write_notebook(folder / "n.ipynb", {"image": own, "engine": engine})
    await lives_without_a_guest(path, engine, PYTHON)
    assert containers(engine_program) == []


@dataclass(frozen=True)
class Words:
    """What is said to a kernel, in its language."""

    keep: str
    endless: str
    tell: str
    is_kept: tuple[str, str]
    """And what it answers when it was restarted."""
    die: str


R = Words(
    keep="kept <- 41",
    endless="while (TRUE) {}",
    tell="cat(kept + 1)",
    is_kept=("cat(exists('kept'))", "FALSE"),
    die="tools::pskill(Sys.getpid(), tools::SIGKILL)",
)
PYTHON = Words(
    keep="kept = 41",
    endless="while True: pass",
    tell="print(kept + 1, end='')",
    is_kept=("print('kept' in dir(), end='')", "False"),
    die="import os; os.kill(os.getpid(), 9)",
)


async def lives_without_a_guest(path, engine, words):
    """It is interrupted, watched, restarted and ends, without a program of ours beside it."""
    async with running(path) as kernel:
        assert not kernel.container.plan.guest
        await kernel.run(words.keep)
        endless = asyncio.create_task(kernel.run(words.endless))
        await asyncio.sleep(0.7)
        begun = time.monotonic()
        await kernel.manager.interrupt_kernel()
        await endless
        assert time.monotonic() - begun < 1.0
        assert (await kernel.run(words.tell))["text"] == "42"
        if engine in DAEMONS:
            # The engine's command that watches it is killed: the kernel has not ended.
            watch = kernel.container._watched._watch._process
            watch.kill()
            await eventually(lambda: watch.poll() is not None)
        for _ in range(10):
            assert await kernel.provisioner.poll() is None
            await asyncio.sleep(0.1)
        await kernel.restart()
        said, answer = words.is_kept
        assert (await kernel.run(said))["text"] == answer
        kernel.client.execute(words.die)
        while await kernel.provisioner.poll() is None:
            await asyncio.sleep(0.05)
        assert await kernel.provisioner.poll() == -signal.SIGKILL


async def test_a_folder_swapped_during_the_start_is_refused_without_python_too(
    engine, image, folder, make_image, engine_program, monkeypatch, left_behind
):
    bare = await r_alone(make_image, image)
    (folder / "data").mkdir()
    (folder.parent / "secrets").mkdir()
    mounts = [{"source": "data", "target": "/data"}]
    path = write_notebook(folder / "n.ipynb", {"image": bare, "engine": engine, "mounts": mounts})
    async with running(path) as kernel:
        assert (await kernel.run("cat(dir.exists('/data'))"))["text"] == "TRUE"
    kind = type(_instance(engine))
    real = kind.start

    async def swap(self, spec):
        (folder / "data").rename(folder / "was")
        (folder.parent / "secrets").rename(folder / "data")
        return await real(self, spec)

    monkeypatch.setattr(kind, "start", swap)
    approve(path)
    kernel = Kernel(path)
    try:
        await kernel.start()
        assert "mounted at /data is not the one" in kernel.provisioner.trouble.message
    finally:
        await kernel.shutdown()
    assert containers(engine_program) == []
    assert left_behind() == []
