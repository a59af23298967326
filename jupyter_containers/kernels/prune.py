"""What of ours nobody owns any more: containers, directories, caches, superseded images.

The reaper cleans up behind a killed owner at once; this finds what even it could not, because
the machine went down or the engine did. Two that look at the same time take nothing from each
other: removing twice is fine, and an owner that lives holds a lock. Used by `prune` and by a
server that starts.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from ..builds.prune import superseded
from ..engines.guarded import Guarded
from ..engines.registry import working_engines
from ..errors import ContainersError, KernelError
from ..host.owners import CONTAINER, orphans
from ..host.paths import cache_directory
from ..host.reaper.trees import remove_tree, size_of
from ..host.rundir import RunDir, lost_homes, remove_run_dir, run_dir_at
from ..layout import LABEL
from ..models import Container
from ..policy.policy import Policy
from .listing import is_orphan, owned_containers

_UNUSED_DAYS = 30.0
"""Days after which something in the cache that nobody read goes: a new start makes it again."""
_UNFINISHED_DAYS = 1.0
_KINDS = (
    *("builds", "bytecode", "clients", "contexts", "fits", "guests", "kits", "probes"),
    *("pushed", "resolved", "transports", "volumes"),
)
_MOUNTED = ("bytecode", "guests", "kits")
"""What running containers have mounted."""


@dataclass(frozen=True)
class Leftover:
    """One thing to remove. `size` is in bytes; None where nobody asked."""

    kind: Literal["container", "directory", "cache", "network", "image"]
    name: str
    size: int | None
    remove: Callable[[], Awaitable[None]]


async def leftovers(engines: Iterable[Guarded], *, images: bool) -> list[Leftover]:
    """All of them, in the order they should be removed in. `images` adds superseded ones."""
    engines = list(engines)
    mine = [(one.engine, one.container) for one in await owned_containers(engines)]
    staying: set[str] = set()
    found = [
        Leftover("container", one.name, None, partial(_remove_orphan, engine, one, staying))
        for engine, one in mine
        if is_orphan(one)
    ]
    found += await asyncio.to_thread(lambda: [*_directories(staying), *_caches(in_use=bool(mine))])
    for engine in engines:
        found += [
            Leftover("network", f"{LABEL} ({id[:12]})", None, partial(engine.remove_network, id))
            for id in await engine.unused_networks()
        ]
    if images:
        for engine in engines:
            if engine.places:  # its images are another engine's, which is asked itself
                continue
            found += [
                Leftover("image", name, image.size, partial(engine.remove_image, name))
                for image, name in await superseded(engine)
            ]
    return found


async def reap(policy: Policy) -> list[str]:
    """Remove what killed servers left: containers and private directories. Returns their names.
    Called in the background by a server that starts; what does not work then, `prune` tells."""
    removed = []
    for one in await leftovers(await working_engines("", policy), images=False):
        if one.kind in ("container", "directory"):
            with suppress(ContainersError, OSError):
                await one.remove()
                removed.append(one.name)
    return removed


async def _remove_orphan(engine: Guarded, container: Container, staying: set[str]) -> None:
    """Unless a server has taken it up since somebody looked."""
    if await asyncio.to_thread(is_orphan, container):
        staying.add(container.name)
        await engine.remove(container.id)
        staying.discard(container.name)


def _remove_run_dir(run_dir: RunDir, staying: Collection[str]) -> None:
    """Unless a server has taken it up since, or its container stays: it tells whose that is."""
    if run_dir.root in orphans() and f"{CONTAINER}{run_dir.root.name}" not in staying:
        _tell(run_dir.home, remove_run_dir(run_dir))


def _directories(staying: Collection[str]) -> Iterator[Leftover]:
    for root in orphans():
        run_dir = run_dir_at(root)
        size = sum(map(size_of, run_dir.directories))
        remove = partial(_in_thread, _remove_run_dir, run_dir, staying)
        yield Leftover("directory", str(root), size, remove)
    for home in lost_homes():
        remove = partial(_in_thread, _delete, home)
        yield Leftover("directory", str(home), size_of(str(home)), remove)


def _caches(*, in_use: bool) -> Iterator[Leftover]:
    now = time.time()
    for kind in _KINDS:
        above = cache_directory() / kind
        for path in sorted(above.iterdir()) if above.is_dir() else ():
            unfinished = path.name.startswith("new-")
            if in_use and kind in _MOUNTED and not unfinished:
                continue
            days = (now - _last_use(path)) / 86400
            if days > (_UNFINISHED_DAYS if unfinished else _UNUSED_DAYS):
                remove = partial(_in_thread, _delete, path)
                yield Leftover("cache", str(path), _size_of_cache(path), remove)


def _size_of_cache(path: Path) -> int:
    """Looking is no use of it: who is asked before it goes must find it again after the yes."""
    with suppress(OSError):
        status = path.lstat()
        size = size_of(str(path))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
        return size
    return 0


def _last_use(path: Path) -> float:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return time.time()
    return max(status.st_atime, status.st_mtime)


def _delete(path: Path) -> None:
    _tell(path, remove_tree(str(path)))


def _tell(path: Path, staying: list[str]) -> None:
    if staying:
        raise KernelError(
            f"{path} cannot be deleted: {'; '.join(staying)}.",
            "Delete it as whoever owns what is left, or unmount it.",
        )


async def _in_thread(remove: Callable[..., None], *arguments: object) -> None:
    await asyncio.to_thread(remove, *arguments)
