"""What came late to Dockerfiles, so that builders of some versions do not know it. Pure.

An engine says in `EngineInfo.lacks` what its builder does not know, by the names here. What changes
no image is left away for it (`render`); the rest is refused before a build (`builds/checks.py`) and
told by `build --check`.
https://docs.docker.com/reference/dockerfile/ (the tables "Minimum Dockerfile version")
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..models import EngineInfo
from .addresses import folder_of
from .contents import Dockerfile
from .instructions import Instruction, mounts
from .variables import platform_args

_ANY = ".*"
_NEUTRAL = {
    "link": _ANY,
    "start-interval": _ANY,
    "parents": "false",
    "keep-git-dir": "false",
    "unpack": "false",
    "network": "default",
    "security": "sandbox",
    "platform": rf"{platform_args()['TARGETPLATFORM']}|\$\{{?(build|target)platform\}}?",
}
"""Values of flags without which an image is the same, in small letters: `link` is about caches, and
nobody asks for the health of a kernel's container."""
_HINTS: Mapping[str, str] = {
    "parents": "Name the folders in the destination: COPY a/b/file /there/a/b/",
    "exclude": "Name what is not wanted in .dockerignore.",
    "checksum": "Check it in a RUN behind it: echo 'HASH  /FILE' | sha256sum --check",
    "keep-git-dir": "Clone it instead: RUN git clone …",
    "unpack": "Fetch and unpack it in a RUN: curl … | tar --extract",
    "network": "Leave it out, if nothing in that RUN has to be kept from the network.",
    "security": "Leave it out.",
    "chmod": "Change it behind it: RUN chmod …",
    "chmod-letters": "Write it in digits, as --chmod=755.",
    "from-image": "Begin a stage with that image, FROM … AS other, and copy --from=other.",
    "platform": "Leave it out: images are built for this machine.",
    "secret-env": "Leave out env, and read the secret from its file in /run/secrets.",
    "tmpfs-size": "Leave out size.",
    "locked": "Leave out sharing.",
    "private": "Leave out sharing.",
    "patterns": "Set the shorter value with an ARG or ENV of its own.",
    "subdir": "Clone it in a RUN: git clone …, and copy the folder from there.",
    "unset": "Write a colon: ${NAME:-…}",
    "unset-fails": "Write a colon: ${NAME:?…}",
}
LATE = frozenset((*_NEUTRAL, *_HINTS))
"""All names."""
_OF_MOUNTS = ("locked", "private")
"""What is left away of a mount (`Mount.flag`): the image is the same."""
_OF_BUILDKIT = ("subdir",)
"""What is not the reader's, which `# syntax=` replaces."""
_EXPANDED = ("ADD", "ARG", "COPY", "ENV", "EXPOSE", "LABEL", "USER", "VOLUME", "WORKDIR")
_FORM = re.compile(r"(?<!\\)\$\{\w+([#%/+?-])")
_FORMS = {**dict.fromkeys("#%/", "patterns"), **dict.fromkeys("+-", "unset"), "?": "unset-fails"}
_OCTAL = re.compile(r"[0-7]+")


@dataclass(frozen=True)
class Late:
    """One of these in a Dockerfile: its name, and what is written there."""

    at: Instruction
    name: str
    written: str

    @property
    def hint(self) -> str:
        """What to write instead."""
        return _HINTS.get(self.name, "Begin with another base.")

    def why(self, builder: EngineInfo) -> str:
        """What is wrong with it."""
        who = f"the builder of {builder.name} {builder.version}"
        shown = self.written if len(self.written) < 60 else f"{self.written[:40]}…"
        if self.name == "subdir":
            return f"a repository can lead {who} out to this machine with {shown}."
        return f"{who} does not know {shown}."


def changes_nothing(flag: str) -> str | None:
    """The name of a flag as written (`--link=true`) without which an image is the same."""
    name, _, value = flag[2:].partition("=")
    neutral = _NEUTRAL.get(name)
    return name if neutral is not None and re.fullmatch(neutral, value.lower()) else None


def missing(dockerfile: Dockerfile, builder: EngineInfo) -> Iterator[Late]:
    """What a builder does not know and cannot go without, in order of lines. Of what ONBUILD has
    kept nothing can be left away."""
    brought = external(dockerfile, builder)
    for one in _unknown(dockerfile, builder):
        if not brought or one.name in _OF_BUILDKIT:
            yield one


def external(dockerfile: Dockerfile, builder: EngineInfo) -> bool:
    """Whether a builder has to fetch the reader that the Dockerfile names with `# syntax=`, since
    its own is too old."""
    if builder.name != "docker" or not dockerfile.marks.syntax:
        return False
    if dockerfile.heredoc is not None and "heredocs" not in builder.features:
        return True
    return any(one.name not in _OF_BUILDKIT for one in _unknown(dockerfile, builder))


def _unknown(dockerfile: Dockerfile, builder: EngineInfo) -> Iterator[Late]:
    for one in _late(dockerfile, dockerfile.instructions):
        neutral = one.name in _OF_MOUNTS or changes_nothing(one.written.partition(" ")[2])
        if one.name in builder.lacks and not neutral:
            yield one
    for one in _late(dockerfile, dockerfile.ran):
        if one.name in builder.lacks:
            yield one


def _late(dockerfile: Dockerfile, instructions: Iterable[Instruction]) -> Iterator[Late]:
    fetched = {(one.line, one.written) for one in dockerfile.fetches}
    folders = {line: folder for line, url in dockerfile.urls if (folder := folder_of(url))}
    for one in instructions:
        if one.name == "ADD" and one.line in folders:
            yield Late(one, "subdir", f"ADD …{folders[one.line]}")
        for flag in one.flags:
            if name := _name(one, flag, fetched):
                yield Late(one, name, f"{one.name} {flag}")
        for mount in mounts(one) if one.name == "RUN" else ():
            kind = mount.get("type")
            if kind == "secret" and "env" in mount:
                yield Late(one, "secret-env", "env= of RUN --mount=type=secret")
            if kind == "cache" and (sharing := mount.get("sharing", "")) in _OF_MOUNTS:
                yield Late(one, sharing, f"sharing={sharing} of RUN --mount=type=cache")
            if kind == "tmpfs" and "size" in mount:
                yield Late(one, "tmpfs-size", "size= of RUN --mount=type=tmpfs")
        for found in _forms(dockerfile, one) if one.name in _EXPANDED else ():
            yield Late(one, _FORMS[found[1]], f"{found[0]}…}}")


def _forms(dockerfile: Dockerfile, one: Instruction) -> Iterator[re.Match[str]]:
    """The first of each form of a variable that the builder has to expand itself."""
    words = [
        word for index, word in enumerate(one.words) if (one.line, index) not in dockerfile.settled
    ]
    found = {_FORMS[form[1]]: form for form in _FORM.finditer(" ".join((*one.flags, *words)))}
    yield from found.values()


def _name(one: Instruction, flag: str, fetched: set[tuple[int, str]]) -> str:
    name, _, value = flag[2:].partition("=")
    if name == "chmod":
        return "chmod" if _OCTAL.fullmatch(value) or "$" in value else "chmod-letters"
    if name == "from":
        return "from-image" if (one.line, value) in fetched else ""
    return name if name in LATE else ""
