"""Which process a container's private directory belongs to, and whether that process lives.

    RUNTIME/owners/ID   locked for as long as the process lives; says which server it is, if it is
    RUNTIME/RUNDIR/owner  the ID of the process that a container belongs to now

Two servers never take anything from each other while both live. What a killed server has left
belongs to the next one that is the same: of the same folder at the same address.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import KernelError
from ..text import untrusted_json
from .paths import life_id, make_private, read_untrusted, replace_file, runtime_directory

KEPT = "kept"
"""Until when (seconds since 1970) a killed server's kernels go on; its reaper writes it."""
_UNCLAIMED = 600.0
"""Seconds a run directory may be without an owner: its maker claims it at once."""
_OWNER = re.compile(r"[0-9a-f]{32}")
_RUN_DIR = re.compile(r"[0-9a-f]{8}")
CONTAINER = "jupyter-"
"""What the names of our containers begin with; the rest is their run directory's."""


@dataclass
class Owner:
    """A process that owns containers; its lock tells others that it lives."""

    id: str
    file: Path
    descriptor: int
    server: str = ""
    """Its folder and its address, where it is a server; of such a one the next is the heir."""

    def claim(self, run_dir: Path) -> None:
        """Write this owner's id into a run directory. Called by whoever makes one, at once."""
        replace_file(run_dir / "owner", self.id.encode(), lasting=False)

    def serve(self, server: str) -> None:
        """This process is that server."""
        self.server = server
        _write(self.descriptor, {**_this_process(), "server": server})


_mine: tuple[int, Owner] | None = None
_making = threading.Lock()


def owner() -> Owner:
    """This process as an owner; made and locked at the first call (anew in a forked child)."""
    global _mine  # noqa: PLW0603 - one per process, as a lock is
    directory = runtime_directory() / "owners"
    with _making:
        if _mine is not None and (_mine[0], _mine[1].file.parent) == (os.getpid(), directory):
            return _mine[1]
        if _mine is not None and _mine[0] != os.getpid():
            os.close(_mine[1].descriptor)  # the parent's, which a child must not keep alive
        make_private(directory)
        id = uuid.uuid4().hex
        new = directory / f".{id}"
        descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _write(descriptor, _this_process())
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            made = Owner(id, directory / id, descriptor)
            new.rename(made.file)  # nobody ever sees it without its lock
        except OSError:
            os.close(descriptor)
            new.unlink(missing_ok=True)
            raise
        _mine = (os.getpid(), made)
        return made


def owner_is_gone(id: str, host: str, boot: str, container: str = "") -> bool:
    """Whether the process that a container's labels name has ended, for certain. Labels stay as
    they are when another server takes a `container` up, so its run directory is asked first.

    False where nobody here can tell: another host, boot or user, or no lock file. All of it may
    be anything: images carry labels too.
    """
    if (host, boot) != (socket.gethostname(), life_id()):
        return False
    if (run_dir := run_dir_of(container)) is not None:
        id = _claimed_by(run_dir) or id
    return bool(_OWNER.fullmatch(id)) and _is_free(runtime_directory() / "owners" / id)


def run_dir_of(container: str) -> Path | None:
    """The run directory of a container of ours, by its name; None where this machine has none."""
    name = container.removeprefix(CONTAINER)
    run_dir = runtime_directory() / name
    return (
        run_dir
        if _RUN_DIR.fullmatch(name) and run_dir.is_dir() and not run_dir.is_symlink()
        else None
    )


def orphans() -> list[Path]:
    """Run directories of this user on this host whose owner has ended. Forgets owners that have
    ended and own nothing. Two servers may look at once, so removing one twice must be fine."""
    owned: dict[str, list[Path]] = {}
    found = []
    for run_dir, name in _run_dirs():
        if name is not None:
            owned.setdefault(name, []).append(run_dir)
        elif time.time() - run_dir.stat().st_mtime > _UNCLAIMED:
            found.append(run_dir)
    for file in _owners():
        if _is_free(file):
            found += owned.get(file.name, [])
            if file.name not in owned:
                file.unlink(missing_ok=True)
    return sorted(found)


def take_over(server: str, wanted: Callable[[Path], bool]) -> dict[Path, str]:
    """Take over the `wanted` run directories that killed processes of the same server left; each
    with the owner that it had. Called by a server that starts. Each goes to one server only, and
    none that a reaper is removing."""
    owned = [(run_dir, name) for run_dir, name in _run_dirs() if name is not None]
    ours = {}
    for file in _owners():
        if not _is_of(server, file):
            continue
        with contextlib.suppress(OSError), _held(file, tries=10):
            for run_dir in (
                run_dir for run_dir, name in owned if name == file.name and wanted(run_dir)
            ):
                owner().claim(run_dir)
                ours[run_dir] = file.name
    return ours


def _is_of(server: str, file: Path) -> bool:
    """Whether that server's process, of this host and boot, wrote it."""
    try:
        about = untrusted_json(file.read_bytes())
    except (OSError, ValueError):
        return False
    mine = {"server": server, "host": socket.gethostname(), "boot": life_id()}
    return isinstance(about, dict) and about.items() >= mine.items()


def give_back(run_dir: Path, before: str) -> None:
    """What was inherited and is of no use: it is an orphan again, also where its owner has been
    forgotten meanwhile."""
    with contextlib.suppress(FileExistsError):
        file = runtime_directory() / "owners" / before
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _write(descriptor, _this_process())
        finally:
            os.close(descriptor)
    replace_file(run_dir / "owner", before.encode(), lasting=False)


def _run_dirs() -> Iterator[tuple[Path, str | None]]:
    for run_dir in runtime_directory().iterdir():
        if _RUN_DIR.fullmatch(run_dir.name) and not run_dir.is_symlink():
            with contextlib.suppress(FileNotFoundError):  # removed by its owner just now
                yield run_dir, _claimed_by(run_dir)


def _owners() -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError):
        for file in (runtime_directory() / "owners").iterdir():
            if _OWNER.fullmatch(file.name):
                yield file


def _claimed_by(run_dir: Path) -> str | None:
    try:
        name = read_untrusted(run_dir / "owner", 64).decode("ascii", "replace")
    except KernelError:
        return None
    return name if _OWNER.fullmatch(name) else None


def _is_free(file: Path) -> bool:
    """True if the owner has exited and its grace period is over."""
    try:
        # Shared: somebody else who looks at the same moment must not look like the owner.
        with _held(file, fcntl.LOCK_SH) as descriptor:
            about = _read(descriptor)
    except (OSError, ValueError):
        return False
    kept = about.get(KEPT, 0.0)
    waits = isinstance(kept, int | float) and kept > time.time()
    return about.get("host") == socket.gethostname() and not waits


@contextlib.contextmanager
def _held(file: Path, how: int = fcntl.LOCK_EX, *, tries: int = 1) -> Iterator[int]:
    """Its lock, for the block. Raises OSError where its process lives. Who only looks holds it
    for a moment too: with several `tries` that does not count."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(file, flags)
    try:
        while True:
            tries -= 1
            try:
                fcntl.flock(descriptor, how | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not tries:
                    raise
            time.sleep(0.02)
        yield descriptor
    finally:
        os.close(descriptor)


def _this_process() -> dict[str, Any]:
    return {"host": socket.gethostname(), "boot": life_id(), "pid": os.getpid()}


def _write(descriptor: int, about: dict[str, Any]) -> None:
    data = json.dumps(about).encode()
    os.pwrite(descriptor, data, 0)
    os.ftruncate(descriptor, len(data))


def _read(descriptor: int) -> dict[str, Any]:
    about = untrusted_json(os.pread(descriptor, 10_000, 0))
    return about if isinstance(about, dict) else {}
