"""A Dockerfile understood: its stages, what it fetches, which files it names. Pure.

Made once per build by `parse`; `builds` asks it for `demands` (judged by the policy), `context`
for the files, `render` for the text that engines get.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from ..errors import BadInput, BadReference, DockerfileError
from ..models import NO_ENV, Demands, parse_image
from .instructions import Instruction, closest, is_heredoc, mounts
from .lexer import NO_TRIGGERS, Directives, clean, directives, read
from .mounts import KEPT_OUT, Mount, read_kept, read_mounts
from .variables import Scope, platform_args

_REMOTE = re.compile(r"[a-zA-Z0-9]+://|[\w.-]+@[\w.-]+:")
_USER = re.compile(r"[^/,\"'\\]*")


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
    """Of every RUN, those behind an ONBUILD that this file uses itself among them."""

    @property
    def heredoc(self) -> Instruction | None:
        """The first instruction with a heredoc: engines that know none would read its body
        as instructions, so such a text must never reach them.
        """
        return next((one for one in self.instructions if one.heredocs), None)

    def check_target(self, target: str) -> None:
        """Raise BadInput unless `target` is "" or names a stage (or its number)."""
        names = [stage.name for stage in self.stages if stage.name]
        if target and target.lower() not in [*names, *map(str, range(len(self.stages)))]:
            close = closest(target, names) or ", ".join(names)
            raise BadInput(
                f"The Dockerfile has no stage {target!r}.",
                f"Did you mean {close}?" if close else "Name one with FROM image AS name.",
            )


def parse(
    text: str,
    args: Mapping[str, str] = NO_ENV,
    bases: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> Dockerfile:
    """Understand a Dockerfile with these build arguments. `bases` are the variables that the
    images have which its stages begin with, by their reference; where they are not known (yet),
    what they define counts as empty.

    Raises DockerfileError with the line and instruction of the first mistake.
    """
    if "BUILDKIT_SYNTAX" in args:
        raise BadInput(
            "The build argument BUILDKIT_SYNTAX would replace the Dockerfile's own syntax.",
            "Write # syntax=… as the first line of the Dockerfile instead.",
        )
    text = clean(text)
    return _Reader(text, args, bases).dockerfile()


def triggers(onbuild: Sequence[str], line: int = 1) -> Dockerfile:
    """What a base's ONBUILD adds to a build of it: for `demands` and `collect`'s `more`. All of it
    stands at `line`, that of the FROM.

    Each is one instruction by itself, as BuildKit wants it; buildah joins them, so that one which
    is continued would swallow the next. Raises DockerfileError.
    https://github.com/moby/buildkit/blob/master/frontend/dockerfile/dockerfile2llb/convert.go
    """
    try:
        for text in onbuild:
            alone = read(clean(text))
            kept = len(alone) == 1 and alone[0].name not in NO_TRIGGERS
            if not kept or text.rstrip().endswith("\\"):
                raise DockerfileError(1, text.split(" ")[0][:20], "it is no instruction by itself.")
        text = clean("\n".join(["FROM scratch", *onbuild]))
        found = _Reader(text, NO_ENV, {}, kept=True).dockerfile()
    except DockerfileError as error:
        why = error.message.partition(": ")[2]
        raise DockerfileError(
            line,
            "FROM",
            f"what its base does with ONBUILD cannot be read: {why}",
            "Begin with another base, or with one that was built from it where it can be.",
        ) from None
    return replace(
        found,
        instructions=tuple(replace(one, line=line) for one in found.instructions),
        fetches=tuple(replace(one, line=line) for one in found.fetches),
        sources=tuple(replace(one, line=line) for one in found.sources),
        urls=tuple((line, url) for _, url in found.urls),
        entitlements=tuple((line, what) for _, what in found.entitlements),
        mounts=tuple(replace(mount, line=line) for mount in found.mounts),
    )


def demands(*dockerfiles: Dockerfile) -> Demands:
    """All that a build of these (a Dockerfile, and `triggers` of its bases) fetches or wants."""
    images: dict[str, int] = {}
    urls: dict[str, int] = {}
    wanted: dict[str, int] = {}
    for one in dockerfiles:
        for fetch in one.fetches:
            images.setdefault(fetch.reference, fetch.line)
        for line, url in one.urls:
            urls.setdefault(url, line)
        for line, what in one.entitlements:
            wanted.setdefault(what, line)
    return Demands(
        images=tuple(images),
        urls=tuple(urls),
        entitlements=tuple(wanted),
        lines=MappingProxyType(images | urls | wanted),
    )


class _Reader:
    """One pass over the instructions, with the scopes as they grow."""

    def __init__(
        self,
        text: str,
        args: Mapping[str, str],
        bases: Mapping[str, Mapping[str, str]],
        *,
        kept: bool = False,
    ) -> None:
        """`kept`: ONBUILD kept these instructions, so engines get them as they are."""
        self.text = text
        self.args = args
        self.bases = bases
        self.as_written = kept
        self.marks = directives(text)
        self.instructions = read(text)
        predefined = platform_args()
        given = {name: args[name] for name in predefined if name in args}
        self.globals = Scope(self.marks.escape, args=predefined | given)
        froms = [one.words for one in self.instructions if one.name == "FROM"]
        self.named = {words[2].lower() for words in froms if len(words) == 3}
        self.scopes: list[Scope] = []
        self.kept: list[list[Instruction]] = []
        self.stages: list[Stage] = []
        self.fetches: list[Fetch] = []
        self.sources: list[Source] = []
        self.urls: list[tuple[int, str]] = []
        self.entitlements: list[tuple[int, str]] = []
        self.mounts: list[Mount] = []
        self.workdirs: list[str] = []

    def dockerfile(self) -> Dockerfile:
        if self.marks.syntax:
            self.fetch(self.marks.syntax, self.marks.syntax_line, "# syntax")
        for one in self.instructions:
            if one.name == "FROM":
                self.begin(one)
            elif self.stages:
                self.inside(one, self.scopes[-1])
            elif one.name == "ARG":
                self.before(one)
            else:
                one.fail("it stands before the first FROM.", "Begin with FROM, then an image.")
        if not self.stages:
            self.instructions[-1].fail("no FROM follows.", "Begin with FROM, then an image.")
        return Dockerfile(
            text=self.text,
            args=MappingProxyType(dict(self.args)),
            marks=self.marks,
            instructions=self.instructions,
            stages=tuple(self.stages),
            fetches=tuple(self.fetches),
            sources=tuple(dict.fromkeys(self.sources)),
            urls=tuple(self.urls),
            entitlements=tuple(self.entitlements),
            mounts=tuple(self.mounts),
        )

    def before(self, one: Instruction) -> None:
        """ARG before the first FROM: for FROM lines only, until a stage asks for it again."""
        for word in one.words:
            name, given, default = word.partition("=")
            if name in self.args:
                self.globals.args[name] = self.args[name]
            elif given:
                self.globals.args[name] = self.globals.expand(default, one)
            else:
                self.globals.declared.add(name)

    def begin(self, one: Instruction) -> None:
        """FROM: an image, an earlier stage, or nothing (scratch)."""
        base = self.globals.expand(one.words[0], one, strict=True)
        if not base:
            one.fail(f"{one.words[0]!r} comes to nothing.", "Name an image.")
        name = one.words[2].lower() if len(one.words) == 3 else ""
        if name and any(stage.name == name for stage in self.stages):
            one.fail(f"an earlier stage is named {name!r} already.")
        stage = Stage(index=len(self.stages), name=name, line=one.line, base=one.words[0])
        parent = self.stage(base)
        if parent is not None:
            stage = replace(stage, parent=parent.index)
        elif base != "scratch":
            stage = replace(stage, reference=self.base(base, one))
        begun = Scope(self.marks.escape, env=dict(self.bases.get(stage.reference, {})))
        self.scopes.append(self.scopes[parent.index].copy() if parent else begun)
        self.workdirs.append(self.workdirs[parent.index] if parent else "/")
        self.stages.append(stage)
        self.kept.append([])
        if parent:
            self.triggered(self.kept[parent.index])

    def base(self, base: str, one: Instruction) -> str:
        """The image that a stage begins with. Where it is none since a variable is empty, that is
        what its writer has to know."""
        try:
            return self.fetch(base, one.line, "FROM")
        except DockerfileError:
            self.globals.refuse_unset(one.words[0], one)
            raise

    def triggered(self, kept: Sequence[Instruction]) -> None:
        """ONBUILD of an earlier stage of this file, which runs where a stage begins with it."""
        before = len(self.fetches)
        self.as_written = True
        for one in kept:
            self.inside(one, self.scopes[-1])
            if len(self.fetches) > before:
                one.fail("an ONBUILD that fetches cannot be used in the file it stands in.")
        self.as_written = False

    def inside(self, one: Instruction, scope: Scope) -> None:
        """An instruction of a stage."""
        if one.trigger is not None:
            self.kept[-1].append(one.trigger)
        elif one.name == "ARG":
            self.declare(one, scope)
        elif one.name == "ENV":
            pairs = zip(one.words[::2], one.words[1::2], strict=False)
            scope.env.update({name: scope.expand(value, one) for name, value in pairs})
        elif one.name in ("COPY", "ADD"):
            self.copies(one, scope)
        elif one.name == "RUN":
            self.runs(one, scope)
        elif one.name in ("WORKDIR", "VOLUME"):
            self.places(one, scope)
        elif one.name == "USER" and not _USER.fullmatch(user := scope.expand(one.words[0], one)):
            one.fail(f"{user!r} names no user.", "Write a name or a number, and perhaps :group.")

    def declare(self, one: Instruction, scope: Scope) -> None:
        for word in one.words:
            name, given, default = word.partition("=")
            if name in self.args:
                scope.args[name] = self.args[name]
            elif given:
                scope.args[name] = scope.expand(default, one)
            elif name in self.globals.args:
                scope.args[name] = self.globals.args[name]
            else:
                scope.declared.add(name)

    def copies(self, one: Instruction, scope: Scope) -> None:
        if origin := one.values("from"):
            self.origin(one, origin[0])
            return
        parents = one.values("parents") not in ([], ["false"])
        for word in one.words[:-1]:
            if not one.json and is_heredoc(word):
                continue
            path = scope.expand(word, one, strict=True)
            if not _REMOTE.match(path):
                self.sources.append(Source(one.line, one.name, path, parents=parents))
            elif one.name == "ADD":
                self.urls.append((one.line, path))
            else:
                one.fail(f"{path!r} is not in the context.", "ADD downloads; COPY does not.")

    def runs(self, one: Instruction, scope: Scope) -> None:
        for flag, usual in (("security", "sandbox"), ("network", "default none")):
            for value in one.values(flag):
                if value not in usual.split():
                    self.entitlements.append((one.line, f"RUN --{flag}={value}"))
        for device in one.values("device"):
            self.entitlements.append((one.line, f"RUN --device={device}"))
        read_all = read_kept if self.as_written else read_mounts
        for mount, written in zip(read_all(one, scope), mounts(one), strict=True):
            self.mounts.append(mount)
            if mount.origin:
                self.origin(one, mount.origin)
            elif mount.kind == "bind":
                path = scope.expand(written.get("source", "."), one, strict=True)
                self.sources.append(
                    Source(one.line, "RUN --mount", path, False, False, mount.touched)
                )

    def places(self, one: Instruction, scope: Scope) -> None:
        """WORKDIR and VOLUME: directories of the image's own. A runtime that leaves a directory of
        the host open would begin there with `WORKDIR /proc/self/fd/8` (CVE-2024-21626)."""
        for word in one.words:
            path = scope.expand(word, one)
            whole = posixpath.normpath(posixpath.join(self.workdirs[-1], path)).lstrip("/")
            if f"/{whole}/".startswith(KEPT_OUT):
                one.fail(f"{path!r} is no directory of the image.", "Choose one of its own.")
            if one.name == "VOLUME" and ".." in path.split("/"):
                one.fail(f"{path!r} leads upwards.", "Write the whole path.")
            if one.name == "WORKDIR":
                self.workdirs[-1] = f"/{whole}"

    def origin(self, one: Instruction, name: str) -> None:
        """COPY --from, RUN --mount=from=: an earlier stage, or an image."""
        if "$" in name:
            hint = f"Add a stage FROM {name} AS other, and write from=other."
            one.fail(f"variables do not work in from={name}.", hint)
        if name.isdecimal() and one.name == "RUN":
            one.fail(f"from={name} must be a stage's name or an image.")
        elif name.isdecimal():
            if int(name) >= len(self.stages) - 1:
                one.fail(f"stage {name} does not come before this one.")
        elif (stage := self.stage(name)) is not None:
            if stage is self.stages[-1]:
                one.fail(f"{name!r} is this stage itself.")
        elif name.lower() in self.named:
            one.fail(f"the stage {name!r} comes later.", "Move it above this stage.")
        elif name != "scratch":
            self.fetch(name, one.line, one.name)

    def stage(self, name: str) -> Stage | None:
        return next((stage for stage in self.stages if stage.name == name.lower()), None)

    def fetch(self, written: str, line: int, instruction: str) -> str:
        try:
            reference = parse_image(written)
        except BadReference as error:
            raise DockerfileError(line, instruction, error.message, error.hint) from None
        self.fetches.append(Fetch(line, instruction, written, reference))
        return reference
