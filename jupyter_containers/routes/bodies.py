"""What a client sends, checked: types, sizes, unknown keys. A body may be anything."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from ..errors import BadInput, BadSettings
from ..settings.validators import show

MOST_BYTES = 4 << 20
_MOST_TEXT = 1 << 20
_MOST_PARTS = 500


class Body:
    """A JSON object with no keys but `known`. Every method raises BadInput for a wrong type."""

    def __init__(self, data: bytes, known: Collection[str]) -> None:
        if len(data) > MOST_BYTES:
            raise BadInput(f"The request has {len(data):,} bytes; at most {MOST_BYTES:,} can be.")
        try:
            given = json.loads(data.decode())
        except (ValueError, RecursionError):
            raise BadInput("The request's body is no JSON.") from None
        if not isinstance(given, dict):
            raise BadInput(f"The request's body must be an object, not {show(given)}.")
        if unknown := sorted(set(given) - set(known)):
            raise BadInput(
                f"The request has {unknown[0][:80]!r}, which is not known.",
                f"Known are: {', '.join(sorted(known))}.",
            )
        self._given: dict[str, Any] = given

    def text(self, key: str, default: str | None = None, most: int = _MOST_TEXT) -> str:
        """A string; `default` where it is left out or null, if there is one."""
        value = self._given.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise self._wrong(key, "a string")
        if len(value) > most:
            raise BadInput(f"{key!r} has {len(value):,} characters; at most {most:,} can be.")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadInput(f"{key!r} holds half a character (a lone surrogate).") from None
        return value

    def flag(self, key: str) -> bool:
        """True or false; false where it is left out."""
        value = self._given.get(key, False)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def count(self, key: str) -> int:
        """A whole number from 0 on; 0 where it is left out."""
        value = self._given.get(key, 0)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 31:
            raise self._wrong(key, "a whole number from 0 on")
        return value

    def texts(self, key: str, *, needed: bool = False, most: int = _MOST_PARTS) -> list[str]:
        """A list of strings; empty where it is left out or null, unless it is `needed`."""
        value = self._given.get(key)
        if value is None and not needed:
            return []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self._wrong(key, "a list of strings")
        if len(value) > most:
            raise BadInput(f"{key!r} has {len(value)} parts; at most {most} can be.")
        return value

    def settings(self) -> Mapping[str, Any]:
        """`settings`: an object as a notebook's metadata holds it. What stands in it, only
        `Settings.parse` knows."""
        value = self._given.get("settings")
        if not isinstance(value, dict):
            raise BadSettings("jupyter_containers", f"must be an object, not {show(value)}.")
        return value

    def settings_or_none(self) -> Mapping[str, Any]:
        """The same, empty where it is left out or null."""
        return {} if self._given.get("settings") is None else self.settings()

    def _wrong(self, key: str, what: str) -> BadInput:
        if key not in self._given:
            return BadInput(f"The request lacks {key!r}: {what}.")
        return BadInput(f"{key!r} must be {what}, not {show(self._given[key])}.")
