"""In-process event bus: a build, a container, its ports, images or kernel specs changed.

Publishers know no subscriber; the server passes the events on to the browsers. An event is only
a hint to look again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Change:
    """What changed, and its state now in one word or phrase. `notebook` where it is one's."""

    what: Literal["build", "container", "images", "kernelspecs", "notebook", "ports"]
    id: str = ""
    notebook: Path | None = None
    state: str = ""


Listener = Callable[[Change], None]

_listeners: list[Listener] = []


def subscribe(listener: Listener) -> None:
    """Call `listener` with every change from now on. Called by the server when it starts."""
    _listeners.append(listener)


def unsubscribe(listener: Listener) -> None:
    """Stop calling `listener`. Twice is fine."""
    if listener in _listeners:
        _listeners.remove(listener)


def publish(change: Change) -> None:
    """Call all listeners, at once and in this thread. A listener must not raise."""
    for listener in tuple(_listeners):
        listener(change)
