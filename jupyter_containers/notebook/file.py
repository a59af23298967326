"""Settings and `%%dockerfile` cells in a notebook: read, written, fingerprinted. Pure files.

A notebook holds a request by whoever wrote it; nothing here believes it. `json.loads` holds the
interpreter's lock until it has read everything: half a second for a notebook of 64 MiB, in which
a server's event loop stands still, whichever thread parses. So each cell is parsed by itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import BadInput, BadSettings
from .cells import DockerfileCell, Options, cell_fingerprint, dockerfile_cells, parse_cell

__all__ = [
    "DockerfileCell",
    "Options",
    "cell_fingerprint",
    "dockerfile_cells",
    "notebook_from_environment",
    "parse_cell",
    "read_notebook",
    "read_settings",
    "resolve_notebook",
    "settings_of",
    "write_settings",
]

KEY = "jupyter_containers"
"""Our key in a notebook's metadata."""
MAX_BYTES = 64 * 1024 * 1024
_JUST_NOW, _PAUSE, _TRIES = 2.0, 0.05, 6
"""Seconds since a notebook was written, and between two looks at one being saved."""
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def resolve_notebook(session_name: str, root: Path) -> Path | None:
    """The notebook a client's session names, resolved, or None. Called before every start.

    `JPY_SESSION_NAME` is the client's text: only an existing regular `.ipynb` under the
    server's root, through no symlink that leaves it, of at most 64 MiB, counts.
    """
    if not session_name.endswith(".ipynb"):
        return None
    try:
        base = root.resolve(strict=True)
        path = (base / session_name).resolve(strict=True)
        inside = path.is_relative_to(base) and path.suffix == ".ipynb"
        return path if inside and _counts(path.lstat()) else None
    except (OSError, ValueError, RuntimeError):  # too long, a NUL, a loop of symlinks
        return None


def notebook_from_environment() -> Path | None:
    """The notebook `JUPYTER_CONTAINERS_NOTEBOOK` names, for clients that send no name.

    Raises BadInput where it is set and is no notebook: its owner meant this one.
    """
    name = os.environ.get("JUPYTER_CONTAINERS_NOTEBOOK", "")
    if not name:
        return None
    try:
        path = Path(name).resolve(strict=True)
        if path.suffix == ".ipynb" and _counts(path.lstat()):
            return path
    except (OSError, ValueError, RuntimeError):
        pass
    raise BadInput(
        f"JUPYTER_CONTAINERS_NOTEBOOK is {name[:200]!r}, which is no notebook on this machine.",
        "Set it to the path of an .ipynb file, or unset it.",
    )


def _counts(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_size <= MAX_BYTES


def read_notebook(path: Path) -> dict[str, Any]:
    """The notebook's JSON, unconverted. Raises BadInput where it is not one of format 4.

    jupyter_server empties a notebook and fills it again when it saves
    (https://github.com/jupyter-server/jupyter_server: fileio.py, atomic_writing): what makes no
    sense and was written just now is read again.
    """
    for _ in range(_TRIES):
        data, status = _read(path)
        try:
            return _parse(data, path)
        except BadInput:
            if abs(time.time() - status.st_mtime) > _JUST_NOW:
                raise
            time.sleep(_PAUSE)
    return _parse(_read(path)[0], path)


def _read(path: Path) -> tuple[bytes, os.stat_result]:
    """The file's bytes and status, through no symlink and without waiting on a FIFO."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
            status = os.fstat(descriptor)
            if not _counts(status):
                raise BadInput(
                    f"{path.name} is not a regular file of at most {MAX_BYTES >> 20} MiB.",
                    "Clear the outputs of its cells, if it is a notebook.",
                )
            return file.read(MAX_BYTES + 1), status
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from error


def _parse(data: bytes, path: Path) -> dict[str, Any]:
    try:
        notebook = loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"{path.name} is not a notebook: {str(error)[:200]}.",
            "Open it in JupyterLab as text (Open With, Editor) and mend it, or restore a copy.",
        ) from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise BadInput(
            f"{path.name} is not a notebook of format 4: it has no list of cells.",
            "Upgrade an old one with: jupyter nbconvert --to notebook --inplace FILE",
        )
    if not isinstance(notebook.setdefault("metadata", {}), dict):
        raise BadInput(
            f"{path.name} is not a notebook: its metadata is no object.",
            "Restore a copy of it, or make its metadata {} in a text editor.",
        )
    return notebook


def read_settings(path: Path) -> dict[str, Any]:
    """What the notebook asks for, as it stands there; empty where it asks for nothing.

    Called by the provisioner before every start and given to `Settings.parse`. Raises
    BadInput, and BadSettings where the key holds something else than an object.
    """
    return settings_of(read_notebook(path))


def settings_of(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a notebook already read."""
    asked = notebook["metadata"].get(KEY, {})
    if not isinstance(asked, dict):
        raise BadSettings(KEY, "the notebook's metadata holds no object there.")
    return asked


def write_settings(path: Path, settings: Mapping[str, Any] | None) -> None:
    """Put `settings` (JSON values; None removes them) into the notebook, and nothing else.

    Called by the command line and the routes; an open JupyterLab writes them itself. The file
    is replaced at once, keeps its mode and the look nbformat (or another writer) gave it.
    Raises BadInput where it is read-only or was changed at the same time.
    """
    data, before = _read(path)
    notebook = _parse(data, path)
    metadata = notebook["metadata"]
    in_order = list(metadata) == sorted(metadata)
    if settings is None:
        metadata.pop(KEY, None)
    else:
        metadata[KEY] = dict(settings)
    if in_order:
        notebook["metadata"] = dict(sorted(metadata.items()))
    if not before.st_mode & 0o222:
        raise _read_only(path, "its mode forbids writing")
    _replace(path, _like(data, notebook, in_order), before)


def _like(data: bytes, notebook: Mapping[str, Any], in_order: bool) -> bytes:
    """The notebook as text in the look of `data`; nbformat's is an indent of 1, sorted keys.

    https://github.com/jupyter/nbformat/blob/main/nbformat/v4/nbjson.py
    """
    indent = re.search(rb"\n([ \t]+)", data)
    if in_order and isinstance(asked := notebook["metadata"].get(KEY), dict):
        notebook["metadata"][KEY] = json.loads(json.dumps(asked, sort_keys=True))
    text = json.dumps(
        notebook, ensure_ascii=False, indent=indent[1].decode() if indent else 1, allow_nan=True
    )
    text = _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return (text + ("\n" if data.endswith(b"\n") else "")).encode()


def _replace(path: Path, data: bytes, before: os.stat_result) -> None:
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
            now = os.lstat(path)
            same = (now.st_ino, now.st_mtime_ns, now.st_size)
            if same != (before.st_ino, before.st_mtime_ns, before.st_size):
                raise BadInput(f"{path.name} was changed by another program.", "Try again.")
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise _read_only(path, error.strerror or "") from error


def _read_only(path: Path, why: str) -> BadInput:
    return BadInput(
        f"The settings cannot be written into {path.name}: {why}.",
        f"Make it writable, or work on a copy: {path}",
    )


_SMALL = 256 * 1024
"""Characters below which it takes a millisecond or two anyhow."""
_scan = json.JSONDecoder().raw_decode
_SPACE = re.compile(r"[ \t\n\r]*")


def loads(text: str) -> Any:
    """What `json.loads` returns, or raises."""
    if len(text) >= _SMALL:
        try:
            return _object(text)
        except (ValueError, IndexError):
            pass  # `json.loads` says what is wrong, or takes what is no object
    return json.loads(text)


def _object(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    at = _expect(text, 0, "{")
    if text[at] == "}":
        return _whole(text, at + 1, found)
    while True:
        key, at = _scan(text, at)
        if not isinstance(key, str):
            raise ValueError("a key is a string")
        at = _expect(text, at, ":")
        found[key], at = _list(text, at + 1) if text[at] == "[" else _scan(text, at)
        at = _skip(text, at)
        if text[at] == "}":
            return _whole(text, at + 1, found)
        at = _expect(text, at, ",")


def _list(text: str, at: int) -> tuple[list[Any], int]:
    """The elements from the opening bracket on, and where the text goes on after the other."""
    found: list[Any] = []
    at = _skip(text, at)
    if text[at] == "]":
        return found, at + 1
    while True:
        value, at = _scan(text, at)
        found.append(value)
        at = _skip(text, at)
        if text[at] == "]":
            return found, at + 1
        at = _expect(text, at, ",")


def _expect(text: str, at: int, sign: str) -> int:
    """Where the next value begins, after a sign that has to come first."""
    at = _skip(text, at)
    if text[at] != sign:
        raise ValueError(f"{sign} is missing")
    return _skip(text, at + 1)


def _whole(text: str, at: int, found: dict[str, Any]) -> dict[str, Any]:
    if _skip(text, at) != len(text):
        raise ValueError("there is something after the end")
    return found


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    assert space is not None
    return space.end()
