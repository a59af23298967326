"""What a build leaves when it is cancelled, or when its command or its owner is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_containers import errors
from jupyter_containers.engines.base import Engine
from jupyter_containers.host.reaper import podman_build
from tests.contract.builds.building import (
    asleep,
    begun,
    build,
    children,
    gone,
    leftovers,
    lines,
    nothing_left,
    sleeping,
    spec_of,
)

pytestmark = pytest.mark.usefixtures("private_temporary_directory")


async def test_closing_the_events_ends_every_process(
    program: Engine, images: dict[str, str], tag: str, engine: str
) -> None:
    text, word = sleeping(images["busybox"])
    with nothing_left(engine):
        events = await asleep(program, spec_of(text, tag))
        await begun(word)
        await events.aclose()
        assert await gone(word)
    assert await program.image(tag) is None


async def test_cancelling_the_task_ends_every_process(
    program: Engine, images: dict[str, str], tag: str, engine: str
) -> None:
    text, word = sleeping(images["busybox"])
    with nothing_left(engine):
        task = asyncio.create_task(build(program, spec_of(text, tag)))
        await begun(word)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await gone(word)


async def test_cancelled_between_instructions(
    program: Engine, images: dict[str, str], tag: str, engine: str, tmp_path: Path
) -> None:
    """A COPY of a large file has no process of its own to end."""
    (tmp_path / "large").write_bytes(os.urandom(1 << 20) * 200)
    spec = spec_of(f"FROM {images['busybox']}\nCOPY large /large\n", tag)
    with nothing_left(engine):
        events = program.build(replace(spec, context=str(tmp_path), no_cache=True))
        async for event in events:
            if event.kind in ("step", "bytes"):
                break
        await asyncio.sleep(0.2)
        await events.aclose()


async def test_the_killed_command_of_the_engine_leaves_nothing(
    program: Engine, images: dict[str, str], tag: str, engine: str
) -> None:
    text, word = sleeping(images["busybox"])
    with nothing_left(engine):
        events = await asleep(program, spec_of(text, tag))
        await begun(word)
        for pid in children(engine):
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(errors.EngineDown):
            async for _ in events:
                pass
        assert await gone(word)


OWNER = """
import asyncio, sys
from jupyter_containers.engines.docker.engine import Docker
from jupyter_containers.engines.podman.engine import Podman
from jupyter_containers.models import BuildSpec

async def main():
    program = Podman() if sys.argv[1] == "podman" else Docker()
    async for event in program.build(BuildSpec(dockerfile=sys.argv[3], tag=sys.argv[2])):
        print(event.text, flush=True)

asyncio.run(main())
"""


async def test_the_killed_owner_leaves_nothing(
    images: dict[str, str], tag: str, engine: str
) -> None:
    text, word = sleeping(images["busybox"])
    before = leftovers(engine)
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, engine, tag, text], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    try:
        while owner.stdout.readline() != "asleep\n":
            assert owner.poll() is None
        await begun(word)
    finally:
        owner.kill()
        owner.wait()
        owner.stdout.close()
    assert await gone(word)
    deadline = time.monotonic() + 15
    while leftovers(engine) - before and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
    assert leftovers(engine) - before == set()


async def test_another_build_is_left_alone(
    program: Engine, images: dict[str, str], tag: str, engine: str
) -> None:
    """The end of one build must not touch the working container of another."""
    text, _ = sleeping(images["busybox"])
    other = asyncio.create_task(
        build(program, spec_of(f"FROM {images['busybox']}\nRUN : {tag}; sleep 6; echo ok\n", tag))
    )
    events = await asleep(program, spec_of(text, tag + "-cancelled"))
    await events.aclose()
    assert not other.done()
    assert "ok" in lines(await other)


def test_a_directory_is_not_deleted_through_a_mount(tmp_path: Path) -> None:
    """What a killed build left mounted may be the person's own files."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root; the tests as root do it")
    mine, directory = tmp_path / "mine", tmp_path / "directory"
    (directory / "buildah1/mnt").mkdir(parents=True)
    mine.mkdir()
    (mine / "file").write_text("precious")
    subprocess.run(["mount", "--bind", mine, directory / "buildah1/mnt"], check=True)
    podman_build.remove_directory(str(directory), ["podman"])
    assert (mine / "file").read_text() == "precious"
    assert not directory.exists()
