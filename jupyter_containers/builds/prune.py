"""Superseded images: those of a `%%dockerfile` cell that a later build of the same cell replaced.

One rule for what is removed after a build and by `jupyter containers prune --images`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator

from ..engines.guarded import Guarded
from ..errors import EngineError, ImageError
from ..kernelspecs import pinned_specs
from ..layout import BUILD_LABEL
from ..models import Image
from ..policy.approvals import Approvals
from .plan import NAMESPACE, Plan, origin_of


async def superseded(
    engine: Guarded, *, lineage: str = "", current: str = ""
) -> list[tuple[Image, str]]:
    """Images that may go, each with the one name of ours that is to be removed.

    Of each cell the current image stays, and `Policy.keep_images` before it; so does what a
    pinned kernel names, names that we did not give, and what is approved for another notebook: a
    copy, or one that was renamed. The current one is the newest, or the one named `current`. With
    `lineage` only those of that cell. An image that a container uses is refused by the engine.
    Raises EngineError.
    """
    specs = await asyncio.to_thread(pinned_specs)
    pinned = {spec.settings.image for spec in specs if spec.settings is not None}
    older = [
        image
        for cell in _by_cell(await engine.images())
        if not lineage or _lineage(cell[0]) == lineage
        for image in _older(cell, current)[engine.policy.keep_images :]
    ]
    return [
        (image, name)
        for image in await asyncio.to_thread(_unshared, older)
        for name in image.references
        if name.startswith(f"{NAMESPACE}/") and name not in pinned
    ]


async def remove_superseded(plan: Plan, engine: Guarded) -> None:
    """Remove an engine's superseded images of the cell that was just built."""
    with contextlib.suppress(EngineError):
        for _, name in await superseded(engine, lineage=plan.lineage, current=plan.name):
            with contextlib.suppress(EngineError, ImageError):
                await engine.remove_image(name)


def _unshared(images: Iterable[Image]) -> list[Image]:
    """Without those that are approved for another notebook than the one they were built for."""
    found = []
    for image in images:
        notebooks = Approvals().with_images(image.references)
        if all(origin_of(notebook) == _label(image, 2) for notebook in notebooks):
            found.append(image)
    return found


def _lineage(image: Image) -> str:
    """Empty for what is not ours."""
    return _label(image, 1)


def _label(image: Image, word: int) -> str:
    return "".join(image.labels.get(BUILD_LABEL, "").split(" ")[word : word + 1])


def _by_cell(images: Iterable[Image]) -> Iterator[list[Image]]:
    """The images of each cell, newest first."""
    found: dict[str, list[Image]] = {}
    for image in images:
        if lineage := _lineage(image):
            found.setdefault(lineage, []).append(image)
    for cell in found.values():
        yield sorted(cell, key=lambda image: image.created, reverse=True)


def _older(cell: list[Image], current: str) -> list[Image]:
    """Without the current one."""
    if any(current in image.references for image in cell):
        return [image for image in cell if current not in image.references]
    return cell[1:]
