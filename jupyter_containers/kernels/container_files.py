"""The private host directories of one container, and what we write into them.

ROOT/            0700, short (a Unix socket's path holds 107 bytes)
run/           mounted read-write: sockets, start.json. Hostile once a container has it
conf/          mounted read-only: connection.json, passwd, group
empty/         stands where a directory is not mounted
CACHE/homes/…    mounted read-write as HOME; on disk, since HOME may get large
CACHE/rooms/…    run, conf and empty of a container on another machine
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from ..errors import KernelError, StartFailed
from ..host.owners import owner
from ..host.paths import boot_id, cache_directory, read_untrusted, runtime_directory
from ..host.reaper.client import keeper
from ..models import Mount, User
from .spec import GUEST_DIR, GUEST_PORT, Prepared, Room, person

PORT = "port"
"""The file in `run` that a guest on another machine writes its port into."""

_BIND_SECONDS = 30.0
_FAR_PATIENCE = 300.0
"""Seconds in which a job's owner finds out where it runs: while Slurm's controller is silent it
cannot."""


def room_at(root: Path, *, shared: bool = True) -> Room:
    """The room of this name, or what it would be. Homes may lie on a disk that several hosts
    share, so theirs says which host's they are, and of which boot; so do the parts of rooms that
    lie there."""
    name = f"{_this_boot()}-{root.name}"
    theirs = cache_directory() / "rooms" / name if shared else None
    return Room(root=root, home=_homes() / name, shared=theirs)


def _homes() -> Path:
    return cache_directory() / "homes"


def _this_boot() -> str:
    return f"{socket.gethostname()}-{boot_id()[:8]}"


def lost_homes() -> list[Path]:
    """Homes whose kernels ended with an earlier boot of this host; their rooms went with it, but
    for the shared parts."""
    pattern = f"{socket.gethostname()}-????????-????????"
    found = [*_homes().glob(pattern), *(cache_directory() / "rooms").glob(pattern)]
    return sorted(home for home in found if not home.name.startswith(_this_boot()))


def make_room(again: Room | None = None, *, shared: bool = False) -> Room:
    """A new room for a container to be; its name is unique on this host and becomes the
    container's. With `again`, that room anew, at the same place; with `shared`, what the container
    sees of it on the file system that this machine shares with others, if it shares one."""
    while True:
        name = again.root.name if again is not None else secrets.token_hex(4)
        room = room_at(runtime_directory() / name, shared=shared)
        try:
            room.root.mkdir(mode=0o700)
        except FileExistsError:
            if again is not None:
                raise
            continue
        enter(room)
        owner().claim(room.root)
        if room.shared is not None:
            room.shared.mkdir(mode=0o700, parents=True)
            shutil.copytree(GUEST_DIR, room.guest, ignore=shutil.ignore_patterns("__pycache__"))
        for directory in (room.run, room.conf, room.empty):
            directory.mkdir(mode=0o700)
        room.home.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        room.home.mkdir(mode=0o700)
        return room


def enter(room: Room) -> None:
    """Have the keeper delete it when this process is killed."""
    keeper.add(room.root.name, [], room.directories)


def room_for(before: Room | None, *, shared: bool, used: bool) -> Room:
    """The room of a kernel's next start: the one of `before` if it may be, since the sockets keep
    their place over restarts. Another one where it has to be `shared`, or no longer; then that of
    `before` goes, unless a container still has it (`used`)."""
    if before is not None and (before.shared is not None) != shared:
        if not used:
            remove_room(before)
        before = None
    if before is not None and before.root.exists():
        return before
    return make_room(before, shared=shared)


def sockets(room: Room) -> list[Path]:
    """The five that a kernel makes for its clients, where they do not speak TCP."""
    return [room.run / f"k-{number}" for number in range(1, 6)]


def unbind(room: Room) -> None:
    """Delete the sockets of a kernel that is over, so that `bound` waits for the next one's."""
    for path in sockets(room):
        with contextlib.suppress(OSError):  # a container may have put anything there
            path.unlink()


async def bound(room: Room, over: Callable[[], bool]) -> None:
    """Wait until a kernel has made its sockets, or is over.

    A client that connects earlier tries each again after 100 ms (ZMQ_RECONNECT_IVL), so it may be
    answered on one while it does not listen on another yet, and lose output: `jupyter console`
    then waits for ever.
    """
    deadline = time.monotonic() + _BIND_SECONDS
    while not over() and time.monotonic() < deadline:
        if all(os.path.lexists(path) for path in sockets(room)):
            return
        await asyncio.sleep(0.005)


def guest_port(room: Room) -> int | None:
    """Where a guest on another machine listens; None as long as it has not told."""
    with contextlib.suppress(KernelError, ValueError):
        port = int(read_untrusted(room.run / PORT, 16))
        return port if 0 < port < 1 << 16 else None
    return None


def remove_room(room: Room) -> None:
    """Delete all of it. Twice is fine."""
    for directory in room.directories:
        shutil.rmtree(directory, ignore_errors=True)
    keeper.forget(room.root.name)


def furnish(
    room: Room, prepared: Prepared, connection: Mapping[str, object], grace: float, note: str
) -> None:
    """Write what the container needs to find: called once per container, before its start."""
    place = room.conf if prepared.sockets else room.run
    _write(place / "connection.json", json.dumps(dict(connection)))
    spec, furniture = prepared.spec, prepared.furniture
    assert furniture is not None
    if furniture.passwd:
        _write(room.conf / "passwd", passwd(furniture.passwd, spec.user, furniture.home))
        _write(room.conf / "group", group(furniture.group, spec.user))
    _mount_points(room, furniture.home, spec.mounts)
    if prepared.guest:
        same_kernel = prepared.sockets
        start = {
            "argv": furniture.kernel_argv,
            "cwd": spec.workdir,
            "note": note,
            "token": prepared.token,
            "grace": grace,
            "patience": max(_FAR_PATIENCE if prepared.pem else 30.0, grace),
            "mounts": [identity(m) for m in spec.mounts] if same_kernel else [],
            "port": GUEST_PORT if prepared.published else None,
            "pem": prepared.pem,
        }
        if prepared.pem:
            _write(room.run / PORT, "")
        _write(room.run / "start.json", json.dumps(start))


def identity(mount: Mount) -> tuple[str, int, int]:
    """What has to be at the target inside, by device and inode: the very directory that the
    policy looked at. The guest compares it, `KernelContainer` where there is no guest."""
    try:
        seen = Path(mount.source).stat()
    except OSError as error:
        raise StartFailed(
            f"The folder {mount.source} cannot be mounted: {error.strerror}.",
            "Create it, or remove the mount from the notebook's settings.",
        ) from None
    return (mount.target, seen.st_dev, seen.st_ino)


def wrong_mount(pid: int, mounts: Sequence[tuple[str, int, int]]) -> str | None:
    """The first of these `identity` that a container's process does not see, or None: what the
    guest asks itself inside, asked from outside where there is no guest. No cell has run yet."""
    for target, device, inode in mounts:
        try:
            seen = os.stat(f"/proc/{pid}/root{target}")  # noqa: PTH116 - a target begins with /
        except OSError:
            return target
        if (seen.st_dev, seen.st_ino) != (device, inode):
            return target
    return None


def _mount_points(room: Room, home: str, mounts: tuple[Mount, ...]) -> None:
    """Directories under HOME that are mounted over are made by us: made by a rootful engine
    they would belong to root and could not be removed."""
    for mount in mounts:
        target = PurePosixPath(mount.target)
        if target.is_relative_to(home) and str(target) != home:
            point = room.home / target.relative_to(home)
            if Path(mount.source).is_dir():
                point.mkdir(parents=True, exist_ok=True)
            else:
                point.parent.mkdir(parents=True, exist_ok=True)
                point.touch()


def passwd(image: str, user: User, home: str) -> str:
    """The image's passwd with an entry for our user first, so that names and HOME resolve."""
    name = person(user)
    kept = [
        line
        for line in image.splitlines()
        if line.split(":")[0] != name and line.split(":")[2:3] != [str(user.uid)]
    ]
    entry = f"{name}:x:{user.uid}:{user.gid}:{name}:{home}:/bin/sh"
    return "\n".join([entry, *kept]) + "\n"


def group(image: str, user: User) -> str:
    """The image's groups, and one for our gid where it has none."""
    lines = image.splitlines()
    if any(line.split(":")[2:3] == [str(user.gid)] for line in lines):
        return "\n".join(lines) + "\n"
    return "\n".join([*lines, f"{person(user)}:x:{user.gid}:"]) + "\n"


def host_path(inside: str, directory: Path | None, mounts: tuple[Mount, ...]) -> str | None:
    """A path inside as the host sees it, or None where nothing of the host's is there. A
    relative one is the notebook's `directory`'s, which is at the same place inside."""
    path = Path(inside)
    if not path.is_absolute() and directory is not None:
        path = directory / path
    for mount in mounts:
        if path.is_relative_to(mount.target):
            host = Path(mount.source) / path.relative_to(mount.target)
            return str(host) if host.exists() else None
    return None


def _write(path: Path, text: str) -> None:
    """A new file only we and our container can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
