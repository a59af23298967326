"""ipykernel and its wheels for an image's Python: resolved around what the image has, kept on
disk, usable offline.

    CACHE/kits/KEY/        wheels, installed; shared by every image that lacks the same ones
    CACHE/resolved/KEY     which versions an image's packages lead to
    CACHE/bytecode/KEY/    what one image's own Python compiled of its kit
    CACHE/fits/KEY         which kit was seen to start in an image, and its bytecode; also for
                           images built on it that changed no Python package

`fit` is what a start calls: one small file is read where the image is known. A kit holds only
what the image lacks, and `guest/kitpath.py` puts it last on `sys.path`.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..engines.base import Engine
from ..errors import KitFailed
from ..host.cache import place, recall, remember, settle, workplace
from ..host.guest_files import guest_text
from ..host.reaper.client import reaper
from ..layout import BYTECODE_TARGET, KIT_TARGET
from ..models import ContainerSpec, Image, Mount, User
from ..text import one_line
from .facts import CURVE_IPYKERNEL, Interpreter, version_tuple
from .kit_resolver import NETWORK, install, install_line, platform, resolve, trouble

VERSION = 2
"""Part of every key: raised where a kit of old would no longer do."""

"""Where kernels find them. A kit's path is part of its bytecode's place: they never move."""

NEWEST = ("ipykernel",)
_GENERATIONS = (
    NEWEST,
    ("ipykernel<7",),
    # Old jupyter_client and ipykernel import ipython_genutils and say so nowhere.
    ("ipykernel<6.20", "ipython<9", "jupyter-client<8", "ipython-genutils"),
    ("ipykernel<6", "ipython<8", "jupyter-client<7", "ipython-genutils"),
)
"""Tried in this order: old packages say of no new one that it is too new for them."""

_CHECK_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Kit:
    """What an image's Python needs to run a kernel. Mounted read-only at `KIT_TARGET`."""

    ipykernel: str
    directory: Path | None = None
    """None where the image's own ipykernel serves."""
    bytecode: Path | None = None
    """Mounted read-only at `BYTECODE_TARGET`; None until `fit` has made it."""
    packages: tuple[str, ...] = ()
    """What the kit holds, as `name==version`."""
    constraints: tuple[str, ...] = ()
    """The image's own versions that the kit was fitted around."""

    @property
    def encrypts(self) -> bool:
        """Whether this ipykernel can speak CurveZMQ."""
        return version_tuple(self.ipykernel) >= CURVE_IPYKERNEL


async def fit(
    engine: Engine, image: Image, user: User, python: Interpreter, *, offline: bool = False
) -> Kit:
    """The kit for one image, seen to start in it and compiled by it. Called by every start.

    The first time for an image one short container runs (no network); `user` is `me`, so that
    what it writes is ours. Where ipykernel does not start beside the image's packages, older
    ones are tried. Raises KitFailed, and what a failing engine raises.
    """
    if python.ipykernel:
        return await kit_for(python)
    known = [place("fits", *one, python.path, *_identity(python)) for one in _same_or_below(image)]
    kit = await asyncio.to_thread(_recall_first, known)
    if kit is not None:
        return kit
    errors: list[KitFailed] = []
    tried: set[Path | None] = set()
    for generation in _GENERATIONS:
        try:
            kit = await kit_for(python, generation, offline=offline)
        except KitFailed as failed:
            errors.append(failed)
            continue
        if kit.directory in tried:
            continue
        tried.add(kit.directory)
        said, bytecode = await _check(engine, image, user, python, kit)
        if said == "ok":
            kit = replace(kit, bytecode=bytecode)
            await asyncio.to_thread(_remember_all, known[:2], kit)
            return kit
        errors.append(_does_not_start(python, kit, said))
    raise errors[0]


def _same_or_below(image: Image) -> list[tuple[object, ...]]:
    """What a fit is remembered by: the image, its layers, and those of each image that it may
    have been built on. What was seen of that one, and compiled by it, holds for this one, which
    trusts all of it already; that its packages are the same, `_identity` says besides."""
    counts = range(len(image.layers), 0, -1)
    return [(VERSION, image.id), *((VERSION, "layers", *image.layers[:n]) for n in counts)]


def _recall_first(known: Sequence[Path]) -> Kit | None:
    for path in known:
        if (kit := _kit(recall(path))) is not None:
            if path is not known[0]:
                _remember_all(known[:1], kit)
            return kit
    return None


def _remember_all(places: Sequence[Path], kit: Kit) -> None:
    for path in places:
        remember(path, _document(kit))


async def kit_for(
    python: Interpreter, requirements: Sequence[str] = NEWEST, *, offline: bool = False
) -> Kit:
    """The kit for an interpreter, from the disk where it was made before.

    `requirements` may ask for an older ipykernel. With `offline`, or where no index answers, only
    what uv has kept is used. Raises KitFailed naming package, version and the way out.
    """
    if python.ipykernel:
        if python.ipykernel_error:
            raise KitFailed(
                f"The image's own ipykernel {python.ipykernel} cannot be imported: "
                f"{python.ipykernel_error}",
                f"Repair it. Add to the Dockerfile: {install_line(python)}",
            )
        return Kit(ipykernel=python.ipykernel)
    resolved = place("resolved", VERSION, *requirements, *_identity(python))
    pins = _pins(await asyncio.to_thread(recall, resolved))
    if not pins:
        pins = await _resolve(python, requirements, offline=offline)
        await asyncio.to_thread(remember, resolved, dict(pins))
    own = python.distributions
    packages = tuple(f"{name}=={version}" for name, version in pins if name not in own)
    minor = f"{python.version[0]}.{python.version[1]}"
    directory = place("kits", VERSION, minor, platform(python), *packages)
    if not await asyncio.to_thread(directory.is_dir):
        await _install(python, packages, directory, offline=offline)
    return Kit(
        ipykernel=dict(pins)["ipykernel"],
        directory=directory,
        packages=packages,
        constraints=tuple(f"{name}=={own[name]}" for name, _ in pins if name in own),
    )


def _identity(python: Interpreter) -> tuple[object, ...]:
    """All of an interpreter that decides which wheels fit it."""
    return (python.dotted, platform(python), sorted(python.distributions.items()))


async def _resolve(
    python: Interpreter, requirements: Sequence[str], *, offline: bool
) -> list[tuple[str, str]]:
    """Names and versions of ipykernel and all it needs, the image's own among them, sorted."""
    async with workplace("resolved") as work:
        done = await resolve(python, requirements, work / "stubs", offline=offline)
        if done.code != 0 and not offline and NETWORK.search(done.stderr):
            kept = await resolve(python, requirements, work / "stubs", offline=True)
            done = kept if kept.code == 0 else done
    pins = _pins(dict(re.findall(r"^([a-z0-9][a-z0-9-]*)==(\S+)", done.stdout, re.MULTILINE)))
    if done.code != 0 or not pins:
        raise trouble(python, done)
    return pins


def _pins(document: dict[str, Any] | None) -> list[tuple[str, str]]:
    if document is None or "ipykernel" not in document:
        return []
    return sorted((str(name), str(version)) for name, version in document.items())


async def _install(
    python: Interpreter, packages: tuple[str, ...], directory: Path, *, offline: bool
) -> None:
    """Make a kit beside its place and move it there: two makers at once do no harm."""
    async with workplace("kits") as work:
        done = await install(python, packages, work / "kit", offline=offline)
        if done.code != 0 and not offline and NETWORK.search(done.stderr):
            kept = await install(python, packages, work / "kit", offline=True)
            done = kept if kept.code == 0 else done
        if done.code != 0:
            raise trouble(python, done)
        await asyncio.to_thread(settle, work / "kit", directory)


async def _check(
    engine: Engine, image: Image, user: User, python: Interpreter, kit: Kit
) -> tuple[str, Path]:
    """Whether the kit starts in the image: `ok` or why not, and where its bytecode is.

    The bytecode is the image's own word, so it is kept per image and never read by us."""
    assert kit.directory is not None
    nonce = secrets.token_hex(16)
    check, kitpath = (guest_text(name) for name in ("kit_check.py", "kitpath.py"))
    final = place("bytecode", VERSION, image.id, python.path, kit.directory.name)
    async with workplace("bytecode") as work:
        new = work / "new"
        await asyncio.to_thread(new.mkdir)
        spec = ContainerSpec(
            name=f"jupyter-kit-{nonce[:8]}",
            image=image.id,
            argv=(python.path, "-c", check, KIT_TARGET, BYTECODE_TARGET, kitpath, nonce),
            user=user,
            own=(Mount(str(kit.directory), KIT_TARGET), Mount(str(new), BYTECODE_TARGET, True)),
            env={"HOME": "/nonexistent"},
            network="none",
            read_only=True,
        )
        reaper.add(spec.name, [engine.remove_argv(spec.name)], [])
        try:
            done = await engine.run(spec, _CHECK_SECONDS)
        finally:
            reaper.forget(spec.name)
        said = re.findall(rf"^{nonce} (.*)$", done.stdout, re.MULTILINE)
        if said and said[-1] == "ok":
            await asyncio.to_thread(settle, new, final)
    last = (done.stderr.strip().splitlines() or [f"exit code {done.code}"])[-1]
    return one_line(said[-1] if said else last, 700), final


def _does_not_start(python: Interpreter, kit: Kit, said: str) -> KitFailed:
    beside = ", ".join(kit.constraints)
    return KitFailed(
        f"ipykernel {kit.ipykernel} does not start in the image"
        + (f" beside its {beside}" if beside else "")
        + f": {said}",
        f"Let pip fit them to each other. Add to the Dockerfile: {install_line(python)}",
    )


def _document(kit: Kit) -> dict[str, Any]:
    return {
        "ipykernel": kit.ipykernel,
        "directory": str(kit.directory),
        "bytecode": str(kit.bytecode),
        "packages": list(kit.packages),
        "constraints": list(kit.constraints),
    }


def _kit(document: dict[str, Any] | None) -> Kit | None:
    """A remembered kit, unless somebody has cleared the cache."""
    if document is None:
        return None
    try:
        kit = Kit(
            ipykernel=str(document["ipykernel"]),
            directory=Path(document["directory"]),
            bytecode=Path(document["bytecode"]),
            packages=tuple(document["packages"]),
            constraints=tuple(document["constraints"]),
        )
    except (KeyError, TypeError):
        return None
    there = all(path is not None and path.is_dir() for path in (kit.directory, kit.bytecode))
    return kit if there else None
