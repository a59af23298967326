"""Which folders are mounted, or read by a build, without a question: a notebook's own, unless more
than the notebook's files is in reach there.

And where sockets of this person's are: whoever can connect to one (a tmux server's, an agent's,
an engine's) acts as this person, outside of any container.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from ..host.paths import jupyter_directories

_SHOWN = 3
_MOST_FOLDERS = 200
_TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm", "/run/screen")
_OF_PROGRAMS = re.compile(
    r"tmux-\d+|screens|S-.+|ssh-\w+|gpg-\w+|\.X11-unix|\.ICE-unix|dbus-\w+|pulse-\w+|emacs\d+"
    r"|podman-run-\d+|containers-user-\d+|storage-run-\d+|runtime-.+"
)
"""What tmux, screen, agents, X, ICE, D-Bus, PulseAudio, Emacs and podman call their folders."""
_NAMED_BY = ("TMUX", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "GPG_AGENT_INFO")
_UNIX = Path("/proc/net/unix")


def holds_home(directory: Path) -> str:
    """Why a notebook's own folder is never mounted by itself, in words; "" where it may be. It is
    HOME or contains it, or Jupyter's own directories, where the server's token lies (DESIGN §5).
    """
    here = os.path.realpath(directory)
    if _is_within(str(Path.home()), here):
        return "it is your home folder, or contains it"
    if any(_is_within(str(place), here) for place in jupyter_directories()):
        return "it contains Jupyter's own files"
    return ""


def is_shared(directory: Path) -> str:
    """Why it is not mounted before this person has said yes to it once, in words; "" where it
    needs none: everybody can write in it, or sockets of this person's are in it."""
    here = os.path.realpath(directory)
    try:
        mode = Path(here).stat().st_mode
    except OSError:
        return ""
    if mode & (stat.S_IWOTH | stat.S_ISVTX):
        return "everybody on this machine can write in it"
    if found := sockets_below(here):
        shown = ", ".join(os.path.relpath(path, here) for path in found[:_SHOWN])
        more = "…" if len(found) > _SHOWN else ""
        return f"programs of yours listen on sockets in it ({shown}{more})"
    return ""


def _is_within(path: str, above: str) -> bool:
    return f"{os.path.realpath(path)}/".startswith(f"{above.rstrip('/')}/")


def sockets_below(folder: str) -> list[str]:
    """Sockets below a resolved folder that programs of this person's listen on now, outside of any
    container; for root, anybody's."""
    try:
        text = _UNIX.read_text(errors="surrogateescape")
    except OSError:
        return []
    prefix = f"{folder.rstrip('/')}/"
    found: dict[str, str] = {}
    relative: dict[str, str] = {}
    for line in text.splitlines():
        # Eight columns, the seventh an inode, the last a path or nothing: proc(5), unix(7).
        columns = line.split(maxsplit=7)
        if len(columns) < 8 or columns[7].startswith("@"):
            continue
        if not columns[7].startswith("/"):
            relative[os.path.basename(columns[7])] = columns[6]  # noqa: PTH119
        elif columns[7].startswith(prefix) and _is_ours(columns[7]):
            found[columns[7]] = columns[6]
    for path in _named(folder, relative):
        if _is_ours(path):
            found[path] = relative[os.path.basename(path)]  # noqa: PTH119
    if not found:
        return []
    contained = set(_in_containers(found.values()))
    return sorted(path for path, inode in found.items() if inode not in contained)


def _named(folder: str, names: Collection[str]) -> Iterator[str]:
    """Where sockets of these names can be that were bound to a relative path (`ssh-agent -a s`),
    which is all that the kernel tells of it: in the folder, and in those right below it."""
    if not names:
        return
    places = [folder]
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        directories = (entry for entry in entries if entry.is_dir(follow_symlinks=False))
        places += [entry.path for entry in itertools.islice(directories, _MOST_FOLDERS)]
    for place in places:
        yield from (f"{place.rstrip('/')}/{name}" for name in names)


def _is_ours(path: str) -> bool:
    """Whether it is there for us too, and this person's or open to this person."""
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return False
    ours = status.st_uid == os.getuid()
    return stat.S_ISSOCK(status.st_mode) and (ours or os.access(path, os.W_OK))


def _in_containers(inodes: Iterable[str]) -> Iterator[str]:
    """Those that a process with mounts of its own has open. Where containers share the host's
    network, what their programs listen on is listed with the host's."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    here = _link("/proc/self/ns/mnt")
    for process in Path("/proc").glob("[0-9]*"):
        there = _link(f"{process}/ns/mnt")
        if there in ("", here):
            continue
        try:
            files = list((process / "fd").iterdir())
        except OSError:
            continue
        for file in files:
            if (target := _link(str(file))) in wanted:
                yield wanted[target]


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 - quick, for thousands
    except OSError:
        return ""


def socket_places() -> Iterator[str]:
    """Where programs keep such sockets: the directories that they have made for them, and those
    that environment variables name."""
    tmux = os.environ.get("TMUX_TMPDIR", "")
    for folder in {*_TEMPORARY, *([tmux] if tmux.startswith("/") else [])}:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if _OF_PROGRAMS.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                    yield entry.path
    for name in _NAMED_BY:
        # /tmp/tmux-1000/default,1234,0 or unix:path=/run/user/1000/bus,guid=…
        said = os.environ.get(name, "").removeprefix("unix:path=").partition(",")[0]
        if said.startswith("/"):
            yield said
