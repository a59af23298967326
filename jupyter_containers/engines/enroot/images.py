"""How enroot's images come to be: trees in our store, made harmless.

enroot obeys files of the image before it enters it: what /etc/fstab names is mounted from this
machine, ${NAMES} in /etc/environment are replaced by this machine's, and hooks follow links in
/etc. So these are taken out of every image.
https://github.com/NVIDIA/enroot/blob/master/doc/image-format.md
"""

from __future__ import annotations

import asyncio
import platform
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

from ...errors import BaseUnknown, ContainersError, DiskFull, EngineDown, EngineFailed
from ...host.process import Environment, run
from ...host.reaper.trees import remove_tree
from ...models import Image, Progress
from ...text import one_line, printable
from ..common.errors import build_trouble
from ..common.transfers import Transfer
from ..process_engine import image_archive
from ..process_engine.image_archive import FULL, NotAnImage, OnBytes, with_progress
from ..process_engine.image_store import Store, random_id
from ..process_engine.rootfs import complete, resolve
from .scripts import FILE, TREE

SQUASH = "-comp zstd -Xcompression-level 1 -b 256K -exit-on-error"
"""Faster to write than the default."""
_HOSTS = {
    "docker.io": ("registry-1.docker.io", "auth.docker.io"),
    "nvcr.io": ("nvcr.io", "authn.nvidia.com"),
}
"""Registries, and the hosts that give tokens for them."""
_LONG = 3600.0
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_SAID = re.compile(r"(?:\x1b\[[0-9;]*m)*\[(?:INFO|WARN)\](?:\x1b\[[0-9;]*m)*\s*(.*)")
_REFUSED = re.compile(r"error code: 401|(?:user: <anonymous>|credentials from file: .*)\s*\Z")
"""Where a registry wants a password, or another one, enroot ends without a word."""
_LABEL = re.compile(r"^# ([\w./-]+) (.*)$", re.MULTILINE)
_PROVENANCE = "enroot-provenance:"
_LINKS = (
    "etc",
    "etc/rc",
    "etc/rc.local",
    "etc/passwd",
    "etc/group",
    "etc/gshadow",
    "etc/shadow",
    "etc/login.defs",
    "etc/default",
    "etc/default/useradd",
    "etc/apt",
    "etc/apt/apt.conf.d",
    "etc/apt/apt.conf.d/enroot",
    ".lock",
    ".enroot",
)
"""What enroot, its hooks and pyxis read or write by paths of this machine."""


def source(reference: str) -> str:
    """What `enroot import` calls an image, in words that every version reads."""
    name, at, digest = reference.partition("@")
    host, _, path = name.partition("/")
    above, slash, last = path.rpartition("/")
    short, _, tag = last.partition(":")
    path = f"{above}{slash}{short}:{digest if at else tag or 'latest'}"
    return f"docker://{path}" if host == "docker.io" else f"docker://{host}#{path}"


async def pull(
    store: Store, reference: str, env: Environment, *, as_file: bool
) -> AsyncGenerator[Progress]:
    """Fetch an image under a new id; its digest is not told. Raises what fetching raises."""
    machine = platform.machine()
    image = Image(
        id=random_id(), references=(reference,), architecture=_MACHINES.get(machine, machine)
    )
    async with store.adding(image) as new:
        assert new is not None
        scratch = new / "scratch"
        await asyncio.to_thread(scratch.mkdir)
        env = {**env, "ENROOT_TEMP_PATH": str(scratch), "ENROOT_SQUASH_OPTIONS": SQUASH}
        file = scratch / FILE
        argv = ["enroot", "import", "--output", str(file), "--", source(reference)]
        async with aclosing(_fetch(argv, env, new, reference)) as events:
            async for event in events:
                yield event
        yield Progress(kind="log", text="Unpacking the image")
        await _command(
            "enroot", "create", "--name", TREE, "--", str(file), env={**env, **data(new)}
        )
        told = await asyncio.to_thread(_described, new / TREE, image)
        if as_file:
            await _squash(new, {})
        await asyncio.to_thread(remove_tree, str(scratch))
        store.describe(new, told)


async def load(
    store: Store, archive: Path, image: Image, env: Environment, *, as_file: bool
) -> AsyncGenerator[Progress]:
    """An image that another engine saved. Raises DiskFull, EngineFailed."""
    async with store.adding(image) as new:
        if new is None:
            return
        tree = new / TREE

        def work(on_bytes: OnBytes) -> None:
            image_archive.unpack(archive, tree, on_bytes)
            complete(tree)
            make_harmless(tree)

        async with aclosing(with_progress("enroot", work, "Unpacking the image")) as events:
            async for event in events:
                yield event
        if as_file:
            await _squash(new, env)


async def _fetch(
    argv: list[str], env: Environment, new: Path, reference: str
) -> AsyncGenerator[Progress]:
    transfer = Transfer(argv, env, str(new), one_line(reference), _SAID)
    async with aclosing(transfer.events()) as events:
        async for event in events:
            yield event
    if transfer.code:
        raise _trouble(transfer.code, transfer.printed, reference)


def _trouble(code: int, said: str, reference: str) -> ContainersError:
    if code < 0:
        return EngineDown(f"enroot was killed during the pull (signal {-code}).")
    if re.search(r"no space left|quota exceeded", said, re.IGNORECASE):
        return DiskFull(FULL)
    if _REFUSED.search(said):
        refused = BaseUnknown(reference, None, "it wants a log-in, or has none of that name")
        host = reference.partition("/")[0]
        lines = [
            f"machine {one.partition(':')[0]} login USER password PASSWORD"
            for one in _HOSTS.get(host, (host,))
        ]
        refused.hint = "\n".join(["Log in, in ~/.config/enroot/.credentials:", *lines])
        return refused
    return build_trouble(
        "enroot", said=said, code=code, step=None, instruction="", tail="", reference=reference
    )


def data(directory: Path) -> Mapping[str, str]:
    """Where enroot looks for unpacked images."""
    return {"ENROOT_DATA_PATH": str(directory)}


async def _squash(new: Path, env: Environment) -> None:
    """One file in place of the tree."""
    tree = new / TREE
    await _command(
        *("mksquashfs", str(tree), str(new / FILE), "-no-progress", "-all-root"),
        *SQUASH.split(),
        env=env,
    )
    await asyncio.to_thread(remove_tree, str(tree))


async def _command(*argv: str, env: Environment) -> None:
    done = await run(argv, env=env, timeout=_LONG)
    if done.code:
        said = done.stderr or done.stdout
        if re.search(r"no space left|quota exceeded", said, re.IGNORECASE):
            raise DiskFull(FULL)
        raise EngineFailed(argv, done.code, said)


def make_harmless(tree: Path) -> None:
    """Nothing of a tree leads enroot elsewhere. Raises NotAnImage, OSError."""
    for name in _LINKS:
        place = tree / name
        if place.is_symlink():
            place.unlink()
    skeleton = tree / "etc/skel"
    if skeleton.is_symlink():
        skeleton.unlink()
    elif skeleton.is_dir():
        remove_tree(str(skeleton))
    (tree / "etc").mkdir(exist_ok=True)
    for name in ("fstab", "environment"):
        place = tree / "etc" / name
        if place.is_dir() and not place.is_symlink():
            raise NotAnImage(f"/etc/{name} is a directory")
        place.unlink(missing_ok=True)
        place.touch()


def _described(tree: Path, image: Image) -> Image:
    """What an image that enroot made tells of itself, which is untrusted, before it is made
    harmless. Its entrypoint is a script of enroot's."""
    env = {}
    for line in _text(tree, "etc/environment").splitlines():
        name, equals, value = line.partition("=")
        if equals and re.fullmatch(r"[A-Za-z_]\w*", name):
            env[name] = printable(value)
    head = _text(tree, "etc/rc").partition("\n\n")[0]
    labels = {k: printable(v) for k, v in _LABEL.findall(head) if k != _PROVENANCE}
    complete(tree)
    make_harmless(tree)
    entrypoint = ("/bin/sh", "/etc/rc") if (tree / "etc/rc").is_file() else ()
    return replace(image, env=env, labels=labels, entrypoint=entrypoint)


def _text(tree: Path, name: str) -> str:
    place = resolve(tree, name)
    if not place.is_file() or place.is_symlink():
        return ""
    with place.open("rb") as file:
        return file.read(1 << 20).decode(errors="replace")
