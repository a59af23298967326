"""Kernels of other languages found in an image: R, with and without a Python beside it."""

import asyncio
import base64
import signal
import time

from .derived import make_image as make_image
from .harness import containers, eventually, running, write_notebook

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


async def test_r_without_python_in_the_image(engine, image, folder, make_image, engine_program):
    await make_image("r", f"FROM {image}\n{INSTALL}")
    bare = await make_image(
        "r-bare",
        "FROM localhost/jupyter-containers-test/derived-r\nRUN rm -rf /usr/bin/python3*\n",
    )
    path = write_notebook(folder / "n.ipynb", {"image": bare, "engine": engine})
    async with running(path) as kernel:
        assert not kernel.container.prepared.guest
        await kernel.run("kept <- 41")
        endless = asyncio.create_task(kernel.run("while (TRUE) {}"))
        await asyncio.sleep(0.7)
        begun = time.monotonic()
        await kernel.manager.interrupt_kernel()
        await endless
        assert time.monotonic() - begun < 1.0
        done = await kernel.run("cat(kept + 1)")
        assert done["text"] == "42"
        # The engine's command that watches it is killed: the kernel has not ended.
        watch = kernel.container._watch._process
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
