"""The site's image gateway, over `shifterimg`: it pulls images from registries, for all users.

It keeps them and decides when they go; our store remembers which of its ids a name meant when it
was pulled. Nothing but a registry brings it an image.
https://github.com/NERSC/shifter/blob/main/doc/install/imagegw.rst
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from shutil import which
from typing import Any

from ...errors import (
    BaseUnknown,
    ContainersError,
    EngineDown,
    EngineError,
    EngineFailed,
    Unsupported,
)
from ...host.process import Stream, run
from ...models import Image, Problem, Progress
from ...text import one_line, printable, untrusted_json
from ..common.errors import build_trouble
from ..process_engine.image_store import Store, Stored
from . import site

ID = "id"
"""In an image's directory of the store: what the gateway calls it."""
_NOBODY = "docker:jupyter-containers/is-anybody-there:0"
_LONG = 3600.0
_DOWN = re.compile(r"^(?:ERROR: failed to contact the image gateway|err \d+)", re.MULTILINE)
_REFUSED = re.compile(r"^Got response: (\d+)\s+Message: (.*)", re.MULTILINE)
_NO_REGISTRY = (
    "Ask the administrator to name one that the gateway reads and that you may push to: "
    'c.Policy.push_registry = "registry.example.org/team"'
)


def id_of(stored: Stored) -> str:
    """What the gateway calls an image."""
    return (stored.directory / ID).read_text().strip()


async def no_pulls() -> Problem | None:
    """Why the gateway would not pull an image; None where it answers."""
    try:
        done = await run(["shifterimg", "-v", "lookup", _NOBODY], timeout=30)
    except EngineError as error:
        return Problem(f"Images cannot be pulled: {error.message}", error.hint)
    if (wrong := _unanswered(done.stdout)) is None:
        return None
    return Problem(f"Images cannot be pulled: {wrong.message}", wrong.hint)


def no_loads(registry: str) -> Problem | None:
    """Why nothing that is built elsewhere can be run; None where it can."""
    try:
        target(registry)
    except Unsupported as wrong:
        return Problem(wrong.message, wrong.hint)
    return None


def _unanswered(said: str) -> EngineDown | None:
    """Why the gateway gave no answer that concerns an image."""
    if _DOWN.search(said):
        return EngineDown(
            "the site's image gateway does not answer.",
            "Tell the administrator: imageGateway in udiRoot.conf says where it is. Images that "
            "were pulled before start without it.",
        )
    if "FAILED to parse" in said:
        return EngineDown("Shifter is not set up.", "Ask the administrator to look at udiRoot.conf")
    found = _REFUSED.search(said)
    if found is None or (found[1] == "404" and "not found" in _error(found[2])):
        return None
    return EngineDown(
        f"the site's image gateway does not know who you are ({_error(found[2])}).",
        "Tell the administrator: munged has to run here and there, with the same key.",
    )


def _error(message: str) -> str:
    """What an answer that is no image says."""
    try:
        return one_line(str(untrusted_json(message)["error"]), 200)
    except (ValueError, KeyError, TypeError):
        return "an error of its own"


def name_of(reference: str) -> str:
    """What Shifter calls an image. Raises Unsupported, BaseUnknown."""
    if "@" in reference:
        raise Unsupported(
            f"Shifter pulls images by their tags, and not {reference}.",
            "Name a tag; or pull it with Podman or Docker and convert it.",
        )
    if reference.startswith("localhost/"):
        raise BaseUnknown(reference, None, "names under localhost/ are built here")
    return f"docker:{reference.removeprefix('docker.io/')}"


async def pull(store: Store, reference: str) -> AsyncGenerator[Progress]:
    """Let the gateway pull an image; who stops waiting does not stop the gateway."""
    answers: list[Mapping[str, Any]] = []
    async with aclosing(_pulled(reference, answers)) as events:
        async for event in events:
            yield event
    told = answers[-1]
    image = await asyncio.to_thread(_described, told, reference)
    await _remember(store, image, str(told["id"]))


async def load(
    store: Store, archive: Path, image: Image, registry: str
) -> AsyncGenerator[Progress]:
    """An image that another engine saved: pushed to the registry, and pulled by the gateway."""
    if await asyncio.to_thread(store.find, image.id) is not None:
        await _remember(store, image, "")
        return
    reference = f"{target(registry)}/jupyter-containers:{image.id.removeprefix('sha256:')[:40]}"
    yield Progress(kind="notice", text=f"Pushing the image to {registry}")
    await _push(archive, reference)
    answers: list[Mapping[str, Any]] = []
    async with aclosing(_pulled(reference, answers)) as events:
        async for event in events:
            yield event
    await _remember(store, image, str(answers[-1]["id"]))


def target(registry: str) -> str:
    """Where to push. Raises Unsupported where the administrator has named no place."""
    if not registry:
        raise Unsupported(
            "Shifter's gateway pulls images from registries only, and none is named for images "
            "that are built here.",
            _NO_REGISTRY,
        )
    if which("skopeo") is None:
        raise Unsupported(
            f"The image cannot be pushed to {registry}: there is no `skopeo`.",
            "Install it: https://github.com/containers/skopeo/blob/main/install.md",
        )
    return registry.rstrip("/")


async def _push(archive: Path, reference: str) -> None:
    argv = ["skopeo", "copy", "--quiet", f"docker-archive:{archive}", f"docker://{reference}"]
    done = await run(argv, timeout=_LONG)
    if done.code:
        said = printable(done.stderr, 20_000)
        if re.search(r"unauthorized|authentication required|denied", said, re.IGNORECASE):
            host = reference.partition("/")[0]
            raise EngineFailed(
                ("skopeo", "copy"), done.code, f"{host} lets you not push: skopeo login {host}"
            )
        raise build_trouble(
            "skopeo",
            said=said,
            code=done.code,
            step=None,
            instruction="",
            tail="",
            reference=reference,
        )


async def _pulled(reference: str, answers: list[Mapping[str, Any]]) -> AsyncGenerator[Progress]:
    """What the gateway tells while it pulls; `answers` ends with that of an image that is there."""
    argv = ["shifterimg", "-v", "pull", name_of(reference)]
    said: list[str] = []
    last = ""
    async with Stream(argv, env=site.environment()) as stream:
        async for _, line in stream:
            said = [*said[-40:], line]
            if (told := _told(line)) is None:
                continue
            answers.append(told)
            state = _state(told)
            if state != last and told.get("status") != "FAILURE":
                last = state
                yield Progress(kind="log", text=state)
        code = await stream.wait()
    if not answers or answers[-1].get("status") != "READY":
        raise _trouble(argv, code, "\n".join(said), answers, reference)


def _told(line: str) -> Mapping[str, Any] | None:
    """An answer that tells of an image."""
    try:
        told = untrusted_json(line.removeprefix("Message: "))
    except ValueError:
        return None
    is_one = isinstance(told, dict) and {"id", "status", "itype"} <= told.keys()
    return told if is_one and line.startswith("Message: ") else None


def _state(told: Mapping[str, Any]) -> str:
    message = told.get("status_message")
    word = message if isinstance(message, str) and message != "MISSING" else told["status"]
    return one_line(printable(f"The gateway: {word}"), 200)


def _trouble(
    argv: list[str], code: int, said: str, answers: list[Mapping[str, Any]], reference: str
) -> ContainersError:
    if (down := _unanswered(said)) is not None:
        return EngineDown(f"{reference} was not pulled: {down.message}", down.hint)
    if answers:
        host = reference.partition("/")[0]
        return BaseUnknown(
            reference,
            None,
            f"the site's gateway failed to pull it; it does not say why. "
            f"Private ones need: shifterimg login {host}",
        )
    return EngineFailed(argv, code, printable(said, 2000))


def _described(told: Mapping[str, Any], reference: str) -> Image:
    """What an answer says of an image; the gateway leaves out what it does not know."""
    env, labels, entry = (told.get(name) for name in ("ENV", "LABELS", "ENTRY"))
    pairs = [str(one).partition("=") for one in env] if isinstance(env, list) else []
    return Image(
        id=_ours(str(told["id"])),
        references=(reference,),
        size=_size(str(told["id"])),
        env={name: value for name, equals, value in pairs if equals},
        labels={str(k): str(v) for k, v in labels.items()} if isinstance(labels, dict) else {},
        entrypoint=tuple(map(str, entry)) if isinstance(entry, list) else (),
    )


def _ours(identifier: str) -> str:
    """Ours are of one shape; the gateway's are, by its kinds, digests of many things."""
    if not re.fullmatch(r"[0-9a-f]{64}", identifier):
        identifier = hashlib.sha256(identifier.encode()).hexdigest()
    return f"sha256:{identifier}"


def _size(identifier: str) -> int:
    """0 where a user may not look."""
    try:
        file = Path(site.read().images, f"{Path(identifier).name}.squashfs")
        return file.stat().st_size
    except (OSError, EngineDown):
        return 0


async def _remember(store: Store, image: Image, identifier: str) -> None:
    async with store.adding(image) as new:
        if new is not None:
            await asyncio.to_thread((new / ID).write_text, identifier)
