"""Mounts by descriptors of this process, for sources whose paths could be made to lead elsewhere.

Docker has no step between making a container's mounts and running its program, at which somebody
could look at them. So it is given what is open, and not its name: as a volume without a name of the
driver `local`, which the daemon mounts among this machine's own mounts first. (The container's own
mount could not be made of it: mount(2) refuses what belongs to another mount namespace, EINVAL.)
The volume goes with the container, by `docker rm --volumes`.
https://docs.docker.com/engine/storage/volumes/#create-a-volume-with-a-driver-option
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from ...errors import Unsupported
from ...host.cache import workplace
from ...host.mount_sources import is_exposed, opened, told_writable
from ...host.paths import empty_directory
from ...host.process import Completed
from ...layout import INSIDE
from ...models import ContainerSpec, Mount
from ..common.run_argv import mount_option, quoted

NO_DESCRIPTORS: Mapping[str, int] = MappingProxyType({})
NO_VOLUME = "failed to mount local volume"
"""What the daemon says where it could not."""


def option(mount: Mount, descriptors: Mapping[str, int]) -> str:
    """The option for a mount: by its descriptor, where its target has one."""
    descriptor = descriptors.get(mount.target)
    if descriptor is None:
        return mount_option(mount.source, mount.target, mount.writable)
    return _volume(descriptor, mount.target, writable=mount.writable)


def _volume(descriptor: int, target: str, *, writable: bool) -> str:
    # Private: what is unmounted when the container goes shall not be unmounted here. `readonly`
    # is refused for volumes without a name; `ro` does the same.
    how = "rbind,rprivate" if writable else "bind,rprivate,ro"
    device = f"/proc/{os.getpid()}/fd/{descriptor}"
    driver = ("volume-opt=type=none", f"volume-opt=o={how}", f"volume-opt=device={device}")
    volume = ("type=volume", f"dst={target}", "volume-driver=local", "volume-nocopy=true")
    return f"--mount={','.join(map(quoted, (*volume, *driver)))}"


@asynccontextmanager
async def files_apart(
    engine: str, spec: ContainerSpec, descriptors: Mapping[str, int]
) -> AsyncIterator[tuple[ContainerSpec, Mapping[str, int]]]:
    """The spec and the descriptors with which a container is to be started within the block. A
    volume is a directory, so a file gets another name for as long as that takes, where no container
    can put anything else. Raises Unsupported where it cannot have one."""
    files = {
        mount.target: mount.source
        for mount in (*spec.own, *spec.mounts)
        if mount.target in descriptors and not Path(mount.source).is_dir()
    }
    if not files:
        yield spec, descriptors
        return
    async with workplace("volumes") as directory:
        names: dict[str, str] = {}
        for target, source in files.items():
            name = os.path.realpath(f"{directory}/{len(names)}")
            try:
                with opened("/proc/self/fd") as ours:  # os.link follows only from a descriptor
                    os.link(str(descriptors[target]), name, src_dir_fd=ours)
            except OSError:  # on another file system, or of somebody else
                raise _unsafe(engine, source) from None
            if is_exposed(name, told_writable()):
                raise _unsafe(engine, source)
            names[target] = name
        own, mounts = (
            tuple(replace(one, source=names.get(one.target, one.source)) for one in some)
            for some in (spec.own, spec.mounts)
        )
        rest = {target: one for target, one in descriptors.items() if target not in names}
        yield replace(spec, own=own, mounts=mounts), rest


def _unsafe(engine: str, source: str) -> Unsupported:
    return Unsupported(
        f"{engine} cannot mount the file {source} safely: it lies where code in a container could "
        "put another one in its place.",
        "Mount the folder that it is in.",
    )


async def can_mount(
    spec: ContainerSpec, command: Callable[[Sequence[str]], Awaitable[Completed]]
) -> bool:
    """Whether the daemon mounts from our descriptors at all: it has to have this machine's mounts
    and process ids in common with us, as a rootless one has not. Tried, with a directory that
    nobody swaps, and a container of the same image that has no program."""
    name = f"{spec.name}-try"
    with opened(str(empty_directory())) as descriptor:
        volume = _volume(descriptor, INSIDE, writable=False)
        fixed = ["--rm", f"--name={name}", "--pull=never", "--network=none", "--cap-drop=ALL"]
        done = await command(["run", *fixed, volume, f"--entrypoint={INSIDE}/none", spec.image])
    await command(["rm", "--force", "--volumes", name])
    return NO_VOLUME not in done.stderr
