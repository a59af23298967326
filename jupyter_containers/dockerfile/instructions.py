"""What one instruction of a Dockerfile may be: its flags, its arguments, its mounts. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from e2b_dockerfile_utils import parse_heredoc

from ..errors import DockerfileError

_YES = ""
"""The grammar of a flag that is true, false, or there."""
_DURATION = r"0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+"
_MODE = r"[0-7]{1,5}|[ugoa]*([-+=][rwxXstugo]*)+(,[ugoa]*([-+=][rwxXstugo]*)+)*"
_COPY = {"chown": r"[\w.@+-]*(:[\w.@+-]*)?", "chmod": _MODE, "link": _YES, "exclude": ".+"}
_CHECKSUM = r"([a-z0-9]+:)?[0-9a-fA-F]+"
# https://github.com/moby/buildkit/blob/master/frontend/dockerfile/instructions/parse.go
_FLAGS: dict[str, dict[str, str]] = {
    "ADD": {**_COPY, "keep-git-dir": _YES, "checksum": _CHECKSUM, "unpack": _YES},
    "COPY": {**_COPY, "from": ".+", "parents": _YES},
    "FROM": {"platform": r"\w[\w.()+-]*(/\w[\w.+-]*){0,2}"},
    "HEALTHCHECK": {
        **dict.fromkeys(("interval", "timeout", "start-period", "start-interval"), _DURATION),
        "retries": "[0-9]+",
    },
    "RUN": {
        "mount": ".+",
        "network": "default|none|host",
        "security": "sandbox|insecure",
        "device": r"[\w.-]+(/[\w.-]+)?(=[\w.*:-]+)?(,required(=(true|false))?)?",
    },
}
"""The flags of each instruction, and the grammar of their values."""
_MANY = ("mount", "exclude", "device")
"""Flags that may be given more than once."""
_PLAIN = ("network", "security", "device")
"""Flags in which variables do not work: BuildKit takes them as they are written, and buildah would
put in what was not judged."""
_WORDS: dict[str, tuple[int, int]] = {
    "ADD": (2, 99999),
    "ARG": (1, 99999),
    "CMD": (0, 99999),
    "COPY": (2, 99999),
    "ENTRYPOINT": (0, 99999),
    "ENV": (2, 99999),
    "EXPOSE": (1, 99999),
    "FROM": (1, 3),
    "HEALTHCHECK": (1, 99999),
    "LABEL": (2, 99999),
    "MAINTAINER": (1, 1),
    "ONBUILD": (0, 99999),
    "RUN": (1, 99999),
    "SHELL": (1, 99999),
    "STOPSIGNAL": (1, 1),
    "USER": (1, 1),
    "VOLUME": (1, 99999),
    "WORKDIR": (1, 1),
}
_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction. Lines count from 1; `header` is its text with continuations joined and
    without heredoc bodies, which follow on the lines after `header_end`.
    """

    name: str
    line: int
    end: int
    header: str
    header_end: int
    words: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    json: bool = False
    heredocs: tuple[str, ...] = ()
    trigger: Instruction | None = None
    """What an ONBUILD keeps for later."""

    def values(self, flag: str) -> list[str]:
        """The values of a flag, in order: `--from=a` is `["a"]` of `from`."""
        found = (text[2:].partition("=") for text in self.flags)
        return [value for name, _, value in found if name == flag]

    def fail(self, why: str, hint: str = "") -> NoReturn:
        """Raise DockerfileError for this instruction."""
        raise DockerfileError(self.line, self.name[:40], why[:1000], hint[:1000])


def check_name(instruction: Instruction) -> None:
    """Refuse what is no instruction at all. Raises DockerfileError."""
    if instruction.name not in _WORDS:
        close = closest(instruction.name, _WORDS)
        instruction.fail("there is no such instruction.", close and f"Did you mean {close}?")


def check(instruction: Instruction) -> None:
    """Judge an instruction by itself. Raises DockerfileError."""
    check_name(instruction)
    _check_flags(instruction, _FLAGS.get(instruction.name, {}))
    least, most = _WORDS[instruction.name]
    if not least <= len(instruction.words) <= most:
        many = "argument" if least == 1 else "arguments"
        wanted = f"{'exactly' if least == most else 'at least'} {least} {many}"
        if instruction.name == "FROM":
            wanted = "an image, and perhaps AS and a name"
        instruction.fail(f"it wants {wanted}.")
    special = _SPECIAL.get(instruction.name)
    if special is not None:
        special(instruction)


def _check_flags(instruction: Instruction, known: Mapping[str, str]) -> None:
    seen = set()
    for flag in instruction.flags:
        name, equals, value = flag[2:].partition("=")
        grammar = known.get(name)
        if grammar is None:
            close = closest(name, known)
            instruction.fail(f"it has no flag --{name}.", close and f"Did you mean --{close}?")
        if name in seen and name not in _MANY:
            instruction.fail(f"--{name} is given twice.")
        seen.add(name)
        if grammar == _YES:
            if value.lower() not in (("true", "false") if equals else ("",)):
                instruction.fail(f"--{name} is true or false, not {value!r}.")
        elif not value:
            instruction.fail(f"--{name} wants a value: --{name}=…")
        elif "$" in value and name in _PLAIN:
            instruction.fail(f"variables do not work in --{name}.")
        elif "$" not in value and not re.fullmatch(grammar, value):
            instruction.fail(f"--{name} cannot be {value!r}.")


def _check_from(instruction: Instruction) -> None:
    words = instruction.words
    if len(words) == 2 or (len(words) == 3 and words[1].lower() != "as"):
        instruction.fail("it wants an image, and perhaps AS and a name.", "FROM image AS name")
    if len(words) == 3 and not _STAGE_NAME.fullmatch(words[2].lower()):
        instruction.fail(f"{words[2]!r} cannot name a stage.", "Use letters, digits, - _ and .")


def is_heredoc(word: str) -> bool:
    """Whether a word of COPY or ADD stands for a text in the Dockerfile itself."""
    try:
        return parse_heredoc(word) is not None
    except ValueError:
        return False


def _check_copy(instruction: Instruction) -> None:
    if not instruction.json and is_heredoc(instruction.words[-1]):
        instruction.fail("a heredoc cannot be the destination.", "End with a path in the image.")


def _check_names(instruction: Instruction) -> None:
    names = instruction.words[::2] if instruction.name == "ENV" else instruction.words
    for name in names:
        if not name.partition("=")[0]:
            instruction.fail(f"a name is missing in {name!r}.")


def _check_shell(instruction: Instruction) -> None:
    if not instruction.json:
        instruction.fail("it wants a JSON list.", 'Write it as SHELL ["/bin/bash", "-c"]')


def _check_health(instruction: Instruction) -> None:
    if instruction.words[0].upper() not in ("CMD", "NONE"):
        instruction.fail("CMD or NONE must follow its flags.")


_SPECIAL = {
    "FROM": _check_from,
    "ADD": _check_copy,
    "COPY": _check_copy,
    "ARG": _check_names,
    "ENV": _check_names,
    "SHELL": _check_shell,
    "HEALTHCHECK": _check_health,
}


def mounts(one: Instruction) -> Iterable[dict[str, str]]:
    """The fields of each RUN --mount, synonyms made one. Raises DockerfileError for what
    engines read differently: quotes, a key twice, a variable in `type` or `from`.
    """
    same = {"src": "source", "dst": "target", "destination": "target"}
    for value in one.values("mount"):
        if '"' in value or "'" in value:
            one.fail(f"--mount={value} cannot have quotes inside.")
        fields: dict[str, str] = {}
        for text in value.split(","):
            key, _, content = text.partition("=")
            # podman's Z and z are two things; BuildKit takes all names in any case.
            key = key if key in ("Z", "U") else key.lower()
            key = same.get(key, key)
            if key in fields:
                one.fail(f"--mount={value} says {key} twice.")
            if key == "type":
                content = content.lower()
                if "$" in content:
                    one.fail("variables do not work in the type of a mount.")
            fields[key] = content
        yield fields


def closest(word: str, known: Iterable[str]) -> str:
    """What was probably meant, or ""."""
    return next(iter(difflib.get_close_matches(word, list(known), 1)), "")
