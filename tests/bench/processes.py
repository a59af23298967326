"""Engines whose containers are processes: our start against the same command typed by hand, and
converting an image against the engines' own commands."""

from __future__ import annotations

import asyncio
import os
import secrets
import shlex
import tempfile
import time
from pathlib import Path
from typing import cast

from jupyter_containers.engines.process_engine.base import ProcessEngine
from jupyter_containers.engines.registry import choose_engine
from jupyter_containers.images.convert import convert
from jupyter_containers.models import ContainerSpec, Image, Mount
from jupyter_containers.policy.loader import load_policy

from .images import _run
from .report import Row, in_turns

MOST_CONVERSIONS = 5


async def bare(name: str, image: str, folder: Path, runs: int, aim: float) -> Row:
    """`true` in a container that is made as a kernel's is."""
    engine = await choose_engine(name, load_policy(None))
    found = await engine.image(image)
    assert found is not None
    user = await engine.user("me", (0, 0))

    def spec() -> ContainerSpec:
        return ContainerSpec(
            name=f"jupyter-bench-{secrets.token_hex(4)}",
            image=found.id,
            reference=image,
            argv=("/bin/true",),
            user=user,
            workdir=str(folder),
            mounts=(Mount(str(folder), str(folder), True),),
            network="none",
        )

    async def ours() -> float:
        begun = time.perf_counter()
        done = await engine.run(spec(), 60)
        seconds = time.perf_counter() - begun
        assert done.code == 0, done.stderr
        return seconds

    inner = cast("ProcessEngine", engine._engine)
    by_hand = spec()
    stored, place = await inner.prepare(by_hand)
    command = inner.command(by_hand, stored, place)
    environment = {k: v for k, v in {**os.environ, **command.env}.items() if v is not None}

    async def theirs() -> float:
        begun = time.perf_counter()
        process = await asyncio.create_subprocess_exec(*command.argv, env=environment)
        assert await process.wait() == 0
        return time.perf_counter() - begun

    try:
        medians = await in_turns(ours, theirs, runs)
    finally:
        await inner.remove(by_hand.name)
    return Row(
        name="a container of true",
        aim=aim,
        ours="with its directory made before and deleted after",
        theirs=shlex.join(command.argv),
        ours_s=medians[0],
        theirs_s=medians[1],
        runs=runs,
    )


async def conversion(name: str, image: str, folder: Path, runs: int, aim: float) -> Row:
    """An image of podman's, for the engine."""
    policy = load_policy(None)
    source, target = await choose_engine("podman", policy), await choose_engine(name, policy)
    found = await source.image(image)
    assert found is not None
    copied = Image(id=found.id, references=("localhost/jupyter-containers-bench:1",))

    async def ours() -> float:
        with tempfile.TemporaryDirectory(dir=folder) as images:
            os.environ["JUPYTER_CONTAINERS_IMAGES"] = images
            begun = time.perf_counter()
            async for _ in convert(source, copied, target):
                pass
            return time.perf_counter() - begun

    async def theirs() -> float:
        with tempfile.TemporaryDirectory(dir=folder) as images:
            begun = time.perf_counter()
            for argv in _by_hand(name, image, images):
                await _run(argv)
            return time.perf_counter() - begun

    before = os.environ.get("JUPYTER_CONTAINERS_IMAGES", "")
    runs = min(runs, MOST_CONVERSIONS)
    try:
        medians = await in_turns(ours, theirs, runs)
    finally:
        os.environ["JUPYTER_CONTAINERS_IMAGES"] = before
    return Row(
        name="conversion",
        aim=aim,
        ours=f"an image of {found.size >> 20} MiB from podman, as a build does it",
        theirs="; ".join(shlex.join(argv) for argv in _by_hand(name, image, ".")),
        ours_s=medians[0],
        theirs_s=medians[1],
        runs=runs,
    )


def _by_hand(name: str, image: str, place: str) -> list[list[str]]:
    """As the engines' own documents say."""
    archive, tree = f"{place}/image.tar", f"{place}/tree"
    if name == "charliecloud":
        return [["ch-convert", "-i", "podman", "-o", "dir", image, tree]]
    return [
        ["podman", "save", "--quiet", "--output", archive, image],
        ["apptainer", "build", "--sandbox", tree, f"docker-archive:{archive}"],
    ]
