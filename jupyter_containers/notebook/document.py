"""A notebook that is executed and written: what was read stands there but for what ran anew.

`run` executes `node` with nbclient; `write` puts the outputs of the cells that were begun, and the
notebook's metadata, into the JSON that was read. Nothing else of the file is touched: sources,
cells that were not reached, and keys that no version of nbformat knows stay as they are.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from ..errors import BadInput
from .file import KEY, language_of, read_with_status

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_OURS = (KEY, "kernelspec", "language_info", "widgets")
"""The notebook's metadata that a run changes."""


class Document:
    """One notebook from its reading to its writing. Used by the command line's `run`."""

    def __init__(self, path: Path, output: Path) -> None:
        """Read it. Raises BadInput where it is no notebook, or `output` may not be written."""
        self.data, self._bytes, status = read_with_status(path)
        self._output = output
        self._before = output.stat() if output.exists() else None
        if output == path:
            self._before = status
        if self._before is not None and not self._before.st_mode & 0o222:
            raise BadInput(
                f"{output.name} cannot be written: its mode forbids it.",
                "Make it writable, or write elsewhere: -o OUT",
            )
        self.node: NotebookNode = nbformat.from_dict(copy.deepcopy(self.data))
        for cell in self.node.cells:
            if isinstance(cell.source, list):
                cell.source = "".join(cell.source)
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

    def remark(self) -> str:
        """What the person should know of the file that will be written; else empty."""
        links = self._before.st_nlink if self._before is not None else 1
        if links == 1:
            return ""
        return (
            f"{self._output.name} has {links} names (hard links): the others keep what stands "
            "there now."
        )

    def write(self) -> Path:
        """Write what was executed, and return where: beside the output where another program
        changed that meanwhile. Raises BadInput, which names the file that has it all, where the
        folder cannot be written."""
        data = self._as_text()
        output = self._output if self._is_as_it_was() else _free(self._output)
        try:
            _replace(output, data)
        except OSError as error:
            raise _elsewhere(output, data, error) from error
        return output

    def _is_as_it_was(self) -> bool:
        now = self._output.stat() if self._output.exists() else None
        return _identity(now) == _identity(self._before)

    def _as_text(self) -> bytes:
        """The notebook in the look of the file that was read; nbformat's is an indent of 1, sorted
        keys (https://github.com/jupyter/nbformat/blob/main/nbformat/v4/nbjson.py)."""
        for index, cell in zip(sorted(self._begun), self._executed(), strict=True):
            self.data["cells"][index].update(
                outputs=cell["outputs"], execution_count=cell["execution_count"]
            )
        self._update(self.data["metadata"])
        indent = re.search(rb"\n([ \t]+)", self._bytes)
        text = json.dumps(self.data, ensure_ascii=False, indent=indent[1].decode() if indent else 1)
        text = _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
        return (text + ("\n" if self._bytes.endswith(b"\n") else "")).encode()

    def _executed(self) -> list[dict[str, Any]]:
        """The cells that were begun as nbformat writes them: long texts as lists of lines."""
        cells = [self.node.cells[index] for index in sorted(self._begun)]
        written = nbformat.v4.writes(NotebookNode(cells=cells, metadata={}))
        return list(json.loads(written)["cells"])

    def _update(self, metadata: dict[str, Any]) -> None:
        in_order = list(metadata) == sorted(metadata)
        for key in _OURS:
            if key in self.node.metadata:
                metadata[key] = json.loads(json.dumps(self.node.metadata[key], sort_keys=True))
        if in_order:
            self.data["metadata"] = dict(sorted(metadata.items()))


def _identity(status: os.stat_result | None) -> tuple[int, int, int] | None:
    return (status.st_ino, status.st_mtime_ns, status.st_size) if status is not None else None


def _free(output: Path) -> Path:
    """A name beside it that nobody has."""
    made = (output.with_name(f"{output.stem}-executed{n}.ipynb") for n in ("", *range(2, 1000)))
    return next(path for path in made if not os.path.lexists(path))


def _replace(path: Path, data: bytes) -> None:
    """In one step, with the owner and the mode that it has, or that this person's files get."""
    new = not path.exists()
    if new:
        path.touch()
    before = path.stat()
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.stem}.", dir=path.parent)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
                file.write(data)
                file.flush()
                os.fsync(descriptor)
                with contextlib.suppress(OSError):  # only root may give files away
                    os.fchown(descriptor, before.st_uid, before.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(before.st_mode))
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except BaseException:
        if new:
            path.unlink(missing_ok=True)
        raise


def _elsewhere(output: Path, data: bytes, why: OSError) -> BadInput:
    """An hour of cells is not lost because a disk is full."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f"{output.stem}-executed-", suffix=".ipynb")
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(data)
        hint = f"What was executed is in {name}"
    except OSError:
        hint = "Nothing was written; what stood there still does."
    return BadInput(f"{output} cannot be written: {why.strerror}.", hint)
