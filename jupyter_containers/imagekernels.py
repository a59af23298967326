"""Which kernels an image offers, for people who look at it."""

from __future__ import annotations

from dataclasses import dataclass

from .engines.guarded import Guarded
from .errors import ContainersError
from .fitting import fit_image
from .images.facts import ImageFacts, choose
from .images.probe import recalled
from .models import Image


@dataclass(frozen=True)
class Offered:
    """A kernel to choose: `name` is the setting `kernel`, empty for the image's Python."""

    name: str
    display_name: str
    language: str


@dataclass(frozen=True)
class ImageKernels:
    """`kernels` is None where nobody has looked into the image yet; `problem` says why it can
    be no kernel."""

    kernels: tuple[Offered, ...] | None = None
    problem: ContainersError | None = None


async def image_kernels(engine: Guarded, image: Image, *, look: bool) -> ImageKernels:
    """What is known of an image; with `look`, after looking into it and fitting a kernel, which
    takes a second to a quarter of a minute, once. Raises EngineError."""
    problem = await fit_image(engine, image, "", lambda _: None) if look else None
    facts = await recalled(image, await engine.user("me", (0, 0)))
    if facts is None:
        return ImageKernels(problem=problem)
    offered, trouble = _offered(facts)
    return ImageKernels(offered, trouble or problem)


def _offered(facts: ImageFacts) -> tuple[tuple[Offered, ...], ContainersError | None]:
    others = [Offered(one.name, one.display_name, one.language) for one in facts.other_kernels]
    try:
        launch = choose(facts, "")
    except ContainersError as error:
        return tuple(others), error
    first = Offered("", launch.display_name, launch.language)
    return (first, *(one for one in others if one.display_name != first.display_name)), None
