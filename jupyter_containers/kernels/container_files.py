"""What we write into a container's private directories before it starts, and read back after.

`run` is hostile once a container has it: see `host/paths.py`, `read_untrusted`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from ..errors import KernelError, StartFailed
from ..host.mount_sources import tell_writable
from ..host.paths import read_untrusted
from ..host.rundir import RunDir
from ..host.sockets import take
from ..layout import CA_FILE, GUEST_PORT, STREAMS_PORT
from ..models import Mount, User
from .spec import StartPlan, person
from .streams import streams_token

_GUEST = "guest"
"""The guest's socket."""
_STREAMS = "streams"
"""The forwarder's."""
PORT = "port"
"""The file in `run` that a guest on another machine writes its port into."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_BIND_SECONDS = 30.0
_FAR_PATIENCE = 300.0
"""Seconds in which a job's owner finds out where it runs: while Slurm's controller is silent it
cannot."""


_CHANNELS = tuple(f"k-{number}" for number in range(1, 6))
"""The five sockets that a kernel makes for its clients, where they do not speak TCP."""


def unbind(run_dir: RunDir) -> None:
    """Delete the sockets of a kernel that is over, so that `bound` waits for the next one's."""
    for directory in (run_dir.sockets, run_dir.run):
        for name in _CHANNELS:
            with contextlib.suppress(OSError):  # a container may have put anything there
                (directory / name).unlink()


async def bound(run_dir: RunDir, over: Callable[[], bool], *, inside: bool = True) -> None:
    """Wait until a kernel has made its sockets, or is over; those of a kernel `inside` a container
    are taken to where its clients connect. Raises StartFailed where it made something else.

    A client that connects earlier tries each again after 100 ms (ZMQ_RECONNECT_IVL), so it may be
    answered on one while it does not listen on another yet, and lose output: `jupyter console`
    then waits for ever.
    """
    deadline = time.monotonic() + _BIND_SECONDS
    while not over() and time.monotonic() < deadline:
        if all(_is_there(run_dir, name, inside=inside) for name in _CHANNELS):
            return
        await asyncio.sleep(0.005)


def guest_socket(run_dir: RunDir) -> Path | None:
    """The guest's socket, for us alone; None as long as it has made none. Taken when it is first
    seen, before any cell runs: what a cell puts there later leads nobody. Raises StartFailed."""
    return run_dir.sockets / _GUEST if _is_there(run_dir, _GUEST, inside=True) else None


def streams_socket(run_dir: RunDir) -> Path | None:
    """The forwarder's socket in the same way; the guest has made it before its own answers."""
    return run_dir.sockets / _STREAMS if _is_there(run_dir, _STREAMS, inside=True) else None


def _is_there(run_dir: RunDir, name: str, *, inside: bool) -> bool:
    taken = run_dir.sockets / name
    if os.path.lexists(taken):
        return True
    if not inside:
        return False
    try:
        run_dir.sockets.mkdir(mode=0o700, exist_ok=True)  # an earlier version made none
        take(run_dir.run / name, taken)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StartFailed(
            f"{name!r} in the container's private directory was not connected to: "
            f"{error.strerror}.",
            "Its image or what it runs put that in the place of the kernel's socket. "
            "Use an image that you trust.",
        ) from None
    return True


def guest_port(run_dir: RunDir) -> int | None:
    """Where a guest on another machine listens; None as long as it has not told."""
    with contextlib.suppress(KernelError, ValueError):
        port = int(read_untrusted(run_dir.run / PORT, 16))
        return port if 0 < port < 1 << 16 else None
    return None


def write_container_files(
    run_dir: RunDir, plan: StartPlan, connection: Mapping[str, object], grace: float, note: str
) -> None:
    """Write what the container needs to find: called once per container, before its start."""
    place = run_dir.conf if plan.sockets else run_dir.run
    _write(place / "connection.json", json.dumps(dict(connection)))
    spec, files = plan.spec, plan.files
    assert files is not None
    if files.passwd:
        _write(run_dir.conf / "passwd", passwd(files.passwd, spec.user, files.home))
        _write(run_dir.conf / "group", group(files.group, spec.user))
    if files.ca:
        (run_dir.conf / CA_FILE).write_bytes(files.ca)
        (run_dir.conf / CA_FILE).chmod(0o644)  # programs inside may run as other users
    _mount_points(run_dir, files.home, spec.mounts)
    tell_writable(run_dir.root, [mount.source for mount in spec.mounts if mount.writable])
    if plan.guest:
        same_kernel = plan.sockets and not plan.engine.places
        start = {
            "argv": files.kernel_argv,
            "cwd": spec.workdir,
            "note": note,
            "token": plan.token,
            "grace": grace,
            "patience": max(_FAR_PATIENCE if plan.pem else 30.0, grace),
            "mounts": [(m.target, m.device, m.inode) for m in spec.sources if same_kernel],
            "port": GUEST_PORT if plan.published else None,
            "streams": streams_token(plan.token),
            "streams_port": STREAMS_PORT if plan.published else None,
            "pem": plan.pem,
            "root": spec.user.mode == "root",
        }
        if plan.pem:
            _write(run_dir.run / PORT, "")
        _write(run_dir.run / "start.json", json.dumps(start))


def _mount_points(run_dir: RunDir, home: str, mounts: tuple[Mount, ...]) -> None:
    """Directories under HOME that are mounted over are made by us: made by a rootful engine
    they would belong to root and could not be removed. Through no link that leads out of it."""
    for mount in mounts:
        target = PurePosixPath(mount.target)
        if target.is_relative_to(home) and str(target) != home:
            _make_point(run_dir.home, target.relative_to(home).parts, Path(mount.source).is_dir())


def _make_point(home: Path, names: tuple[str, ...], is_folder: bool) -> None:
    folder = os.open(home, _FOLDER)
    try:
        for name in names if is_folder else names[:-1]:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, dir_fd=folder)
            above, folder = folder, os.open(name, _FOLDER, dir_fd=folder)
            os.close(above)
        if not is_folder:
            os.close(os.open(names[-1], _NEW_FILE, 0o666, dir_fd=folder))
    finally:
        os.close(folder)


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
