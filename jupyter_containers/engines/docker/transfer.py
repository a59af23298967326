"""Pulls of docker and podman, with what each tells of its progress.

Docker's client names each layer and what became of it. Podman's tells no bytes without a
terminal; the size of what arrives in its private TMPDIR does.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path

from ...errors import ContainersError, EngineDown, ImageNotHere
from ...host.process import Stream
from ...host.reaper.client import keeper
from ...models import Progress
from ...text import one_line, printable
from ..common.errors import build_trouble
from .buildkit import FindImage

_DOCKER = re.compile(r"([0-9a-f]{12}): (?!Pulling from )(.*)")
_PODMAN = re.compile(r"Copying (?:blob|config) (?:sha256:)?([0-9a-f]{12})[0-9a-f]*(.*)")
_FINISHED = ("Pull complete", "Already exists")
_LOOK = 0.5
"""Seconds between two looks at how much has arrived."""


async def pull(
    command: Sequence[str],
    env: Mapping[str, str] | None,
    reference: str,
    find_image: FindImage,
) -> AsyncGenerator[Progress]:
    """See `Engine.pull`. Called by Docker and Podman; `command` is the program and its options.

    `step` events count the layers that are here (docker) or begun (podman).
    """
    layers = _Layers()
    said: deque[str] = deque(maxlen=40)
    with _private_directory() as directory:
        environment = {**(env or {}), "TMPDIR": directory, "DOCKER_CLI_HINTS": "false"}
        async with Stream([*command, "pull", "--", reference], env=environment) as stream:
            async with aclosing(lines_and_size(stream, directory)) as lines:
                async for line, arrived in lines:
                    if line is None:
                        yield Progress(kind="bytes", text=one_line(reference), done=arrived)
                        continue
                    said.append(line)
                    for event in layers.read(line):
                        yield event
            code = await stream.wait()
    if code:
        raise _trouble(command[-1], reference, code, "\n".join(said))
    image = await find_image(reference)
    if image is None:
        raise ImageNotHere(reference, command[-1])
    yield Progress(kind="image", text=one_line(reference), image=image)


@contextmanager
def _private_directory() -> Iterator[str]:
    """Where half-pulled blobs lie; a cancelled podman would leave them in /var/tmp."""
    parent = os.environ.get("TMPDIR") or "/var/tmp"
    directory = tempfile.mkdtemp(prefix="jupyter-containers-pull-", dir=parent)
    keeper.add(f"pull-{directory}", [], [directory])
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        keeper.forget(f"pull-{directory}")


async def lines_and_size(stream: Stream, directory: str) -> AsyncGenerator[tuple[str | None, int]]:
    """The command's lines, and between them the bytes that have arrived in `directory`."""
    lines, arrived = aiter(stream), 0
    while True:
        coming = asyncio.ensure_future(anext(lines, None))
        try:
            while not (await asyncio.wait({coming}, timeout=_LOOK))[0]:
                now = await asyncio.to_thread(_size, directory)
                if now > arrived:
                    arrived = now
                    yield None, arrived
        finally:
            coming.cancel()
        if (got := coming.result()) is None:
            return
        yield got[1], 0


def _size(directory: str) -> int:
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            with suppress(OSError):  # it may be finished meanwhile
                total += Path(parent, name).lstat().st_size
    return total


class _Layers:
    """Which layers there are, and which are done."""

    def __init__(self) -> None:
        self._named: set[str] = set()
        self._done: set[str] = set()

    def read(self, line: str) -> Iterator[Progress]:
        """Events of one line."""
        if found := _DOCKER.fullmatch(line):
            self._named.add(found[1])
            if not found[2].startswith(_FINISHED):
                return
            self._done.add(found[1])
        elif found := _PODMAN.fullmatch(line):
            self._named.add(found[1])
            self._done.add(found[1])
        else:
            return
        yield Progress(
            kind="step", text=one_line(line), step=len(self._done), steps=len(self._named)
        )


def _trouble(engine: str, reference: str, code: int, said: str) -> ContainersError:
    if code < 0:
        return EngineDown(f"{engine} was killed during the pull (signal {-code}).")
    return build_trouble(
        engine,
        said=printable(said, 20_000),
        code=code,
        step=None,
        instruction="",
        tail="",
        reference=reference,
    )
