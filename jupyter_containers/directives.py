"""The text of a Dockerfile made plain, and the parser directives at its top. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import DockerfileError

MAX_TEXT = 1024 * 1024
# NUL would end the text for the parser and not for the engine; the others are trimmed as space
# by some engines and not by others.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_DIRECTIVE = re.compile(r"\s*#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=(.*)")
_MAX_DIRECTIVE = 1000
"""Characters; the parsers take time that grows with the square of it."""


@dataclass(frozen=True)
class Directives:
    """`# syntax=` (its first word, "" without) with its line, and the escape character."""

    syntax: str = ""
    syntax_line: int = 0
    escape: str = "\\"


def clean(text: str) -> str:
    """The text with plain line ends and no byte order mark. Raises DockerfileError."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if len(text) > MAX_TEXT:
        raise DockerfileError(1, "text", f"it has {len(text):,} characters, over {MAX_TEXT:,}.")
    if found := _CONTROL.search(text):
        raise DockerfileError(
            text.count("\n", 0, found.start()) + 1,
            "text",
            f"it holds the control character U+{ord(found[0]):04X}.",
            "Delete it; it often comes along when text is copied.",
        )
    return text


def directives(text: str) -> Directives:
    """The parser directives at the top, read as widely as any version of BuildKit does.

    A `#!` line may stand before them:
    https://github.com/moby/buildkit/blob/master/frontend/dockerfile/parser/directives.go
    Raises DockerfileError where engines would not agree on the escape character, and so on
    which lines are instructions: buildah stops at `# syntax`, BuildKit before 0.14 at `# check`.
    """
    _escape_first(text)
    found: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if number == 1 and line.startswith("#!"):
            continue
        match = _DIRECTIVE.match(line)
        if match is None or (key := match[1].lower()) not in ("syntax", "escape", "check"):
            break
        if not (value := match[2].strip()):
            break
        if key in found:
            raise DockerfileError(number, f"# {key}", "a directive can stand only once.")
        found[key] = (value, number)
    syntax, line_number = found.get("syntax", ("", 0))
    return Directives(syntax.split(" ")[0], line_number, found.get("escape", ("\\", 0))[0])


def _escape_first(text: str) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip().startswith("#"):
            return
        match = _DIRECTIVE.match(line)
        if match is not None and len(line) > _MAX_DIRECTIVE:
            raise DockerfileError(number, f"# {match[1][:20]}", "the line is too long.")
        if number > 1 and match is not None and match[1].lower() == "escape":
            raise DockerfileError(
                number,
                "# escape",
                "it counts for some engines and not for others, unless it is the first line.",
                "Put it first.",
            )
