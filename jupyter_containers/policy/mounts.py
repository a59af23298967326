"""Which host paths may stand in a container: the policy's rules by path, the longest wins.

A rule is `rw`, `ro`, `no`, or `private`: as `no`, but a folder above it may be mounted, and an
empty place stands over it then. So one's home can be mounted (after approval) without its keys.
"""

from __future__ import annotations

import os
import pwd
import stat
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath

from ..errors import BadSettings, PolicyRefused
from ..host.mount_sources import Found, find_source, is_exposed
from ..host.paths import (
    cache_directory,
    data_directory,
    empty_directory,
    empty_file,
    jupyter_directories,
)
from ..models import Mount, Source, refuse_unquotable
from .folders import socket_places, sockets_below
from .forbidden import others_keys, own_source, storages

TRAIT = "Policy.mounts"

_SYSTEM = (
    *("/boot", "/dev", "/etc", "/proc", "/run", "/sys", "/var/run"),
    *("/var/lib/containerd", "/var/lib/containers", "/var/lib/docker", "/var/lib/kubelet"),
    "/var/spool",
)
_HOME = (
    *(".aws", ".azure", ".config", ".docker", ".gnupg", ".kube", ".ssh", ".password-store"),
    *(".netrc", ".git-credentials", ".pgpass", ".my.cnf", ".npmrc", ".pypirc", ".vault-token"),
    *(".databrickscfg", ".boto", ".s3cfg", ".mozilla", ".thunderbird", ".local/share/keyrings"),
    # engines: sockets, credentials, and images that other kernels start from
    *(".colima", ".lima", ".rd", ".local/share/containers", ".local/share/docker"),
    # what Jupyter reads from a home also where its directories are elsewhere
    *(".jupyter", ".local/etc/jupyter", ".local/share/jupyter"),
)
_NAMED_BY = ("DOCKER_CONFIG", "GNUPGHOME", "KUBECONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR")
_SOCKETS = ("DOCKER_HOST", "CONTAINER_HOST", "CONTAINERD_ADDRESS")
_RUNS_FROM = ("bin", "lib", "etc", "share/jupyter", "pyvenv.cfg")
"""Of the Python that the server runs on: whoever can write these is the server."""
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


def rules_of(given: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
    """The rules by resolved path. `given` (the administrator's, `~` is the person's home) beat
    ours at the same path; a longer path beats a shorter one. `secrets` are files of builds."""
    said = [(name, "no") for name in (*_SYSTEM, *_engine_sockets())]
    said += [(place, "private") for place in (*_private_places(), *secrets.values())]
    said += given.items()
    above = cache(os.path.realpath)  # for these only: they lie in a few folders
    return {_real(path, above): mode for path, mode in said}


def _real(path: str, above: Callable[[str], str] = os.path.realpath) -> str:
    """Resolved as far as it exists; unlike pathlib's, this never fails."""
    if path.startswith("~"):
        path = str(Path(path).expanduser())
    folder, name = os.path.split(path.rstrip("/") or "/")
    place = f"{above(folder).rstrip('/')}/{name}"
    odd = name in (".", "..") or os.path.islink(place)  # noqa: PTH114 - never fails
    return os.path.realpath(place) if odd else place


def _engine_sockets() -> list[str]:
    paths = [os.environ.get(name, "").removeprefix("unix://") for name in _SOCKETS]
    return [path for path in paths if path.startswith("/")]


def _private_places() -> list[str]:
    homes = {str(Path.home()), pwd.getpwuid(os.getuid()).pw_dir}
    places = [f"{home}/{name}" for home in homes for name in _HOME]
    places += map(str, (cache_directory(), data_directory(), *jupyter_directories()))
    places += [f"/tmp/jc-{os.getuid()}", *socket_places()]
    named = (path for name in _NAMED_BY for path in os.environ.get(name, "").split(os.pathsep))
    places += [path for path in named if path.startswith("/")]
    agent = os.environ.get("SSH_AUTH_SOCK", "")
    places += [str(Path(agent).parent)] if agent.startswith("/") else []
    return [*places, *storages()]


def judge(mount: Mount, rules: Mapping[str, str]) -> Allowed:
    """What may be mounted of what is asked. Called for every mount before every start.

    Raises PolicyRefused, and BadSettings where the source is not there, or not for this person.
    """
    found = _there(mount.source)
    source = found.path
    rules = {**others_keys(source), **rules}
    mode = _mode(source, rules)
    if mode == "private":
        raise _refused(source, "may not be mounted: keys, tokens or Jupyter's own files are there")
    if mode == "no":
        raise _refused(source, "may not be mounted")
    if mode == "ro" and mount.writable:
        raise _refused(source, "may only be mounted read-only")
    below = {path: rule for path, rule in rules.items() if _is_below(path, source)}
    private = [path for path, rule in below.items() if rule == "private"]
    private += sockets_below(source)
    if len(private) > _MOST_COVERED:
        what = "sockets, keys and other private places would have to be covered in it"
        raise _refused(source, f"may not be mounted: over {_MOST_COVERED} {what}")
    for path, rule in below.items():
        covered = any(_is_below(path, place) for place in private)
        if rule == "no" and not covered:
            raise _refused(source, f"may not be mounted: {path} is below it, which may not")
        if rule == "ro" and mount.writable:
            raise _refused(source, f"may only be mounted read-only, as {path} below it may")
    return _covered(Mount(source, mount.target, mount.writable), found, private)


def with_exposed(allowed: Iterable[Allowed], writable: Collection[str]) -> tuple[Source, ...]:
    """All sources, marked where they can be swapped until they are mounted. `writable` is what
    other containers can write; what these mounts make so counts as well: a kernel that ran before
    may have left something behind."""
    allowed = list(allowed)
    places = {one.mount.source for one in allowed if one.mount.writable} | set(writable)
    sources = [source for one in allowed for source in (one.source, *one.over_sources)]
    return tuple(replace(one, exposed=is_exposed(one.path, places)) for one in sources)


def refused_files(directory: Path, paths: Iterable[str], rules: Mapping[str, str]) -> str:
    """The first of `paths` below a resolved directory that no rule lets anybody read; "" for
    none. Quick for thousands of them where no rule cuts through the directory."""
    rules = {**others_keys(str(directory)), **rules}
    whole = not any(_is_below(path, str(directory)) for path in rules)
    if whole and _mode(str(directory), rules) in ("rw", "ro"):
        return ""
    for path in paths:
        if _mode(str(directory / path), rules) not in ("rw", "ro"):
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


def _mode(path: str, rules: Mapping[str, str]) -> str:
    while path not in rules:
        if path == "/":
            return "no"
        path = path.rpartition("/")[0] or "/"
    return rules[path]


def _covered(mount: Mount, found: Found, private: list[str]) -> Allowed:
    over, over_sources = [], []
    places = []
    for place in private:
        if any(_is_below(place, other) for other in private):
            continue
        target = _inside(mount, place)
        if _is_directory(place):
            over.append(Mount(str(empty_directory()), target))
        elif os.access(place, os.F_OK):
            over.append(Mount(str(empty_file()), target))
        else:
            continue
        places.append(place)
    if mount.writable:
        source, prefixes = mount.source, {_real(sys.prefix), _real(sys.base_prefix)}
        parts = (f"{prefix.rstrip('/')}/{name}" for prefix in prefixes for name in _RUNS_FROM)
        for part in (*parts, *own_source()):
            if source == part or _is_below(source, part):
                raise _refused(source, "may only be mounted read-only: Jupyter runs from there")
            if _is_below(part, source) and (itself := _itself(part)) is not None:
                places.append(part)
                over.append(Mount(part, _inside(mount, part)))
                over_sources.append(_source(over[-1].target, itself))
        for part in _between(source, places):
            if (itself := _itself(part)) is not None:
                over.append(Mount(part, _inside(mount, part), True))
                over_sources.append(_source(over[-1].target, itself))
    over.sort(key=lambda one: one.target)
    return Allowed(mount, _source(mount.target, found), tuple(over), tuple(over_sources))


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


def _refused(path: str, why: str) -> PolicyRefused:
    return PolicyRefused(f"`{path}` {why}", TRAIT)
