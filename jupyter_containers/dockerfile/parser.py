"""Reads a Dockerfile: its stages, what it fetches, which files it names. Pure.

Made by `parse`; `builds` has what it demands judged by the policy, `context` takes the files,
`render` writes the text that engines get.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from ..errors import BadInput, BadReference, DockerfileError
from ..models import NO_ENV, parse_image
from .addresses import is_remote, why_not
from .contents import Dockerfile, Fetch, Inherited, Source, Stage
from .directives import directives
from .instructions import Instruction, is_heredoc, mounts
from .lexer import NO_TRIGGERS, clean, read
from .mounts import KEPT_OUT, Mount, read_kept, read_mounts
from .variables import Scope, platform_args

_NUMBER = re.compile(r"0|[1-9][0-9]{0,3}")
_USER = re.compile(r"[^/,\"'\\]*")
_HOST = re.compile(r"(localhost|[^/]*[.:][^/]*)/")


def parse(
    text: str,
    args: Mapping[str, str] = NO_ENV,
    bases: Mapping[str, Inherited] | None = None,
) -> Dockerfile:
    """Understand a Dockerfile with these build arguments. `bases` are the images that its stages
    begin with, by their reference; None where they define nothing. Of a stage whose base is not
    among them (yet), what may depend on it is not judged, and its files and addresses are missing.

    Raises DockerfileError with the line and instruction of the first mistake.
    """
    if "BUILDKIT_SYNTAX" in args:
        raise BadInput(
            "The build argument BUILDKIT_SYNTAX would replace the Dockerfile's own syntax.",
            "Write # syntax=… as the first line of the Dockerfile instead.",
        )
    text = clean(text)
    return _Reader(text, args, bases).dockerfile()


def _alone(text: str, line: int) -> Instruction:
    """What an ONBUILD adds to a build, at `line`. Engines get it without the Dockerfile that it
    stood in: `# escape=` there says nothing here.

    It is one instruction by itself, as BuildKit wants it. buildah joins all of a base, so that one
    which is continued would swallow the next, and the escape of one be that of all. Raises
    DockerfileError.
    https://github.com/moby/buildkit/blob/master/frontend/dockerfile/dockerfile2llb/convert.go
    """
    found = read(clean(text))
    kept = len(found) == 1 and found[0].name not in NO_TRIGGERS
    if not kept or text.lstrip().startswith("#") or text.rstrip().endswith("\\"):
        name = text.partition(" ")[0][:20]
        raise DockerfileError(line, name, "it is no instruction by itself.")
    return replace(found[0], line=line, end=line, header_end=line)


def _place(one: Instruction, path: str) -> str:
    """A directory of the image, in plain form. A runtime that leaves a directory of the host open
    would work there with `/proc/self/fd/8` (CVE-2024-21626). Raises DockerfileError."""
    whole = "/" + posixpath.normpath(path).lstrip("/")
    if f"{whole}/".startswith(KEPT_OUT):
        one.fail(f"{path!r} is no directory of the image.", "Choose one of its own.")
    return whole


class _Reader:
    """One pass over the instructions, with the scopes as they grow."""

    def __init__(
        self,
        text: str,
        args: Mapping[str, str],
        bases: Mapping[str, Inherited] | None,
    ) -> None:
        self.text = text
        self.args = args
        self.bases = bases
        self.as_written = False
        """Whether ONBUILD kept what is read now, so that engines get it as it is."""
        self.marks = directives(text)
        self.instructions = read(text)
        predefined = platform_args()
        given = {name: args[name] for name in predefined if name in args}
        self.globals = Scope(self.marks.escape, predefined | given, foreign=set(args) - set(given))
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
        self.ran: list[Instruction] = []
        self.uses: list[set[int]] = []
        self.settled: dict[tuple[int, int], str] = {}

    def dockerfile(self) -> Dockerfile:
        if self.marks.syntax:
            self.fetch(self.marks.frontend, self.marks.syntax_line, "# syntax")
        for one in self.instructions:
            if one.name == "FROM":
                self.begin(one)
            elif self.stages:
                self.inside(one, self.scopes[-1])
            elif one.name == "ARG":
                self.declare(one, self.globals)
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
            ran=tuple(self.ran),
            uses=tuple(map(frozenset, self.uses)),
            settled=MappingProxyType(self.settled),
        )

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
        base_image: Inherited | None = Inherited()
        if stage.reference and self.bases is not None:
            base_image = self.bases.get(stage.reference)
        env = dict(base_image.env) if base_image is not None else {}
        foreign = set(self.args) - env.keys()
        begun = Scope(self.marks.escape, env=env, foreign=foreign, whole=base_image is not None)
        self.scopes.append(self.scopes[parent.index].copy() if parent else begun)
        self.uses.append({parent.index} if parent else set())
        workdir = base_image.workdir if base_image is not None else ""
        self.workdirs.append(self.workdirs[parent.index] if parent else _place(one, workdir or "/"))
        self.stages.append(stage)
        self.kept.append([])
        if parent:
            self.triggered([_alone(kept.header, kept.line) for kept in self.kept[parent.index]])
        elif base_image is not None:
            self.of_base(base_image.onbuild, one)

    def base(self, base: str, one: Instruction) -> str:
        """The image that a stage begins with. Where it is none since a variable is empty, that is
        what its writer has to know."""
        try:
            return self.fetch(base, one.line, "FROM")
        except DockerfileError:
            self.globals.refuse_unset(one.words[0], one)
            raise

    def triggered(self, kept: Sequence[Instruction], *, may_fetch: bool = False) -> None:
        """ONBUILD of an earlier stage of this file, or of an image, which runs where a stage
        begins with it."""
        before = len(self.fetches)
        self.as_written = True
        for one in kept:
            self.inside(one, self.scopes[-1])
            for fetch in self.fetches[before:]:
                if not may_fetch:
                    one.fail("an ONBUILD that fetches cannot be used in the file it stands in.")
                if not _HOST.match(fetch.written):  # podman's shortnames.conf leads it anywhere
                    one.fail(f"from={fetch.written} is an image without its registry.")
        self.as_written = False
        self.ran += kept

    def of_base(self, onbuild: Sequence[str], one: Instruction) -> None:
        """ONBUILD of the image that a stage begins with, at its FROM."""
        try:
            self.triggered([_alone(text, one.line) for text in onbuild], may_fetch=True)
        except DockerfileError as error:
            why = error.message.partition(": ")[2]
            one.fail(
                f"what its base does with ONBUILD cannot be read: {why}",
                "Begin with another base, or with one that was built from it where it can be.",
            )

    def inside(self, one: Instruction, scope: Scope) -> None:
        """An instruction of a stage."""
        if one.trigger is not None:
            self.kept[-1].append(one.trigger)
        elif one.name == "ARG":
            self.declare(one, scope)
        elif one.name == "ENV":
            pairs = zip(one.words[::2], one.words[1::2], strict=False)
            found = [
                (
                    scope.expand(name, one),
                    scope.expand(word, one),
                    bool(scope.foreign_in(word, one)),
                )
                for name, word in pairs
            ]
            for name, value, foreign in found:  # none of them sees the others
                scope.define(scope.env, name, value, foreign)
        elif one.name in ("COPY", "ADD"):
            self.copies(one, scope)
        elif one.name == "RUN":
            self.runs(one, scope)
        elif one.name in ("WORKDIR", "VOLUME"):
            self.places(one, scope)
        elif one.name == "USER":
            user = self.settle(one, 0, scope)
            if not _USER.fullmatch(user):
                hint = "Write a name or a number, and perhaps :group."
                one.fail(f"{user!r} names no user.", hint)

    def settle(self, one: Instruction, index: int, scope: Scope, *, strict: bool = False) -> str:
        """What stands for a word from now on: for `render`, so that no engine expands it by
        variables of its own (buildah knows HTTP_PROXY without an ARG) or by another escape (it
        knows the backslash alone). What ONBUILD kept is refused where that would count."""
        word = one.words[index]
        value = scope.expand(word, one, strict=strict)
        escaped = self.marks.escape != "\\" and re.search(r"[\\`]", word) is not None
        if not self.as_written:
            if escaped or "$" in word:
                self.settled[one.line, index] = value
            return value
        if escaped:
            one.fail(f"ONBUILD cannot keep {word!r} in a Dockerfile with another escape.")
        if scope.whole and (foreign := scope.foreign_in(word, one)):
            hint = "Leave it out of the build arguments, or declare it there with ARG."
            one.fail(f"${min(foreign)} in what ONBUILD keeps is no variable of the stage.", hint)
        return value

    def declare(self, one: Instruction, scope: Scope) -> None:
        """ARG. Before the first FROM it is for FROM lines only, until a stage asks for it again."""
        for word in one.words:
            name, given, default = word.partition("=")
            name = scope.expand(name, one)
            if name in self.args:
                scope.define(scope.args, name, self.args[name], False)
            elif given:
                foreign = bool(scope.foreign_in(default, one))
                scope.define(scope.args, name, scope.expand(default, one), foreign)
            elif name in self.globals.args:
                foreign = name in self.globals.foreign
                scope.define(scope.args, name, self.globals.args[name], foreign)
            else:
                scope.declared.add(name)

    def copies(self, one: Instruction, scope: Scope) -> None:
        if origin := one.values("from"):
            self.origin(one, origin[0])
            return
        parents = one.values("parents") not in ([], ["false"])
        for index, word in enumerate(one.words[:-1]):
            if not one.json and is_heredoc(word):
                continue
            if self.as_written and one.name == "ADD" and "$" in word:
                hint = "Write the name itself, or COPY."
                one.fail("variables do not work in an ADD that ONBUILD keeps.", hint)
            if scope.awaits(word, one):
                continue
            path = self.settle(one, index, scope, strict=True)
            if not is_remote(path):
                self.sources.append(Source(one.line, one.name, path, parents=parents))
                continue
            if one.name != "ADD":
                one.fail(f"{path!r} is not in the context.", "ADD downloads; COPY does not.")
            why, hint = why_not(path)
            if why:
                one.fail(why, hint)
            self.urls.append((one.line, path))

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
            elif mount.kind == "bind" and not scope.awaits(written.get("source", ""), one):
                path = scope.expand(written.get("source", "."), one, strict=True)
                self.sources.append(
                    Source(one.line, "RUN --mount", path, False, False, mount.touched)
                )

    def places(self, one: Instruction, scope: Scope) -> None:
        """WORKDIR and VOLUME: directories of the image's own."""
        for index in range(len(one.words)):
            path = self.settle(one, index, scope)
            whole = _place(one, posixpath.join(self.workdirs[-1], path))
            if one.name == "VOLUME" and ".." in path.split("/"):
                one.fail(f"{path!r} leads upwards.", "Write the whole path.")
            if one.name == "WORKDIR":
                self.workdirs[-1] = whole

    def origin(self, one: Instruction, name: str) -> None:
        """COPY --from, RUN --mount=from=: an earlier stage, or an image."""
        if "$" in name:
            hint = f"Add a stage FROM {name} AS other, and write from=other."
            one.fail(f"variables do not work in from={name}.", hint)
        if name.isdecimal() and (one.name == "RUN" or self.as_written):
            one.fail(f"from={name[:20]} must be a stage's name or an image.")
        elif name.isdecimal():
            if not _NUMBER.fullmatch(name) or int(name) >= len(self.stages) - 1:
                one.fail(f"stage {name[:20]} does not come before this one.")
            self.uses[-1].add(int(name))
        elif (stage := self.stage(name)) is not None:
            if stage is self.stages[-1]:
                one.fail(f"{name!r} is this stage itself.")
            self.uses[-1].add(stage.index)
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
        self.fetches.append(Fetch(line, instruction, written, reference, self.as_written))
        return reference
