"""What one notebook or kernel spec asks for: image, engine, mounts, devices, limits, network.

`FIELDS` is the one table of it: reading, writing, the form, the docs and the command line's
options come from there. Settings are a request: `policy` limits them, `approvals` remembers
what this person said yes to. Nothing here reads a file but `resolved`, which looks at paths.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread
from typing import Any, Literal, Protocol, Self

from ..errors import BadSettings, ContainersError
from ..models import NO_ENV, Mount, refuse_unquotable
from ..text import one_line
from . import slurm, validators
from .validators import NAMED_SOURCE, Reader, format_size, meant, parse_size, show

__all__ = ["FIELDS", "VERSION", "Build", "Field", "Settings", "format_size", "parse_size"]

log = logging.getLogger("jupyter_containers")


class Defaults(Protocol):
    """What `resolved` asks of the policy (which stands above this package)."""

    def source_of(self, name: str) -> str:
        """The host path of `${name}`; raises PolicyRefused."""
        ...

    def with_defaults(self, settings: Settings) -> Settings:
        """The same with the administrator's limits where none are asked."""
        ...


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Version 1 of the metadata `jupyter_containers`. Sizes are bytes, None is "not asked"."""

    image: str
    engine: str = ""
    kernel: str = ""
    build: Build | None = None
    digest: str = ""
    mounts: tuple[Mount, ...] = ()
    devices: tuple[str, ...] = ()
    cpus: float | None = None
    memory: int | None = None
    pids: int | None = None
    shm: int | None = None
    network: Literal["private", "none"] = "private"
    ports: tuple[tuple[int, int], ...] = ()
    """(port of this machine, or 0 for any; port of the container)"""
    env: Mapping[str, str] = field(default_factory=lambda: NO_ENV)
    user: Literal["me", "root", "image"] = "me"
    workdir: str = "."
    hostname: str | None = None
    read_only: bool = False
    entrypoint: Literal["none", "image"] = "none"
    slurm: Mapping[str, str] = field(default_factory=lambda: NO_ENV)
    newer: Mapping[str, Any] = field(default_factory=lambda: NO_ENV, compare=False)
    """Of a newer minor version: its number and what only it knows, to be written back."""

    @classmethod
    def parse(cls, data: Any, *, where: str) -> Self:
        """Settings from JSON that anybody may have written; `where` begins every message, if it
        is not empty.

        Called with a notebook's metadata, a kernel spec's `container` and the command line's
        options. Raises BadSettings or BadReference, never anything else.
        """
        try:
            if not isinstance(data, Mapping):
                raise BadSettings("jupyter_containers", f"must be an object, not {show(data)}.")
            given, newer = _known(data, where)
            if "image" not in given:
                raise BadSettings("image", "is missing.", 'Add "image": "name:tag".')
            known = {key: FIELDS[key].read(value, key) for key, value in given.items()}
            return cls(**known, newer=newer)
        except ContainersError as error:
            if where:
                error.message = f"{one_line(where)}: {error.message}"
            raise

    def to_json(self) -> dict[str, Any]:
        """Version, image, and what differs from the defaults; `parse` reads it back as equal."""
        written: dict[str, Any] = {"version": VERSION, **self.newer}
        for key, about in FIELDS.items():
            value = getattr(self, key)
            if value != about.default:
                written[key] = about.write(value)
        return written

    def resolved(self, directory: Path, defaults: Defaults) -> Settings:
        """Every mount's source as an absolute path without symlinks, and the policy's defaults.

        `directory` is the notebook's. Called before every start and every approval, so that
        both look at the same places. Raises BadSettings, PolicyRefused.
        """
        mounts = tuple(
            replace(mount, source=_resolve(mount.source, directory, defaults))
            for mount in self.mounts
        )
        return defaults.with_defaults(replace(self, mounts=mounts))


def _known(data: Mapping[Any, Any], where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keys we read, and what a newer minor version has besides, its number with it. Unknown
    keys fail, but those of such a version only warn."""
    if "version" not in data:
        raise BadSettings("version", "is missing.", f'Add "version": {VERSION}.')
    newer = {"version": data["version"]} if _is_newer(data["version"]) else {}
    given = {}
    for key, value in data.items():
        if key in FIELDS:
            given[key] = value
        elif key == "version":
            continue
        elif newer and isinstance(key, str):
            log.warning("%s: setting %r is of a newer version", one_line(where), key[:80])
            newer[key] = value
        else:
            name = key[:80] if isinstance(key, str) else show(key)
            raise BadSettings(name, "is not known.", meant(name, [*FIELDS, "version"]))
    return given, newer


def _is_newer(version: Any) -> bool:
    number = isinstance(version, int | float) and not isinstance(version, bool)
    number = number and abs(version) < 1000
    written = f"{version:g}" if number else version if isinstance(version, str) else ""
    major, _, minor = written.partition(".")
    if major != str(VERSION) or not (minor.isascii() and (minor or "0").isdigit()):
        raise BadSettings(
            "version",
            f"{show(version)} is not known; this is version {VERSION}.",
            "Update jupyter-containers.",
        )
    return bool(minor.strip("0"))


def _resolve(source: str, directory: Path, defaults: Defaults) -> str:
    if named := NAMED_SOURCE.fullmatch(source):
        path = Path(defaults.source_of(named[1]) + named[2])
    elif source == "~" or source.startswith("~/"):
        path = Path.home() / source[2:]
    else:
        path = directory / source
    try:
        found = str(_look(path))
    except TimeoutError:
        raise BadSettings(
            "mounts",
            f"{source!r} does not answer: what is mounted there has probably lost its server.",
            "Unmount it (umount -l) or mount it again; or take it out of the settings.",
        ) from None
    except (OSError, RuntimeError, ValueError) as error:  # a loop of symlinks, a name too long
        raise BadSettings("mounts", f"{source!r} leads nowhere: {one_line(str(error))}") from None
    refuse_unquotable(found, "mounts")
    return found


_PATIENCE = 10.0
"""Seconds; a disk that sleeps, or a folder that is mounted when somebody looks, takes some."""
_looks: dict[Path, tuple[float, Future[Path]]] = {}
"""Under way: until when they are waited for, and what they find."""


def _look(path: Path) -> Path:
    """Where a path leads. Raises OSError; TimeoutError where no answer comes, and at once as long
    as an earlier look hangs. On a thread of its own: on a file system whose server is gone (sshfs,
    NFS) nothing ends a look, and the server's threads for such work are few."""
    until, found = _looks.get(path) or (0.0, None)
    if found is None or found.done():
        until, found = _looks[path] = (time.monotonic() + _PATIENCE, Future())
        Thread(target=_resolve_into, args=(found, path), daemon=True).start()
    try:
        return found.result(max(0.0, until - time.monotonic()))
    finally:
        if found.done():
            _looks.pop(path, None)


def _resolve_into(found: Future[Path], path: Path) -> None:
    try:
        found.set_result(path.resolve())
    except (OSError, RuntimeError, ValueError) as error:
        found.set_exception(error)


VERSION = 1
"""Of the metadata. A later 1.x may add keys, of which we then only warn."""


@dataclass(frozen=True, kw_only=True)
class Build:
    """What an image was built from: two environments are the same if this is."""

    cell: str = ""
    """sha256 of the `%%dockerfile` cell and its arguments, in hex."""
    context: str = ""
    """sha256 of the files that it copies, in hex."""
    bases: Mapping[str, str] = field(default_factory=lambda: NO_ENV)
    """Base image → digest."""
    earlier: tuple[str, ...] = ()
    """`cell` of the `%%dockerfile` cells before it, whose images it replaced: a kernel in its image
    has nothing to say against them."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One key of the settings."""

    kind: Literal[
        "image", "word", "choice", "flag", "number", "count", "size", "list", "mounts", "object"
    ]
    """How a form shows it."""
    read: Reader
    """JSON → value; raises BadSettings or BadReference."""
    doc: str
    write: Callable[[Any], Any] = lambda value: value
    """Value → JSON."""
    default: Any = None
    choices: tuple[str, ...] = ()
    trait: str = ""
    """The policy's trait that limits it."""
    option: str = ""
    """On the command line; empty where there is none."""
    unable: tuple[str, ...] = ()
    """Engines that cannot honour it."""

    by_slurm: bool = False
    """Whether Slurm honours it for what it places: it is the size of the job."""

    @property
    def unable_engines(self) -> list[str]:
        """The same by all names of engines, those that Slurm places too."""
        placed = () if self.by_slurm else self.unable
        return [*self.unable, *(f"slurm+{name}" for name in placed)]


def _build(value: Any, key: str) -> Build:
    given = validators.keys(value, key, ("cell", "context", "bases", "earlier"))
    return Build(
        cell=_fingerprint(given, key, "cell"),
        context=_fingerprint(given, key, "context"),
        bases=validators.bases(given.get("bases", {}), f"{key}.bases"),
        earlier=validators.list_of(validators.fingerprint)(
            given.get("earlier", []), f"{key}.earlier"
        ),
    )


def _fingerprint(given: Mapping[str, Any], key: str, name: str) -> str:
    value = given.get(name, "")
    return str(validators.fingerprint(value, f"{key}.{name}")) if value != "" else ""


def _write_build(build: Build) -> dict[str, Any]:
    written = {
        "cell": build.cell,
        "context": build.context,
        "bases": dict(build.bases),
        "earlier": list(build.earlier),
    }
    return {key: value for key, value in written.items() if value}


def _write_mounts(mounts: tuple[Mount, ...]) -> list[dict[str, Any]]:
    return [{"source": m.source, "target": m.target, "writable": m.writable} for m in mounts]


def _shortest(number: float) -> float:
    return int(number) if number == int(number) else number


def _choice(*choices: str, option: str, doc: str, trait: str = "") -> Field:
    return Field(
        kind="choice",
        read=validators.choice(*choices),
        default=choices[0],
        choices=choices,
        trait=trait,
        option=option,
        doc=doc,
    )


_DAEMONS_ONLY = ("apptainer", "charliecloud", "enroot", "pyxis", "shifter")
_UNLIMITED = ("charliecloud", "enroot", "pyxis", "shifter")

FIELDS: dict[str, Field] = {
    "image": Field(
        kind="image", read=validators.image, trait="images", doc="Image that the kernel runs in."
    ),
    "engine": Field(
        kind="word",
        read=validators.engine,
        default="",
        trait="engines",
        option="--engine",
        doc="Container engine. Leave empty to use the first one that works.",
    ),
    "kernel": Field(
        kind="word",
        read=validators.kernel,
        default="",
        option="--kernel",
        doc="Name of a kernel spec inside the image, for R, Julia and other languages.",
    ),
    "build": Field(
        kind="object", read=_build, write=_write_build, doc="What the image was built from."
    ),
    "digest": Field(
        kind="word",
        read=validators.digest,
        default="",
        doc="The registry's digest of a pulled image.",
    ),
    "mounts": Field(
        kind="mounts",
        read=validators.mounts,
        write=_write_mounts,
        default=(),
        trait="mounts",
        option="--mount",
        doc="Folders of this machine inside the container, read-only unless `writable`.",
    ),
    "devices": Field(
        kind="list",
        read=validators.list_of(validators.device),
        write=list,
        default=(),
        trait="devices",
        option="--device",
        doc="Devices by their CDI names, such as nvidia.com/gpu=0.",
    ),
    "cpus": Field(
        kind="number",
        read=validators.number(0.01, 4096),
        write=_shortest,
        trait="max_cpus",
        option="--cpus",
        unable=_UNLIMITED,
        by_slurm=True,
        doc="How many CPUs the container may use at most, 1.5 for one and a half.",
    ),
    "memory": Field(
        kind="size",
        read=validators.size_of_at_least(6 << 20),
        write=format_size,
        trait="max_memory",
        option="--memory",
        unable=_UNLIMITED,
        by_slurm=True,
        doc="Memory limit, such as 8g. A kernel that needs more is killed.",
    ),
    "pids": Field(
        kind="count",
        read=validators.count(1, 1 << 22),
        trait="max_pids",
        option="--pids",
        unable=_UNLIMITED,
        doc="How many processes and threads there may be at once.",
    ),
    "shm": Field(
        kind="size",
        read=validators.size_of_at_least(64 << 10),
        write=format_size,
        option="--shm",
        unable=("apptainer", "shifter"),
        doc="Size of /dev/shm, which data loaders share memory through.",
    ),
    "network": _choice(
        "private",
        "none",
        trait="networks",
        option="--network",
        doc="private: it reaches out, other kernels do not reach it. none: no network at all.",
    ),
    "ports": Field(
        kind="list",
        read=validators.ports,
        write=validators.write_ports,
        default=(),
        trait="ports",
        option="--port",
        unable=_DAEMONS_ONLY,
        doc="Container ports to be reached on 127.0.0.1: 80, or 8080:80 for port 8080 there.",
    ),
    "env": Field(
        kind="object",
        read=validators.env,
        write=dict,
        default=NO_ENV,
        option="--env",
        doc="Environment variables inside. Nothing of the server's own gets there.",
    ),
    "user": _choice(
        "me",
        "root",
        "image",
        trait="users",
        option="--user",
        doc="Who one is inside. Files on mounts are yours in every case.",
    ),
    "workdir": Field(
        kind="word",
        read=validators.workdir,
        default=".",
        option="--workdir",
        doc="Where the kernel starts; relative to the notebook's folder.",
    ),
    "hostname": Field(
        kind="word",
        read=validators.hostname,
        option="--hostname",
        unable=("apptainer", "pyxis", "shifter"),
        doc="The container's host name.",
    ),
    "read_only": Field(
        kind="flag",
        read=validators.flag,
        default=False,
        option="--read-only",
        doc="Nothing but mounts, HOME and /tmp can be written.",
    ),
    "entrypoint": _choice(
        "none", "image", option="--entrypoint", doc="image: run the image's entrypoint first."
    ),
    "slurm": Field(
        kind="object",
        read=slurm.slurm,
        write=dict,
        default=NO_ENV,
        trait="slurm_partitions",
        option="--slurm",
        doc="What the job asks for where Slurm places the container: partition, account, time, "
        "gpus, gres, cpus, memory, ntasks, extra.",
    ),
}
"""The keys of version 1 in the order of the form, without `version`."""
