"""The files that keep what this person has approved, one for each notebook (and shared folder).

They lie in Jupyter's data directory, which no container ever sees, and hold nothing but salted
hashes: they tell no one what somebody works on. No path is in a hash, so a record can follow its
notebook to another name.

    {"version": 2, "salt": …, "images": […], "rest": […], "build": […], "images_1": …, "rest_1": …}

Version 1 had hashes with the notebook's path in place of a salt. They count until a later yes
takes their place.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from ..errors import BadInput, KernelError
from ..host.paths import read_untrusted, replace_file
from ..text import untrusted_json

Key = tuple[str, ...]

_LISTS = ("images", "rest", "build", "images_1", "rest_1")
_MAX_BYTES = 1 << 20
_MOST = 500
"""Images, and things that builds read, remembered of one notebook; the oldest go first, but for
what one yes is for."""
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is approved for one notebook. Images add up, since a notebook may have several, and so
    does what its builds read; of the rest the last yes counts, so that what somebody took out of
    the settings is asked again when it comes back."""

    path: str
    salt: str = field(default_factory=lambda: secrets.token_hex(16))
    images: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()
    build: tuple[str, ...] = ()
    images_1: tuple[str, ...] = ()
    rest_1: tuple[str, ...] = ()

    @classmethod
    def parse(cls, data: bytes, path: str) -> Self:
        """What cannot be read was never approved."""
        try:
            said = untrusted_json(data)
            version = said.get("version", 1)
            if version == 1:
                images, rest = _texts(said, "images"), _texts(said, "rest")
                return cls(path=path, images_1=images, rest_1=rest)
            salt = said["salt"]
            if version == 2 and isinstance(salt, str) and salt:
                return cls(path=path, salt=salt, **{name: _texts(said, name) for name in _LISTS})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            pass
        return cls(path=path)

    def dump(self) -> bytes:
        """What `parse` reads."""
        said: dict[str, Any] = {"version": 2, "salt": self.salt}
        for name in _LISTS:
            if kept := getattr(self, name):
                said[name] = list(kept)
        return json.dumps(said).encode()

    def holds(self, *keys: Key) -> bool:
        """Whether one of the keys is approved."""
        given = {*self.images, *self.rest, *self.build}
        old = {*self.images_1, *self.rest_1}
        return any(_hash(self.salt, key) in given or _hash(self.path, key) in old for key in keys)

    def with_image(self, key: Key) -> Self:
        """The same with one more image."""
        return replace(self, images=_added(self.images, [_hash(self.salt, key)]))

    def with_rest(self, keys: Sequence[Key]) -> Self:
        """The same with these instead of all that is neither an image nor of a build."""
        return replace(self, rest=tuple(_hash(self.salt, key) for key in keys), rest_1=())

    def with_build(self, keys: Sequence[Key]) -> Self:
        """The same with more that builds may read."""
        return replace(self, build=_added(self.build, [_hash(self.salt, key) for key in keys]))


class Records:
    """The files, below one directory of this person's. Notebooks are named by their resolved paths:
    resolved again, a link that was put in a folder's place since would lead to another's record."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def read(self, notebook: Path) -> Record:
        """A notebook's; an empty one where there is none that can be read."""
        path = str(notebook)
        try:
            return Record.parse(read_untrusted(self.file(notebook), _MAX_BYTES), path)
        except KernelError:  # not there, not ours, too large: nothing was approved
            return Record(path=path)

    def change(self, notebook: Path, change: Callable[[Record], Record]) -> None:
        """Write what `change` makes of it. Raises BadInput where it cannot be written, and then
        the old one stays."""
        with self._locked():
            replace_file(self.file(notebook), change(self.read(notebook)).dump())

    def forget(self, notebook: Path) -> None:
        """Remove a notebook's."""
        with self._locked():
            self.file(notebook).unlink(missing_ok=True)

    def file(self, notebook: Path) -> Path:
        """Where a notebook's is."""
        return self.directory / f"{_hash(str(notebook), ())[:40]}.json"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone among all servers of this person, for the few milliseconds of one change."""
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.directory.chmod(0o700)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self.directory / ".lock", flags, 0o600)
            try:
                _lock(descriptor)
                yield
            finally:
                os.close(descriptor)
        except OSError as error:
            raise BadInput(
                f"The approval cannot be recorded in {self.directory}: {error.strerror}.",
                "That directory must be yours and writable; see `jupyter --data-dir`.",
            ) from error


def _lock(descriptor: int) -> None:
    """Nothing where the file system has no locks, as Lustre without `-o flock`: each change is
    whole anyhow, and of two yeses of the same moment one may be asked for again."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _texts(said: dict[str, Any], name: str) -> tuple[str, ...]:
    found = said.get(name, [])
    if not isinstance(found, list):
        raise TypeError(name)
    return tuple(one for one in found if isinstance(one, str))


def _added(kept: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    return (*(one for one in kept if one not in more), *more)[-max(_MOST, len(more)) :]


def _hash(salt: str, key: Key) -> str:
    return hashlib.sha256(json.dumps([salt, *key]).encode()).hexdigest()
