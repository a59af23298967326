"""Images in Docker's archive format, to and from a directory. Nothing here starts a process.

An archive is untrusted: nothing is written outside the directory, no device is made, and no file
gets another owner or a set-user-id bit.
https://github.com/moby/docker-image-spec/blob/main/spec.md#combined-image-json--filesystem-changeset-format
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import io
import json
import os
import tarfile
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from ...errors import DiskFull, EngineFailed
from ...host.reaper.trees import remove_tree
from ...models import Image, Progress
from ...text import untrusted_json
from .image_store import TREE, Store
from .rootfs import complete, resolve

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_MOST_JSON = 16 << 20
_PIECE = 1 << 20

OnBytes = Callable[[int, int], None]
"""Called with the bytes that are done, and all; what it raises ends the work."""


class NotAnImage(Exception):
    """The archive cannot be read as an image; the text says why."""


@dataclass
class _Layer:
    """One layer on its way into a tree: what it has put there itself, its whiteouts spare."""

    tree: Path
    own: set[Path] = field(default_factory=set)

    def add(self, layer: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Put one member into the tree. Raises NotAnImage, OSError."""
        parts = PurePosixPath(member.name.lstrip("/")).parts
        if ".." in parts:
            raise NotAnImage(f"it holds the path {member.name[:200]!r}")
        if not parts:
            return
        above = self._directory("/".join(parts[:-1]))
        name = parts[-1]
        place = above / name
        if name == _OPAQUE:
            self._empty(above)
        elif name.startswith(_WHITEOUT):
            hidden = name.removeprefix(_WHITEOUT)
            if hidden not in ("", ".", ".."):
                self._hide(above / hidden)
        elif member.isdir():
            self._make_directory(place, member)
        elif member.isreg() or member.issym() or member.islnk():
            self._clear(place)
            self._make_file(layer, member, place)
        if not name.startswith(_WHITEOUT):
            while place != self.tree and place not in self.own:
                self.own.add(place)
                place = place.parent

    def _directory(self, path: str) -> Path:
        """The directory that members below `path` belong into."""
        place = resolve(self.tree, path)
        for one in reversed([place, *place.parents]):
            if one.is_relative_to(self.tree) and not one.is_dir():
                one.unlink(missing_ok=True)
                one.mkdir()
        return place

    def _empty(self, directory: Path) -> None:
        for child in list(directory.iterdir()):
            self._hide(child)

    def _hide(self, place: Path) -> None:
        """Remove what is of the layers below; what this layer put there stays, in whichever
        order it came."""
        if place not in self.own:
            self._clear(place)
        elif place.is_dir() and not place.is_symlink():
            self._empty(place)

    def _clear(self, place: Path) -> None:
        if place.is_dir() and not place.is_symlink():
            remove_tree(str(place))
        else:
            place.unlink(missing_ok=True)

    def _make_directory(self, place: Path, member: tarfile.TarInfo) -> None:
        if place.is_symlink() or not place.is_dir():
            place.unlink(missing_ok=True)
            place.mkdir()
        place.chmod((member.mode & 0o1777) | 0o700)

    def _make_file(self, layer: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
        if member.issym():
            place.symlink_to(member.linkname)
            return
        if member.islnk():
            other = resolve(self.tree, member.linkname, last=False)
            if not (other.is_symlink() or other.is_file()):
                raise NotAnImage(f"{member.name[:200]!r} is a link to nothing")
            os.link(other, place, follow_symlinks=False)
            return
        content = layer.extractfile(member)
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            while content is not None and (piece := content.read(_PIECE)):
                file.write(piece)
            os.fchmod(file.fileno(), (member.mode & 0o1777) | 0o600)
        os.utime(place, (member.mtime, member.mtime))


class _Counted(io.RawIOBase):
    """A file that tells how far it was read."""

    def __init__(self, file: IO[bytes], on_bytes: Callable[[int], None]) -> None:
        self._file, self._moved = file, on_bytes

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """See `io.RawIOBase.read`."""
        piece = self._file.read(size)
        self._moved(len(piece))
        return piece


def unpack(archive: Path, tree: Path, on_bytes: OnBytes) -> dict[str, Any]:
    """Unpack the first image of an archive into `tree`, which is made; returns its configuration.

    Blocks. Raises NotAnImage, OSError, and what `on_bytes` raises.
    """
    try:
        with tarfile.open(archive, "r:") as outer:
            manifest = _json(outer, "manifest.json")[0]
            config = _json(outer, manifest["Config"])
            layers = [outer.getmember(name) for name in manifest["Layers"]]
            tree.mkdir()
            total, done = max(1, archive.stat().st_size), 0

            def count(size: int) -> None:
                nonlocal done
                done += size
                on_bytes(min(done, total), total)

            for member in layers:
                file = cast("IO[bytes]", _Counted(_open(outer, member), count))
                with tarfile.open(fileobj=file, mode="r|*") as layer:
                    into = _Layer(tree)
                    for one in layer:
                        into.add(layer, one)
    except (tarfile.TarError, EOFError, KeyError, IndexError, TypeError, ValueError) as error:
        raise NotAnImage(f"it cannot be read ({error})") from error
    return cast("dict[str, Any]", config)


def _open(outer: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    """Layers that are there twice are links within the archive."""
    file = outer.extractfile(member)
    if file is None:
        raise NotAnImage(f"{member.name[:200]!r} is no file")
    return file


def _json(outer: tarfile.TarFile, name: str) -> Any:
    member = outer.getmember(name)
    if member.size > _MOST_JSON:
        raise NotAnImage(f"{name[:200]!r} is too large")
    return untrusted_json(_open(outer, member).read())


def pack(tree: Path, archive: Path, config: Mapping[str, Any], on_bytes: OnBytes) -> None:
    """Write a tree as an image of one layer, all of it root's. `config` is what runs it: Env,
    Labels and the like. Blocks. Raises OSError, and what `on_bytes` raises."""
    layer = archive.with_name(f"{archive.name}.layer")
    done = 0

    def rootly(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        nonlocal done
        done += member.size
        on_bytes(done, 0)
        # Of the engine, and none of it belongs into an image.
        return None if member.name == "ch" or member.isdev() else _without_owner(member)

    try:
        with tarfile.open(layer, "w:", format=tarfile.PAX_FORMAT) as file:
            for child in sorted(tree.iterdir()):
                file.add(child, child.name, filter=rootly)
        wrap(layer, archive, config)
    finally:
        layer.unlink(missing_ok=True)


def wrap(layer: Path, archive: Path, config: Mapping[str, Any]) -> str:
    """Write an image of one layer, a tar; returns its id. Blocks. Raises OSError."""
    digest = _digest(layer)
    image = {
        "created": "1970-01-01T00:00:00Z",
        "os": "linux",
        **config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "jupyter-containers"}],
    }
    text = json.dumps(image).encode()
    id = hashlib.sha256(text).hexdigest()
    manifest = [{"Config": f"{id}.json", "RepoTags": None, "Layers": [f"{digest}/layer.tar"]}]
    with tarfile.open(archive, "w:", format=tarfile.PAX_FORMAT) as outer:
        outer.add(layer, f"{digest}/layer.tar", filter=_without_owner)
        for title, content in (
            (f"{id}.json", text),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            member = tarfile.TarInfo(title)
            member.size = len(content)
            outer.addfile(member, io.BytesIO(content))
    return f"sha256:{id}"


def _without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """As root's, whoever wrote it."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


Work = Callable[[OnBytes], Any]
FULL = "where images are kept; JUPYTER_CONTAINERS_IMAGES names the directory"
_LOOK = 0.3


class _Stopped(Exception):
    """Nobody waits any more."""


async def with_progress(engine: str, work: Work, text: str) -> AsyncGenerator[Progress]:
    """Work told as `bytes` events. Closing the iterator ends the work. Raises DiskFull,
    EngineFailed."""
    stop = threading.Event()
    at = (0, 0)

    def on_bytes(done: int, total: int) -> None:
        nonlocal at
        at = (done, total)
        if stop.is_set():
            raise _Stopped

    working = asyncio.ensure_future(asyncio.to_thread(work, on_bytes))
    try:
        while not (await asyncio.wait({working}, timeout=_LOOK))[0]:
            yield Progress(kind="bytes", text=text, done=at[0], total=at[1])
    finally:
        stop.set()
        with contextlib.suppress(BaseException):
            await asyncio.shield(asyncio.wait({working}))
    try:
        working.result()
    except NotAnImage as error:
        raise EngineFailed((engine, "load"), 1, f"no image to be read: {error}") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(FULL) from None
        raise EngineFailed((engine, "files"), 1, str(error)) from error


async def load_tree(
    store: Store,
    archive: Path,
    image: Image,
    finish: Callable[[Path, Mapping[str, Any]], None] | None = None,
) -> AsyncGenerator[Progress]:
    """`Engine.load` for engines that run a directory: unpacks the image into `TREE`. `finish`
    gets the tree and the image's configuration before others see it. Raises DiskFull,
    EngineFailed."""
    async with store.adding(image) as new:
        if new is not None:
            tree = new / TREE

            def work(on_bytes: OnBytes) -> None:
                config = unpack(archive, tree, on_bytes)
                complete(tree)
                if finish is not None:
                    finish(tree, config)

            text = "Unpacking the image"
            async with contextlib.aclosing(with_progress(store.engine, work, text)) as events:
                async for event in events:
                    yield event
    yield await store.made(image.id, image.id)
