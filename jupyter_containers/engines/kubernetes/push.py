"""From an image of this machine to one that the cluster's nodes get: pushed, and named by digest.

A kernel's kit, and what the image's Python compiled of it, are one more layer on the image that is
pushed, since nothing of this machine can be mounted in a Pod. The person's Dockerfile stays as it
is, and so does the image here. What was pushed is remembered: a start that changed nothing asks
nobody.

    CACHE/pushed/KEY    the reference that an image has in the registry
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
from collections.abc import Callable
from contextlib import aclosing, suppress
from pathlib import Path

from ...errors import EngineError, EngineFailed, StartFailed, Unsupported
from ...host.cache import place, recall, remember, workplace
from ...host.process import run
from ...layout import BYTECODE_TARGET, INSIDE, KIT_TARGET
from ...models import BuildSpec, ContainerSpec, Mount
from ...text import one_line, printable
from ..base import Engine
from ..common.errors import build_trouble

_VERSION = 1
_NAME = "jupyter-containers"
_LONG = 3600.0
_READ_ALL = 0o444
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LAYERS = (KIT_TARGET, BYTECODE_TARGET)
NO_REGISTRY = (
    "The cluster's nodes get images from a registry only, and none is named for what is here.",
    "Ask the administrator to name one that the nodes read and that you may push to: "
    'c.Policy.push_registry = "registry.example.org/team"',
)
Tell = Callable[[str], None]


class Pusher:
    """Pushes what one engine of this machine has. Two starts of one image push it once."""

    def __init__(self, inner: Engine) -> None:
        self._inner = inner
        self._locks: dict[tuple[int, Path], asyncio.Lock] = {}

    async def push(self, spec: ContainerSpec, registry: str, tell: Tell) -> tuple[str, bool]:
        """The reference by digest of a container's image in the registry, and whether it was known
        from an earlier push; `tell` hears what takes its time. Raises Unsupported, StartFailed,
        EngineError, BuildError."""
        if not registry:
            raise Unsupported(*NO_REGISTRY)
        known = self._place(spec, registry)
        said = (await asyncio.to_thread(recall, known) or {}).get("reference")
        if isinstance(said, str):
            return said, True
        key = (id(asyncio.get_running_loop()), known)
        async with self._locks.setdefault(key, asyncio.Lock()):
            said = (await asyncio.to_thread(recall, known) or {}).get("reference")
            if isinstance(said, str):
                return said, False
            tell("Pushing the image to the registry of the cluster")
            return await self._push(spec, registry, known), False

    async def forget(self, spec: ContainerSpec, registry: str) -> None:
        """The registry has lost it: the next `push` pushes it again."""
        await asyncio.to_thread(self._place(spec, registry).unlink, missing_ok=True)

    def _place(self, spec: ContainerSpec, registry: str) -> Path:
        return place("pushed", _VERSION, self._inner.name, registry, spec.image, *_contents(spec))

    async def _push(self, spec: ContainerSpec, registry: str, known: Path) -> str:
        content = hashlib.sha256("\n".join([spec.image, *_contents(spec)]).encode())
        tag = f"{registry.rstrip('/')}/{_NAME}:{content.hexdigest()[:40]}"
        try:
            await self._make(spec, tag)
            digest = await self._send(tag)
        finally:
            with suppress(EngineError):
                await self._inner.remove_image(tag)  # its layers are those of the image and the kit
        reference = f"{tag.rpartition(':')[0]}@{digest}"
        await asyncio.to_thread(remember, known, {"reference": reference})
        return reference

    async def _make(self, spec: ContainerSpec, tag: str) -> None:
        """Give the image that name, with the kit where it needs one."""
        layers = _layers(spec)
        base = f"localhost/{_NAME}-push:{spec.image.removeprefix('sha256:')[:40]}"
        if not layers:
            return await self._checked("tag", spec.image, tag)
        await self._checked("tag", spec.image, base)  # BuildKit takes ids for names
        try:
            async with workplace("pushed") as work:
                for one in layers:
                    name = one.target.rpartition("/")[2]
                    await asyncio.to_thread(_lay_out, Path(one.source), work / name)
                text = f"FROM {base}\nCOPY . {INSIDE}/\n"
                build = BuildSpec(dockerfile=text, tag=tag, context=str(work), network="none")
                async with aclosing(self._inner.build(build)) as events:
                    async for _ in events:
                        pass
        finally:
            with suppress(EngineError):
                await self._inner.remove_image(base)

    async def _send(self, tag: str) -> str:
        """Push; the digest that it has there."""
        argv = [self._inner.program, "push", tag]
        if self._inner.name != "podman":
            done = await run(argv, timeout=_LONG)
            told = done.stdout
        else:
            async with workplace("pushed") as work:
                file = work / "digest"
                argv = [*argv[:2], "--quiet", f"--digestfile={file}", tag]
                done = await run(argv, timeout=_LONG)
                told = await asyncio.to_thread(file.read_text) if not done.code else ""
        if done.code:
            raise _refused(argv, done.code, printable(done.stderr + done.stdout, 20_000), tag)
        found = _DIGEST.findall(told)
        if not found:
            raise StartFailed(f"{self._inner.name} does not tell the digest of {tag}.")
        return str(found[-1])

    async def _checked(self, *words: str) -> None:
        argv = [self._inner.program, *words]
        done = await run(argv)
        if done.code:
            raise EngineFailed(argv, done.code, printable(done.stderr))


def _layers(spec: ContainerSpec) -> list[Mount]:
    return [one for one in spec.own if one.target in _LAYERS]


def _contents(spec: ContainerSpec) -> list[str]:
    """What tells the kit apart from others: its directories are named by what is in them."""
    return [f"{one.target} {Path(one.source).name}" for one in _layers(spec)]


def _lay_out(source: Path, target: Path) -> None:
    """With its times, by which Python knows what it compiled, and so that anybody may read it."""
    shutil.copytree(source, target, symlinks=True, copy_function=_link_or_copy)
    for path in [target, *(one for one in target.rglob("*") if one.is_dir())]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o555)


def _link_or_copy(source: str, target: str) -> None:
    """A kit has tens of megabytes in thousands of files, which nobody changes."""
    mode = Path(source).stat().st_mode
    if mode & _READ_ALL == _READ_ALL:
        with suppress(OSError):  # on another file system
            return os.link(source, target)
    shutil.copy2(source, target)
    Path(target).chmod(mode | _READ_ALL)
    return None


def _refused(argv: list[str], code: int, said: str, tag: str) -> Exception:
    host = tag.partition("/")[0]
    if re.search(r"unauthorized|authentication required|denied|no basic auth", said, re.IGNORECASE):
        return StartFailed(
            f"The registry {host} does not let you push: {one_line(said.splitlines()[-1], 200)}.",
            f"Log in: {argv[0]} login {host}",
        )
    return build_trouble(
        argv[0], said=said, code=code, step=None, instruction="", tail="", reference=tag
    )
