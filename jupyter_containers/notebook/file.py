"""A notebook file: found, read, and the one place that decides whether it is a notebook.

A notebook holds a request by whoever wrote it; nothing here believes it. Scripts and language
models write notebooks that lack what nbformat asks for and JupyterLab fills in: so do we. What
cannot be understood is refused in one sentence, before anything is built or written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import BadInput, BadSettings
from ..text import as_dict, as_text, untrusted_json
from .cells import DockerfileCell, Options, cell_fingerprint, dockerfile_cells, parse_cell
from .json_reader import loads

__all__ = [
    "DockerfileCell",
    "Options",
    "cell_fingerprint",
    "content_digest",
    "dockerfile_cells",
    "is_of_ours",
    "language_of",
    "notebook_from_environment",
    "parse_cell",
    "read_language",
    "read_language_info",
    "read_notebook",
    "resolve_notebook",
    "settings_of",
]

FORMAT = 4
"""Of nbformat: cells stand in one list since then, and nothing newer is known."""
KEY = "jupyter_containers"
"""Our key in a notebook's metadata."""
MAX_BYTES = 64 * 1024 * 1024
ANY_LANGUAGE = "container"
"""The language of our own kernel spec, which stands for whatever the image has."""
_MANY = "polyglot-notebook"
"""What .NET's kernels say that they speak, whatever their specs say."""
_JUST_NOW, _PAUSE, _TRIES = 2.0, 0.05, 6
"""Seconds since a notebook was written, and between two looks at one being saved."""


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
    """The notebook's JSON, with what was left out filled in. Raises BadInput where it is no
    notebook of format 4.

    jupyter_server empties a notebook and fills it again when it saves
    (https://github.com/jupyter-server/jupyter_server: fileio.py, atomic_writing): what makes no
    sense and was written just now is read again.
    """
    return read_with_status(path)[0]


def read_with_status(path: Path) -> tuple[dict[str, Any], bytes, os.stat_result]:
    """The same with the file's bytes and its status then, for whoever writes it again."""
    for _ in range(_TRIES):
        data, status = _read(path)
        try:
            return _parse(data, path.name), data, status
        except BadInput:
            if abs(time.time() - status.st_mtime) > _JUST_NOW:
                raise
            time.sleep(_PAUSE)
    data, status = _read(path)
    return _parse(data, path.name), data, status


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


def _parse(data: bytes, name: str) -> dict[str, Any]:
    try:
        notebook = loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{name} is not a notebook: {str(error)[:200]}.", _MEND) from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise BadInput(
            f"{name} is not a notebook of format 4: it has no list of cells.",
            "Upgrade an old one with: jupyter nbconvert --to notebook --inplace FILE",
        )
    _format(notebook, name)
    if not isinstance(_filled(notebook, "metadata", {}), dict):
        raise BadInput(
            f"{name} is not a notebook: its metadata is no object.",
            "Restore a copy of it, or make its metadata {} in a text editor.",
        )
    for number, cell in enumerate(notebook["cells"], 1):
        if (wrong := _wrong(cell)) is not None:
            raise BadInput(f"{name} is not a notebook: cell {number} {wrong}.", _MEND)
    return notebook


_MEND = "Open it in JupyterLab as text (Open With, Editor) and mend it, or restore a copy."


def _format(notebook: dict[str, Any], name: str) -> None:
    """Its version in whole numbers, where it is one that we can read."""
    said = _filled(notebook, "nbformat", FORMAT)
    number = _whole(said)
    if number is None:
        raise BadInput(f"{name} is not a notebook: its nbformat is {str(said)[:40]!r}.", _MEND)
    if number != FORMAT:
        raise BadInput(
            f"{name} is a notebook of format {number}; this program reads format {FORMAT}.",
            "Save it in that format: jupyter nbconvert --to notebook --inplace FILE",
        )
    notebook["nbformat"] = FORMAT
    minor = _whole(notebook.get("nbformat_minor"))
    if minor is None:
        # Cells have ids since 4.5: https://nbformat.readthedocs.io/en/latest/format_description.html
        with_ids = any(isinstance(cell, dict) and "id" in cell for cell in notebook["cells"])
        minor = 5 if with_ids else 4
    notebook["nbformat_minor"] = minor


_DIGITS = re.compile(r"[0-9]{1,4}(\.0)?")


def _whole(said: object) -> int | None:
    """A whole number, also where it was written as `5.0` or as a text."""
    if isinstance(said, str | float) and _DIGITS.fullmatch(str(said)):
        return int(float(said))
    return said if type(said) is int else None


def _wrong(cell: Any) -> str | None:
    """What nobody could read as a cell. Fills in what is left out of it."""
    if not isinstance(cell, dict):
        return "is no object"
    if not isinstance(cell.get("cell_type"), str):
        return "says no cell_type"
    source = _filled(cell, "source", "")
    if not isinstance(source, str) and not _all(source, str):
        return "has a source that is no text"
    if not isinstance(_filled(cell, "metadata", {}), dict):
        return "has metadata that are no object"
    if cell["cell_type"] == "code":
        cell.setdefault("execution_count", None)
        outputs = _filled(cell, "outputs", [])
        if not _all(outputs, dict) or any("output_type" not in one for one in outputs):
            return "has outputs that are none"
    return None


def _filled(within: dict[str, Any], key: str, default: Any) -> Any:
    """The value there, after a missing one or null has become the default."""
    if within.get(key) is None:
        within[key] = default
    return within[key]


def _all(values: Any, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(one, kind) for one in values)


def settings_of(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """What a notebook asks for, as it stands there; empty where it asks for nothing. Given to
    `Settings.parse`. Raises BadSettings where the key holds something else than an object."""
    asked = notebook["metadata"].get(KEY, {})
    if not isinstance(asked, dict):
        raise BadSettings(KEY, "the notebook's metadata holds no object there.")
    try:  # they are shown in a browser, which reads less than Python does
        return dict(untrusted_json(json.dumps(asked)))
    except (ValueError, RecursionError) as error:
        raise BadSettings(KEY, f"the notebook's settings cannot be used: {error}.") from None


def content_digest(notebook: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of what a notebook runs: the sources of its code cells and what it asks of
    us. Outputs are not in it, so a notebook stays the same one while it is run, and is another one
    when somebody else's takes its place."""
    code = [
        "".join(source) if isinstance(source := cell.get("source", ""), list) else source
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]
    said = json.dumps([code, notebook["metadata"].get(KEY)], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def is_of_ours(notebook: Mapping[str, Any]) -> bool:
    """Whether it asks for a container, or has a cell that builds one's image."""
    if notebook["metadata"].get(KEY):
        return True
    try:
        return bool(dockerfile_cells(notebook))
    except BadInput:  # it has one, with a mistake in it
        return True


def language_of(notebook: Mapping[str, Any]) -> str:
    """The language that a notebook is written in, as it says; where it names none, the kernel that
    it is written for; empty where it says neither.

    JupyterLab writes `python` into each new notebook of a server whose own kernel that is, so it
    counts only where a cell was run.
    """
    about = notebook["metadata"]
    languages = [_at(about, place) for place in _LANGUAGES]
    said = [_python(one) for one in languages if one not in ("", ANY_LANGUAGE, _MANY)]
    said = said or [_python(sign) for place in _SIGNS if (sign := _sign(_at(about, place)))]
    if not said:
        said = _kernel_named(as_dict(about.get("kernelspec")), as_dict(about.get("kernel_info")))
    run = _has_run(notebook)
    return next((one for one in said if run or one.lower() != "python"), "")


_LANGUAGES = (
    *(("kernelspec", "language"), ("language_info", "name"), ("jupytext", "main_language")),
    ("application/vnd.databricks.v1+notebook", "language"),
)
_SIGNS = (
    ("language",),  # nbformat leaves it there when it upgrades a notebook of format 3
    ("polyglot_notebook", "kernelInfo", "defaultKernelName"),
    *(("language_info", "pygments_lexer"), ("jupytext", "default_lexer")),
    *(("language_info", "codemirror_mode"), ("language_info", "codemirror_mode", "name")),
    *(("language_info", "mimetype"), ("language_info", "file_extension")),
    ("jupytext", "text_representation", "extension"),
)
"""Where it is told in other words, the surest first. In some of them stands what is no language
(`clike`, `.md`)."""
_AROUND = re.compile(r"(text|application)/(x-)?|[-_]?(source|src)")
_IN_OTHER_WORDS = dict(
    (
        *(("py", "python"), ("jl", "julia"), ("rb", "ruby"), ("rs", "rust"), ("kt", "kotlin")),
        *(("js", "javascript"), ("ts", "typescript"), ("sh", "bash"), ("shell", "bash")),
        *(("cs", "C#"), ("csharp", "C#"), ("fs", "F#"), ("fsharp", "F#"), ("cpp", "C++")),
        *(("ps1", "PowerShell"), ("pwsh", "PowerShell")),
    )
)
_NO_LANGUAGES = (
    *("md", "rmd", "qmd", "myst", "txt", "tex", "rst", "html", "markdown", "htmlmixed"),
    *("plain", "text", "null", "none", "clike", "mllike"),
)
_PYTHON = re.compile(r"i?python[ \d.]*", re.IGNORECASE)
_PYTHON_NAMED = re.compile(r"python(?![a-z])", re.IGNORECASE)
_PYTHON_SHOWN = re.compile(r"(^|[(\[])\s*python", re.IGNORECASE)


def _at(about: Any, place: tuple[str, ...]) -> str:
    for key in place:
        about = as_dict(about).get(key)
    return as_text(about).strip()


def _sign(text: str) -> str:
    word = _AROUND.sub("", text.lower()).lstrip(".")
    return "" if word in _NO_LANGUAGES else _IN_OTHER_WORDS.get(word, word)


def _python(language: str) -> str:
    """`ipython3` and `Python 3` are that."""
    return "python" if _PYTHON.fullmatch(language) else language


def _kernel_named(spec: Mapping[str, Any], info: Mapping[str, Any]) -> list[str]:
    """What stands for a language: nbformat asks for a kernel's names only. People name their Python
    environments as they like, and Jupyter puts `Python` before what it shows of them, or in
    brackets; `Julia (with Python)` is none of these."""
    name = as_text(spec.get("name")).strip() or as_text(info.get("name")).strip()
    shown = as_text(spec.get("display_name"))
    if _PYTHON_NAMED.search(name) or _PYTHON_SHOWN.search(shown):
        return ["python"]
    said = name or re.split(r"[\d(\[]", shown, maxsplit=1)[0].strip()
    return [said] if said.lower() not in ("", ANY_LANGUAGE) else []


def read_language(path: Path | None) -> str:
    """The same of the file as it is on disk now; empty where there is no notebook."""
    with contextlib.suppress(BadInput):
        return language_of(read_notebook(path)) if path is not None else ""
    return ""


def read_language_info(path: Path | None) -> dict[str, Any]:
    """What a kernel that is none says of its language: what clients have written into the notebook,
    so that the file stays as it is, or what they would write for its language. Of one that nobody
    knows, the name is our kernel spec's, which stands for any."""
    language = ""
    with contextlib.suppress(BadInput):
        if path is not None:
            notebook = read_notebook(path)
            written = as_dict(notebook["metadata"].get("language_info"))
            if as_text(written.get("name")) and len(json.dumps(written)) < _MOST_INFO:
                return written
            language = language_of(notebook)
    if language.lower() in ("", "python"):
        name = language or ANY_LANGUAGE
        return {"name": name, "mimetype": "text/x-python", "file_extension": ".py"}
    kind = f"text/x-{language.lower()}"
    return {"name": language, "mimetype": kind, "file_extension": ".txt"}


_MOST_INFO = 4000
"""Characters of `language_info` in a notebook: kernels say some hundred."""


def _has_run(notebook: Mapping[str, Any]) -> bool:
    code = (cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    return any(type(cell.get("execution_count")) is int for cell in code)
