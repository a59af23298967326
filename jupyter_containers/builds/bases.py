"""The base images of a build: which they are, pinned to what they were, and their ONBUILD.

A base from a registry is pinned to the digest it had (`python:3.12-slim@sha256:…`), so that a
rebuild gives the same environment until somebody asks to update. A base that only this machine
has is known by the engine's id, which shows when it has changed. The image of an earlier cell is
what that cell is now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from ..dockerfile.contents import Dockerfile, Fetch, Inherited
from ..engines.guarded import Guarded
from ..errors import BaseUnknown, ContainersError, PolicyRefused
from ..host.cache import place, recall, remember
from ..models import Image, Progress, Reference

OnEvent = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True)
class Base(Inherited):
    """One base image. `pin` is its digest, or the engine's id where no registry knows it;
    `name` is what the engine is told instead of `reference`."""

    reference: str
    pin: str
    name: str
    local: bool = False
    earlier: bool = False


def needed(dockerfile: Dockerfile, target: str) -> list[Fetch]:
    """The images that a build of `target` begins with or takes from: stages that it does not
    reach do not come to the engine."""
    reached = reached_stages(dockerfile, target)
    begun = [stage.line for stage in dockerfile.stages]
    found: dict[str, Fetch] = {}
    for fetch in dockerfile.fetches:
        stage = sum(line <= fetch.line for line in begun) - 1
        if stage in reached and fetch.instruction != "# syntax" and not fetch.kept:
            found.setdefault(fetch.reference, fetch)
    return list(found.values())


def target_stage(dockerfile: Dockerfile, target: str) -> int:
    """The number of the stage that is built: the last one where none is named."""
    for stage in dockerfile.stages:
        if target and stage.name == target.lower():
            return stage.index
    return int(target) if target.isdecimal() else len(dockerfile.stages) - 1


def reached_stages(dockerfile: Dockerfile, target: str) -> set[int]:
    """The numbers of the stages that a build of `target` needs."""
    reached: set[int] = set()
    pending = [target_stage(dockerfile, target)]
    while pending:
        stage = pending.pop()
        if stage not in reached:
            reached.add(stage)
            pending += dockerfile.uses[stage]
    return reached


# -- what is remembered --------------------------------------------------------------------


def recall_bases(engine: str, cell: str, wanted: Iterable[str]) -> list[Base] | None:
    """The bases that the last build of a cell had, or None where not all are known."""
    document = recall(place("builds", engine, cell)) or {}
    found = []
    for reference in wanted:
        try:
            known = document[reference]
            base = Base(
                reference=reference,
                pin=str(known["pin"]),
                name=str(known["name"]),
                onbuild=tuple(str(line) for line in known["onbuild"]),
                workdir=str(known["workdir"]),
                env={str(name): str(value) for name, value in known["env"].items()},
                local=known["local"] is True,
            )
        except (KeyError, TypeError, AttributeError):
            return None
        found.append(base)
    return found


def remember_bases(engine: str, cell: str, bases: Iterable[Base]) -> None:
    """Called after a build, for the next one."""
    document = {
        base.reference: {
            "pin": base.pin,
            "name": base.name,
            "onbuild": list(base.onbuild),
            "workdir": base.workdir,
            "env": dict(base.env),
            "local": base.local,
        }
        for base in bases
        if not base.earlier
    }
    remember(place("builds", engine, cell), document)


async def as_remembered(
    engine: Guarded, name: str, bases: Iterable[Base]
) -> tuple[Image | None, bool]:
    """The image `name`, and whether the local ones among remembered bases are what they were:
    one question where all are here."""
    local = [base for base in bases if base.local]
    asked = [name, *(base.name for base in local)]
    found: Sequence[Image | None] | None = await engine.all_here(asked)
    if found is None:
        found = await asyncio.gather(*(engine.image(one) for one in asked))
    image, *now = found
    same = (one is not None and one.id == base.pin for one, base in zip(now, local, strict=True))
    return image, all(same)


# -- what they are now ---------------------------------------------------------------------


class Resolver:
    """Finds the bases of one build; what is not here is pulled, with its progress."""

    def __init__(
        self, engine: Guarded, pins: Mapping[str, str], on_event: OnEvent, *, update: bool
    ) -> None:
        self._engine = engine
        self._pins = {} if update else pins
        self._on_event = on_event
        self._update = update

    async def all(self, fetches: Iterable[Fetch]) -> list[Base]:
        """Each in turn. Raises BaseUnknown, NetworkFailed, PolicyRefused, with their line."""
        found = []
        for fetch in fetches:
            try:
                found.append(await self._one(fetch))
            except ContainersError as error:
                raise _with_line(error, fetch) from None
        return found

    async def _one(self, fetch: Fetch) -> Base:
        reference = fetch.reference
        local = reference.startswith(("localhost/", "sha256:"))
        if self._update and not local:
            image = await self._updated(reference)
        else:
            image = await self._engine.image(reference)
        if image is None and (short := self._podman_short(fetch)):
            image = await self._engine.image(short)
            if image is not None:
                self._engine.policy.check_image(short)
                reference = short
        if (pin := self._pins.get(fetch.reference)) is not None and not local:
            if (base := await self._pinned(fetch, reference, image, pin)) is not None:
                return base
        elif pin is not None and image is not None and image.id != pin:
            self._notice(f"{fetch.written} is not the image that this was built on before.")
        if image is None and local:
            raise BaseUnknown(fetch.written, fetch.line, "names under localhost/ are built here")
        if image is None:
            image = await self._pull(reference)
        return _base(fetch.reference, reference, image, _digest(reference, image))

    def _podman_short(self, fetch: Fetch) -> str:
        """What podman calls an image that was built here under a short name."""
        short = self._engine.name == "podman" and "/" not in fetch.written
        return f"localhost/{Reference.parse(fetch.written).short}" if short else ""

    async def _updated(self, reference: str) -> Image | None:
        """As its registry has it now, or what is here where no registry has it."""
        try:
            return await self._pull(reference)
        except BaseUnknown:
            if (image := await self._engine.image(reference)) is None:
                raise
            self._notice(f"{reference} is only on this machine: it is used as it is.")
            return image

    async def _pinned(
        self, fetch: Fetch, reference: str, image: Image | None, pin: str
    ) -> Base | None:
        """The base as it was; None where it was another machine's own and we have ours."""
        if image is not None and pin == image.id:
            return _base(fetch.reference, reference, image, "")
        if image is not None and pin in _digests(reference, image):
            return _base(fetch.reference, reference, image, pin)
        exact = _at(reference, pin)
        pinned = await self._engine.image(exact)
        try:
            pinned = pinned or await self._pull(exact, reference)
        except BaseUnknown as error:
            if image is None or _digests(reference, image):
                error.hint = (
                    "Its registry has it no more. Update the bases: Update bases in the sidebar, "
                    "or jupyter containers build --update-bases"
                )
                raise
            self._notice(f"{fetch.written} is not the image that this was built on before.")
            return None
        return _base(fetch.reference, reference, pinned, pin)

    async def _pull(self, reference: str, stands_for: str = "") -> Image:
        self._notice(f"Pulling {reference}")
        image = None
        async with aclosing(self._engine.pull(reference, stands_for)) as events:
            async for event in events:
                image = event.image or image
                if event.kind != "image":
                    self._on_event(event)
        if image is None:
            raise BaseUnknown(reference, None, "the pull brought nothing")
        return image

    def _notice(self, text: str) -> None:
        self._on_event(Progress(kind="notice", text=text))


def _with_line(error: ContainersError, fetch: Fetch) -> ContainersError:
    """A pull knows no Dockerfile; its errors get the line here."""
    line = getattr(error, "line", 0)
    if line is None:
        error.line = fetch.line  # type: ignore[attr-defined]
    if line is None or isinstance(error, PolicyRefused):
        error.message = f"Dockerfile line {fetch.line}: {error.message}"
    return error


def _base(wanted: str, reference: str, image: Image, digest: str) -> Base:
    return Base(
        reference=wanted,
        pin=digest or image.id,
        name=_at(reference, digest) if digest else reference,
        onbuild=image.onbuild,
        workdir=image.workdir,
        env=image.env,
        local=not digest,
    )


def _at(reference: str, digest: str) -> str:
    """`name@sha256:…`; without the tag, which some engines refuse beside a digest."""
    return f"{reference.partition('@')[0].rpartition('/')[0]}/{_name(reference)}@{digest}"


def _name(reference: str) -> str:
    return reference.partition("@")[0].rpartition("/")[2].partition(":")[0]


def _digests(reference: str, image: Image) -> list[str]:
    """Its digests in the registry that the reference names."""
    mine = Reference.parse(reference)
    found = []
    for entry in image.digests:
        name, _, digest = entry.partition("@")
        other = Reference.parse(name)
        if (other.registry, other.path) == (mine.registry, mine.path):
            found.append(digest)
    return found


def _digest(reference: str, image: Image) -> str:
    if reference.startswith(("localhost/", "sha256:")):
        return ""
    return next(iter(_digests(reference, image)), "")
