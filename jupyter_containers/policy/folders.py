"""Which folders are mounted, or read by a build, without a question: a notebook's own, unless more
than the notebook's files is in reach there.

And where sockets of this person's are: whoever can connect to one (a tmux server's, an agent's,
an engine's) acts as this person, outside of any container.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from ..host.mount_sources import follower, link_target
from ..host.mountinfo import Names
from ..host.paths import jupyter_directories
from ..layout import INSIDE

_SHOWN = 3
_MOST_FOLDERS = 200
_MOST_PARTS = 3
_TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm", "/run/screen")
_OF_PROGRAMS = re.compile(
    r"tmux-\d+|screens|\.X11-unix|\.ICE-unix|podman-run-\d+|containers-user-\d+|storage-run-\d+"
    r"|(?P<word>S-.+|ssh-\w+|gpg-\w+|dbus-\w+|pulse-\w+|emacs\d+|runtime-.+)"
)
"""What tmux, screen, agents, X, ICE, D-Bus, PulseAudio, Emacs and podman call their folders. A
person may call one `ssh-notes` as well: of a `word`, programs let nobody else in."""
_NAMED_BY = ("TMUX", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "GPG_AGENT_INFO")
_NEXT = re.compile(r"\n(?=[0-9a-f]{8,16}: )")
"""Between its lines: paths stand in it as they are, and may have line breaks."""
_BY_DESCRIPTOR = re.compile(r"/(?:proc/[^/]+|dev)/fd/\d+/")


def homes() -> set[str]:
    """This person's: HOME, and what the machine's list of users says."""
    found = {str(Path.home())}
    with contextlib.suppress(KeyError):  # nobody that the list knows
        found.add(pwd.getpwuid(os.getuid()).pw_dir)
    return found


def contains_home(path: str) -> bool:
    """Whether it is this person's home, or above it, by whatever name."""
    return _contains(path, homes(), Names())


def _contains(path: str, places: Iterable[str], names: Names) -> bool:
    here = os.path.realpath(path)
    resolved = map(os.path.realpath, places)
    return any(is_within(name, here) for place in resolved for name in (place, *names.of(place)))


def holds_home(directory: Path) -> str:
    """Why a notebook's own folder is never mounted by itself, in words; "" where it may be. It is
    HOME or contains it, or Jupyter's own directories, where the server's token lies (DESIGN §5).
    """
    here, names = str(directory), Names()
    if _contains(here, homes(), names):
        return "it is your home folder, or contains it"
    if _contains(here, map(str, jupyter_directories()), names):
        return "it contains Jupyter's own files"
    return ""


def is_shared(directory: Path) -> str:
    """Why it is not mounted before this person has said yes to it once, in words; "" where it
    needs none: everybody can write in it, sockets of this person's are in it, or a link to what
    the server runs from, in whose place a cell could put a Python of its own."""
    here = os.path.realpath(directory)
    try:
        mode = Path(here).stat().st_mode
        if mode & stat.S_IWOTH and _is_reached(here):
            return "everybody on this machine can write in it"
    except OSError:
        return ""
    if mode & stat.S_ISVTX:
        return "several people write in it, as its sticky bit says"
    names = Names()
    if found := sockets_below(here, names):
        shown = ", ".join(os.path.relpath(path, here) for path in found[:_SHOWN])
        more = "…" if len(found) > _SHOWN else ""
        return f"programs of yours listen on sockets in it ({shown}{more})"
    follow = follower()
    links = {*follow(sys.prefix)[1], *follow(sys.base_prefix)[1]}
    for link in sorted(links.union(*map(names.of, links))):
        if is_within(link, here):
            name = os.path.relpath(link, here)
            return f"the Python that Jupyter runs on is a link in it ({name})"
    return ""


def _is_reached(path: str) -> bool:
    """Whether everybody may pass through all folders above it: in a home of mode 0700, nobody comes
    to a folder of mode 0777."""
    return all(above.stat().st_mode & stat.S_IXOTH for above in Path(path).parents)


def is_within(path: str, above: str) -> bool:
    """Of resolved paths: whether one is the other, or below it."""
    return f"{path}/".startswith(f"{above.rstrip('/')}/")


def sockets_below(folder: str, names: Names) -> list[str]:
    """Sockets below a resolved folder that programs of this person's listen on now, outside of our
    containers; for root, anybody's."""
    follow = follower()

    @cache
    def places(bound: str) -> list[str]:
        """Where the folder is now that a socket was bound in."""
        real = follow(bound)[0]
        return [real, *names.of(real)] if os.path.isdir(real) else []  # noqa: PTH112 - quick

    prefix = f"{folder.rstrip('/')}/"
    found: dict[str, set[str]] = {}
    lost: dict[str, set[str]] = {}
    for line in _sockets():
        # Eight columns, the seventh an inode, the last a path or nothing: proc(5), unix(7).
        columns = line.split(maxsplit=7)
        if len(columns) < 8 or columns[7].startswith("@"):
            continue
        path = _BY_DESCRIPTOR.sub("", columns[7], count=1)
        bound, _, name = path.rpartition("/")
        known = places(bound or "/") if path.startswith("/") else []
        if not known:
            lost.setdefault(path, set()).add(columns[6])
        for place in known:
            if (here := f"{place.rstrip('/')}/{name}").startswith(prefix) and _is_ours(here):
                found.setdefault(here, set()).add(columns[6])
    for path, bound in _named(folder, lost):
        if _is_ours(path):
            found.setdefault(path, set()).update(lost[bound])
    if not found:
        return []
    contained = set(_in_containers(inode for inodes in found.values() for inode in inodes))
    return sorted(path for path, inodes in found.items() if inodes - contained)


def _sockets() -> Iterator[str]:
    """The lines of `/proc/net/unix` in our network namespace, and in those of all processes of this
    person's: a program without a network listens on sockets of files all the same."""
    seen = {""}
    with contextlib.suppress(OSError):
        for process in ("self", *filter(str.isdecimal, os.listdir("/proc"))):  # noqa: PTH208 - quick
            namespace = link_target(f"/proc/{process}/ns/net")
            if namespace not in seen:
                seen.add(namespace)
                with contextlib.suppress(OSError):  # it has ended
                    text = Path(f"/proc/{process}/net/unix").read_text(errors="surrogateescape")
                    yield from _NEXT.split(text.removesuffix("\n"))


def _named(folder: str, lost: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Where sockets can be of which the kernel does not tell the folder: they were bound to a
    relative path (`ssh-agent -a s`), or their folder has another name by now. In the folder, and
    in those right below it."""
    if not lost:
        return
    places = [folder]
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        directories = (entry for entry in entries if entry.is_dir(follow_symlinks=False))
        places += [entry.path for entry in itertools.islice(directories, _MOST_FOLDERS)]
    for bound in lost:
        within = bound.rpartition("../")[2].split("/")
        parts = [part for part in within if part not in ("", ".")][-_MOST_PARTS:]
        for place in places:
            yield from (
                (f"{place.rstrip('/')}/{'/'.join(parts[first:])}", bound)
                for first in range(len(parts))
            )


def _is_ours(path: str) -> bool:
    """Whether it is there for us too, and this person's or open to this person."""
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return False
    ours = status.st_uid == os.getuid()
    return stat.S_ISSOCK(status.st_mode) and (ours or os.access(path, os.W_OK))


def _in_containers(inodes: Iterable[str]) -> Iterator[str]:
    """Those that a process in a container of ours has open. Where containers share the host's
    network, what their programs listen on is listed with the host's."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            files = list((process / "fd").iterdir()) if _is_contained(process) else []
        except OSError:
            continue
        for file in files:
            if (target := link_target(str(file))) in wanted:
                yield wanted[target]


def _is_contained(process: Path) -> bool:
    """A mount namespace of its own says nothing: rootless podman's service has one, and so has a
    service with PrivateTmp, which may be this very server. Both keep the root."""
    try:
        root = os.stat(f"{process}/root")  # noqa: PTH116 - quick, for thousands
        return not os.path.samestat(root, os.stat("/")) and os.path.isdir(  # noqa: PTH112, PTH116
            f"{process}/root{INSIDE}"
        )
    except OSError:
        return False


def socket_places() -> Iterator[str]:
    """Where programs keep such sockets: the directories that they have made for them, and those
    that environment variables name; and in /tmp the tickets of Kerberos and the grid's."""
    tickets = (f"krb5cc_{os.getuid()}", f"x509up_u{os.getuid()}")
    tmux = os.environ.get("TMUX_TMPDIR", "")
    for folder in {*_TEMPORARY, *([tmux] if tmux.startswith("/") else [])}:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                is_ticket = entry.name.startswith(tickets) and entry.is_file(follow_symlinks=False)
                if is_ticket or _is_of_program(entry):
                    yield entry.path
    for name in _NAMED_BY:
        # /tmp/tmux-1000/default,1234,0 or unix:path=/run/user/1000/bus,guid=…
        said = os.environ.get(name, "").removeprefix("unix:path=").partition(",")[0]
        if said.startswith("/"):
            yield said


def _is_of_program(entry: os.DirEntry[str]) -> bool:
    name = _OF_PROGRAMS.fullmatch(entry.name)
    if name is None or not entry.is_dir(follow_symlinks=False):
        return False
    with contextlib.suppress(OSError):
        if name["word"] is None or not entry.stat(follow_symlinks=False).st_mode & 0o077:
            return True
        with os.scandir(entry.path) as inside:
            return any(stat.S_ISSOCK(one.stat(follow_symlinks=False).st_mode) for one in inside)
    return False
