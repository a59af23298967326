"""That an engine mounts what the policy judged, and all of it read-only where it shall be.

Engines take paths. Between the policy's look at a source and the engine's mount of its path, a
container that can write a folder above it may have put a link there; `Source.exposed` tells where
that can be. Such a source is held open, and either mounted by its descriptor or compared from
outside before any code of the image runs. And `ro` means the mount, not what is mounted below it,
unless that is said too.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from ...errors import BadSettings, MountReplaced
from ...host.mount_sources import opened
from ...host.mountinfo import mount_points, submounts
from ...models import ContainerSpec, Mount, Source, refuse_unquotable

_MOST_PARTS = 64
"""File systems below read-only sources that are mounted one by one: each is an argument."""
_MOST_LINKS = 40
"""As many as the kernel follows (path_resolution(7))."""


def parts(spec: ContainerSpec, process: str, *, recursive: bool) -> list[tuple[Mount, Source]]:
    """What is mounted below read-only sources as a process (its directory in /proc) sees it, each
    as a read-only mount of its own with the source it belongs to; not where the engine's `ro` is
    `recursive`. Raises BadSettings where it is too much."""
    found: list[tuple[Mount, Source]] = []
    sources = {one.target: one for one in spec.sources}
    mounts = (*spec.mounts, *spec.own)
    for mount in mounts:
        source = sources.get(mount.target)
        if source is None or mount.writable or (recursive and not source.exposed):
            continue
        below = submounts(source.path, Path(process, "mountinfo"), f"{process}/root")
        over = [other.target for other in mounts if other.target.startswith(f"{mount.target}/")]
        for path in below:
            target = mount.target.rstrip("/") + path[len(source.path.rstrip("/")) :]
            if not any(target == other or target.startswith(f"{other}/") for other in over):
                refuse_unquotable(path, "mounts")
                found.append((Mount(path, target), source))
        if len(found) > _MOST_PARTS:
            raise BadSettings(
                "mounts",
                f"{source.path} cannot be mounted read-only: {len(below)} file systems are "
                f"mounted below it, and more than {_MOST_PARTS} are not made read-only one by one.",
                "Mount the folders below it that you need.",
            )
    return found


def with_parts(
    spec: ContainerSpec, *, recursive: bool = False, seen_by: int | None = None
) -> ContainerSpec:
    """The same with `parts` among our own mounts, as a process sees them: the engine's mounts need
    not be ours. Raises BadSettings, MountReplaced."""
    process = f"/proc/{seen_by or 'self'}"
    if not (more := parts(spec, process, recursive=recursive)):
        return spec
    sources = []
    with opened(f"{process}/root") as root:
        for mount, above in more:
            try:
                path, status = _inside(root, mount.source)
            except OSError:
                raise MountReplaced(mount.target) from None
            if path != mount.source:
                raise MountReplaced(mount.target, path)
            sources.append(
                Source(
                    target=mount.target,
                    path=path,
                    device=status.st_dev,
                    inode=status.st_ino,
                    exposed=above.exposed and not seen_by,  # what others see is not ours to hold
                )
            )
    own = tuple(mount for mount, _ in more)
    return replace(spec, own=(*spec.own, *own), sources=(*spec.sources, *sources))


@contextmanager
def held(spec: ContainerSpec) -> Iterator[dict[str, int]]:
    """Descriptors of the exposed sources, by the mounts' targets, for as long as the block. Each
    is what the policy judged, and so is whatever has its inode meanwhile. Raises MountReplaced."""
    with ExitStack() as stack:
        found = {}
        for source in spec.sources:
            if source.exposed:
                try:
                    descriptor = stack.enter_context(opened(source.path))
                except OSError:
                    raise MountReplaced(source.target) from None
                if not _is_it(source, os.fstat(descriptor)):
                    raise MountReplaced(source.target)
                found[source.target] = descriptor
        yield found


def wrong_mount(pid: int, sources: Iterable[Source], *, mounted: bool = False) -> str | None:
    """The target of the first of these that a container's process does not see there, or None.
    Asked from outside, through the process' root. With `mounted`, each must be a mount: else a
    mount may have been led elsewhere, and something of another mount stands in its place."""
    try:
        points = set(mount_points(f"/proc/{pid}/mountinfo")) if mounted else set()
        root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return next((one.target for one in sources), None)
    try:
        for source in sources:
            try:
                path, status = _inside(root, source.target)
            except OSError:
                return source.target
            if not _is_it(source, status) or (mounted and path not in points):
                return source.target
    finally:
        os.close(root)
    return None


def _is_it(source: Source, status: os.stat_result) -> bool:
    return (status.st_dev, status.st_ino) == (source.device, source.inode)


def _inside(root: int, target: str) -> tuple[str, os.stat_result]:
    """What a path of a container's leads to, without links, and what that is: an image's links are
    followed as its own programs would, never out of `root`. Raises OSError."""
    names: list[str] = []
    todo, links = _names(target), 0
    folders = [os.dup(root)]
    try:
        while todo:
            name = todo.pop()
            if name == "..":
                if names:
                    names.pop()
                    os.close(folders.pop())
                continue
            descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folders[-1])
            folders.append(descriptor)
            names.append(name)
            if stat.S_ISLNK(os.fstat(descriptor).st_mode):
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), target)
                leads = os.readlink("", dir_fd=descriptor)
                for _ in names if leads.startswith("/") else names[-1:]:
                    os.close(folders.pop())
                names = [] if leads.startswith("/") else names[:-1]
                todo += _names(leads)
        return "/" + "/".join(names), os.fstat(folders[-1])
    finally:
        for descriptor in folders:
            with suppress(OSError):
                os.close(descriptor)


def _names(path: str) -> list[str]:
    """The last first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]
