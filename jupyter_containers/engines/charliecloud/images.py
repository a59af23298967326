"""How images of Charliecloud come to be and go to other engines: trees in our store."""

from __future__ import annotations

import asyncio
import json
import platform
import re
import secrets
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import DiskFull, EngineDown, EngineFailed, ImageNotHere, KernelError
from ...host.paths import read_untrusted
from ...host.process import Completed, Stream, run
from ...models import Image, Progress
from ...text import as_dict, as_list, one_line, printable, untrusted_json
from ..common.errors import build_trouble
from ..process_engine import image_archive
from ..process_engine.image_archive import FULL, OnBytes, with_progress
from ..process_engine.image_store import TREE, Store, locked, random_id
from ..process_engine.rootfs import complete
from .dockerfile import own_name, renamed
from .site import builds_environment, chimage_argv, environment

METADATA = "ch/metadata.json"
_MOST_METADATA = 8 << 20
_LONG = 1800.0
_LAYER = re.compile(r"layer (\d{1,6})/(\d{1,6}): ")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


async def load(store: Store, archive: Path, image: Image) -> AsyncGenerator[Progress]:
    """See `Engine.load`."""

    def finish(tree: Path, config: Mapping[str, Any]) -> None:
        _tell(tree, image, config)

    async with aclosing(image_archive.load_tree(store, archive, image, finish)) as events:
        async for event in events:
            yield event


def _tell(tree: Path, image: Image, config: Mapping[str, Any]) -> None:
    """What `ch-image` needs to know of an image that others build on. Raises OSError."""
    runs = as_dict(config.get("config"))
    told = {
        "arch": image.architecture or "amd64",
        "arg": {},
        "cwd": str(runs.get("WorkingDir") or "/"),
        "env": {renamed(name): value for name, value in image.env.items()},
        "history": [],
        "labels": {},
        "shell": [str(word) for word in as_list(runs.get("Shell"))] or ["/bin/sh", "-c"],
        "volumes": [],
    }
    directory = (tree / METADATA).parent
    if directory.is_symlink() or not directory.is_dir():
        directory.unlink(missing_ok=True)
        directory.mkdir()
    env = "".join(f"{name}={value}\n" for name, value in image.env.items() if "\n" not in value)
    for place, text in ((tree / METADATA, json.dumps(told)), (directory / "environment", env)):
        place.unlink(missing_ok=True)
        place.write_text(text)


async def save(store: Store, reference: str, archive: Path) -> AsyncGenerator[Progress]:
    """See `Engine.save`."""
    stored = await asyncio.to_thread(store.find, reference)
    if stored is None:
        raise ImageNotHere(reference, "charliecloud")
    image = stored.image
    config = {
        "architecture": image.architecture or "amd64",
        "config": {
            "Env": [f"{name}={value}" for name, value in image.env.items()],
            "Labels": dict(image.labels),
            "Entrypoint": list(image.entrypoint) or None,
        },
    }

    def work(on_bytes: OnBytes) -> None:
        def told(done: int, _: int) -> None:
            on_bytes(min(done, image.size) if image.size else done, image.size)

        image_archive.pack(stored.directory / TREE, archive, config, told)

    text = f"Reading {one_line(reference)} from charliecloud"
    async with aclosing(with_progress("charliecloud", work, text)) as events:
        async for event in events:
            yield event


@asynccontextmanager
async def storage_lock(store: Store) -> AsyncIterator[None]:
    """`ch-image` refuses to work where another one does."""
    await asyncio.to_thread(store.root.mkdir, mode=0o700, parents=True, exist_ok=True)
    async with locked(store.root / "build.lock"):
        yield


def busy(said: str) -> EngineDown | None:
    """Where a person's own `ch-image` is at work."""
    if "already in use" not in said:
        return None
    return EngineDown(
        "Another ch-image is at work, and it lets none beside it.",
        "Wait for its end and try again; or give Jupyter a storage of its own: CH_IMAGE_STORAGE.",
    )


async def chimage(*words: str, check: bool = True) -> Completed:
    """One short command of `ch-image`. Raises EngineFailed, DiskFull."""
    done = await run([*chimage_argv(), *words], env=builds_environment(), timeout=_LONG)
    if done.code and check:
        if (other := busy(done.stderr)) is not None:
            raise other
        if "No space left" in done.stderr:
            raise DiskFull("where ch-image keeps its images (CH_IMAGE_STORAGE)")
        raise EngineFailed(["ch-image", *words], done.code, done.stderr)
    return done


async def pull(store: Store, reference: str) -> AsyncGenerator[Progress]:
    """See `Engine.pull`. `ch-image` fetches; the tree becomes ours."""
    name = f"jupyter-containers/pull-{secrets.token_hex(8)}"
    machine = platform.machine()
    image = Image(
        id=random_id(), references=(reference,), architecture=_MACHINES.get(machine, machine)
    )
    said: deque[str] = deque(maxlen=40)
    argv, env = [*chimage_argv(), "pull", source(reference), name], builds_environment()
    async with storage_lock(store):
        try:
            async with Stream(argv, env=env) as stream:
                async for _, line in stream:
                    said.append(line)
                    if found := _LAYER.match(line):
                        step, steps = int(found[1]), int(found[2])
                        yield Progress(kind="step", text=one_line(line), step=step, steps=steps)
                    else:
                        yield Progress(kind="log", text=one_line(printable(line)))
                code = await stream.wait()
            if code:
                raise build_trouble(
                    "charliecloud",
                    said="\n".join(line for line in said if not line.startswith("hint: ")),
                    code=code,
                    step=None,
                    instruction="",
                    tail="",
                    reference=reference,
                )
            async with store.adding(image) as new:
                assert new is not None
                store.describe(new, await export(name, new, image))
        finally:
            await asyncio.shield(chimage("delete", name, check=False))
    yield await store.made(image.id, reference)


def source(reference: str) -> str:
    """Without the tag beside a digest: `ch-image` reads one of them."""
    name, at, digest = reference.partition("@")
    above, slash, last = name.rpartition("/")
    return f"{above}{slash}{last.partition(':')[0]}@{digest}" if at else reference


async def export(name: str, new: Path, image: Image) -> Image:
    """The tree that `ch-image` calls `name`, in `new`; returns `image` with what it tells of
    itself, which is untrusted."""
    argv = ["ch-convert", "-i", "ch-image", "-o", "dir", name, str(new / TREE)]
    done = await run(argv, env=environment(), timeout=_LONG)
    if done.code:
        if "No space left" in done.stderr:
            raise DiskFull(FULL)
        raise EngineFailed(argv, done.code, done.stderr)
    await asyncio.to_thread(complete, new / TREE)
    try:
        return await asyncio.to_thread(_described, new / TREE, image)
    except OSError as error:
        raise EngineFailed(argv, 1, f"{METADATA} of {name} cannot be written: {error}") from None


def _described(tree: Path, image: Image) -> Image:
    """With what the tree tells of itself. It is told anew, in our words: who builds on it gives it
    back to `ch-image`."""
    place, told = tree / METADATA, {}
    try:
        if not place.parent.is_symlink():
            told = as_dict(untrusted_json(read_untrusted(place, _MOST_METADATA)))
    except (KernelError, OSError, ValueError):
        pass
    env = {own_name(name): str(value) for name, value in as_dict(told.get("env")).items()}
    env = env if told else dict(image.env)
    said = as_dict(told.get("labels")).items()
    labels = {one_line(name): printable(str(value)) for name, value in said}
    image = replace(image, env=env, labels={**labels, **image.labels})
    _tell(tree, image, {"config": {"WorkingDir": told.get("cwd"), "Shell": told.get("shell")}})
    return image
