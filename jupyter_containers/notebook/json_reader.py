"""JSON of large files, read so that other threads have their turn. Pure.

`json.loads` holds the interpreter's lock until it has read everything: half a second for a
notebook of 64 MiB, in which a server's event loop stands still, whichever thread parses. So each
value of the outermost object, and each element of a list there, is parsed by itself.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from ..text import finite, is_deep

_SMALL = 256 * 1024
"""Characters below which it takes a millisecond or two anyhow."""
_scan = json.JSONDecoder().raw_decode
_SPACE = re.compile(r"[ \t\n\r]*")


def loads(text: str) -> Any:
    """What `json.loads` returns, or raises."""
    if len(text) >= _SMALL:
        try:
            return _object(text)
        except (ValueError, IndexError):
            pass  # `json.loads` says what is wrong, or takes what is no object
    return json.loads(text)


def check_kept(text: str, read: Any) -> None:
    """Raise ValueError where whoever writes again what was read would write less than the text has,
    or something else: 1e400 comes to infinity. NaN, which papermill writes, stays NaN. Called
    where that is done; it takes a second reading."""
    if is_deep(read):
        raise ValueError("it is nested too deeply")
    json.loads(text, object_pairs_hook=_each_once, parse_float=finite)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Python keeps the last of several values of one key, and says nothing:
    https://docs.python.org/3/library/json.html#repeated-names-within-an-object"""
    found = dict(pairs)
    if len(found) < len(pairs):
        key = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"{key[:40]!r} stands twice in one object")
    return found


def _object(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    at = _expect(text, 0, "{")
    if text[at] == "}":
        return _whole(text, at + 1, found)
    while True:
        key, at = _scan(text, at)
        if not isinstance(key, str):
            raise ValueError("a key is a string")
        at = _expect(text, at, ":")
        found[key], at = _list(text, at + 1) if text[at] == "[" else _scan(text, at)
        at = _skip(text, at)
        if text[at] == "}":
            return _whole(text, at + 1, found)
        at = _expect(text, at, ",")


def _list(text: str, at: int) -> tuple[list[Any], int]:
    """The elements from the opening bracket on, and where the text goes on after the other."""
    found: list[Any] = []
    at = _skip(text, at)
    if text[at] == "]":
        return found, at + 1
    while True:
        value, at = _scan(text, at)
        found.append(value)
        at = _skip(text, at)
        if text[at] == "]":
            return found, at + 1
        at = _expect(text, at, ",")


def _expect(text: str, at: int, sign: str) -> int:
    """Where the next value begins, after a sign that has to come first."""
    at = _skip(text, at)
    if text[at] != sign:
        raise ValueError(f"{sign} is missing")
    return _skip(text, at + 1)


def _whole(text: str, at: int, found: dict[str, Any]) -> dict[str, Any]:
    if _skip(text, at) != len(text):
        raise ValueError("there is something after the end")
    return found


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    assert space is not None
    return space.end()
