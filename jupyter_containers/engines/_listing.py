"""All images of docker or podman, each inspected once.

An id is the digest of an image's configuration: what `inspect` says of it stays true, but for its
names. The engine's own table has those, so each list is one short command, and one more where
there is something new.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..host.process import Completed
from ..models import Image
from .docker import inspect

Run = Callable[[Sequence[str]], Awaitable[Completed]]
_TABLE = "{{.ID}} {{.Repository}}:{{.Tag}}"
_NONE = "<none>"


class Listing:
    """Of one engine, for the life of this process."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[frozenset[str], Image]] = {}
        self._last: tuple[object, list[Image]] = (None, [])

    async def images(self, checked: Run, run: Run, stamp: object = None) -> list[Image]:
        """See `Engine.images`. `run` runs a command of the engine; `checked` raises where that
        fails. With the `stamp` that it had the last time the engine has the same images."""
        if stamp is not None and stamp == self._last[0]:
            return list(self._last[1])
        listed = await checked(["images", "--no-trunc", "--format", _TABLE])
        names = read_table(listed.stdout)
        new = [id for id in names if self._known.get(id, (None,))[0] != names[id]]
        if new:
            # An image removed in between makes inspect fail but still print all the others.
            done = await run(["image", "inspect", *new])
            images = (inspect.image(one) for one in inspect.parse_array(done.stdout))
            self._known |= {one.id: (names[one.id], one) for one in images if one.id in names}
        self._known = {id: one for id, one in self._known.items() if id in names}
        found = [self._known[id][1] for id in names if id in self._known]
        self._last = (stamp, found)
        return list(found)


def storage_tables(store: Mapping[str, Any], host: Mapping[str, Any]) -> tuple[Path, ...]:
    """The files in which a podman on this machine keeps the table of its images, from its `info`;
    none where another machine does, or where there are further stores beside its own.
    https://github.com/containers/storage/blob/main/images.go (`imageStore.Save`)"""
    options = " ".join(store.get("graphOptions") or ()).lower()
    if host.get("serviceIsRemote") is not False or "store" in options:
        return ()
    root, driver = store.get("graphRoot"), store.get("graphDriverName")
    return (Path(root, f"{driver}-images", "images.json"),) if root and driver else ()


def stamp_of(tables: Sequence[Path]) -> object:
    """Another one after every change: the file is replaced then. None where it cannot be told."""
    try:
        seen = [table.stat() for table in tables]
    except OSError:
        return None
    return tuple((one.st_ino, one.st_mtime_ns, one.st_size) for one in seen) or None


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
