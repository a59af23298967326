"""Images of a cell that a later build of the same cell replaced."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

from ..engines.guarded import Guarded
from ..errors import EngineError, ImageError
from ..kernelspecs import pinned_specs
from ..models import Image
from .plan import LABEL, NAMESPACE, Plan
from .plan import LABEL as BUILD_LABEL


async def remove_superseded(plan: Plan, engine: Guarded) -> None:
    """Remove an engine's older images of a cell that nothing uses: no container, no kernel spec.
    An image keeps names that we did not give it."""
    specs = await asyncio.to_thread(pinned_specs)
    pinned = {spec.settings.image for spec in specs if spec.settings is not None}
    with contextlib.suppress(EngineError):
        images = [
            image
            for image in await engine.images()
            if image.labels.get(LABEL, "").split(" ")[1:2] == [plan.lineage]
            and plan.name not in image.references
        ]
        images.sort(key=lambda image: image.created, reverse=True)
        for image in images[engine.policy.keep_images :]:
            for name in image.references:
                if name.startswith(f"{NAMESPACE}/") and name not in pinned:
                    with contextlib.suppress(EngineError, ImageError):
                        await engine.remove_image(name)


def superseded(images: Iterable[Image]) -> list[Image]:
    """The images of `%%dockerfile` cells that a later build of the same cell replaced."""
    by_cell: dict[str, list[Image]] = {}
    for image in images:
        _, _, lineage = image.labels.get(BUILD_LABEL, "").partition(" ")
        if lineage:
            by_cell.setdefault(lineage, []).append(image)
    old = []
    for builds in by_cell.values():
        builds.sort(key=lambda image: image.created, reverse=True)
        old += builds[1:]
    return old
