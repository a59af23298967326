"""The Dockerfile that engines get: images by what the policy saw, and the CA beside RUN. Pure.

Every image stands there in full, with its digest where one is pinned, so that no short-name
rule or build argument makes an engine fetch another one than was judged. Every stage's name
stands in small letters, where it is given and where it is used: BuildKit takes `Base` and `base`
for one name, buildah for two, and would pull an image of the other name. Every RUN --mount is
what was read of it (`mounts.py`), and so is every word with variables that was judged: a source
of ADD, a WORKDIR. Stages that the build does not reach are left out.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from ..models import NO_ENV
from .contents import Dockerfile
from .directives import directives
from .instructions import Instruction
from .late import changes_nothing
from .lexer import read

CA_SECRET = "jupyter-containers-ca"
"""The id of the build secret whose file is the CA bundle."""
CA_PATH = f"/run/secrets/{CA_SECRET}"
CA_ARGS: Mapping[str, str] = dict.fromkeys(
    (
        "PIP_CERT",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
        "GIT_SSL_CAINFO",
    ),
    CA_PATH,
)
"""The build arguments to give with a Dockerfile rendered with `ca=True`."""
_MOUNT = f"--mount=type=secret,id={CA_SECRET},target={CA_PATH},mode=0444"
_PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*")
_FLAG = r"""\s+--(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*"""
"""As BuildKit's extractBuilderFlags reads it:
https://github.com/moby/buildkit/blob/master/frontend/dockerfile/parser/line_parsers.go"""


@dataclass(frozen=True)
class Rendered:
    """`lines[n - 1]` is the line of the original that line n of `text` comes from."""

    text: str
    lines: tuple[int, ...]

    def original(self, line: int) -> int:
        """The line of the original (from 1) for one an engine names; 0 where it is neither."""
        return self.lines[line - 1] if 0 < line <= len(self.lines) else 0


def render(
    dockerfile: Dockerfile,
    pins: Mapping[str, str] = NO_ENV,
    *,
    ca: bool = False,
    caches: str = "",
    lacks: Collection[str] = (),
    external: bool = False,
    stages: Collection[int] | None = None,
) -> Rendered:
    """The text for the engine. `pins` maps references of `demands().images` to what shall
    stand instead (`ref@sha256:…`, or a local name). `caches` is whose the caches are
    (`Mount.flag`). Flags that the builder `lacks` are left away where they change no image
    (`late.py`), and so is `# syntax=` unless the builder needs it (`external`). `stages` are those
    that the build reaches; None for all.

    With `ca`, each RUN sees the CA bundle as a secret mount, and an ARG line after its FROM
    takes `CA_ARGS`: neither a layer nor the final environment keeps anything of it. What
    ONBUILD keeps for later is left as it is. Raises DockerfileError for a Dockerfile written
    so oddly that BuildKit's parser does not confirm the result.
    """
    if odd := [pin for pin in pins.values() if _PIN.fullmatch(pin) is None]:
        raise ValueError(f"not a reference: {odd[0]!r}")
    reached = range(len(dockerfile.stages)) if stages is None else sorted(stages)
    return _Writer(dockerfile, pins, ca, caches, lacks, external, reached).rendered()


class _Writer:
    def __init__(
        self,
        dockerfile: Dockerfile,
        pins: Mapping[str, str],
        ca: bool,
        caches: str,
        lacks: Collection[str],
        external: bool,
        stages: Sequence[int],
    ) -> None:
        self.source = dockerfile.text.rstrip("\n").split("\n")
        self.dockerfile = dockerfile
        self.ca = ca
        self.caches = caches
        self.mounts = {(mount.line, mount.index): mount for mount in dockerfile.mounts}
        self.lacks = lacks
        self.external = external
        self.stages = stages
        self.pinned = {
            (fetch.line, fetch.written): pins.get(fetch.reference, fetch.reference)
            for fetch in dockerfile.fetches
        }
        self.bases: dict[int, str] = {}
        for stage in dockerfile.stages:
            if stage.reference:
                self.bases[stage.line] = pins.get(stage.reference, stage.reference)
            elif stage.parent is not None:
                self.bases[stage.line] = dockerfile.stages[stage.parent].name
            else:  # As it was judged, not as an engine might expand it.
                self.bases[stage.line] = "scratch"
        self.names = {stage.name for stage in dockerfile.stages if stage.name}
        self.with_run: set[int] = set()
        begun = 0
        for one in dockerfile.instructions:
            begun = one.line if one.name == "FROM" else begun
            if one.name == "RUN":
                self.with_run.add(begun)
        self.out: list[tuple[str, int]] = []
        self.expected: list[Instruction] = []

    def rendered(self) -> Rendered:
        done, stage = 0, -1
        for one in self.dockerfile.instructions:
            stage += one.name == "FROM"
            if stage < 0 or stage in self.stages:
                self.keep(done + 1, one.line - 1)
                self.write(one)
            done = one.end
        self.keep(done + 1, len(self.source))
        text = "".join(f"{line}\n" for line, _ in self.out)
        self.confirm(text)
        return Rendered(text, tuple(number for _, number in self.out))

    def keep(self, first: int, last: int) -> None:
        """Lines between instructions. Before the first one no comment but the directives: where
        what stood above it is left out, it would be one."""
        marks = self.dockerfile.marks
        for number in range(first, last + 1):
            line = self.source[number - 1]
            if not self.expected and number not in marks.lines:
                continue
            if number == marks.syntax_line:
                if not self.external:
                    continue
                line = f"# syntax={marks.frontend}"
            self.out.append((line, number))

    def write(self, one: Instruction) -> None:
        flags, words, as_json = self.flags(one), self.words(one), one.json
        if one.name in ("ADD", "COPY", "VOLUME") and any(re.search(r"\s", word) for word in words):
            if one.heredocs:
                hint = "Copy it with a COPY of its own."
                one.fail("no name with a space can stand beside a here-document.", hint)
            as_json = True
        header = self.source[one.line - 1 : one.header_end]
        if (flags, words) != (one.flags, one.words):
            header = [_header(one, flags, words, as_json)]
        if one.name == "RUN" and self.ca:
            header[0] = re.sub(r"^(\s*\w+)", rf"\1 {_MOUNT}", header[0], count=1)
            flags = (_MOUNT, *flags)
        self.out += [(line, one.line + n) for n, line in enumerate(header)]
        self.keep(one.header_end + 1, one.end)
        self.expected.append(replace(one, flags=flags, words=words, json=as_json))
        if one.line in self.with_run and self.ca:
            # One line for all: podman commits a layer for each ARG instruction.
            self.out.append((f"ARG {' '.join(CA_ARGS)}", one.line))
            self.expected.append(replace(one, name="ARG", words=tuple(CA_ARGS), flags=()))

    def words(self, one: Instruction) -> tuple[str, ...]:
        """A base as it was judged, and each word that was settled, quoted as engines read it."""
        if one.line in self.bases:
            as_name = (*one.words[1:2], *(name.lower() for name in one.words[2:]))
            return (self.bases[one.line], *as_name)
        quoted = _quoted if self.dockerfile.marks.escape == "\\" else _between_quotes
        return tuple(
            quoted(settled)
            if (settled := self.dockerfile.settled.get((one.line, index))) is not None
            else word
            for index, word in enumerate(one.words)
        )

    def flags(self, one: Instruction) -> tuple[str, ...]:
        """Its flags with every image in full, COPY --from= and from= in RUN --mount=, and each
        mount as it was read."""
        found = []
        numbers = count()
        for flag in one.flags:
            name, _, value = flag.partition("=")
            if changes_nothing(flag) in self.lacks:
                continue
            if one.name == "COPY" and name == "--from":
                value = self.origin(one, value)
            elif one.name == "RUN" and name == "--mount":
                mount = self.mounts[one.line, next(numbers)]
                origin = mount.origin and self.origin(one, mount.origin)
                found.append(mount.flag(origin, self.caches, self.lacks))
                continue
            else:
                found.append(flag)
                continue
            found.append(f"{name}={value}")
        return tuple(found)

    def origin(self, one: Instruction, written: str) -> str:
        """An image as it was judged, or a stage by its one name."""
        if (one.line, written) in self.pinned:
            return self.pinned[one.line, written]
        if written.isdecimal():
            return str(self.stages.index(int(written)))
        return written.lower() if written.lower() in self.names else written

    def confirm(self, text: str) -> None:
        """BuildKit's parser must find just what was meant, whatever the text plays at."""
        found = read(text)
        for one, other in zip(self.expected, found, strict=False):
            if _meaning(one) != _meaning(other):
                one.fail("it cannot be prepared for the engine.", "Write it on a line of its own.")
        if len(found) != len(self.expected):
            self.expected[-1].fail("what follows cannot be prepared for the engine.")
        marks, meant = directives(text), self.dockerfile.marks
        syntax = meant.frontend if meant.syntax and self.external else ""
        if (marks.syntax, marks.escape) != (syntax, meant.escape):
            self.expected[0].fail("what stands before it cannot be prepared for the engine.")


def _quoted(word: str) -> str:
    return re.sub(r"[\"'$\\]", r"\\\g<0>", word) or '""'


def _between_quotes(word: str) -> str:
    """For a Dockerfile with another escape: within a word buildah knows the backslash alone."""
    return shlex.quote(word) if not word or re.search(r"[\"'$`\\]", word) else word


def _meaning(one: Instruction) -> tuple[object, ...]:
    inner = one.trigger and one.trigger.header
    return one.name, one.words, one.flags, one.json, one.heredocs, inner


def _header(one: Instruction, flags: tuple[str, ...], words: tuple[str, ...], as_json: bool) -> str:
    """The instruction on one line with other flags and words."""
    found = re.match(rf"\s*(\S+)({_FLAG}){{{len(one.flags)}}}", one.header)
    if found is None:
        one.fail("its flags cannot be read where one is to be replaced.", "Write them plainly.")
    rest = one.header[found.end() :]
    if words != one.words:
        rest = " " + (json.dumps(words, ensure_ascii=False) if as_json else " ".join(words))
    return " ".join([found[1], *flags]) + rest
