"""What a Dockerfile comes to: its stages, what it fetches, which files it names. Pure.

Made by `parser.parse`; the others here and `builds` read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ..errors import BadInput
from ..models import NO_ENV, Demands
from .directives import Directives
from .instructions import Instruction, closest
from .mounts import Mount


@dataclass(frozen=True, kw_only=True)
class Inherited:
    """What a stage gets from the image that it begins with."""

    env: Mapping[str, str] = field(default_factory=lambda: NO_ENV)
    """Its variables, which a Dockerfile may use."""
    onbuild: tuple[str, ...] = ()
    workdir: str = ""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One FROM. `base` is what is written there, `reference` the image it comes to ("" for
    scratch and for an earlier stage, which is then `parent`).
    """

    index: int
    name: str
    line: int
    base: str
    reference: str = ""
    parent: int | None = None


@dataclass(frozen=True)
class Fetch:
    """An image that the engine will fetch: where it is asked for, as written, and in full."""

    line: int
    instruction: str
    written: str
    reference: str
    kept: bool = False
    """A base's ONBUILD asks for it, which the engine gets as it is written."""


@dataclass(frozen=True)
class Source:
    """A path of the context that COPY, ADD or RUN --mount names, variables put in."""

    line: int
    instruction: str
    path: str
    wildcards: bool = True
    parents: bool = False
    writable: bool = False


@dataclass(frozen=True, kw_only=True)
class Dockerfile:
    """Lines count from 1 in `text`, which is the cell's or file's with plain line ends."""

    text: str
    args: Mapping[str, str]
    marks: Directives
    instructions: tuple[Instruction, ...]
    stages: tuple[Stage, ...]
    fetches: tuple[Fetch, ...] = ()
    sources: tuple[Source, ...] = ()
    urls: tuple[tuple[int, str], ...] = ()
    entitlements: tuple[tuple[int, str], ...] = ()
    mounts: tuple[Mount, ...] = ()
    """Of every RUN, those behind an ONBUILD that runs here among them."""
    ran: tuple[Instruction, ...] = ()
    """What runs here of ONBUILD, of the bases and of earlier stages, at the line that tells."""
    uses: tuple[frozenset[int], ...] = ()
    """Of each stage, the earlier ones that it begins with or takes from."""
    settled: Mapping[tuple[int, int], str] = field(default_factory=dict)
    """Words with variables as they were judged, by their line and their number."""

    @property
    def heredoc(self) -> Instruction | None:
        """The first instruction with a heredoc: engines that know none would read its body
        as instructions, so such a text must never reach them.
        """
        return next((one for one in (*self.instructions, *self.ran) if one.heredocs), None)

    def check_target(self, target: str) -> None:
        """Raise BadInput unless `target` is "" or names a stage (or its number)."""
        names = [stage.name for stage in self.stages if stage.name]
        if target and target.lower() not in [*names, *map(str, range(len(self.stages)))]:
            close = closest(target, names) or ", ".join(names)
            raise BadInput(
                f"The Dockerfile has no stage {target!r}.",
                f"Did you mean {close}?" if close else "Name one with FROM image AS name.",
            )


def demands(dockerfile: Dockerfile) -> Demands:
    """All that a build of it fetches or wants."""
    images: dict[str, int] = {}
    urls: dict[str, int] = {}
    wanted: dict[str, int] = {}
    for fetch in dockerfile.fetches:
        images.setdefault(fetch.reference, fetch.line)
    for line, url in dockerfile.urls:
        urls.setdefault(url, line)
    for line, what in dockerfile.entitlements:
        wanted.setdefault(what, line)
    return Demands(
        images=tuple(images),
        urls=tuple(urls),
        entitlements=tuple(wanted),
        lines=MappingProxyType(images | urls | wanted),
    )
