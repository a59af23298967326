"""What one notebook or kernel spec asks for: image, engine, mounts, devices, limits, network.

`FIELDS` is the one table of it: reading, writing, the form, the docs and the command line's
options come from there. Settings are a request: `policy` limits them, `approvals` remembers
what this person said yes to. Nothing here reads a file but `resolved`, which looks at paths.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from ..errors import BadSettings, ContainersError
from ..fields import FIELDS, VERSION, Build, Field
from ..models import NO_ENV, Mount, refuse_unquotable
from ..structures import NAMED_SOURCE
from ..text import one_line
from .validators import format_size, meant, parse_size, show

__all__ = ["FIELDS", "VERSION", "Build", "Field", "Settings", "format_size", "parse_size"]

log = logging.getLogger("jupyter_containers")


class Defaults(Protocol):
    """What `resolved` asks of the policy (which stands above this room)."""

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
    ports: tuple[int, ...] = ()
    env: Mapping[str, str] = field(default_factory=lambda: NO_ENV)
    user: Literal["me", "root", "image"] = "me"
    workdir: str = "."
    hostname: str | None = None
    read_only: bool = False
    entrypoint: Literal["none", "image"] = "none"
    slurm: Mapping[str, str] = field(default_factory=lambda: NO_ENV)

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
            given = _known(data, where)
            if "image" not in given:
                raise BadSettings("image", "is missing.", 'Add "image": "name:tag".')
            return cls(**{key: FIELDS[key].read(value, key) for key, value in given.items()})
        except ContainersError as error:
            if where:
                error.message = f"{one_line(where)}: {error.message}"
            raise

    def to_json(self) -> dict[str, Any]:
        """Version, image, and what differs from the defaults; `parse` reads it back as equal."""
        written: dict[str, Any] = {"version": VERSION}
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


def _known(data: Mapping[Any, Any], where: str) -> dict[str, Any]:
    """The keys we read. Unknown ones fail, but those of a newer minor version only warn."""
    if "version" not in data:
        raise BadSettings("version", "is missing.", f'Add "version": {VERSION}.')
    newer = _is_newer(data["version"])
    given = {}
    for key, value in data.items():
        if key in FIELDS:
            given[key] = value
        elif newer and isinstance(key, str):
            log.warning("%s: setting %r is of a newer version", one_line(where), key[:80])
        elif key != "version":
            name = key[:80] if isinstance(key, str) else show(key)
            raise BadSettings(name, "is not known.", meant(name, [*FIELDS, "version"]))
    return given


def _is_newer(version: Any) -> bool:
    number = isinstance(version, int | float) and not isinstance(version, bool) and version < 1000
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
        found = str(path.resolve())
    except (OSError, RuntimeError, ValueError) as error:  # a loop of symlinks, a name too long
        raise BadSettings("mounts", f"{source!r} leads nowhere: {one_line(str(error))}") from None
    refuse_unquotable(found, "mounts")
    return found
