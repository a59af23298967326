"""Text that came from outside (an image, an engine, a notebook) made safe to show, or to read."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from typing import Any

# ECMA-48 escape sequences: CSI, OSC (ended by BEL or ST), and the two-character ones.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
# Bidirectional overrides can make a name read as another (CVE-2021-42574, "Trojan Source").
_MOST = 256 * 1024
"""Characters of a text that are looked at in any case."""
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str, limit: int = 4000) -> str:
    """Strip terminal escapes, bidi overrides and control characters; keep tab and newline.

    A carriage return starts its line anew, as a terminal shows it. Called on every label, log
    line and name before it leaves the module that read it. Cut at `limit` characters, and before
    the work to a few times as many: a container prints lines of megabytes.
    """
    text = text[: max(_MOST, 16 * limit)]
    clean = text if _is_clean(text) else _cleaned(text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def _is_clean(text: str) -> bool:
    """Almost all text is, and this takes a hundredth of the time. What is printable is of no
    category C: https://docs.python.org/3/library/stdtypes.html#str.isprintable"""
    return text.replace("\n", "").replace("\t", "").isprintable()


def _cleaned(text: str) -> str:
    text = _BIDI.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n")))
    # Not one regular expression: on a line of megabytes that takes quadratic time.
    text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    if _is_clean(text):
        return text
    kept = (c for c in text if c in "\n\t" or not unicodedata.category(c).startswith("C"))
    return "".join(kept)


def one_line(text: str, limit: int = 200) -> str:
    """`printable` on a single line, for names and titles."""
    return " ".join(printable(text, limit * 4).split())[:limit]


def escaped(text: str) -> str:
    """The same with what is not printable written out, as Python's `repr` does; tab and newline
    stay. For names in a terminal: two that differ must not look alike, as they would where
    `printable` took something out."""
    if _is_clean(text):
        return text
    return "".join(c if c in "\n\t" or c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


_MOST_DIGITS = 20
"""No size, time or number of ours has more: 2**64 has these."""
_DEEPEST = 100
"""Brackets within brackets. What can be read deeper can still end the stack of whoever copies,
compares or prints it."""


def untrusted_json(text: str | bytes) -> Any:
    """What JSON from outside says, with numbers of ordinary size. Raises ValueError, also where
    `json.loads` gives infinity or takes the stack to its end.

    Infinity and NaN are no JSON, 1e999 comes to infinity, and numbers of thousands of digits make
    whoever computes with them wait: https://docs.python.org/3/library/json.html
    """
    try:
        read = json.loads(
            text, parse_constant=_no_number, parse_float=finite, parse_int=_short_number
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if is_deep(read):
        raise ValueError("it is nested too deeply")
    return read


def is_deep(read: Any) -> bool:
    """Whether what JSON says has brackets within more than a hundred others. Called for what is
    copied or printed afterwards. It looks at one level after another, on no stack."""
    level: list[Any] = [[read]]
    for _ in range(_DEEPEST + 1):
        values = (one.values() if isinstance(one, dict) else one for one in level)
        level = [one for inner in values for one in inner if isinstance(one, dict | list)]
        if not level:
            return False
    return True


def as_dict(value: Any) -> dict[str, Any]:
    """An object of JSON from outside; empty where something else stands there."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """A list of JSON from outside; empty where something else stands there."""
    return value if isinstance(value, list) else []


def named(listed: Any, name: str) -> dict[str, Any]:
    """The object of that `name` in a list of JSON from outside; empty where there is none."""
    return next((one for one in map(as_dict, as_list(listed)) if one.get("name") == name), {})


def as_int(value: Any) -> int:
    """A whole number of JSON from outside that 64 bits hold; 0 where something else stands there,
    such as `true`, which is a number to Python."""
    return value if type(value) is int and -(1 << 63) <= value < 1 << 63 else 0


def as_text(value: Any) -> str:
    """A text of JSON from outside; empty where something else stands there."""
    return value if isinstance(value, str) else ""


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def finite(text: str) -> float:
    """A float of JSON, for `parse_float`: 1e999 would come to infinity, which is none."""
    number = float(text)
    if not math.isfinite(number):
        _no_number(text[:40])
    return number


def _short_number(text: str) -> int:
    if len(text.removeprefix("-")) > _MOST_DIGITS:
        raise ValueError(f"a number has more than {_MOST_DIGITS} digits")
    return int(text)
