"""One container's private host directories: made, found again, removed.

    ROOT/            0700, short (a Unix socket's path holds 107 bytes)
      run/           mounted read-write: sockets, start.json. Hostile once a container has it
      conf/          mounted read-only: connection.json, passwd, group, ca.pem
      empty/         stands where a directory is not mounted
      sockets/       not mounted: hard links to the sockets in run, which clients connect to
    CACHE/homes/…    mounted read-write as HOME; on disk, since HOME may get large
    CACHE/rooms/…    run, conf and empty of a container on another machine

Its name is unique on this host and is the container's too.
"""

from __future__ import annotations

import logging
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from ..text import escaped
from .guest_files import copy_guest, guest_directory
from .owners import owner
from .paths import boot_id, cache_directory, runtime_directory
from .reaper.client import reaper
from .reaper.trees import remove_trees

log = logging.getLogger("jupyter_containers")


@dataclass(frozen=True, kw_only=True)
class RunDir:
    """The private host directories of one container. `run` is the only one it writes to
    besides its HOME; `conf` is read-only to it; nothing else in `root` is mounted."""

    root: Path
    home: Path
    shared: Path | None = None
    """Where `run` and `conf` are, where a container on another machine has to find them."""

    @property
    def run(self) -> Path:
        """Sockets: mounted read-write."""
        return (self.shared or self.root) / "run"

    @property
    def sockets(self) -> Path:
        """What clients connect to, where no container can swap it: see `host/sockets.py`."""
        return self.root / "sockets"

    @property
    def conf(self) -> Path:
        """Connection file, passwd, group: mounted read-only."""
        return (self.shared or self.root) / "conf"

    @property
    def empty(self) -> Path:
        """Stands where a directory is not mounted."""
        return (self.shared or self.root) / "empty"

    @property
    def guest(self) -> Path:
        """Our programs for the inside: mounted read-only. Other machines may not have our cache,
        so they get a copy each. Raises OSError."""
        return guest_directory() if self.shared is None else self.shared / "guest"

    @property
    def directories(self) -> tuple[str, ...]:
        """All of it, for who deletes it; `root`, by which the others are found, last."""
        found = (self.home, self.shared, self.root)
        return tuple(str(one) for one in found if one is not None)


def run_dir_at(root: Path, *, shared: bool = True) -> RunDir:
    """The run directory of this name, made or not. Homes may lie on a disk that several hosts
    share, so theirs says which host's they are, and of which boot; so do the parts of run
    directories that lie there."""
    name = f"{_this_boot()}-{root.name}"
    theirs = cache_directory() / "rooms" / name if shared else None
    return RunDir(root=root, home=_homes() / name, shared=theirs)


def _homes() -> Path:
    return cache_directory() / "homes"


def _this_boot() -> str:
    return f"{socket.gethostname()}-{boot_id()[:8]}"


def lost_homes() -> list[Path]:
    """Homes whose kernels ended with an earlier boot of this host; their run directories went with
    it, but for the shared parts."""
    pattern = f"{socket.gethostname()}-????????-????????"
    found = [*_homes().glob(pattern), *(cache_directory() / "rooms").glob(pattern)]
    return sorted(home for home in found if not home.name.startswith(_this_boot()))


def make_run_dir(again: RunDir | None = None, *, shared: bool = False) -> RunDir:
    """A new run directory for a container to be; its name is unique on this host and becomes the
    container's. With `again`, that one anew, at the same place; with `shared`, what the container
    sees of it on the file system that this machine shares with others, if it shares one.

    Raises OSError on a disk that is full or read-only, and leaves nothing then."""
    while True:
        name = again.root.name if again is not None else secrets.token_hex(4)
        run_dir = run_dir_at(runtime_directory() / name, shared=shared)
        try:
            run_dir.root.mkdir(mode=0o700)
        except FileExistsError:
            if again is not None:
                raise
            continue
        keep_for_reaper(run_dir)
        try:
            _fill(run_dir)
        except OSError:
            remove_run_dir(run_dir)
            raise
        return run_dir


def _fill(run_dir: RunDir) -> None:
    owner().claim(run_dir.root)
    if run_dir.shared is not None:
        run_dir.shared.mkdir(mode=0o700, parents=True)
        run_dir.guest.mkdir()
        copy_guest(run_dir.guest)
    else:
        guest_directory()
    for directory in (run_dir.sockets, run_dir.run, run_dir.conf, run_dir.empty):
        directory.mkdir(mode=0o700)
    run_dir.home.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    run_dir.home.mkdir(mode=0o700)


def keep_for_reaper(run_dir: RunDir) -> None:
    """Have the reaper delete it when this process is killed."""
    reaper.add(run_dir.root.name, [], run_dir.directories)


def run_dir_for(before: RunDir | None, *, shared: bool, used: bool) -> RunDir:
    """The run directory of a kernel's next start: `before` if it may be, since the sockets keep
    their place over restarts. Another one where it has to be `shared`, or no longer; then that of
    `before` goes, unless a container still has it (`used`). Another one, too, where something of an
    earlier container could not be removed."""
    if before is not None and (before.shared is not None) != shared:
        if not used:
            remove_run_dir(before)
        before = None
    if before is not None and before.root.exists():
        if used or _is_new(before):
            return before
        before = None
    return make_run_dir(before, shared=shared)


def _is_new(run_dir: RunDir) -> bool:
    """Whether no container was to have it yet."""
    try:
        return not any(any(one.iterdir()) for one in (run_dir.home, run_dir.conf))
    except OSError:  # partly removed
        return False


def remove_run_dir(run_dir: RunDir) -> list[str]:
    """Delete all of it. Twice is fine. Returns, and logs, why something stays; then so does `root`,
    and the reaper tries again, and who looks for what nobody owns."""
    if staying := remove_trees(run_dir.directories):
        log.warning("Of container %s stays: %s", run_dir.root.name, escaped("; ".join(staying)))
    else:
        reaper.forget(run_dir.root.name)
    return staying
