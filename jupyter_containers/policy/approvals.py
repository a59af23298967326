"""What this person has said yes to, for each notebook: `records.py` keeps it.

Settings in a notebook are a request: code in its kernel, or whoever sent it, can have written
them, and the options of its cells. Only what is recorded here starts, or is read by a build.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from ..errors import AsksMore, BuildNotApproved, NotApproved
from ..host.paths import data_directory
from ..models import Mount, Reference
from ..settings.schema import Settings
from .engines import UNISOLATED
from .folders import contains_home, holds_home, is_shared
from .records import Record, Records

_PLAIN = re.compile(r"[\w./~@+:=-]+( [\w./~@+:=-]+)*")
"""Text that cannot be taken for a part of the sentence that it stands in."""
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U00013441\U00013442\U0001d159\U000e0100-\U000e01ef]"
)
"""What Python takes for printable, and nobody sees: https://www.unicode.org/reports/tr44/ has most
of it as Default_Ignorable_Code_Point; U+2800 is a letter of Braille without a dot."""
_FOLDER = ("folder",)
"""The key of a folder's own record."""
_LONGEST = 200
"""Characters of a value that are shown, those at its end among them."""
_END = 80


@dataclass(frozen=True)
class Ask:
    """One thing that needs a yes. `text` is for people, and no two keys share one: it holds every
    value of its key, so that a yes to the text is a yes to these values. `more` are keys that
    include this one."""

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
    short = image if image.startswith("sha256:") else Reference.parse(image).short
    return Ask(("image", image), f"the image {short}")


def _rest(settings: Settings) -> Iterator[Ask]:
    yield from map(_mount, settings.mounts)
    for device in settings.devices:
        kind = device.partition("=")[0]
        yield Ask(("device", device), f"the device {_shown(device)}", (("device", f"{kind}=all"),))
    for port in settings.ports:
        yield Ask(("port", str(port)), f"port {port} of the container, on 127.0.0.1")
    for name, value in settings.env.items():
        what = f"the environment variable {_shown(name)}, as {_shown(value)}"
        yield Ask(("env", name, value), what)
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
        pairs = sorted(settings.slurm.items())
        shown = [f"{_shown(name)}={_shown(value)}" for name, value in pairs]
        what = f" with {', '.join(shown)}" if options else ", on your account with Slurm"
        yield Ask(("slurm", *options), f"a Slurm job{what}")


def _mount(mount: Mount) -> Ask:
    if not PurePosixPath(mount.source).is_absolute():
        raise ValueError(f"settings are not resolved: {mount.source}")
    source = Path(mount.source)
    file = os.path.isfile(source)  # noqa: PTH113 - pathlib's raises where one may not look
    what = f"the {'file' if file else 'folder'} {_shown(mount.source)}"
    if contains_home(mount.source):
        what = (
            f"your home folder {_shown(mount.source)}, with the start-up files of shell and Jupyter"
            " and with files of keys that are replaced while it runs"
        )
    how = "read and write" if mount.writable else "read-only"
    at = "" if mount.source == mount.target else f", at {_shown(mount.target)}"
    key = ("mount", mount.source, mount.target)
    more = () if mount.writable else ((*key, "rw"),)
    return Ask((*key, "rw" if mount.writable else "ro"), f"{what}, {how}{at}", more)


def _shown(value: object) -> str:
    """A value within a sentence: in quotes where it could be misread, and with its hash where it
    is too long to be read."""
    text = str(value)
    if len(text) > _LONGEST:
        digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
        shown = f"{_quoted(text[: _LONGEST - _END])}…{_quoted(text[-_END:])}"
        return f"{shown} ({len(text)} characters, SHA-256 {digest})"
    return text if _PLAIN.fullmatch(text) and not _BLANK.search(text) else _quoted(text)


def _quoted(text: str) -> str:
    """As JSON; what could deceive an eye or a terminal is escaped."""
    readable = text.isprintable() and not _BLANK.search(text)
    return json.dumps(text, ensure_ascii=not readable)


def asks_of_build(
    secrets: Collection[str],
    copied: Sequence[tuple[Path, bool]],
    urls: Mapping[str, bool] = MappingProxyType({}),
) -> list[Ask]:
    """What a build reads beside its notebook's own folder: the administrator's secrets by their
    names, files (or folders: True) by their resolved paths, and addresses: of this machine (True),
    or of a host that may be (False)."""
    asked = [
        Ask(("secret", name), f"the secret {_shown(name)}, read by its build") for name in secrets
    ]
    for path, is_folder in copied:
        kind = "folder" if is_folder else "file"
        within = ", with all that is in it" if is_folder else ""
        above = tuple(("read", "folder", str(one)) for one in path.parents)
        what = f"the {kind} {_shown(path)}{within}, read by its build"
        asked.append(Ask(("read", kind, str(path)), what, above))
    for url, is_here in urls.items():
        where = "of this machine" if is_here else "whose host could not be looked up in time"
        key = ("url", url) if is_here else ("url", url, "unknown")
        asked.append(Ask(key, f"{_shown(url)} {where}, downloaded by its build"))
    return asked


class Approvals:
    """The records. Cheap to make; several servers may use them at the same time.

    `notebook` is a resolved path; a copy or a moved notebook is another one, and asks again.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._records = Records(directory or data_directory() / "approvals")

    def check(self, notebook: Path, settings: Settings) -> None:
        """Called before every start. Raises NotApproved with all that is missing."""
        if items := self.missing(notebook, settings):
            raise NotApproved(items, str(notebook))

    def missing(self, notebook: Path, settings: Settings) -> tuple[str, ...]:
        """What of the (resolved) settings this person has not said yes to, in words."""
        return tuple(ask.text for ask in self.missing_asks(notebook, settings))

    def missing_asks(self, notebook: Path, settings: Settings) -> tuple[Ask, ...]:
        """The same, for who wants to know which setting asks."""
        return _missing(self._records.read(notebook), asks(settings))

    def approve(
        self, notebook: Path, settings: Settings, shown: Collection[str] | None = None
    ) -> None:
        """The person said yes to these (resolved) settings: Apply, an answered question,
        `--approve`. Earlier images stay approved, and what builds read; nothing else does.

        `shown` is the list that was read, where settings were resolved anew since: a link may
        lead elsewhere by now, and a value be another. Raises AsksMore if more than that is
        missing."""
        asked = image, *rest = asks(settings)

        def change(record: Record) -> Record:
            missing = [ask.text for ask in _missing(record, asked)]
            if shown is not None and not set(missing) <= set(shown):
                raise AsksMore(missing, str(notebook))
            return record.with_image(image.key).with_rest([ask.key for ask in rest])

        self._records.change(notebook, change)
        self._approve_folder(notebook.parent, settings)

    def approve_image(self, notebook: Path, image: str) -> None:
        """The person ran the `%%dockerfile` cell that builds `image` (a full reference)."""
        key = _image(image).key
        self._records.change(notebook, lambda record: record.with_image(key))

    def check_build(
        self, notebook: Path, asked: Sequence[Ask], shown: Collection[str] | None = ()
    ) -> None:
        """Called before a build reads anything of what it asks for. `shown` is what the person
        has just said yes to, in the words of the question; None where that is all of it. Raises
        BuildNotApproved with all that is missing; what is given is remembered."""
        missing = _missing(self._records.read(notebook), asked)
        if not missing:
            return
        items = [ask.text for ask in missing]
        if shown is not None and not set(items) <= set(shown):
            raise BuildNotApproved(items, str(notebook))
        keys = [ask.key for ask in missing]
        self._records.change(notebook, lambda record: record.with_build(keys))

    def why_not_mounted(self, directory: Path) -> str:
        """Why a notebook's own folder is not mounted, nor read by builds, unasked; "" where it
        is. Whoever has once mounted a shared folder in a notebook of that folder is not asked for
        another."""
        if why := holds_home(directory):
            return why
        why = is_shared(directory)
        return "" if why and self._records.read(directory).holds(_FOLDER) else why

    def _approve_folder(self, directory: Path, settings: Settings) -> None:
        own = str(directory)
        if not holds_home(directory) and Mount(own, own, True) in settings.mounts:
            self._records.change(directory, lambda record: record.with_rest([_FOLDER]))

    def forget(self, notebook: Path) -> None:
        """Take back every yes for this notebook."""
        self._records.forget(notebook)


def _missing(record: Record, asked: Sequence[Ask]) -> tuple[Ask, ...]:
    return tuple(ask for ask in asked if not record.holds(ask.key, *ask.more))
