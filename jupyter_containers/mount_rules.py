"""Which host paths may stand in a container: the policy's rules by path, the longest wins.

A rule is `rw`, `ro`, `no`, or `private`: as `no`, but a folder above it may be mounted, and an
empty place stands over it then. So one's home can be mounted (after approval) without its keys.
"""

from __future__ import annotations

import os
import pwd
import stat
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .errors import BadSettings, PolicyRefused
from .models import Mount, refuse_unquotable
from .paths import (
    cache_directory,
    data_directory,
    empty_directory,
    empty_file,
    jupyter_directories,
)

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


@dataclass(frozen=True)
class Allowed:
    """A mount as it may be: its source resolved, and what has to stand over parts of it."""

    mount: Mount
    over: tuple[Mount, ...] = ()
    """Read-only mounts of ours: nothing where keys are, itself where Jupyter runs from."""


def rules_of(given: Mapping[str, str], secrets: Mapping[str, str]) -> dict[Path, str]:
    """The rules by resolved path. `given` (the administrator's, `~` is the person's home) beat
    ours at the same path; a longer path beats a shorter one. `secrets` are files of builds."""
    rules = {_real(name): "no" for name in (*_SYSTEM, *_engine_sockets())}
    private: list[str | Path] = [*_private_places(), *secrets.values()]
    rules |= {_real(place): "private" for place in private}
    return rules | {_real(name): mode for name, mode in given.items()}


def _real(path: str | Path) -> Path:
    """Resolved as far as it exists; unlike pathlib's, this never fails."""
    return Path(os.path.realpath(Path(path).expanduser()))


def _engine_sockets() -> list[str]:
    paths = [os.environ.get(name, "").removeprefix("unix://") for name in _SOCKETS]
    return [path for path in paths if path.startswith("/")]


def _private_places() -> list[Path]:
    homes = {Path.home(), Path(pwd.getpwuid(os.getuid()).pw_dir)}
    places = [home / name for home in homes for name in _HOME]
    places += [cache_directory(), data_directory(), *jupyter_directories()]
    places += [Path(f"/tmp/jc-{os.getuid()}"), Path("/tmp/.X11-unix")]
    named = (path for name in _NAMED_BY for path in os.environ.get(name, "").split(os.pathsep))
    places += [Path(path) for path in named if path.startswith("/")]
    agent = os.environ.get("SSH_AUTH_SOCK", "")
    places += [Path(agent).parent] if agent.startswith("/") else []
    return places


def judge(mount: Mount, rules: Mapping[Path, str]) -> Allowed:
    """What may be mounted of what is asked. Called for every mount before every start.

    Raises PolicyRefused, and BadSettings where the source is not there, or not for this person.
    """
    source = _there(mount.source)
    mode = _mode(source, rules)
    if mode == "private":
        raise _refused(source, "may not be mounted: keys, tokens or Jupyter's own files are there")
    if mode == "no":
        raise _refused(source, "may not be mounted")
    if mode == "ro" and mount.writable:
        raise _refused(source, "may only be mounted read-only")
    below = {path: rule for path, rule in rules.items() if source in path.parents}
    private = [path for path, rule in below.items() if rule == "private"]
    for path, rule in below.items():
        covered = any(place in path.parents for place in private)
        if rule == "no" and not covered:
            raise _refused(source, f"may not be mounted: {path} is below it, which may not")
        if rule == "ro" and mount.writable:
            raise _refused(source, f"may only be mounted read-only, as {path} below it may")
    return _covered(Mount(str(source), mount.target, mount.writable), private)


def refused_files(directory: Path, paths: Iterable[str], rules: Mapping[Path, str]) -> str:
    """The first of `paths` below a resolved directory that no rule lets anybody read; "" for
    none. Quick for thousands of them where no rule cuts through the directory."""
    if _mode(directory, rules) in ("rw", "ro"):
        inside = [path for path in rules if directory in path.parents]
        if not inside:
            return ""
    for path in paths:
        if _mode(directory / path, rules) not in ("rw", "ro"):
            return str(directory / path)
    return ""


def _there(source: str) -> Path:
    try:
        path = Path(source).resolve(strict=True)
        kind = path.stat().st_mode
    except (OSError, RuntimeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
        raise BadSettings(
            "mounts",
            f"{source!r} cannot be mounted: {why}.",
            "Create it, or remove the mount from the settings.",
        ) from None
    if not (stat.S_ISDIR(kind) or stat.S_ISREG(kind)):
        raise _refused(path, "may not be mounted: it is a socket, a pipe or a device")
    # A daemon that is root's would mount it all the same. A folder that one may enter will do.
    if not os.access(path, os.X_OK if stat.S_ISDIR(kind) else os.R_OK):
        raise BadSettings(
            "mounts",
            f"{source!r} cannot be mounted: you may not use it yourself.",
            "Ask its owner to let you, or remove the mount from the settings.",
        )
    refuse_unquotable(str(path), "mounts")
    return path


def _mode(path: Path, rules: Mapping[Path, str]) -> str:
    for place in (path, *path.parents):
        if place in rules:
            return rules[place]
    return "no"


def _covered(mount: Mount, private: list[Path]) -> Allowed:
    source = Path(mount.source)
    over = []
    for place in private:
        if any(other in place.parents for other in private):
            continue
        target = _inside(mount, place)
        if _is_directory(place):
            over.append(Mount(str(empty_directory()), target))
        elif os.access(place, os.F_OK):
            over.append(Mount(str(empty_file()), target))
    if mount.writable:
        prefixes = {Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}
        for part in (prefix / name for prefix in prefixes for name in _RUNS_FROM):
            if source == part or part in source.parents:
                raise _refused(source, "may only be mounted read-only: Jupyter runs from there")
            if source in part.parents and part.exists() and not part.is_symlink():
                over.append(Mount(str(part), _inside(mount, part)))
    return Allowed(mount, tuple(sorted(over, key=lambda one: one.target)))


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # what we may not look at, a container of ours may not either
        return False


def _inside(mount: Mount, path: Path) -> str:
    target = str(PurePosixPath(mount.target, path.relative_to(mount.source)))
    refuse_unquotable(target, "mounts")
    return target


def _refused(path: Path, why: str) -> PolicyRefused:
    return PolicyRefused(f"`{path}` {why}", TRAIT)
