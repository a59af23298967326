"""Whether an image is ready for kernels, and getting it so.

Probing an image takes a second, and fitting ipykernel into one that lacks it up to fifteen, once
per image. So whoever has just built or pulled an image calls `ready`, where people see what goes
on; a start calls the same and finds it done. That no kernel can run in an image is no failure of
a build or pull: it may be a helper that others are built on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..engines.guarded import Guarded
from ..errors import ContainersError, OtherLanguage, sentence_of
from ..host.rundir import make_run_dir, remove_run_dir
from ..models import Image, User
from ..policy.engines import UNISOLATED
from ..text import one_line
from .facts import PYTHON
from .kit import Kit, fit
from .probe import ImageFacts, Interpreter, Launch, choose, probe, recalled


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What a start needs to know of an image. `kit` is None for a kernel without Python."""

    me: User
    facts: ImageFacts
    launch: Launch
    kit: Kit | None


OnProgress = Callable[[str], None]
"""Told what takes its time now, in a few words."""


async def ready(
    engine: Guarded,
    image: Image,
    kernel: str,
    scratch: Path,
    on_progress: OnProgress = lambda _: None,
    language: str = "",
) -> Ready:
    """Probe the image and fit a kernel into it, each only where it was not done before.

    `kernel` is the setting of that name, `scratch` a private, short directory of ours, `language`
    the notebook's: it counts where no kernel is named. Raises ImageUnusable, KitFailed,
    OtherLanguage, and what a failing engine raises.
    """
    on_progress("Looking into the image")
    me = await engine.user("me", (0, 0))
    facts = await probe(engine, image, me, scratch)
    launch = choose(facts, kernel or kernel_of(facts, language))
    on_progress("Fitting a kernel into the image")
    kit = await fit(engine, image, me, launch.interpreter) if launch.interpreter else None
    return Ready(me=me, facts=facts, launch=launch, kit=kit)


_MOMENT = 0.5
"""Seconds after which somebody wants to know what takes so long."""
FITTING = "Fitting a kernel into the image (once for each image)"


async def fit_image(
    engine: Guarded,
    image: Image,
    kernel: str,
    slow: Callable[[str], None],
    language: str = "",
) -> ContainersError | None:
    """Probe an image and fit a kernel into it; `slow` is told where that takes a moment.

    `kernel` is the setting of that name, `language` the notebook's. Returns why no kernel can run
    in it, or none that speaks the language. Called by the command line and after a server's jobs.
    """
    if engine.name in UNISOLATED:
        return None  # an image is looked into by its own programs: not before somebody said yes
    try:
        async with _scratch() as scratch:
            task = asyncio.ensure_future(ready(engine, image, kernel, scratch, language=language))
            try:
                await asyncio.wait({task}, timeout=_MOMENT)
                if not task.done():
                    slow(FITTING)
                await task
            finally:
                task.cancel()
                await asyncio.wait({task})
    except (ContainersError, OSError) as error:  # the image itself is made
        told = sentence_of(error)
        if isinstance(told, ContainersError):
            return told
        raise
    return None


async def look_into(engine: Guarded, reference: str) -> ImageFacts | None:
    """What an image has, of which nothing is fitted; None where it is not here, or nobody can tell.
    Called before a build, with its base. Raises EngineError."""
    image = await engine.image(reference)
    if image is None:
        return None
    with suppress(ContainersError, OSError):  # the build will say what is wrong with it
        async with _scratch() as scratch:
            facts = await probe(engine, image, await engine.user("me", (0, 0)), scratch)
            return None if facts.why else facts
    return None


@asynccontextmanager
async def _scratch() -> AsyncIterator[Path]:
    """A private, short directory."""
    run_dir = await asyncio.to_thread(make_run_dir)
    try:
        yield run_dir.root
    finally:
        await asyncio.to_thread(remove_run_dir, run_dir)


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


async def kernel_for(engine: Guarded, image: Image, language: str) -> str:
    """The setting `kernel` for a notebook in this language; empty where nobody has looked into the
    image. Called by `run` and the server after `fit_image`. Raises what `kernel_of` raises.
    """
    facts = await recalled(image, await engine.user("me", (0, 0)))
    return kernel_of(facts, language) if facts is not None else ""


async def python_of(engine: Guarded, image: Image, kernel: str) -> Interpreter | None:
    """The Python that a kernel of an image runs on; None where it is another language's, or nobody
    has looked into the image yet. `kernel` is the setting. Raises EngineError."""
    facts = await recalled(image, await engine.user("me", (0, 0)))
    with suppress(ContainersError):
        return choose(facts, kernel).interpreter if facts is not None else None
    return None


def kernel_of(facts: ImageFacts, language: str) -> str:
    """The setting `kernel` for a notebook in this language, or for the kernel of this name (see
    `language_of`): empty where the kernel that is taken unasked speaks it, or the notebook says
    neither. Raises OtherLanguage where the image has none for it, or several.
    """
    kernels, _ = _offered(facts)
    if not language or not kernels:
        return ""
    plain = plain_language(language)
    speak = [one.name for one in kernels if plain_language(one.language) == plain]
    if "" in speak:
        return ""
    if any(one.name == language for one in facts.kernels):
        return language
    if len(speak) == 1:
        return speak[0]
    if speak:
        raise OtherLanguage(
            f"The image has several kernels for {one_line(language, 40)}: {', '.join(speak)}.",
            f"Say which: %%dockerfile --kernel {speak[0]}",
        )
    there = ", ".join(languages_of(facts))
    raise OtherLanguage(
        f"The notebook is written in {one_line(language, 40)}, and the image has a kernel for "
        f"{there} only.",
        "Install a kernel for that language in the Dockerfile. If the notebook is wrong about its "
        "language, name the kernel: %%dockerfile --kernel "
        f"{kernels[0].name or unasked_kernel(facts)}",
    )


def unasked_kernel(facts: ImageFacts) -> str:
    """The name of the kernel that is taken where none is named; empty where there is none."""
    try:
        launch = choose(facts, "")
    except ContainersError:
        return ""
    named = (one.name for one in facts.kernels if one.argv == launch.argv)
    return PYTHON if launch.own_ipykernel else next(named, "NAME")


def languages_of(facts: ImageFacts) -> tuple[str, ...]:
    """Which languages the kernels of an image speak, the one that is taken unasked first."""
    return tuple(dict.fromkeys(one.language for one in _offered(facts)[0]))


def plain_language(language: str) -> str:
    """Kernels say `C++` where their specs say `C++17`, and R's write `R` or `r`. Julia's are named
    `julia-1.11`."""
    return language.lower().rstrip("0123456789.- ")


def _offered(facts: ImageFacts) -> tuple[tuple[Offered, ...], ContainersError | None]:
    others = [Offered(one.name, one.display_name, one.language) for one in facts.other_kernels]
    try:
        launch = choose(facts, "")
    except ContainersError as error:
        return tuple(others), error
    first = Offered("", launch.display_name, launch.language)
    return (first, *(one for one in others if one.display_name != first.display_name)), None
