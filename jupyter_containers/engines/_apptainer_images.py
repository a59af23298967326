"""How apptainer makes an image, and what one tells of itself."""

from __future__ import annotations

import asyncio
import json
import platform
import re
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

from ..errors import BaseUnknown, ContainersError, DiskFull, EngineDown
from ..host.process import Stream, run
from ..host.reaper import process_container
from ..models import Image, Progress
from ..text import one_line, printable
from .common.errors import build_trouble
from .docker.transfer import lines_and_size
from .process_engine.image_store import random_id

TREE = "tree"
SIF = "image.sif"
NEW = Image(id="")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_SAID = re.compile(r"(?:\x1b\[[0-9;]*m)*(?:INFO|WARNING):\s*(?:\x1b\[[0-9;]*m)*\s*(.*)")
_EXPORTED = re.compile(r'^export (\w+)="?(?:\$\{\1:-"?)?(.*?)"?\}?"?$', re.MULTILINE)


def with_new_id(image: Image) -> Image:
    """For one that comes from a registry."""
    machine = platform.machine()
    return replace(image, id=random_id(), architecture=_MACHINES.get(machine, machine))


async def make(
    program: str, new: Path, source: str, *, directory: bool, reference: str
) -> AsyncGenerator[Progress]:
    """Make the image in `new` from what `apptainer build` reads. Raises what fetching raises,
    DiskFull, EngineDown."""
    scratch = new / "scratch"
    await asyncio.to_thread(scratch.mkdir)
    # The fastest to read and write; the default, gzip, takes four times as long.
    fast = ["--mksquashfs-args=-comp zstd -Xcompression-level 1"]
    how = ["--sandbox", "--fix-perms"] if directory else fast
    argv = [program, "build", "--force", *how, str(new / (TREE if directory else SIF)), source]
    env = {"APPTAINER_TMPDIR": str(scratch), "SINGULARITY_TMPDIR": str(scratch)}
    said: deque[str] = deque(maxlen=40)
    async with Stream(argv, env=env) as stream:
        async with aclosing(lines_and_size(stream, str(new))) as lines:
            async for line, arrived in lines:
                if line is None:
                    yield Progress(kind="bytes", text=one_line(reference), done=arrived)
                    continue
                said.append(line)
                if found := _SAID.match(line):
                    yield Progress(kind="log", text=one_line(printable(found[1])))
        code = await stream.wait()
    await asyncio.to_thread(process_container.delete, str(scratch))
    if code:
        raise _trouble(code, printable("\n".join(said), 20_000), reference)


def _trouble(code: int, said: str, reference: str) -> ContainersError:
    if code < 0:
        return EngineDown(f"apptainer was killed (signal {-code}).")
    if re.search(r"no space left|quota exceeded", said, re.IGNORECASE):
        return DiskFull("where images are kept; JUPYTER_CONTAINERS_IMAGES names the directory")
    if reference and re.search(r"unauthorized|authentication required", said, re.IGNORECASE):
        refused = BaseUnknown(reference, None, "it wants a log-in, or has none of that name")
        host = reference.partition("/")[0]
        refused.hint = f"Log in: apptainer registry login --username USER docker://{host}"
        return refused
    return build_trouble(
        "apptainer",
        said=said,
        code=code,
        step=None,
        instruction="",
        tail="",
        reference=reference,
    )


async def described(program: str, new: Path, image: Image) -> Image:
    """What a pulled image tells of itself: labels and environment. Both are untrusted."""
    payload = new / TREE if (new / TREE).is_dir() else new / SIF
    done = await run([program, "inspect", "--json", "--labels", "--environment", str(payload)])
    try:
        told = json.loads(done.stdout)["data"]["attributes"]
    except (ValueError, KeyError, TypeError):
        return image
    labels = told.get("labels") or {}
    texts = "\n".join(str(text) for text in (told.get("environment") or {}).values())
    return replace(
        image,
        labels={one_line(str(k)): printable(str(v)) for k, v in labels.items()},
        env={name: printable(value) for name, value in _EXPORTED.findall(texts)},
    )
