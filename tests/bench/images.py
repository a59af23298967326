"""`%%dockerfile` cells against the engine's own `build` of the same Dockerfile and folder."""

from __future__ import annotations

import asyncio
import os
import random
import shlex
import time
from contextlib import suppress
from pathlib import Path

from jupyter_containers.builds.manager import BuildRequest, Builds, Built
from jupyter_containers.engines.registry import choose_engine
from jupyter_containers.errors import ContainersError
from jupyter_containers.images.convert import builder_for
from jupyter_containers.models import NO_ENV
from jupyter_containers.notebook.file import parse_cell
from jupyter_containers.policy.loader import load_policy

from .report import Row, in_turns

_SMALL = """\
FROM {image}
WORKDIR /srv/app
COPY requirements.txt app.py ./
RUN python3 -m venv --system-site-packages /opt/venv
RUN /opt/venv/bin/pip install --no-index -r requirements.txt
RUN /opt/venv/bin/python -m compileall -q app.py
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin
"""
_LARGE = """\
FROM {image}
COPY data.bin /srv/data.bin
"""
_GB = 1 << 30


class Images:
    """One Dockerfile, built by a cell of ours and by the engine's command."""

    def __init__(self, engine: str, folder: Path, dockerfile: str, tag: str) -> None:
        self.engine = engine
        self.folder = folder
        self.tag = f"localhost/jupyter-containers-bench-{tag}"
        self._builds = Builds()
        self._last: Built | None = None
        self._text = dockerfile
        (folder / "Dockerfile").write_text(dockerfile)

    def argv(self, *options: str) -> list[str]:
        """What a person would type."""
        return [self.engine, "build", *options, f"--tag={self.tag}", str(self.folder)]

    async def cell(self, *options: str) -> float:
        """What JupyterLab's request does in the server: the seconds from the cell's text to the
        image."""
        begun = time.perf_counter()
        cell = parse_cell(f"%%dockerfile {shlex.join(options)}".rstrip() + "\n" + self._text)
        assert cell is not None
        engine = await choose_engine(self.engine, load_policy(None))
        request = BuildRequest(
            cell=cell,
            directory=self.folder,
            engine=engine,
            builder=await builder_for(engine),
            notebook="bench.ipynb",
            bases=self._last.source.bases if self._last is not None else NO_ENV,
        )
        build = self._builds.start(request)
        await build.result()
        seconds = time.perf_counter() - begun
        await self._builds.settled()
        self._last = build.built
        return seconds

    async def command(self, *options: str) -> float:
        """The engine's own build of the same."""
        begun = time.perf_counter()
        await _run(self.argv(*options))
        return time.perf_counter() - begun

    @property
    def reused(self) -> bool:
        """Whether the last cell found its image built already."""
        return self._last is not None and self._last.reused

    async def remove(self) -> None:
        """Take both images away again."""
        with suppress(RuntimeError):
            await _run([self.engine, "image", "rm", "--force", self.tag])
        if self._last is not None:
            engine = await choose_engine(self.engine, load_policy(None))
            with suppress(ContainersError):
                await engine.remove_image(self._last.name)


async def _run(argv: list[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{shlex.join(argv)}: {said.decode(errors='replace')}")


async def no_change(engine: str, image: str, folder: Path, runs: int, aim: float) -> Row:
    """A small Dockerfile that is built already."""
    _write_app(folder)
    return await _no_change(
        "no-change build", engine, _SMALL.format(image=image), folder, runs, aim
    )


async def no_change_large(engine: str, image: str, folder: Path, runs: int, aim: float) -> Row:
    """The same where 1 GB is copied in."""
    _write_data(folder / "data.bin")
    text = _LARGE.format(image=image)
    return await _no_change("no-change build, 1 GB", engine, text, folder, runs, aim)


async def _no_change(name: str, engine: str, text: str, folder: Path, runs: int, aim: float) -> Row:
    images = Images(engine, folder, text, "unchanged")
    try:
        await images.cell()
        await images.command()
        ours, theirs = await in_turns(images.cell, images.command, runs)
        assert images.reused, "the cell was built again"
    finally:
        await images.remove()
    return _row(name, aim, images, ours, theirs, runs)


async def full(engine: str, image: str, folder: Path, runs: int, aim: float) -> Row:
    """A small Dockerfile, every instruction of it run."""
    _write_app(folder)
    images = Images(engine, folder, _SMALL.format(image=image), "full")

    async def ours() -> float:
        seconds = await images.cell("--no-cache")
        assert not images.reused
        await images.remove()
        return seconds

    async def theirs() -> float:
        seconds = await images.command("--no-cache")
        await images.remove()
        return seconds

    await ours()
    medians = await in_turns(ours, theirs, runs)
    return _row("full build", aim, images, *medians, runs, "--no-cache")


def _row(
    name: str, aim: float, images: Images, ours: float, theirs: float, runs: int, *options: str
) -> Row:
    steps = len(images._text.splitlines())
    return Row(
        name=name,
        aim=aim,
        ours=" ".join(["%%dockerfile", *options]) + f" in a server's process: the {steps} lines "
        "of the same Dockerfile, from the cell's text to the image",
        theirs=shlex.join(images.argv(*options)),
        ours_s=ours,
        theirs_s=theirs,
        runs=runs,
    )


def _write_app(folder: Path) -> None:
    (folder / "requirements.txt").write_text("pip\nsetuptools\n")
    (folder / "app.py").write_text("print('hello')\n")


def _write_data(path: Path) -> None:
    """A gigabyte that takes no time to write, and differs in every megabyte."""
    noise = random.Random(1)
    with path.open("wb") as file:
        for megabyte in range(_GB >> 20):
            file.seek(megabyte << 20)
            file.write(noise.randbytes(4096))
        os.truncate(file.fileno(), _GB)
