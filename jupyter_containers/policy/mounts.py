"""Which host paths may stand in a container: the policy's rules by path, the longest wins.

A rule is `rw`, `ro`, `no`, or `private`: as `no`, but a folder above it may be mounted, and an
empty place stands over it then. So one's home can be mounted (after approval) without its keys.
"""

from __future__ import annotations

import os
import site
import stat
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from ..errors import BadSettings, PolicyRefused
from ..host.mount_sources import Found, find_source, is_exposed
from ..host.mountinfo import Names
from ..host.paths import (
    cache_directory,
    data_directory,
    empty_directory,
    empty_file,
    named_jupyter_directories,
)
from ..models import Mount, Source, refuse_unquotable
from .folders import Look, contains_home, homes, is_within, socket_places, sockets_below
from .forbidden import KEYS, NAMED_BY, others_keys, own_source, storages

TRAIT = "Policy.mounts"

_SYSTEM = (
    *("/boot", "/dev", "/etc", "/proc", "/run", "/sys", "/var/run"),
    *("/var/lib/containerd", "/var/lib/containers", "/var/lib/docker", "/var/lib/kubelet"),
    "/var/spool",
)
_HOME = (
    *KEYS,
    ".config",
    # engines: sockets, credentials, and images that other kernels start from
    *(".colima", ".lima", ".rd", ".local/share/containers", ".local/share/docker"),
)
_JUPYTER = (".jupyter", ".local/etc/jupyter", ".local/share/jupyter")
"""What Jupyter reads from a home also where its directories are elsewhere."""
_NAMED_BY = (
    *("DOCKER_CONFIG", "GNUPGHOME", "KUBECONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"),
    *("KRB5CCNAME", "X509_USER_PROXY", "XAUTHORITY"),
)
"""KRB5CCNAME is FILE:/tmp/krb5cc_1000, say, or DIR:…; colons part the others, too."""
_SOCKETS = ("DOCKER_HOST", "CONTAINER_HOST", "CONTAINERD_ADDRESS")
_RUNS_FROM = ("bin", "lib", sys.platlibdir, "etc", "share/jupyter", "pyvenv.cfg")
"""Of the Python that the server runs on: whoever can write these is the server."""
_JUPYTER_READS = ("JUPYTER_PATH", "IPYTHONDIR")
"""Kernel specs, and what IPython runs when it starts."""
_LINK = "link"
"""The mode of a link on the way to a private place: a cell that can write where it lies puts a
folder of its own in its place."""
_MOST_COVERED = 200
"""Places within one mount: each is a mount of its own."""


@dataclass(frozen=True)
class Allowed:
    """A mount as it may be: its source resolved, and what has to stand over parts of it."""

    mount: Mount
    source: Source
    over: tuple[Mount, ...] = ()
    """Mounts of ours: nothing where keys are; read-only, itself where Jupyter runs from; and the
    folders above both, so that they stay where they are."""
    over_sources: tuple[Source, ...] = ()
    """Of those of `over` that are folders of this machine."""


def rules_of(
    given: Mapping[str, str], secrets: Mapping[str, str], look: Look | None = None
) -> dict[str, str]:
    """The rules by resolved path. `given` (the administrator's, `~` is the person's home) beat
    ours at the same path; a longer path beats a shorter one. `secrets` are files of builds."""
    said = [(name, "no") for name in (*_SYSTEM, *_engine_sockets())]
    said += [(place, "private") for place in (*_private_places(), *secrets.values())]
    said += given.items()
    rules: dict[str, str] = {}
    links: list[str] = []
    look = look or Look()
    for path, mode in said:
        place, on_the_way = look.follow(_expanded(path))
        rules[place] = mode
        links += on_the_way if mode == "private" else ()
    names = look.names
    for path, mode in [one for one in rules.items() if one[0] != "/"]:
        for name in names.of(path, parts=mode in ("no", "private")):
            rules.setdefault(name, mode)
    for link in links:
        for name in (link, *names.of(link)):
            rules.setdefault(name, _LINK)
    return rules


def _expanded(path: str) -> str:
    return str(Path(path).expanduser()) if path.startswith("~") else path


def _engine_sockets() -> list[str]:
    paths = [os.environ.get(name, "").removeprefix("unix://") for name in _SOCKETS]
    return [path for path in paths if path.startswith("/")]


def _private_places() -> list[str]:
    places = [f"{home}/{name}" for home in homes() for name in _HOME]
    places += _of_jupyter()
    places += [f"/tmp/jc-{os.getuid()}", *socket_places(), *_named(_NAMED_BY)]
    return [*places, *storages()]


def _named(variables: Iterable[str]) -> Iterator[str]:
    """The paths in these environment variables."""
    for name in variables:
        yield from (
            path for path in os.environ.get(name, "").split(os.pathsep) if path.startswith("/")
        )


def _of_jupyter() -> list[str]:
    """Jupyter's own directories and ours."""
    places = [f"{home}/{name}" for home in homes() for name in _JUPYTER]
    places += _named(["JUPYTER_CONFIG_PATH"])
    return [*places, *named_jupyter_directories(), str(cache_directory()), str(data_directory())]


def judge(
    mount: Mount, rules: Mapping[str, str], look: Look | None = None, *, make: bool = True
) -> Allowed:
    """What may be mounted of what is asked. Called for every mount before every start, which makes
    the folders that are covered before a cell can; without `make` by who only looks.

    Raises PolicyRefused, and BadSettings where the source is not there, or not for this person.
    """
    found = _there(mount.source)
    source, look = found.path, look or Look()
    rules = {**others_keys(source, look.names), **rules}
    place, mode = _rule(source, rules)
    if mode == "private":
        raise _private(source, place)
    if mode == "no":
        raise _refused(source, "may not be mounted")
    if mode == "ro" and mount.writable:
        raise _refused(source, "may only be mounted read-only")
    below = {path: rule for path, rule in rules.items() if _is_below(path, source)}
    private = [path for path, rule in below.items() if rule == "private"]
    private += sockets_below(source, look)
    if sum(map(os.path.lexists, private)) > _MOST_COVERED:
        what = "sockets, keys and other private places would have to be covered in it"
        raise _refused(source, f"may not be mounted: over {_MOST_COVERED} {what}")
    for path, rule in below.items():
        covered = any(_is_below(path, place) for place in private)
        if rule == "no" and not covered:
            raise _refused(source, f"may not be mounted: {path} is below it, which may not")
        if rule == "ro" and mount.writable:
            raise _refused(source, f"may only be mounted read-only, as {path} below it may")
        # Whoever gave all of a home to a cell gave its start-up files, too.
        if rule == _LINK and mount.writable and not covered and not contains_home(source):
            what = f"{path} in it is a link to keys, tokens or Jupyter's own files"
            hint = f"Mount it read-only, or put a folder in the place of {path}."
            raise _refused(source, f"may only be mounted read-only: {what}", hint)
    return _covered(Mount(source, mount.target, mount.writable), found, private, look, make)


def with_exposed(
    allowed: Iterable[Allowed], writable: Collection[str], names: Names
) -> tuple[Source, ...]:
    """All sources, marked where they can be swapped until they are mounted. `writable` is what
    other containers can write; what these mounts make so counts as well: a kernel that ran before
    may have left something behind. Both may be known by other names."""
    allowed = list(allowed)
    places = {one.mount.source for one in allowed if one.mount.writable} | set(writable)
    sources = [source for one in allowed for source in (one.source, *one.over_sources)]
    return tuple(
        replace(one, exposed=is_exposed(one.path, places, names.of(one.path))) for one in sources
    )


def refused_files(directory: Path, paths: Iterable[str], rules: Mapping[str, str]) -> str:
    """The first of `paths` below a resolved directory that no rule lets anybody read; "" for
    none. Quick for thousands of them where no rule cuts through the directory."""
    rules = {**others_keys(str(directory), Names()), **rules}
    whole = not any(_is_below(path, str(directory)) for path in rules)
    if whole and _rule(str(directory), rules)[1] in ("rw", "ro"):
        return ""
    for path in paths:
        if _rule(str(directory / path), rules)[1] not in ("rw", "ro"):
            return str(directory / path)
    return ""


def _there(source: str) -> Found:
    try:
        found = find_source(source)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
        raise BadSettings(
            "mounts",
            f"{source!r} cannot be mounted: {why}.",
            "Create it, or remove the mount from the settings.",
        ) from None
    kind = found.status.st_mode
    if not (stat.S_ISDIR(kind) or stat.S_ISREG(kind)):
        raise _refused(found.path, "may not be mounted: it is a socket, a pipe or a device")
    if not found.usable:
        raise BadSettings(
            "mounts",
            f"{source!r} cannot be mounted: you may not use it yourself.",
            "Ask its owner to let you, or remove the mount from the settings.",
        )
    refuse_unquotable(found.path, "mounts")
    return found


def _is_below(path: str, above: str) -> bool:
    """Of resolved paths, and quick: rules are many."""
    return path.startswith("/" if above == "/" else f"{above}/") and path != above


def _rule(path: str, rules: Mapping[str, str]) -> tuple[str, str]:
    """The longest one for a path: its own path, and its mode."""
    while path not in rules:
        if path == "/":
            return path, "no"
        path = path.rpartition("/")[0] or "/"
    return path, rules[path]


def _private(source: str, place: str) -> PolicyRefused:
    """Why what lies in a private place may not be mounted. A variable that names all of a scratch
    disk makes that one."""
    why = "may not be mounted: keys, tokens, images of an engine or Jupyter's own files are"
    of_jupyter = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    for name in (*_NAMED_BY, *NAMED_BY, *of_jupyter, "JUPYTER_CONFIG_PATH"):
        if place in map(os.path.realpath, _named([name])):
            what = f"{why} in {place}, as {name} in the environment says"
            return _refused(source, what, f"Set {name} to a folder that is for that alone.")
    return _refused(source, f"{why} {'there' if place == source else f'in {place}'}")


def _covered(mount: Mount, found: Found, private: list[str], look: Look, make: bool) -> Allowed:
    if make and mount.writable and private:
        _make_below(mount.source, look)
    hidden = _hidden(mount, private)
    kept: list[tuple[Mount, Found]] = []
    if mount.writable:
        source, places = mount.source, list(hidden)
        for part in sorted(_run_from(source, look, make)):
            if not _is_below(part, source) or any(is_within(part, place) for place in places):
                continue
            if (itself := _itself(part)) is not None:
                places.append(part)
                kept.append((Mount(part, _inside(mount, part)), itself))
        for part in _between(source, places):
            if part not in places and (itself := _itself(part)) is not None:
                kept.append((Mount(part, _inside(mount, part), True), itself))
    over = [*hidden.values(), *(one for one, _ in kept)]
    over.sort(key=lambda one: one.target)
    over_sources = tuple(_source(one.target, itself) for one, itself in kept)
    return Allowed(mount, _source(mount.target, found), tuple(over), over_sources)


def _hidden(mount: Mount, private: list[str]) -> dict[str, Mount]:
    """What stands over the private places that are there, by their paths."""
    over = {}
    for place in private:
        if any(_is_below(place, other) for other in private):
            continue
        target = _inside(mount, place)
        if _is_directory(place):
            over[place] = Mount(str(empty_directory()), target)
        elif os.access(place, os.F_OK):
            over[place] = Mount(str(empty_file()), target)
    return over


def _run_from(source: str, look: Look, make: bool) -> set[str]:
    """What the server runs from, resolved, by every name; with `make`, what a cell could add to it
    below `source` is made. Raises PolicyRefused where a writable source is part of it. For a link
    in it that leads there, see `is_shared`."""
    prefixes = (sys.prefix, sys.base_prefix)
    parts = [f"{prefix}/{one}" for prefix in prefixes for one in _RUNS_FROM]
    parts += _named(_JUPYTER_READS)
    if site.ENABLE_USER_SITE:
        parts += [f"{site.getuserbase()}/{one}" for one in ("bin", "lib")]
    found = set(own_source())
    whole = {look.follow(prefix)[0] for prefix in prefixes}
    for part in parts:
        place, _ = look.follow(part)
        kept = any(is_within(place, one) and _is_below(one, source) for one in whole)
        if make and _is_below(place, source) and not kept and not place.endswith(".cfg"):
            _make(place)
        found.add(place)
    found = found.union(*map(look.names.of, found))
    whole = whole.union(*map(look.names.of, whole))
    is_open = source in whole and _is_open(source, look)
    if is_open or any(is_within(source, part) for part in found):
        why = "may only be mounted read-only: Jupyter runs from there"
        raise _refused(source, why, "Mount it read-only, or put your files into another folder.")
    return found | {one for one in whole if _is_below(one, source)}


def _is_open(prefix: str, look: Look) -> bool:
    """Whether covers over its parts leave a way into a Python whose own folder is mounted: Python
    looks for a `pyvenv.cfg` there, and a link, such as Fedora's `lib64`, can be replaced."""
    there = os.path.isfile(f"{prefix}/pyvenv.cfg")  # noqa: PTH113 - quick, as text
    return not there or any(look.follow(f"{prefix}/{one}")[1] for one in _RUNS_FROM)


def _make_below(source: str, look: Look) -> None:
    """Make what is not there yet of Jupyter's folders: what is there is covered, and else a cell
    would make it."""
    paths = {look.follow(place)[0] for place in _of_jupyter()}
    for path in paths:
        within = any(_is_below(path, other) and _is_directory(other) for other in paths)
        if not within and any(_is_below(name, source) for name in (path, *look.names.of(path))):
            _make(path)


def _make(path: str) -> None:
    with suppress(OSError):  # where it cannot be made, a cell cannot either
        Path(path).mkdir(mode=0o700, parents=True, exist_ok=True)


def _between(source: str, places: Iterable[str]) -> list[str]:
    """The folders from a source down to places in it, without both. Each gets a mount of itself,
    since what is mounted on cannot be renamed (rename(2), EBUSY): a cell that renamed `~/.local`
    would have a later start cover `~/.local/share/keyrings` where nothing is any more, and one that
    renamed `.venv` would make the server's next Python."""
    found = set()
    for place in places:
        while (place := place.rpartition("/")[0]) != source and len(place) > len(source):
            found.add(place)
    return sorted(found)


def _source(target: str, found: Found) -> Source:
    return Source(
        target=target, path=found.path, device=found.status.st_dev, inode=found.status.st_ino
    )


def _is_directory(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except OSError:  # what we may not look at, a container of ours may not either
        return False


def _itself(path: str) -> Found | None:
    """What is there, unless a link leads to it."""
    try:
        found = find_source(path)
    except OSError:
        return None
    return found if found.path == path else None


def _inside(mount: Mount, path: str) -> str:
    target = str(PurePosixPath(mount.target, PurePosixPath(path).relative_to(mount.source)))
    refuse_unquotable(target, "mounts")
    return target


def _refused(path: str, why: str, hint: str = "") -> PolicyRefused:
    return PolicyRefused(f"`{path}` {why}", TRAIT, hint)
