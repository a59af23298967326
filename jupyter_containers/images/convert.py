"""Images from one engine to another: what one built, or pulled, others can run.

Conversion is preparation, never part of a launch. An image that is there already is found by its
id, which it keeps, so it is converted once; two processes that convert the same wait for each
other (`Store.adding`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from ..engines.guarded import Guarded
from ..engines.registry import open_engine
from ..errors import ContainersError, Unsupported
from ..host.cache import workplace
from ..models import Image, Progress

BUILDERS = ("podman", "docker", "charliecloud")
"""Engines that build from a Dockerfile, in the order in which they are tried for others."""


async def builder_for(engine: Guarded) -> Guarded:
    """The engine that builds what `engine` is to run: itself where it can, else the first that
    works here and that the policy allows. Raises Unsupported, which says why there is none."""
    if "build" in (await engine.info()).features:
        return engine
    engine.check_load()
    wrong = []
    for name in engine.policy.engine_order(BUILDERS):
        try:
            candidate = open_engine(name, engine.policy)
            info = await candidate.info()
        except ContainersError as error:
            wrong.append(f"{name}: {error.message}")
            continue
        if info.usable and "build" in info.features:
            return candidate
        wrong += [f"{name}: {problem.message}" for problem in info.problems]
    because = "".join(f"\n  - {line}" for line in wrong)
    raise Unsupported(
        f"{engine.name} cannot build from a Dockerfile, and no engine that can works here."
        + because,
        "Install rootless Podman; or build where there is one, push the image to a registry, and "
        "name it in the notebook's settings.",
    )


async def convert(source: Guarded, image: Image, target: Guarded) -> AsyncGenerator[Progress]:
    """Make an image of `source`'s one of `target`'s; the last event carries it.

    Nothing is copied where it is there under all its names. Raises Unsupported, DiskFull,
    ImageNotHere, and what a failing engine raises. Closing the iterator leaves nothing half done.
    """
    there = await target.image(image.id)
    if there is not None and set(image.references) <= set(there.references):
        yield Progress(kind="image", text=image.id, image=there)
        return
    async with workplace("conversions") as work:
        archive = work / "image.tar"
        if there is None:
            text = f"Copying the image from {source.name} to {target.name}"
            yield Progress(kind="notice", text=text)
            async with aclosing(source.save(image.id, archive)) as events:
                async for event in events:
                    yield event
        async with aclosing(target.load(archive, image)) as events:
            async for event in events:
                yield event
