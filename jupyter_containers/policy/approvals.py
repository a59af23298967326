"""What this person has said yes to, for each notebook.

Settings in a notebook are a request: code in its kernel, or whoever sent it, can have written
them. Only what is recorded here starts. Records lie in Jupyter's data directory, which no
container ever sees, and hold nothing but hashes: they tell no one what somebody works on.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Self

from ..errors import AsksMore, BadInput, KernelError, NotApproved
from ..host.paths import data_directory, read_untrusted, replace_file
from ..models import Mount, Reference
from ..settings.schema import Settings
from ..text import untrusted_json
from .engines import UNISOLATED

_MAX_BYTES = 1 << 20
_MOST_IMAGES = 500
"""Images remembered of one notebook; the oldest go first."""


@dataclass(frozen=True)
class Ask:
    """One thing that needs a yes. `text` is for people; `more` are keys that include this one."""

    key: tuple[str, ...]
    text: str
    more: tuple[tuple[str, ...], ...] = ()

    @property
    def setting(self) -> str:
        """The settings' key that asks, for a form to mark."""
        kind = self.key[0]
        return f"{kind}s" if kind in ("mount", "device", "port") else kind


def asks(settings: Settings) -> tuple[Ask, ...]:
    """All of the settings (which must be `resolved`) that needs a yes.

    A private network, one's own user, limits, host name and working directory need none.
    """
    return (_image(settings.image), *_rest(settings))


def _image(image: str) -> Ask:
    short = image[:19] + "…" if image.startswith("sha256:") else Reference.parse(image).short
    return Ask(("image", image), f"the image {short}")


def _rest(settings: Settings) -> Iterator[Ask]:
    yield from map(_mount, settings.mounts)
    for device in settings.devices:
        kind = device.partition("=")[0]
        yield Ask(("device", device), f"the device {device}", (("device", f"{kind}=all"),))
    for port in settings.ports:
        yield Ask(("port", str(port)), f"port {port} of the container, on 127.0.0.1")
    for name, value in settings.env.items():
        yield Ask(("env", name, value), f"the environment variable {name}")
    if settings.user != "me":
        who = {"root": "root", "image": "the image's own user"}[settings.user]
        yield Ask(("user", settings.user), f"being {who} inside the container")
    if settings.entrypoint == "image":
        yield Ask(("entrypoint",), "the image's own entrypoint, run before the kernel")
    if settings.engine in UNISOLATED:
        what = f"{settings.engine.capitalize()}, whose containers {UNISOLATED[settings.engine]}"
        yield Ask(("engine", settings.engine), what)
    if settings.slurm or settings.engine.startswith("slurm+"):
        options = [f"{name}={value}" for name, value in sorted(settings.slurm.items())]
        what = f" with {', '.join(options)}" if options else ", on your account with Slurm"
        yield Ask(("slurm", *options), f"a Slurm job{what}")


def _mount(mount: Mount) -> Ask:
    if not PurePosixPath(mount.source).is_absolute():
        raise ValueError(f"settings are not resolved: {mount.source}")
    source = Path(mount.source)
    file = os.path.isfile(source)  # noqa: PTH113 - pathlib's raises where one may not look
    what = f"the {'file' if file else 'folder'} {source}"
    if source in (Path.home(), *Path.home().parents):
        what = f"your home folder {source}, with the start-up files of shell and Jupyter"
    how = "read and write" if mount.writable else "read-only"
    at = "" if mount.source == mount.target else f", at {mount.target}"
    key = ("mount", mount.source, mount.target)
    more = () if mount.writable else ((*key, "rw"),)
    return Ask((*key, "rw" if mount.writable else "ro"), f"{what}, {how}{at}", more)


@dataclass(frozen=True)
class _Record:
    """Hashes. Images add up, since a notebook may have several; of the rest the last yes counts,
    so that what somebody took out of the settings is asked again when it comes back."""

    images: tuple[str, ...] = ()
    rest: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """What cannot be read was never approved."""
        try:
            said = untrusted_json(data)
            images, rest = said["images"], said["rest"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return cls()
        if not (isinstance(images, list) and isinstance(rest, list)):
            return cls()
        only_text = [[one for one in some if isinstance(one, str)] for some in (images, rest)]
        return cls(tuple(only_text[0]), frozenset(only_text[1]))

    def with_image(self, hash: str) -> _Record:
        kept = [one for one in self.images if one != hash]
        return _Record((*kept, hash)[-_MOST_IMAGES:], self.rest)

    def dump(self) -> bytes:
        return json.dumps({"images": list(self.images), "rest": sorted(self.rest)}).encode()


class Approvals:
    """The records. Cheap to make; several servers may use them at the same time.

    `notebook` is a path; a copy or a moved notebook is another one, and asks again.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or data_directory() / "approvals"

    def check(self, notebook: Path, settings: Settings) -> None:
        """Called before every start. Raises NotApproved with all that is missing."""
        if items := self.missing(notebook, settings):
            raise NotApproved(items, str(notebook))

    def missing(self, notebook: Path, settings: Settings) -> tuple[str, ...]:
        """What of the (resolved) settings this person has not said yes to, in words."""
        return tuple(ask.text for ask in self.missing_asks(notebook, settings))

    def missing_asks(self, notebook: Path, settings: Settings) -> tuple[Ask, ...]:
        """The same, for who wants to know which setting asks."""
        return _missing(notebook, self._read(notebook), asks(settings))

    def approve(
        self, notebook: Path, settings: Settings, shown: Collection[str] | None = None
    ) -> None:
        """The person said yes to these (resolved) settings: Apply, an answered question,
        `--approve`. Earlier images stay approved, nothing else does.

        `shown` is the list that was read, where settings were resolved anew since: a link may
        lead elsewhere by now. Raises AsksMore if more than that is missing."""
        asked = image, *rest = asks(settings)
        with self._locked():
            record = self._read(notebook)
            missing = [ask.text for ask in _missing(notebook, record, asked)]
            if shown is not None and not set(missing) <= set(shown):
                raise AsksMore(missing, str(notebook))
            images = record.with_image(*_hashes(notebook, [image.key])).images
            given = frozenset(_hashes(notebook, [ask.key for ask in rest]))
            self._write(notebook, _Record(images, given))

    def approve_image(self, notebook: Path, image: str) -> None:
        """The person ran the `%%dockerfile` cell that builds `image` (a full reference)."""
        with self._locked():
            hashes = _hashes(notebook, [_image(image).key])
            self._write(notebook, self._read(notebook).with_image(*hashes))

    def forget(self, notebook: Path) -> None:
        """Take back every yes for this notebook."""
        with self._locked():
            self._file(notebook).unlink(missing_ok=True)

    def _file(self, notebook: Path) -> Path:
        return self.directory / f"{_hashes(notebook, [()])[0][:40]}.json"

    def _read(self, notebook: Path) -> _Record:
        try:
            return _Record.parse(read_untrusted(self._file(notebook), _MAX_BYTES))
        except KernelError:  # not there, not ours, too large: nothing was approved
            return _Record()

    def _write(self, notebook: Path, record: _Record) -> None:
        replace_file(self._file(notebook), record.dump())

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone among all servers of this person, for the few milliseconds of one change."""
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.directory.chmod(0o700)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self.directory / ".lock", flags, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)
        except OSError as error:
            raise BadInput(
                f"The approval cannot be recorded in {self.directory}: {error.strerror}.",
                "That directory must be yours and writable; see `jupyter --data-dir`.",
            ) from error


def _missing(notebook: Path, record: _Record, asked: Sequence[Ask]) -> tuple[Ask, ...]:
    given = {*record.images, *record.rest}
    return tuple(ask for ask in asked if given.isdisjoint(_hashes(notebook, (ask.key, *ask.more))))


def _hashes(notebook: Path, keys: Iterable[tuple[str, ...]]) -> list[str]:
    path = os.path.realpath(notebook)
    return [hashlib.sha256(json.dumps([path, *key]).encode()).hexdigest() for key in keys]
