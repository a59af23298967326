"""The Dockerfile that engines get: images by what the policy saw, and the CA beside RUN. Pure.

Every image stands there in full, with its digest where one is pinned, so that no short-name
rule or build argument makes an engine fetch another one than was judged. Every stage's name
stands in small letters, where it is given and where it is used: BuildKit takes `Base` and `base`
for one name, buildah for two, and would pull an image of the other name. Every RUN --mount is
what was read of it (`mounts.py`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import count

from ..models import NO_ENV
from .instructions import Instruction
from .late import changes_nothing
from .lexer import read
from .parser import Dockerfile

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
_HEADER = re.compile(r"(\s*\S+)((?:\s+--\S+)*)(\s.*|$)")


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
) -> Rendered:
    """The text for the engine. `pins` maps references of `demands().images` to what shall
    stand instead (`ref@sha256:…`, or a local name). `caches` is whose the caches are
    (`Mount.flag`). Flags that the builder `lacks` are left away where they change no image
    (`late.py`).

    With `ca`, each RUN sees the CA bundle as a secret mount, and an ARG line after its FROM
    takes `CA_ARGS`: neither a layer nor the final environment keeps anything of it. What
    ONBUILD keeps for later is left as it is. Raises DockerfileError for a Dockerfile written
    so oddly that BuildKit's parser does not confirm the result.
    """
    if odd := [pin for pin in pins.values() if _PIN.fullmatch(pin) is None]:
        raise ValueError(f"not a reference: {odd[0]!r}")
    return _Writer(dockerfile, pins, ca, caches, lacks).rendered()


class _Writer:
    def __init__(
        self,
        dockerfile: Dockerfile,
        pins: Mapping[str, str],
        ca: bool,
        caches: str,
        lacks: Collection[str],
    ) -> None:
        self.source = dockerfile.text.rstrip("\n").split("\n")
        self.dockerfile = dockerfile
        self.ca = ca
        self.caches = caches
        self.mounts = {(mount.line, mount.index): mount for mount in dockerfile.mounts}
        self.lacks = lacks
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
        done = 0
        for one in self.dockerfile.instructions:
            self.keep(done + 1, one.line - 1)
            self.write(one)
            done = one.end
        self.keep(done + 1, len(self.source))
        text = "".join(f"{line}\n" for line, _ in self.out)
        self.confirm(text)
        return Rendered(text, tuple(number for _, number in self.out))

    def keep(self, first: int, last: int) -> None:
        for number in range(first, last + 1):
            line = self.source[number - 1]
            if number == self.dockerfile.marks.syntax_line:
                before, written, after = line.partition(self.dockerfile.marks.syntax)
                line = before + self.pinned[(number, written)] + after
            self.out.append((line, number))

    def write(self, one: Instruction) -> None:
        flags, words = self.flags(one), one.words
        if one.line in self.bases:
            words = (self.bases[one.line], *words[1:2], *(name.lower() for name in words[2:]))
        header = self.source[one.line - 1 : one.header_end]
        if (flags, words) != (one.flags, one.words):
            header = [_header(one, flags, words)]
        if one.name == "RUN" and self.ca:
            header[0] = re.sub(r"^(\s*\w+)", rf"\1 {_MOUNT}", header[0], count=1)
            flags = (_MOUNT, *flags)
        self.out += [(line, one.line + n) for n, line in enumerate(header)]
        self.keep(one.header_end + 1, one.end)
        self.expected.append(replace(one, flags=flags, words=words))
        if one.line in self.with_run and self.ca:
            # One line for all: podman commits a layer for each ARG instruction.
            self.out.append((f"ARG {' '.join(CA_ARGS)}", one.line))
            self.expected.append(replace(one, name="ARG", words=tuple(CA_ARGS), flags=()))

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
        return written.lower() if written.lower() in self.names else written

    def confirm(self, text: str) -> None:
        """BuildKit's parser must find just what was meant, whatever the text plays at."""
        found = read(text)
        for one, other in zip(self.expected, found, strict=False):
            if _meaning(one) != _meaning(other):
                one.fail("it cannot be prepared for the engine.", "Write it on a line of its own.")
        if len(found) != len(self.expected):
            self.expected[-1].fail("what follows cannot be prepared for the engine.")


def _meaning(one: Instruction) -> tuple[object, ...]:
    inner = one.trigger and one.trigger.header
    return one.name, one.words, one.flags, one.json, one.heredocs, inner


def _header(one: Instruction, flags: tuple[str, ...], words: tuple[str, ...]) -> str:
    """The instruction on one line with other flags, or for FROM another image."""
    found = _HEADER.fullmatch(one.header)
    if found is None or tuple(found[2].split()) != one.flags:
        one.fail("its flags cannot be quoted where an image is named.", "Write them plainly.")
    rest = " " + " ".join(words) if one.name == "FROM" else found[3]
    return " ".join([found[1].strip(), *flags]) + rest
