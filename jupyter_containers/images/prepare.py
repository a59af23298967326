"""Whether an image is ready for kernels, and getting it so.

Looking into an image takes a second, and fitting ipykernel into one that lacks it up to fifteen,
once per image. So whoever has just built or pulled an image calls `ready`, where people see
what goes on; a start calls the same and finds it done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..engines.guarded import Guarded
from ..models import Image, User
from .kit import Kit, fit
from .probe import ImageFacts, Launch, choose, probe


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What a start needs to know of an image. `kit` is None for a kernel without Python."""

    me: User
    facts: ImageFacts
    launch: Launch
    kit: Kit | None


Say = Callable[[str], None]
"""Told what takes its time now, in a few words."""


async def ready(
    engine: Guarded, image: Image, kernel: str, scratch: Path, say: Say = lambda _: None
) -> Ready:
    """Probe the image and fit a kernel into it, each only where it was not done before.

    `kernel` is the setting of that name, `scratch` a private, short directory of ours. Raises
    ImageUnusable, KitFailed, and what a failing engine raises.
    """
    say("Looking into the image")
    me = await engine.user("me", (0, 0))
    facts = await probe(engine, image, me, scratch)
    launch = choose(facts, kernel)
    say("Fitting a kernel into the image")
    kit = await fit(engine, image, me, launch.interpreter) if launch.interpreter else None
    return Ready(me=me, facts=facts, launch=launch, kit=kit)
