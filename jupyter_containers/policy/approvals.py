"""What this person has said yes to, for each notebook: `records.py` keeps it.

Settings in a notebook are a request: code in its kernel, or whoever sent it, can have written
them, and the options of its cells. Only what is recorded here starts, or is read by a build.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from ..errors import AsksMore, BuildNotApproved, NotApproved
from ..host.paths import data_directory, moved
from ..models import Mount, Reference
from ..settings.schema import Settings
from .engines import UNISOLATED
from .folders import Look, contains_home, holds_home, is_shared
from .records import ISOLATED, TRUSTED, Record, Records

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
    include this one. `listed` is what a list of approvals says of it, where that is not `text`."""

    key: tuple[str, ...]
    text: str
    more: tuple[tuple[str, ...], ...] = ()
    listed: str = ""

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
    for host, inside in settings.ports:
        at, key = (f":{host}", f"{host}:{inside}") if host else ("", str(inside))
        yield Ask(("port", key), f"port {inside} of the container, on 127.0.0.1{at}")
    for name, value in settings.env.items():
        what = f"the environment variable {_shown(name)}"
        # A value may be a secret, which is not for a file to keep.
        yield Ask(("env", name, value), f"{what}, as {_shown(value)}", listed=what)
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


def ask_of_cell(source: str) -> Ask:
    """A Dockerfile cell that this person did not write. It is shown whole."""
    digest = hashlib.sha256(source.encode(errors="surrogateescape")).hexdigest()
    lines = "\n".join(_line(line) for line in source.splitlines())
    listed = f"a Dockerfile cell (SHA-256 {digest[:12]}…)"
    text = f"this Dockerfile cell, which was not written here:\n{lines}"
    return Ask(("cell", digest), text, listed=listed)


def _line(text: str) -> str:
    plain = text.replace("\t", "    ")
    return plain if plain.isprintable() and not _BLANK.search(plain) else _quoted(plain)


class Approvals:
    """The records. Cheap to make; several servers may use them at the same time.

    `notebook` is a resolved path. `content` is the digest of the notebook there now
    (`notebook.file.content_digest`): where another has taken its place, all is asked again. Empty,
    it is not compared: the person named that file.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.records = Records(directory or data_directory() / "approvals")

    def check(self, notebook: Path, settings: Settings, content: str = "") -> None:
        """Called before every start. Raises NotApproved with all that is missing."""
        if items := self.missing(notebook, settings, content):
            raise NotApproved(items, str(notebook))

    def missing(self, notebook: Path, settings: Settings, content: str = "") -> tuple[str, ...]:
        """What of the (resolved) settings this person has not said yes to, in words."""
        return tuple(ask.text for ask in self.missing_asks(notebook, settings, content))

    def missing_asks(
        self, notebook: Path, settings: Settings, content: str = ""
    ) -> tuple[Ask, ...]:
        """The same, for who wants to know which setting asks."""
        return _missing(self.records.read(notebook).of(content), asks(settings))

    def approve(
        self,
        notebook: Path,
        settings: Settings,
        shown: Collection[str] | None = None,
        content: str = "",
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
            return record.with_image(image.key, image.text).with_rest(_listed(rest))

        self._change(notebook, content, change)
        self._approve_folder(notebook.parent, settings)

    def approve_image(self, notebook: Path, image: str, content: str = "") -> None:
        """The person ran the `%%dockerfile` cell that builds `image` (a full reference)."""
        ask = _image(image)
        self._change(notebook, content, lambda record: record.with_image(ask.key, ask.text))

    def check_build(
        self,
        notebook: Path,
        asked: Sequence[Ask],
        shown: Collection[str] | None = (),
        content: str = "",
    ) -> None:
        """Called before a build reads anything of what it asks for. `shown` is what the person
        has just said yes to, in the words of the question; None where that is all of it. Raises
        BuildNotApproved with all that is missing; what is given is remembered."""
        missing = _missing(self.records.read(notebook).of(content), asked)
        if not missing:
            return
        items = [ask.text for ask in missing]
        if shown is not None and not set(items) <= set(shown):
            raise BuildNotApproved(items, str(notebook))
        self._change(notebook, content, lambda record: record.with_build(_listed(missing)))

    def is_about(self, notebook: Path, content: str) -> bool:
        """Whether what is recorded is about the notebook that is there now."""
        return self.records.read(notebook).is_about(content)

    def note_own(self, notebook: Path, content: str) -> None:
        """Remember that this person wrote this notebook, before a cell of it is built. Approvals
        for another that was there go."""
        record = self.records.read(notebook)
        if not record.own or content not in record.contents:
            self._change(notebook, content, lambda record: replace(record, own=True))

    def saved(self, notebook: Path, before: str, after: str, own: bool) -> None:
        """A server of this person's replaces a notebook, `before`, or nothing (empty), with what
        they have in their editor, `after`."""

        def change(record: Record) -> Record:
            kept = record.of(before) if before else Record(path=record.path)
            return replace(kept, own=own).with_content(after)

        record = self.records.read(notebook)
        if not before or record.contents[-1:] != (after,) or record.own is not own:
            self.records.change(notebook, change)

    def carry(self, before: Path, after: Path, *, keep: bool = False) -> list[Path]:
        """This person has moved a notebook, or a folder of notebooks, or copied one (`keep`).
        Returns where those are now that have records."""
        known = [Path(record.path) for record in self.records.all()]
        where = {path: moved(path, before, after) for path in known if path.is_relative_to(before)}
        if where:
            self.records.carry(where, keep=keep)
        return list(where.values())

    def rewritten(self, notebook: Path, before: str, after: str) -> None:
        """This person's program or server has changed the notebook: it is still the same one."""
        if before in self.records.read(notebook).contents:
            self.records.change(notebook, lambda record: record.with_content(after))

    def with_images(self, images: Collection[str]) -> list[Path]:
        """The notebooks that one of these images is approved for, of those that are still there."""
        keys = [("image", image) for image in images]
        found = (Path(one.path) for one in self.records.all() if one.holds(*keys))
        return [notebook for notebook in found if notebook.exists()]

    def knows(self, notebook: Path) -> bool:
        """Whether anything is recorded for it."""
        return self.records.file(notebook).exists()

    def outputs(self, notebook: Path, content: str) -> str:
        """`trusted` where this person said that of what the notebook displays, else `isolated`."""
        said = self.records.read(notebook).of(content).outputs
        return said if said == TRUSTED else ISOLATED

    def set_outputs(self, notebook: Path, content: str, outputs: str) -> None:
        """This person's decision for what the notebook displays. Whoever lets it act in their name
        takes it for theirs."""

        def change(record: Record) -> Record:
            if outputs == TRUSTED:
                return replace(record, outputs=TRUSTED, own=True)
            return replace(record, outputs="")

        self._change(notebook, content, change)

    def why_not_mounted(self, directory: Path) -> str:
        """Why a notebook's own folder is not mounted, nor read by builds, unasked; "" where it
        is. Whoever has once mounted a shared folder in a notebook of that folder is not asked for
        another."""
        look = Look()
        if why := holds_home(directory, look):
            return why
        why = is_shared(directory, look)
        return "" if why and self.records.read(directory).holds(_FOLDER) else why

    def _approve_folder(self, directory: Path, settings: Settings) -> None:
        own = str(directory)
        if not holds_home(directory) and Mount(own, own, True) in settings.mounts:
            given: dict[tuple[str, ...], str] = {_FOLDER: "this folder, for the notebooks in it"}
            self.records.change(directory, lambda record: record.with_rest(given))

    def _change(self, notebook: Path, content: str, change: Callable[[Record], Record]) -> None:
        def changed(record: Record) -> Record:
            now = change(record.of(content))
            return now.with_content(content) if content else now

        self.records.change(notebook, changed)

    def listed(self) -> list[Record]:
        """The records that say that something is approved, by path."""
        found = [one for one in self.records.all() if one.given or one.outputs == TRUSTED]
        return sorted(found, key=lambda one: one.path)

    def forget(self, notebook: Path) -> None:
        """Take back every yes for this notebook."""
        self.records.forget(notebook)


def _missing(record: Record, asked: Sequence[Ask]) -> tuple[Ask, ...]:
    return tuple(ask for ask in asked if not record.holds(ask.key, *ask.more))


def _listed(asked: Sequence[Ask]) -> dict[tuple[str, ...], str]:
    return {ask.key: ask.listed or ask.text for ask in asked}
