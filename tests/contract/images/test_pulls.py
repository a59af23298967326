"""What an engine tells of a pull, and how one fails."""

from __future__ import annotations

import asyncio
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from jupyter_containers import errors
from jupyter_containers.engines.base import Engine
from tests.contract.builds.building import build, nothing_left, pull, spec_of

pytestmark = pytest.mark.usefixtures("private_temporary_directory")


@pytest.fixture
def published(program: Engine, engine: str, registry: str, images: dict[str, str]) -> Iterator[str]:
    """An image of two new layers that only the registry has."""
    reference = f"{registry}/test/layers:{uuid.uuid4().hex[:12]}"
    text = f"FROM {images['busybox']}\n" + "RUN head -c 9000000 /dev/urandom > /file\n" * 2
    asyncio.run(build(program, replace(spec_of(text, reference), no_cache=True)))
    subprocess.run([engine, "push", reference], capture_output=True, check=True)
    subprocess.run([engine, "rmi", "-f", reference], capture_output=True, check=True)
    yield reference
    subprocess.run([engine, "rmi", "-f", reference], capture_output=True, check=False)


async def test_a_pull_counts_and_ends_with_the_image(program: Engine, published: str) -> None:
    events = await pull(program, published)
    last = events[-1]
    assert last.kind == "image" and last.image is not None and last.image.digests
    steps = [event for event in events if event.kind == "step"]
    assert steps[-1].step == steps[-1].steps >= 3
    assert all(0 < event.step <= event.steps for event in steps)


async def test_a_cancelled_pull_leaves_nothing(
    program: Engine, published: str, engine: str
) -> None:
    with nothing_left(engine):
        events = program.pull(published)
        async for _ in events:
            break
        await events.aclose()


async def test_a_pull_of_what_nobody_has(program: Engine, registry: str) -> None:
    with pytest.raises(errors.BaseUnknown):
        await pull(program, f"{registry}/test/nosuch:1")
    with pytest.raises(errors.NetworkFailed):
        await pull(program, "no-such-host.invalid/image:1")
