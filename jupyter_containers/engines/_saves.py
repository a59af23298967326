"""Images as files, by which they go from one engine to another. Docker's and podman's commands."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from ..errors import ContainersError, DiskFull, EngineDown, ImageNotHere
from ..host.process import Stream
from ..models import Image, Progress
from ..text import one_line, printable
from ._trouble import daemon_trouble
from .docker.buildkit import FindImage
from .docker.transfer import lines_and_size

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
        raise _trouble(program, "save", code, "\n".join(said))


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
            raise _trouble(program, argv[1], code, "\n".join(said))
    found = await find_image(image.references[0] if image.references else loaded)
    if found is None:
        raise ImageNotHere(image.id, program)
    yield Progress(kind="image", text=one_line(image.id), image=found)


def _trouble(program: str, verb: str, code: int, said: str) -> ContainersError:
    if code < 0:
        return EngineDown(f"{program} was killed (signal {-code}).")
    if re.search(r"no space left|quota exceeded", said, re.IGNORECASE):
        return DiskFull("where an image is copied to another engine")
    return daemon_trouble(program, printable(said), verb)
