"""Kernels of other languages found in an image: R, with and without a Python beside it."""

import asyncio
import base64
import signal
import time

from jupyter_containers.engines.registry import _instance
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


async def r_alone(make_image, image):
    await make_image("r", f"FROM {image}\n{INSTALL}")
    return await make_image(
        "r-bare",
        "FROM localhost/jupyter-containers-test/derived-r\nRUN rm -rf /usr/bin/python3*\n",
    )


async def test_r_without_python_in_the_image(engine, image, folder, make_image, engine_program):
    bare = await r_alone(make_image, image)
    path = write_notebook(folder / "n.ipynb", {"image": bare, "engine": engine})
    async with running(path) as kernel:
        assert not kernel.container.plan.guest
        await kernel.run("kept <- 41")
        endless = asyncio.create_task(kernel.run("while (TRUE) {}"))
        await asyncio.sleep(0.7)
        begun = time.monotonic()
        await kernel.manager.interrupt_kernel()
        await endless
        assert time.monotonic() - begun < 1.0
        done = await kernel.run("cat(kept + 1)")
        assert done["text"] == "42"
        if engine in DAEMONS:
            # The engine's command that watches it is killed: the kernel has not ended.
            watch = kernel.container._watched._watch._process
            watch.kill()
            await eventually(lambda: watch.poll() is not None)
        for _ in range(10):
            assert await kernel.provisioner.poll() is None
            await asyncio.sleep(0.1)
        await kernel.restart()
        assert (await kernel.run("cat(exists('kept'))"))["text"] == "FALSE"
        kernel.client.execute("tools::pskill(Sys.getpid(), tools::SIGKILL)")
        while await kernel.provisioner.poll() is None:
            await asyncio.sleep(0.05)
        assert await kernel.provisioner.poll() == -signal.SIGKILL
    assert containers(engine_program) == []


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
