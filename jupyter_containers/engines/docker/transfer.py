"""Images in and out of docker and podman: pull, save, load, each with its progress.

Docker's client names each layer and its state. Podman prints no bytes without a terminal; the
size of what arrives in its private TMPDIR tells them.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path

from ...errors import ContainersError, DiskFull, EngineDown, ImageNotHere
from ...host.process import Stream
from ...host.reaper.client import reaper
from ...models import Image, Progress
from ...text import one_line, printable
from ..common.build_argv import FindImage
from ..common.errors import build_trouble, daemon_trouble
from ..common.transfers import lines_and_size

_DOCKER = re.compile(r"([0-9a-f]{12}): (?!Pulling from )(.*)")
_PODMAN = re.compile(r"Copying (?:blob|config) (?:sha256:)?([0-9a-f]{12})[0-9a-f]*(.*)")
_FINISHED = ("Pull complete", "Already exists")


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
    reaper.add(f"pull-{directory}", [], [directory])
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        reaper.forget(f"pull-{directory}")


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


_LOADED = re.compile(r"Loaded image(?: ID)?: (sha256:[0-9a-f]{64})$")


async def save(
    program: str, reference: str, archive: Path, find_image: FindImage
) -> AsyncGenerator[Progress]:
    """See `Engine.save`."""
    image = await find_image(reference)
    if image is None:
        raise ImageNotHere(reference, program)
    argv = [program, "save", "--output", str(archive), image.id]
    said: deque[str] = deque(maxlen=20)
    async with Stream(argv) as stream:
        async with aclosing(lines_and_size(stream, str(archive.parent))) as lines:
            async for line, written in lines:
                if line is None:
                    text = f"Reading {one_line(reference)} from {program}"
                    done = min(written, image.size) if image.size else written
                    yield Progress(kind="bytes", text=text, done=done, total=image.size)
                else:
                    said.append(line)
        code = await stream.wait()
    if code:
        raise _save_trouble(program, "save", code, "\n".join(said))


async def load(
    program: str, archive: Path, image: Image, find_image: FindImage
) -> AsyncGenerator[Progress]:
    """See `Engine.load`. The archive holds the image's configuration, and so its id, which is
    another than `image`'s where that engine makes up its ids; names are given after."""
    said: deque[str] = deque(maxlen=20)
    commands = [("load", "--input", str(archive))]
    commands += [("tag", "", name) for name in image.references]
    loaded = image.id
    for verb, what, which in commands:
        argv = [program, verb, what or loaded, which]
        yield Progress(kind="log", text=f"{program} {argv[1]} {one_line(argv[-1])}")
        async with Stream(argv) as stream:
            async for _, line in stream:
                said.append(line)
                if verb == "load" and (told := _LOADED.search(line)):
                    loaded = told[1]
            code = await stream.wait()
        if code:
            raise _save_trouble(program, argv[1], code, "\n".join(said))
    found = await find_image(image.references[0] if image.references else loaded)
    if found is None:
        raise ImageNotHere(image.id, program)
    yield Progress(kind="image", text=one_line(image.id), image=found)


def _save_trouble(program: str, verb: str, code: int, said: str) -> ContainersError:
    if code < 0:
        return EngineDown(f"{program} was killed (signal {-code}).")
    if re.search(r"no space left|quota exceeded", said, re.IGNORECASE):
        return DiskFull("where an image is copied to another engine")
    return daemon_trouble(program, printable(said), verb)
