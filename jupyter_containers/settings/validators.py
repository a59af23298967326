"""Single values of the settings: read from JSON that anybody may have written, or refused.

Every reader takes any JSON value and returns a value that every engine can quote, or raises
BadSettings (BadReference for an image). Used by the table in `fields.py`; `structures.py`
reads what is made of several.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from ..errors import BadSettings
from ..models import parse_image, parse_target, refuse_unquotable

Reader = Callable[[Any, str], Any]
"""Takes the value and the key to blame."""

_SIZE = re.compile(r"([0-9]{1,16}(?:\.[0-9]{1,6})?) ?([bkmgt]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_MAX_SIZE = 1 << 50
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,127}", re.ASCII)
# https://datatracker.ietf.org/doc/html/rfc1123#page-13, and Linux's limit of 64 bytes
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOSTNAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE | re.ASCII)
# https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md (kind, device names)
_DEVICE = re.compile(
    r"[A-Za-z](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
    r"/[A-Za-z](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
    r"=[A-Za-z0-9](?:[A-Za-z0-9_.:-]{0,125}[A-Za-z0-9])?",
    re.ASCII,
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HEX = re.compile(r"[0-9a-f]{64}")

RESERVED_PORTS = range(20000, 20006)
"""Ours inside, where the transport is TCP: the guest's and the kernel's five channels."""

MANY = 200
"""More mounts, ports or variables than that nobody types."""


def show(value: Any) -> str:
    """A value for an error message: short, whatever it is."""
    if isinstance(value, str):
        return repr(value if len(value) <= 80 else value[:79] + "…")
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return f"{value:g}" if abs(value) < 1e15 else "a number that large"
    return "an object" if isinstance(value, Mapping) else "a list"


def meant(key: str, known: Sequence[str]) -> str:
    """A hint for a misspelt key."""
    close = get_close_matches(key[:80], known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known are: {', '.join(known)}."


def text(value: Any, key: str) -> str:
    """Printable text of one line; the base of all that is text."""
    if not isinstance(value, str):
        raise BadSettings(key, f"must be text, not {show(value)}.")
    if not value.isprintable() or len(value) > 4000:
        raise BadSettings(key, f"{show(value)} is too long or holds a control character.")
    return value


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[Any, str], str]:
    def read(value: Any, key: str) -> str:
        if not pattern.fullmatch(text(value, key)):
            raise BadSettings(key, f"{show(value)} is not {what}.")
        return str(value)

    return read


word = _matching(_WORD, "a name (letters, digits, '.', '_', '+', '-')")
hostname = _matching(_HOSTNAME, "a host name (letters, digits, '-')")
device = _matching(_DEVICE, "a device's CDI name, such as nvidia.com/gpu=0 or nvidia.com/gpu=all")
digest = _matching(_DIGEST, "a digest (sha256: and 64 hexadecimal digits)")
fingerprint = _matching(_HEX, "a sha256 in hexadecimal")


def engine(value: Any, key: str) -> str:
    """An engine's name; `auto` is as good as none."""
    return "" if value == "auto" else word(value, key)


def image(value: Any, key: str) -> str:
    """An image's full reference or id."""
    if not isinstance(value, str):
        raise BadSettings(key, f"must be an image's name, not {show(value)}.")
    return parse_image(value)


def choice(*choices: str) -> Reader:
    """One of a few words."""

    def read(value: Any, key: str) -> str:
        if not isinstance(value, str) or value not in choices:
            raise BadSettings(key, f"must be {' or '.join(choices)}, not {show(value)}.")
        return value

    return read


def flag(value: Any, key: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise BadSettings(key, f"must be true or false, not {show(value)}.")
    return value


def number(least: float, most: float) -> Reader:
    """A number in a range; neither true nor NaN is one."""

    def read(value: Any, key: str) -> float:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not good or not (abs(value) < 1e15 and math.isfinite(value) and least <= value <= most):
            wanted = f"must be a number from {least:g} to {most:g}"
            raise BadSettings(key, f"{wanted}, not {show(value)}.")
        return float(value)

    return read


def count(least: int, most: int) -> Reader:
    """A whole number in a range."""
    read_number = number(least, most)

    def read(value: Any, key: str) -> int:
        found: float = read_number(value, key)
        if found != int(found):
            raise BadSettings(key, f"must be a whole number, not {show(value)}.")
        return int(found)

    return read


def parse_size(value: Any, key: str = "size") -> int:
    """Bytes of `"8g"`, `"1.5 GiB"`, `"512m"` or a plain number of bytes; 1k is 1024, as every
    engine has it. Raises BadSettings."""
    size: float = -1
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    elif isinstance(value, str) and (found := _SIZE.fullmatch(value)):
        size = float(found[1]) * _UNITS[found[2].lower()]
    if not 0 < size <= _MAX_SIZE:
        raise BadSettings(key, f"{show(value)} is not a size.", "Write it as 8g or 512m.")
    return int(size)


def format_size(size: int) -> str:
    """The shortest text that `parse_size` reads back as exactly this."""
    for unit in ("t", "g", "m", "k"):
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return str(size) + "b"


def size_of_at_least(least: int) -> Reader:
    """A size that engines do not refuse as too small."""

    def read(value: Any, key: str) -> int:
        found = parse_size(value, key)
        if found < least:
            raise BadSettings(key, f"{show(value)} is below the least of {format_size(least)}.")
        return found

    return read


def list_of(read_one: Reader) -> Reader:
    """A list without duplicates, as a tuple."""

    def read(value: Any, key: str) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or len(value) > MANY:
            raise BadSettings(key, f"must be a list of at most {MANY}, not {show(value)}.")
        return tuple(dict.fromkeys(read_one(one, key) for one in value))

    return read


def port(value: Any, key: str) -> int:
    """A port inside that is not ours."""
    found: int = count(1, 65535)(value, key)
    if found in RESERVED_PORTS:
        raise BadSettings(key, f"port {found} is used for the kernel itself.", "Take another.")
    return found


def workdir(value: Any, key: str) -> str:
    """A path inside, or one relative to the notebook."""
    if not text(value, key):
        raise BadSettings(key, "must be a path; '.' is the notebook's folder.")
    refuse_unquotable(value, key)
    if value.startswith("-"):
        value = f"./{value}"
    return parse_target(value, key) if value.startswith("/") and value != "/" else str(value)
