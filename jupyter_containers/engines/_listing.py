"""All images of docker or podman, each inspected once.

An id is the digest of an image's configuration: what `inspect` says of it stays true, but for its
names. The engine's own table has those, so each list is one short command, and one more where
there is something new.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from ..models import Image
from . import _inspect
from ._process import Completed

Run = Callable[[Sequence[str]], Awaitable[Completed]]
_TABLE = "{{.ID}} {{.Repository}}:{{.Tag}}"
_NONE = "<none>"


class Listing:
    """Of one engine, for the life of this process."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[frozenset[str], Image]] = {}

    async def images(self, checked: Run, run: Run) -> list[Image]:
        """See `Engine.images`. `run` runs a command of the engine; `checked` raises where that
        fails."""
        listed = await checked(["images", "--no-trunc", "--format", _TABLE])
        names = read_table(listed.stdout)
        new = [id for id in names if self._known.get(id, (None,))[0] != names[id]]
        if new:
            # An image removed in between makes inspect fail but still print all the others.
            done = await run(["image", "inspect", *new])
            images = (_inspect.image(one) for one in _inspect.parse_array(done.stdout))
            self._known |= {one.id: (names[one.id], one) for one in images if one.id in names}
        self._known = {id: one for id, one in self._known.items() if id in names}
        return [self._known[id][1] for id in names if id in self._known]


def read_table(text: str) -> dict[str, frozenset[str]]:
    """The names of each id, in the engine's order; an image without any has none."""
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        id, _, name = line.strip().partition(" ")
        if not id:
            continue
        id = id if id.startswith("sha256:") else f"sha256:{id}"
        found.setdefault(id, set())
        if name and _NONE not in name:
            found[id].add(name)
    return {id: frozenset(names) for id, names in found.items()}
