"""A Dockerfile's text made plain and split into instructions. Pure.

Two parsers read it, BuildKit's own of 0.12 (the `dockerfile` wheel) and a port of today's. What
they read differently is refused: engines of several ages build these files, and an instruction
that only the engine sees, behind a heredoc or a continuation, would get past the policy.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

import dockerfile as buildkit  # type: ignore[import-not-found, import-untyped, unused-ignore]
from e2b_dockerfile_utils import (
    DockerfileInstruction,
    DockerfileSyntaxError,
    parse_dockerfile_ast,
)

from ..errors import DockerfileError
from .directives import directives, escape_first
from .instructions import Instruction, check, check_name

NO_TRIGGERS = ("ONBUILD", "FROM", "MAINTAINER")
"""What ONBUILD cannot keep for later."""
_MAX_LINE = 65535  # of Go's bufio.Scanner, which BuildKit reads with
_PLAINLY = "Write it plainly: a heredoc as <<EOF, spaces as spaces, an instruction on its own line."


def read(text: str) -> tuple[Instruction, ...]:
    """The instructions of a `clean` text, each checked by itself. Raises DockerfileError."""
    marks = directives(text)
    lines = text.split("\n")
    found = [_instruction(command) for command in _commands(text)]
    trouble = _disagreement(text, found)
    for instruction in found:
        _keyword_whole(instruction, lines[instruction.line - 1], marks.escape)
        _ends_once(instruction, lines, marks.escape)
        check(instruction)
    if trouble is not None:
        raise trouble
    return tuple(_with_trigger(instruction, marks.escape) for instruction in found)


def _commands(text: str) -> tuple[buildkit.Command, ...]:
    if not text.strip():
        raise DockerfileError(1, "text", "it is empty.", "Begin with FROM, then an image.")
    for number, line in enumerate(text.split("\n"), 1):
        if len(line.encode()) > _MAX_LINE:
            raise DockerfileError(number, line.split(" ")[0][:20], "the line is over 64 KiB long.")
    try:
        return tuple(buildkit.parse_string(text))
    except buildkit.GoParseError as error:
        why = str(error)
    try:  # It does not say where; the port does.
        parse_dockerfile_ast(text)
    except DockerfileSyntaxError as error:
        raise _mistake(text, error.line or 1, f"{why}.") from None
    raise DockerfileError(1, "text", f"{why}.")


def _mistake(text: str, line: int, why: str, hint: str = "") -> DockerfileError:
    words = text.split("\n")[line - 1].split()
    return DockerfileError(line, words[0].upper()[:40] if words else "text", why, hint)


def _instruction(command: buildkit.Command) -> Instruction:
    if not command.cmd:
        raise DockerfileError(command.start_line, "text", "the line continues nothing.")
    bodies = sum(heredoc.content.count("\n") + 1 for heredoc in command.heredocs)
    return Instruction(
        name=command.cmd.upper(),
        line=command.start_line,
        end=command.end_line,
        header=command.original.split("\n")[0] if command.heredocs else command.original,
        header_end=command.end_line - bodies,
        words=tuple(command.value),
        flags=tuple(command.flags),
        json=command.json,
        heredocs=tuple(heredoc.content for heredoc in command.heredocs),
    )


def _keyword_whole(instruction: Instruction, first: str, escape: str) -> None:
    """Refuse a keyword split by a continuation: `render` writes behind it."""
    keyword = re.escape(instruction.name)
    if not re.match(rf"\s*{keyword}(\s|{re.escape(escape)}\s*$|$)", first, re.IGNORECASE):
        check_name(instruction)
        instruction.fail("its keyword must stand whole on its first line.")


def _ends_once(instruction: Instruction, lines: Sequence[str], escape: str) -> None:
    """Refuse a line that ends with two escape characters: to buildah it goes on in the next one,
    which is then no instruction, and to BuildKit it does not.
    https://github.com/openshift/imagebuilder/blob/master/dockerfile/parser/parser.go"""
    for line in lines[instruction.line - 1 : instruction.header_end]:
        if line.rstrip(" \t").endswith(escape * 2) and not line.lstrip().startswith("#"):
            instruction.fail(
                f"a line of it ends with {escape * 2}, after which some engines read on.",
                "Write one to go on in the next line, or something behind them.",
            )


def _disagreement(text: str, found: list[Instruction]) -> DockerfileError | None:
    """What the newer parser cannot read; raises where it reads something else."""
    try:
        others = parse_dockerfile_ast(text).instructions
    except DockerfileSyntaxError as error:
        why = str(error).partition(": ")[2]
        return _mistake(text, error.line or 1, f"newer engines say: {why}.", _PLAINLY)
    for one, other in zip_longest(found, others):
        if one is None or other is None or _shape(one) != _shape(other):
            line = one.line if one is not None else other.start_line
            raise _mistake(text, line, "older and newer engines do not read it alike.", _PLAINLY)
    return None


def _shape(one: Instruction | DockerfileInstruction) -> tuple[object, ...]:
    """What both must agree on. Of ONBUILD one says whether its trigger is a list and the other
    does not: what is behind it is read by itself (`_with_trigger`)."""
    json = one.json and one.name != "ONBUILD"
    if isinstance(one, Instruction):
        return one.name, one.line, one.end, one.flags, json, one.heredocs
    heredocs = tuple(heredoc.content for heredoc in one.heredocs)
    return one.name, one.start_line, one.end_line, tuple(one.flags), json, heredocs


def _with_trigger(instruction: Instruction, escape: str) -> Instruction:
    """ONBUILD with what it keeps. (A heredoc in it is a disagreement.)"""
    if instruction.name != "ONBUILD":
        return instruction
    text = re.sub(r"^\s*onbuild", "", instruction.header, flags=re.IGNORECASE)
    if not text.strip():
        instruction.fail("an instruction must follow.")
    (trigger,) = read(f"# escape={escape}\n{text}")
    if trigger.name in NO_TRIGGERS:
        instruction.fail(f"{trigger.name} cannot be its trigger.")
    return replace(
        instruction,
        words=(),
        flags=(),
        json=False,
        trigger=replace(
            trigger, line=instruction.line, end=instruction.end, header_end=instruction.end
        ),
    )


MAX_TEXT = 1024 * 1024
# NUL would end the text for the parser and not for the engine; the others are trimmed as space
# by some engines and not by others.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def clean(text: str) -> str:
    """The text with plain line ends, no byte order mark, and `# escape` first. Raises
    DockerfileError."""
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
    return escape_first(text)
