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
from functools import cache, cached_property
from pathlib import Path

from ..host.mount_sources import follower, link_target, opened
from ..host.mountinfo import Names
from ..host.paths import named_jupyter_directories
from ..layout import INSIDE

_SHOWN = 3
_MOST_ENTRIES = 100
_MOST_FOLDERS = 200
_MOST_PARTS = 3
_TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm", "/run/screen")
_OF_PROGRAMS = re.compile(
    r"tmux-\d+|screens|\.X11-unix|\.ICE-unix|podman-run-\d+|containers-user-\d+|storage-run-\d+"
    r"|(?P<word>S-.+|ssh-\w+|gpg-\w+|dbus-\w+|pulse-\w+|emacs\d+|runtime-.+)"
    r"|(?P<ticket>(?:krb5cc_|x509up_u).+)"
)
"""What tmux, screen, agents, X, ICE, D-Bus, PulseAudio, Emacs and podman call their folders. A
person may call one `ssh-notes` as well: of a `word`, programs let nobody else in. And the files of
Kerberos' and the grid's tickets."""
_NAMED_BY = ("TMUX", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "GPG_AGENT_INFO")
_NEXT = re.compile(r"\n(?=[0-9a-f]{8,16}: )")
"""Between its lines: paths stand in it as they are, and may have line breaks."""
_BY_DESCRIPTOR = re.compile(r"/(?:proc/[^/]+|dev)/fd/\d+/")


class Look:
    """What this machine shows at one moment, asked once for all that is judged by it: by which
    names folders are reached, where links lead, and who listens on sockets. Made for one judgement
    and never kept for another. `sources` are opened first: autofs mounts then what belongs there.
    """

    def __init__(self, sources: Iterable[str] = ()) -> None:
        for source in sources:
            with contextlib.suppress(OSError, ValueError), opened(source):
                pass
        self.names = Names()
        self.follow = follower()

    @cached_property
    def sockets(self) -> tuple[str, ...]:
        """See `_sockets`: a question to each process of this machine."""
        return tuple(_sockets())


def homes() -> set[str]:
    """This person's: HOME, and what the machine's list of users says."""
    found = {str(Path.home())}
    with contextlib.suppress(KeyError):  # nobody that the list knows
        found.add(pwd.getpwuid(os.getuid()).pw_dir)
    return found


def contains_home(path: str) -> bool:
    """Whether it is this person's home, or above it, by whatever name."""
    return _contains(path, homes(), Look())


def _contains(path: str, places: Iterable[str], look: Look) -> bool:
    here, *resolved = (look.follow(one)[0] for one in (path, *places))
    every = {name for place in resolved for name in (place, *look.names.of(place))}
    return any(is_within(name, here) for name in every)


def holds_home(directory: Path, look: Look | None = None) -> str:
    """Why a notebook's own folder is never mounted by itself, in words; "" where it may be. It is
    HOME or contains it, or Jupyter's own directories, where the server's token lies (DESIGN §5).
    """
    here, look = str(directory), look or Look()
    if _contains(here, homes(), look):
        return "it is your home folder, or contains it"
    if _contains(here, named_jupyter_directories(), look):
        return "it contains Jupyter's own files"
    return ""


def is_shared(directory: Path, look: Look | None = None) -> str:
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
    look = look or Look()
    if found := sockets_below(here, look):
        shown = ", ".join(os.path.relpath(path, here) for path in found[:_SHOWN])
        more = "…" if len(found) > _SHOWN else ""
        return f"programs of yours listen on sockets in it ({shown}{more})"
    links = {*look.follow(sys.prefix)[1], *look.follow(sys.base_prefix)[1]}
    for link in sorted(links.union(*map(look.names.of, links))):
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


def sockets_below(folder: str, look: Look) -> list[str]:
    """Sockets below a resolved folder that programs of this person's listen on now, outside of our
    containers; for root, anybody's."""
    if _holds_no_socket(folder, look.names):
        return []

    @cache
    def places(bound: str) -> list[str]:
        """Where the folder is now that a socket was bound in."""
        real = look.follow(bound)[0]
        return [real, *look.names.of(real)] if os.path.isdir(real) else []  # noqa: PTH112 - quick

    prefix = f"{folder.rstrip('/')}/"
    found: dict[str, set[str]] = {}
    lost: dict[str, set[str]] = {}
    for line in look.sockets:
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


def _holds_no_socket(folder: str, names: Names) -> bool:
    """Whether a small folder was looked through, and no entry of it is a socket: then no program
    listens on one in it, and the processes need not be asked. False where that takes long: for many
    entries, and for file systems mounted there, which may hang."""
    if names.mounted_below(folder):
        return False
    folders, left = [folder], _MOST_ENTRIES
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    left -= 1
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif not (entry.is_file(follow_symlinks=False) or entry.is_symlink()):
                        return False
                    if left < 0:
                        return False
        except OSError:
            return False
    return True


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
    tmux = os.environ.get("TMUX_TMPDIR", "")
    for folder in {*_TEMPORARY, *([tmux] if tmux.startswith("/") else [])}:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                called = _OF_PROGRAMS.fullmatch(entry.name)
                if called is not None and _is_of_program(entry, called):
                    yield entry.path
    for name in _NAMED_BY:
        # /tmp/tmux-1000/default,1234,0 or unix:path=/run/user/1000/bus,guid=…
        said = os.environ.get(name, "").removeprefix("unix:path=").partition(",")[0]
        if said.startswith("/"):
            yield said


def _is_of_program(entry: os.DirEntry[str], name: re.Match[str]) -> bool:
    if name["ticket"] is not None:
        tickets = (f"krb5cc_{os.getuid()}", f"x509up_u{os.getuid()}")
        return name["ticket"].startswith(tickets) and entry.is_file(follow_symlinks=False)
    if not entry.is_dir(follow_symlinks=False):
        return False
    with contextlib.suppress(OSError):
        if name["word"] is None or not entry.stat(follow_symlinks=False).st_mode & 0o077:
            return True
        with os.scandir(entry.path) as inside:
            return any(stat.S_ISSOCK(one.stat(follow_symlinks=False).st_mode) for one in inside)
    return False
