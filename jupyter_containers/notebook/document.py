"""A notebook that is executed and written: what was read stands there but for what ran anew.

`run` executes `node` with nbclient; `write` puts the outputs of the cells that were begun, and the
notebook's metadata, into the JSON that was read, and that into the file that is there. Nothing
else is touched: sources, cells that were not reached, keys that no version of nbformat knows, the
look of the JSON, and the file's owner, mode, ACL and names stay as they are.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import nbformat
from nbformat import NotebookNode

from ..errors import BadInput
from .file import KEY, language_of, read_with_status
from .json_reader import check_kept

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_OURS = (KEY, "kernelspec", "language_info", "widgets")
"""The notebook's metadata that a run changes."""
_ESCAPED = re.compile(rb"\\u(?!00[0-7])")
_WIDEST = 8
"""Spaces or tabs of one level of JSON; a hundred thousand would come to gigabytes."""
_MOST_NAME = 255
"""Bytes of a file's name: https://man7.org/linux/man-pages/man3/pathconf.3.html (_PC_NAME_MAX)."""


class Document:
    """One notebook from its reading to its writing. Used by the command line's `run`."""

    def __init__(self, path: Path, output: Path) -> None:
        """Read it. Raises BadInput where it is no notebook, or one that cannot be written as it was
        read, and where `output` may not be written."""
        self.data, self._bytes, status = read_with_status(path)
        try:
            check_kept(self._bytes.decode("utf-8-sig"), self.data)
        except ValueError as error:
            raise BadInput(
                f"{path.name} cannot be written as it was read: {error}.",
                "Mend it in a text editor, or restore a copy of it.",
            ) from None
        self._output = output
        self._before = output.stat() if output.exists() else None
        if output == path:
            self._before = status
        _check_writable(output, self._before)
        self.node: NotebookNode = nbformat.from_dict(copy.deepcopy(self.data))
        for cell in self.node.cells:
            if isinstance(cell.source, list):
                cell.source = "".join(cell.source)
            if not isinstance(cell.metadata.get("tags"), list | str):
                cell.metadata.pop("tags", None)  # nbclient looks for its own in there
        self._begun: set[int] = set()

    @property
    def language(self) -> str:
        """See `language_of`."""
        return language_of(self.data)

    def begin(self, index: int) -> None:
        """A cell runs now: what it had printed before is gone."""
        self._begun.add(index)
        self.node.cells[index].outputs = []
        self.node.cells[index].execution_count = None

    def size(self) -> int:
        """Bytes that `write` would write now."""
        return len(self._as_text())

    def write(self) -> Path:
        """Write what was executed, and return where: beside the output where another program
        changed that meanwhile. Raises BadInput, which names the file that has it all, where the
        output cannot be written."""
        data, output = self._as_text(), self._output
        copied: Path | None = None
        try:
            if not (as_it_was := self._is_as_it_was()):
                output = _free(output)
            copied = _copy(data, output.parent)
            _fill(output, data, new=self._before is None or not as_it_was)
        except OSError as error:
            raise _unwritten(output, data, copied, error) from error
        with contextlib.suppress(OSError):
            copied.unlink()
        return output

    def _is_as_it_was(self) -> bool:
        now = self._output.stat() if self._output.exists() else None
        return _identity(now) == _identity(self._before)

    def _as_text(self) -> bytes:
        """The notebook as `_look` has it, and where a text cannot be UTF-8, escaped."""
        for index, cell in zip(sorted(self._begun), self._executed(), strict=True):
            self.data["cells"][index].update(
                outputs=cell["outputs"], execution_count=cell["execution_count"]
            )
        self._update(self.data["metadata"])
        start, end = self._bytes.index(b"{"), len(self._bytes.rstrip())
        text = json.dumps(self.data, **_look(self._bytes[start:end]))
        text = _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
        data = text.encode()
        if b"\r\n" in self._bytes:
            data = data.replace(b"\n", b"\r\n")  # within a text it is written as \n
        return self._bytes[:start] + data + self._bytes[end:]

    def _executed(self) -> list[dict[str, Any]]:
        """The cells that were begun as nbformat writes them: long texts as lists of lines."""
        cells = [self.node.cells[index] for index in sorted(self._begun)]
        written = nbformat.v4.writes(NotebookNode(cells=cells, metadata={}))
        return list(_plain(written)["cells"])

    def _update(self, metadata: dict[str, Any]) -> None:
        in_order = list(metadata) == sorted(metadata)
        for key in _OURS:
            if key in self.node.metadata:
                metadata[key] = _plain(json.dumps(self.node.metadata[key], sort_keys=True))
        if in_order:
            self.data["metadata"] = dict(sorted(metadata.items()))


def _plain(text: str) -> Any:
    """What a kernel sent. NaN and Infinity are no JSON: they become texts, as ipykernel sends them
    (https://github.com/jupyter/jupyter_client/blob/main/jupyter_client/jsonutil.py)."""
    return json.loads(text, parse_constant=str)


def _look(data: bytes) -> dict[str, Any]:
    """How JSON was written, for `json.dumps`: with an indent of 1, as nbformat does it
    (https://github.com/jupyter/nbformat/blob/main/nbformat/v4/nbjson.py), in one line, in ASCII."""
    line = re.search(rb"\n([ \t]*)", data)
    width = line[1].decode() if line and len(line[1]) <= _WIDEST else " "
    colon = re.search(rb'":( ?)', data)
    space = colon[1].decode() if colon else " "
    return {
        "indent": width if line else None,
        "separators": ("," if line else f",{space}", f":{space}"),
        "ensure_ascii": data.isascii() and _ESCAPED.search(data) is not None,
    }


def _identity(status: os.stat_result | None) -> tuple[int, int, int] | None:
    return (status.st_ino, status.st_mtime_ns, status.st_size) if status is not None else None


def _check_writable(output: Path, status: os.stat_result | None) -> None:
    """Refuse now what could not be written after an hour of cells."""
    if status is not None and not stat.S_ISREG(status.st_mode):
        why = "it is no regular file"
    elif status is not None and not (status.st_mode & 0o222 and os.access(output, os.W_OK)):
        why = "its mode or its file system forbids it"
    elif not os.access(output.parent, os.W_OK | os.X_OK):
        why = f"nothing can be written into {output.parent}"
    else:
        return
    raise BadInput(f"{output} cannot be written: {why}.", "Write into another file: -o OUT")


def _free(output: Path) -> Path:
    """A name beside it that nobody has, cut to what a file system takes."""
    for number in itertools.chain([""], map(str, itertools.count(2))):
        ending = f"-executed{number}.ipynb"
        stem = os.fsencode(output.stem)[: _MOST_NAME - len(ending)].decode(errors="ignore")
        path = output.with_name(stem + ending)
        if not os.path.lexists(path):
            break
    return path


def _copy(data: bytes, folder: Path | None) -> Path:
    """A new file that has it all, safe on the disk; None: in the directory for temporary files."""
    descriptor, name = tempfile.mkstemp(prefix="executed-", suffix=".ipynb", dir=folder)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            _put(file, data)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _fill(path: Path, data: bytes, *, new: bool) -> None:
    """Into the file that is there, so that it keeps its owner, mode, ACL and hard links, which only
    root could give to another. jupyter_server saves in the same way (fileio.py, atomic_writing)."""

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW, 0o666)

    with open(path, "xb" if new else "r+b", opener=opener) as file:
        try:
            _put(file, data)
        except BaseException:
            if new:
                path.unlink(missing_ok=True)
            raise


def _put(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.truncate()
    file.flush()
    os.fsync(file.fileno())


def _unwritten(output: Path, data: bytes, copied: Path | None, why: OSError) -> BadInput:
    """An hour of cells is not lost because a disk is full."""
    try:
        hint = f"What was executed is in {copied or _copy(data, None)}"
    except OSError:
        hint = "Nothing was written; what stood there still does."
    return BadInput(f"{output} cannot be written: {why.strerror}.", hint)
