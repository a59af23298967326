"""Word within this process that something changed: a build, a container, images, kernel specs.

Rooms say it and know nobody who listens; the server passes it on to the browsers. Only a hint:
who hears it looks again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Change:
    """What changed, and its state now in one word or phrase. `notebook` where it is one's."""

    what: Literal["build", "container", "images", "kernelspecs", "notebook"]
    id: str = ""
    notebook: Path | None = None
    state: str = ""


Listener = Callable[[Change], None]

_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Hear of every change from now on. Called by the server when it starts."""
    _listeners.append(listener)


def unlisten(listener: Listener) -> None:
    """Hear no more. Twice is fine."""
    if listener in _listeners:
        _listeners.remove(listener)


def tell(change: Change) -> None:
    """Tell all who listen, at once and in this thread; what a listener raises is its own bug."""
    for listener in tuple(_listeners):
        listener(change)
