"""Images of a cell that a later build of the same cell replaced."""

from __future__ import annotations

import asyncio
import contextlib

from ..engines.guarded import Guarded
from ..errors import EngineError, ImageError
from ..kernelspecs import pinned_specs
from .plan import LABEL, NAMESPACE, Plan


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
