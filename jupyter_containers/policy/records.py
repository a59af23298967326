"""The files that keep what this person has approved, one for each notebook (and shared folder).

They lie in Jupyter's data directory, which no container ever sees. What was approved is kept as
salted hashes, with the words and the day for a list of approvals; no path is in a hash, so a
record can follow its notebook to another name.

    {"version": 3, "salt": …, "path": …, "contents": […], "own": true, "outputs": "trusted",
     "images": [[HASH, TEXT, DAY], …], "rest": […], "build": […], "images_1": […], "rest_1": […]}

Version 2 had hashes alone, version 1 hashes with the notebook's path in place of a salt. Those
count until a later yes takes their place.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from ..errors import BadInput, KernelError
from ..host.paths import read_untrusted, replace_file
from ..text import untrusted_json

Key = tuple[str, ...]

ISOLATED, TRUSTED = "isolated", "trusted"
"""How outputs are drawn: without the person's rights, or as JupyterLab does."""

_MAX_BYTES = 1 << 20
_MOST = 500
"""Images, and things that builds read, remembered of one notebook; the oldest go first, but for
what one yes is for."""
_MOST_CONTENTS = 100
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


@dataclass(frozen=True)
class Given:
    """One thing that was approved: `text` is what was read, `day` when (ISO 8601). Both are empty
    in records of earlier versions."""

    hash: str
    text: str = ""
    day: str = ""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is approved for one notebook. Images add up, since a notebook may have several, and so
    does what its builds read; of the rest the last yes counts, so that what somebody took out of
    the settings is asked again when it comes back."""

    path: str
    salt: str = field(default_factory=lambda: secrets.token_hex(16))
    contents: tuple[str, ...] = ()
    """The digests of the notebook that this is about, as it was saved one time after the other:
    whoever goes back to a checkpoint or to another branch has the same one. Empty where that was
    never compared."""
    own: bool | None = None
    """Whether this person wrote that notebook; None where only its signature tells."""
    outputs: str = ""
    images: tuple[Given, ...] = ()
    rest: tuple[Given, ...] = ()
    build: tuple[Given, ...] = ()
    images_1: tuple[str, ...] = ()
    rest_1: tuple[str, ...] = ()

    @classmethod
    def parse(cls, data: bytes, path: str = "") -> Self:
        """What cannot be read was never approved. `path` is where the notebook lies, if that is
        known; without it the record's own counts."""
        try:
            said = untrusted_json(data)
            version = said.get("version", 1)
            if version == 1:
                images, rest = _texts(said, "images"), _texts(said, "rest")
                return cls(path=path, images_1=images, rest_1=rest)
            salt = said["salt"]
            if version in (2, 3) and isinstance(salt, str) and salt:
                own = said.get("own")
                return cls(
                    path=path or _text(said, "path"),
                    salt=salt,
                    contents=_texts(said, "contents"),
                    own=own if isinstance(own, bool) else None,
                    outputs=_text(said, "outputs"),
                    images=_given(said, "images"),
                    rest=_given(said, "rest"),
                    build=_given(said, "build"),
                    images_1=_texts(said, "images_1"),
                    rest_1=_texts(said, "rest_1"),
                )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            pass
        return cls(path=path)

    def dump(self) -> bytes:
        """What `parse` reads."""
        said: dict[str, Any] = {"version": 3, "salt": self.salt, "path": self.path}
        for name in ("contents", "own", "outputs", "images_1", "rest_1"):
            if (kept := getattr(self, name)) not in ("", None, ()):
                said[name] = kept
        for name in ("images", "rest", "build"):
            if kept := getattr(self, name):
                said[name] = [[one.hash, one.text, one.day] for one in kept]
        return json.dumps(said).encode()

    def holds(self, *keys: Key) -> bool:
        """Whether one of the keys is approved."""
        given = {one.hash for one in self.given}
        old = {*self.images_1, *self.rest_1}
        return any(_hash(self.salt, key) in given or _hash(self.path, key) in old for key in keys)

    @property
    def given(self) -> tuple[Given, ...]:
        """All that is approved, as far as its words are known."""
        return (*self.images, *self.rest, *self.build)

    def of(self, content: str) -> Self:
        """The record for a notebook with this content: nothing is approved for another one that
        has taken its place. Without a `content` nothing is compared."""
        return self if not content or self.is_about(content) else type(self)(path=self.path)

    def is_about(self, content: str) -> bool:
        """Whether it is about a notebook with this content."""
        return not self.contents or content in self.contents

    def with_content(self, content: str) -> Self:
        """The same where the notebook has this content now."""
        before = (one for one in self.contents if one != content)
        return replace(self, contents=(*before, content)[-_MOST_CONTENTS:])

    def with_image(self, key: Key, text: str) -> Self:
        """The same with one more image."""
        return replace(self, images=_added(self.images, self._new({key: text})))

    def with_rest(self, asked: Mapping[Key, str]) -> Self:
        """The same with these instead of all that is neither an image nor of a build."""
        before = {one.hash: one for one in self.rest if one.day}
        rest = tuple(before.get(one.hash, one) for one in self._new(asked))
        return replace(self, rest=rest, rest_1=())

    def with_build(self, asked: Mapping[Key, str]) -> Self:
        """The same with more that builds may read."""
        return replace(self, build=_added(self.build, self._new(asked)))

    def _new(self, asked: Mapping[Key, str]) -> list[Given]:
        day = dt.datetime.now().astimezone().date().isoformat()
        return [Given(_hash(self.salt, key), text, day) for key, text in asked.items()]


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

    def all(self) -> list[Record]:
        """Those that say where their notebook lies: all but what was written by versions 1 and 2
        and not changed since."""
        found = []
        for file in self.directory.glob("*.json"):
            with contextlib.suppress(KernelError):
                record = Record.parse(read_untrusted(file, _MAX_BYTES))
                if record.path and self.file(Path(record.path)).name == file.name:
                    found.append(record)
        return found

    def change(self, notebook: Path, change: Callable[[Record], Record]) -> None:
        """Write what `change` makes of it. Raises BadInput where it cannot be written, and then
        the old one stays."""
        with self._locked():
            replace_file(self.file(notebook), change(self.read(notebook)).dump())

    def forget(self, notebook: Path) -> None:
        """Remove a notebook's."""
        with self._locked():
            self.file(notebook).unlink(missing_ok=True)

    def carry(self, moved: Mapping[Path, Path], *, keep: bool = False) -> None:
        """Give the records of notebooks to other paths, from old to new; `keep` the old ones for
        copies. A record that lies at a new path is about a notebook that is there no more."""
        with self._locked():
            for before, after in moved.items():
                record = self.read(before)
                # Hashes of version 1 hold the path, so they cannot follow.
                record = replace(record, path=str(after), images_1=(), rest_1=())
                replace_file(self.file(after), record.dump())
                if not keep:
                    self.file(before).unlink(missing_ok=True)

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


def _text(said: dict[str, Any], name: str) -> str:
    found = said.get(name, "")
    return found if isinstance(found, str) else ""


def _texts(said: dict[str, Any], name: str) -> tuple[str, ...]:
    found = said.get(name, [])
    if not isinstance(found, list):
        raise TypeError(name)
    return tuple(one for one in found if isinstance(one, str))


def _given(said: dict[str, Any], name: str) -> tuple[Given, ...]:
    """Hashes alone are of version 2."""
    found = said.get(name, [])
    if not isinstance(found, list):
        raise TypeError(name)
    rows = [[one] if isinstance(one, str) else one for one in found]
    return tuple(
        Given(*row)
        for row in rows
        if isinstance(row, list)
        and len(row) in (1, 3)
        and all(isinstance(part, str) for part in row)
    )


def _added(kept: Sequence[Given], more: Sequence[Given]) -> tuple[Given, ...]:
    new = {one.hash for one in more}
    return (*(one for one in kept if one.hash not in new), *more)[-max(_MOST, len(more)) :]


def _hash(salt: str, key: Key) -> str:
    return hashlib.sha256(json.dumps([salt, *key]).encode()).hexdigest()
