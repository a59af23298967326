"""Images in a directory of ours, for engines that keep no list of them.

    $JUPYTER_CONTAINERS_IMAGES, else DATA (XDG_DATA_HOME/jupyter-containers/images)
      ENGINE/HEX/image.json     what is known of the image: names, labels, environment, …
                 …              the image itself, as the engine takes it
      ENGINE/new-…/             one that is being made: never looked at, removed if left over
      ENGINE/locks/             held while one of the same id is made, or names change

An image appears whole or not at all. The directory may lie on a file system that several hosts
share.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...errors import BadReference, ImageNotHere
from ...host.cache import make_directory
from ...host.reaper.client import reaper
from ...host.reaper.trees import remove_tree, size_of
from ...models import Image, Progress, parse_image
from ...text import one_line, untrusted_json

VARIABLE = "JUPYTER_CONTAINERS_IMAGES"
_LEFT = 86400.0
"""Seconds after which an unfinished image is nobody's any more: its maker lost its host."""
_ASK_AGAIN = 0.2
_NETWORK = re.compile(r"nfs|lustre|gpfs|beegfs|ceph|afs|cifs|smb|panfs|wekafs|9p|orangefs")


def images_directory() -> Path:
    """Where images of ours are kept. May not exist yet; HPC sites point it to a scratch disk."""
    given = os.environ.get(VARIABLE, "")
    if given.startswith("/"):
        return Path(given)
    data = os.environ.get("XDG_DATA_HOME", "")
    base = Path(data) if data.startswith("/") else Path.home() / ".local/share"
    return base / "jupyter-containers/images"


def random_id() -> str:
    """An id for an image whose engine tells none."""
    return f"sha256:{secrets.token_hex(32)}"


TREE = "tree"
"""An image's root file system within its directory, where that is no single file."""


@dataclass(frozen=True)
class Stored:
    """An image and where it lies."""

    image: Image
    directory: Path


class Store:
    """The images of one engine. Every method that is not async blocks for a file or two."""

    def __init__(self, engine: str) -> None:
        self.engine = engine

    @property
    def root(self) -> Path:
        """The engine's part of the directory."""
        return images_directory() / self.engine

    def all(self) -> list[Stored]:
        """All that are whole, oldest first."""
        found = []
        with suppress(FileNotFoundError):
            for entry in os.scandir(self.root):
                if re.fullmatch(r"[0-9a-f]{64}", entry.name):
                    with suppress(OSError, ValueError, TypeError, KeyError):
                        found.append(_read(Path(entry.path)))
        return sorted(found, key=lambda stored: stored.image.created)

    def find(self, reference: str) -> Stored | None:
        """By id, or by name."""
        if reference.startswith("sha256:"):
            with suppress(OSError, ValueError, TypeError, KeyError):
                return _read(self.root / reference.removeprefix("sha256:"))
        name = full_name(reference)
        named = (one for one in self.all() if name in map(full_name, one.image.references))
        return next(named, None)

    async def made(self, reference: str, text: str) -> Progress:
        """The event that ends what makes an image, found by id or name. Raises ImageNotHere."""
        stored = await asyncio.to_thread(self.find, reference)
        if stored is None:
            raise ImageNotHere(reference, self.engine)
        return Progress(kind="image", text=one_line(text), image=stored.image)

    @asynccontextmanager
    async def adding(self, image: Image) -> AsyncIterator[Path | None]:
        """A directory to make an image in; it is kept where the block ends well. None where it
        is there already, which another process may just have seen to: it gets the names.

        The caller writes the image and may replace what is known of it (`describe`).
        """
        await asyncio.to_thread(self._prepare)
        async with locked(self.root / "locks" / image.id[-3:]):
            if await asyncio.to_thread(self.find, image.id) is not None:
                yield None
                await asyncio.to_thread(self._name, image)
                return
            new = await make_directory(self.root)
            reaper.add(new.name, [], [str(new)])
            try:
                yield new
                await asyncio.to_thread(self._settle, new, image)
            finally:
                await asyncio.to_thread(remove_tree, str(new))
                reaper.forget(new.name)

    def describe(self, new: Path, image: Image) -> None:
        """What is known of an image that is being made, where that is more than was said."""
        (new / "image.json").write_text(json.dumps(_document(image)))

    def remove(self, reference: str) -> None:
        """Take a name away; with its last one, or by its id, an image goes."""
        with self._names_locked():
            stored = self.find(reference)
            if stored is None:
                return
            name = full_name(reference)
            left = [one for one in stored.image.references if one != name]
            if left and not reference.startswith("sha256:"):
                _write(stored.directory, replace(stored.image, references=tuple(left)))
            else:
                self._delete(stored)

    def _prepare(self) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.root / "locks").mkdir(exist_ok=True)
        for left in self.root.glob("new-*"):
            with suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > _LEFT:
                    remove_tree(str(left))

    def _settle(self, new: Path, image: Image) -> None:
        with suppress(FileNotFoundError):
            image = _read(new).image
        created = image.created or datetime.now(UTC).isoformat(timespec="seconds")
        size = image.size or size_of(str(new))
        _write(new, replace(image, references=(), created=created, size=size))
        new.chmod(0o700)
        new.rename(self.root / image.id.removeprefix("sha256:"))
        self._name(image)

    def _name(self, image: Image) -> None:
        """Give an image its names, which others lose."""
        names = [full_name(name) for name in image.references]
        with self._names_locked():
            for stored in self.all():
                mine, has = stored.image.id == image.id, stored.image.references
                kept = [name for name in has if mine or name not in names]
                if mine:
                    kept = list(dict.fromkeys([*kept, *names]))
                if tuple(kept) != has:
                    _write(stored.directory, replace(stored.image, references=tuple(kept)))

    def _delete(self, stored: Stored) -> None:
        gone = self.root / f"new-{secrets.token_hex(8)}"  # at once for all who look
        with suppress(FileNotFoundError):
            stored.directory.rename(gone)
            remove_tree(str(gone))

    @contextmanager
    def _names_locked(self) -> Iterator[None]:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.root / "names.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def full_name(reference: str) -> str:
    """A name as it is kept, however it was written."""
    try:
        return parse_image(reference)
    except BadReference:
        return reference


@asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Alone among this person's processes, here and where the file system's locks reach. Waits
    without a thread, so that a cancel ends it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_ASK_AGAIN)
        yield
    finally:
        os.close(descriptor)


def on_network(path: Path) -> bool:
    """Whether a directory lies on a file system where many small files are slow, and overlays
    and their attributes do not work: images are better one file there."""
    place = os.path.realpath(path) + "/"
    best, kind = "", ""
    with suppress(OSError):
        for line in os.fsdecode(Path("/proc/self/mounts").read_bytes()).split("\n")[:-1]:
            _, target, type_, _ = line.split(" ", 3)
            if place.startswith(f"{target.rstrip('/')}/") and len(target) >= len(best):
                best, kind = target, type_
    return bool(_NETWORK.search(kind))


def _document(image: Image) -> dict[str, Any]:
    told = {field.name: getattr(image, field.name) for field in fields(image)}
    return told | {"labels": dict(image.labels), "env": dict(image.env)}


def _read(directory: Path) -> Stored:
    told = untrusted_json((directory / "image.json").read_bytes())
    for name in ("references", "digests", "entrypoint", "onbuild", "layers"):
        told[name] = tuple(told.get(name) or ())
    return Stored(Image(**told), directory)


def _write(directory: Path, image: Image) -> None:
    new = directory / f"image.json.{secrets.token_hex(4)}"
    new.write_text(json.dumps(_document(image)))
    new.replace(directory / "image.json")
