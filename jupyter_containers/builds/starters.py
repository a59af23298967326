"""A first `%%dockerfile` cell from a file that lies in the notebook's folder.

The cell copies requirements.txt and its kind and installs from the copy, so that the file stays
what says what is needed. What cannot be carried over is said in comments of the cell. No password
of a URL comes into a cell: notebooks are mailed around.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from ..dockerfile.installs import secret
from ..dockerfile.openat import SafeDir
from ..errors import BadInput, BadReference
from ..models import parse_image
from ..text import as_dict, as_list, as_text, one_line, untrusted_json

Kind = Literal["pip", "conda", "pyproject", "dockerfile", "devcontainer"]

FILES: Mapping[str, Kind] = {
    "requirements.txt": "pip",
    "environment.yml": "conda",
    "environment.yaml": "conda",
    "pyproject.toml": "pyproject",
    "Dockerfile": "dockerfile",
    "Containerfile": "dockerfile",
    "devcontainer.json": "devcontainer",
    ".devcontainer.json": "devcontainer",
    ".devcontainer/devcontainer.json": "devcontainer",
}
"""What a cell can be made from, by its path in the notebook's folder."""

PYTHON = "docker.io/library/python:3.12-slim"
CONDA = "docker.io/condaforge/miniforge3:24.9.2-0"
_PYTHONS = (12, 13, 11, 14, 10, 9, 8)
_LOCKS: Mapping[str, str] = {
    "uv.lock": "uv export -q --frozen --no-dev --no-emit-local",
    "poetry.lock": "uvx --with poetry-plugin-export poetry export",
}
"""How a lock is made a requirements.txt."""
_MOST_BYTES = 1 << 20
_MOST_IN_LOCK = 16 << 20  # it has each wheel's address and hash
_MOST_INCLUDED = 20
_INSIDE = "/tmp/needs"
# Before the host of a URL; or in its path, where Anaconda's channels have a token.
_PASSWORD = re.compile(r"(?<=://)(?!git@)[^\s/@'\"]+@|(?<=/t/)[\w-]{8,}(?=/)")
_SECRET = re.compile(r"passw|secret|token|credential|(?:api|access|private|auth)_?key", re.I)
# A line, which in an environment.yml begins with a dash.
_INCLUDES = re.compile(
    r"^[ \t]*(?:-[ \t]+)?(-r|--requirement|-c|--constraint)[ \t=]*([^\s#]\S*)", re.M
)
_LOCAL = re.compile(
    r"^[ \t]*(?:-[ \t]+)?((?:-e|--editable)[ \t=]+\S+|(?:-f|--find-links)[ \t=]+(?!\S+://)\S+"
    r"|\.{1,2}(?:/\S*)?|/\S+|[\w.-]+(?:\[[^\]\n]*\])?[ \t]*@[ \t]*file:\S+)[ \t]*(?:;.*|#.*)?$",
    re.M,
)
_DIRECTIVE = re.compile(r"#\s*[a-zA-Z]+\s*=")
# A string of JSON, or what JSON with comments has beside it: a comment, a comma before a bracket.
_JSONC = re.compile(r'("(?:[^"\\\n]|\\.)*")|//[^\n]*|/\*.*?(?:\*/|\Z)', re.S)
_COMMA = re.compile(r'("(?:[^"\\\n]|\\.)*")|,(?=\s*[}\]])')
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = re.compile(r"[\w./@:+-]+")
_READ = frozenset(
    (
        *("$schema", "build", "containerEnv", "containerUser", "context"),
        *("dockerFile", "image", "name", "remoteEnv", "remoteUser"),
        *("forwardPorts", "otherPortsAttributes", "portsAttributes"),  # what listens is offered
    )
)
"""Of a devcontainer.json, what is carried over, or what a notebook has no use for."""

Read = Callable[[str], str]
"""The text of a file below the notebook's folder, by its path. Raises BadInput, OSError."""


@dataclass
class _Cell:
    """A cell in the making."""

    read: Read
    has: Callable[[str], bool]
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """What the person has to know, without a password."""
        self.notes.append(one_line(_PASSWORD.sub("", text), 300))


def find_starters(directory: Path) -> dict[str, Kind]:
    """Those of `FILES` that are regular files. Links are left out: what they lead to may lie
    anywhere."""
    with _open(directory) as folder:
        return {name: kind for name, kind in FILES.items() if _is_file(folder, name)}


def make_cell(directory: Path, name: str, base: str = "") -> str:
    """The source of a cell from one of `FILES`, on an image that is here, or on the usual one.
    Raises BadInput where the file cannot be read or says nothing that a cell can have."""
    kind = FILES.get(name)
    if kind is None:
        raise BadInput(f"No cell is made from {name[:200]!r}.", f"From {', '.join(FILES)}.")
    if base:
        parse_image(base)
    with _open(directory) as folder:
        cell = _Cell(lambda path: _text(folder, path), lambda path: _is_file(folder, path))
        text = cell.read(name)
        if kind == "dockerfile":
            _dockerfile(cell, name, text)
        elif kind == "devcontainer":
            _devcontainer(cell, name, text, base)
        elif kind == "pyproject":
            _pyproject(cell, name, text, base)
        elif kind == "conda":
            _conda(cell, name, text, base)
        else:
            _pip(cell, name, text, base)
    # Directives such as `# syntax=` count in the first lines only.
    at = next((i for i, one in enumerate(cell.lines) if not _DIRECTIVE.match(one)), 0)
    notes = [f"# {note}" for note in cell.notes]
    return "\n".join(["%%dockerfile", *cell.lines[:at], *notes, *cell.lines[at:]])


# -- the files ---------------------------------------------------------------------------------


def _pip(cell: _Cell, name: str, text: str, base: str) -> None:
    cell.lines.append(f"FROM {base or PYTHON}")
    mounts = _take(cell, {name: text})
    cell.lines += _run(mounts, "/root/.cache/pip", f"pip install -r {_INSIDE}/{name}")


def _conda(cell: _Cell, name: str, text: str, base: str) -> None:
    cell.lines.append(f"FROM {base or CONDA}")
    mounts = _take(cell, {name: text})
    install = f"conda env update --name base --file {_INSIDE}/{name}"
    cell.lines += _run(mounts, "/opt/conda/pkgs", install)


def _pyproject(cell: _Cell, name: str, text: str, base: str) -> None:
    """What the project depends on, by uv: pip installs only the project itself. Where a lock lies
    beside it, the versions are the lock's."""
    try:
        project = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadInput(f"{name} is no TOML: {one_line(str(error))}.") from None
    said, tool = as_dict(project.get("project")), as_dict(project.get("tool"))
    poetry = as_dict(tool.get("poetry"))
    of_poetry = "dependencies" in poetry and not as_list(said.get("dependencies"))
    if not of_poetry and not as_list(said.get("dependencies")):
        raise BadInput(
            f"{name} lists no dependencies in [project].",
            "Where they stand elsewhere, export them to a requirements.txt.",
        )
    lock = next((one for one in _LOCKS if cell.has(one)), "")
    if of_poetry and lock != "poetry.lock":
        lock = ""
        if poetry.get("package-mode") is False:
            raise BadInput(
                f"{name} is of Poetry's, without a package and without a poetry.lock beside it.",
                "Run `poetry lock` there.",
            )
    cell.note(f"The project itself is not installed, only what {name} says it depends on.")
    groups = [
        *as_dict(said.get("optional-dependencies")),
        *as_dict(project.get("dependency-groups")),
        *as_dict(poetry.get("group")),
    ]
    if groups:
        cell.note(f"Left out, since they are optional: {', '.join(groups)}.")
    for package, source in as_dict(as_dict(tool.get("uv")).get("sources")).items():
        if {"path", "workspace"} & as_dict(source).keys():
            cell.note(f"{name} takes {package} from this machine, which this cell does not copy.")
    cell.lines.append(f"FROM {base or _python(cell, name, as_text(said.get('requires-python')))}")
    files = {name: text}
    if lock:
        files[lock] = cell.read(lock)
    mounts = _take(cell, files)
    listed = f"{_INSIDE}/{name}"
    export = ""
    if lock:
        listed = "/tmp/locked.txt"
        export = f" && cd {_INSIDE} && {_LOCKS[lock]} -o {listed}"
    install = f"pip install uv{export} && uv pip install --system -r {listed}"
    cell.lines += _run(mounts, "/root/.cache/uv", install)


def _python(cell: _Cell, name: str, wanted: str) -> str:
    """The usual image, or that of the nearest Python that a project wants."""
    try:
        accepted = SpecifierSet(wanted)
    except InvalidSpecifier:
        return PYTHON
    for minor in _PYTHONS:
        if accepted.contains(f"3.{minor}.99"):
            return PYTHON.replace("3.12", f"3.{minor}")
    cell.note(f"{name} wants Python {wanted}: change the base to an image with it.")
    return PYTHON


def _dockerfile(cell: _Cell, name: str, text: str) -> None:
    clean = _PASSWORD.sub("", text)
    cell.note(f"A copy of {name}: what is changed there later does not come here.")
    if clean != text:
        cell.note("Passwords in URLs were left out. Give them to the build with --secret.")
    cell.lines += clean.strip("\n").splitlines()


def _devcontainer(cell: _Cell, name: str, text: str, base: str) -> None:
    said = _jsonc(name, text)
    build = as_dict(said.get("build"))
    file = as_text(build.get("dockerfile")) or as_text(said.get("dockerFile"))
    image = as_text(said.get("image"))
    if file:
        folder = posixpath.dirname(name)
        path = posixpath.normpath(posixpath.join(folder, file))
        if _leads_out(path):
            raise BadInput(f"{name} names {file!r}, which is not in the notebook's folder.")
        _dockerfile(cell, path, cell.read(path))
        context = as_text(build.get("context")) or as_text(said.get("context")) or "."
        if posixpath.normpath(posixpath.join(folder, context)) != ".":
            cell.note(f"Its build's context is {context}: add --context to the first line.")
        if args := as_dict(build.get("args")):
            cell.note(f"Its build arguments were left out: {', '.join(args)}. Add --build-arg.")
        if target := as_text(build.get("target")):
            cell.note(f"It builds the stage {target}: add --target to the first line.")
    elif image:
        try:
            parse_image(image)
        except BadReference as error:
            raise BadInput(f"{name} names no image: {error.message}") from None
        cell.lines.append(f"FROM {image}")
    else:
        cell.note(f"{name} names neither an image nor a Dockerfile of its own.")
        cell.lines.append(f"FROM {base or PYTHON}")
    _environment(cell, {**as_dict(said.get("remoteEnv")), **as_dict(said.get("containerEnv"))})
    user = as_text(said.get("containerUser")) or as_text(said.get("remoteUser"))
    if user and _PLAIN.fullmatch(user):
        cell.lines.append(f"USER {user}")
    _left_out(cell, said)


def _left_out(cell: _Cell, said: Mapping[str, Any]) -> None:
    """Say what is not carried over, and what does the same here."""
    if features := as_dict(said.get("features")):
        cell.note(f"Features were left out: {', '.join(features)}. RUN can install the same.")
    for key in [one for one in said if one.endswith("Command")]:
        command = said[key] if isinstance(said[key], str) else json.dumps(said[key])
        cell.note(f"The {key} was left out: {command}")
    if mounts := as_list(said.get("mounts")):
        cell.note(f"Mounts were left out: {len(mounts)}. Add --mount to the first line.")
    if "appPort" in said:
        cell.note("The appPort was left out. Add --port to the first line, if others need it.")
    known = {"appPort", "features", "mounts", *_READ}
    left = [key for key in said if key not in known and not key.endswith("Command")]
    if left:
        cell.note(f"Left out, since a Dockerfile has nothing like it: {', '.join(left)}.")


def _environment(cell: _Cell, variables: Mapping[str, Any]) -> None:
    """ENV lines. Values that name what only VS Code knows, or hold a password, are left out."""
    left = []
    for key, value in variables.items():
        text = as_text(value)
        fits = _NAME.fullmatch(key) and text.isprintable() and "$" not in text
        if fits and text and not _SECRET.search(key) and not _PASSWORD.search(text):
            cell.lines.append(f"ENV {key}={json.dumps(text, ensure_ascii=False)}")
        else:
            left.append(key)
    if left:
        cell.note(f"Variables that were left out: {', '.join(left)}.")


# -- parts of them -----------------------------------------------------------------------------


def _take(cell: _Cell, files: dict[str, str]) -> list[str]:
    """COPY the first file and those that it includes; or, where one has a password, the options
    of RUN by which it is in no layer of the image."""
    for path in (waiting := list(files)):
        for included in _included(cell, path, files[path]):
            if included in files or len(files) > _MOST_INCLUDED:
                continue
            try:
                files[included] = cell.read(included)
            except (OSError, BadInput):
                cell.note(f"{path} includes {included}, which cannot be read.")
                continue
            waiting.append(included)
        for found in _LOCAL.findall(files[path]):
            cell.note(f"{path} installs {found}, which this cell does not copy.")
    addresses = (url for text in files.values() for url in re.findall(r"\w+://\S+", text))
    if any(secret(url.replace("://git@", "://")) for url in addresses):
        cell.note(
            "A URL has a password or a token, so the build reads the file and does not copy it: "
            "it is in neither this cell nor the image."
        )
        return [f"--mount=type=bind,source={path},target={_INSIDE}/{path}" for path in files]
    for path in files:
        folder = posixpath.dirname(path)
        target = f"{_INSIDE}/{folder}/" if folder else f"{_INSIDE}/"
        cell.lines.append(f"COPY {path} {target}")
    return []


def _included(cell: _Cell, path: str, text: str) -> Iterator[str]:
    """The paths that `-r` and `-c` name, where a cell can copy them."""
    for option, named in _INCLUDES.findall(text):
        if "://" in named:
            continue  # pip fetches it
        found = posixpath.normpath(posixpath.join(posixpath.dirname(path), named.strip("\"'")))
        if _leads_out(found) or not _PLAIN.fullmatch(found):
            cell.note(f"{path} includes {option} {named}, which this cell cannot copy.")
        else:
            yield found


def _run(mounts: list[str], cache: str, command: str) -> list[str]:
    options = [f"--mount=type=cache,target={cache}", *mounts]
    return [" \\\n    ".join(["RUN " + options[0], *options[1:], command])]


def _jsonc(name: str, text: str) -> dict[str, Any]:
    """An object of JSON with comments and commas at ends: https://containers.dev says it may be."""
    plain = _COMMA.sub(r"\1", _JSONC.sub(r"\1", text))
    try:
        said = untrusted_json(plain)
    except ValueError as error:
        raise BadInput(f"{name} is no JSON: {one_line(str(error))}.") from None
    if not isinstance(said, dict):
        raise BadInput(f"{name} is no object of JSON.")
    return said


def _leads_out(path: str) -> bool:
    return path.startswith(("/", "../")) or path in ("", ".", "..")


# -- reading -----------------------------------------------------------------------------------


def _open(directory: Path) -> closing[SafeDir]:
    return closing(SafeDir(directory, through_links=True))


def _is_file(folder: SafeDir, path: str) -> bool:
    try:
        with folder.file(path):
            return True
    except OSError:
        return False


def _text(folder: SafeDir, path: str) -> str:
    """A small text file. Raises BadInput."""
    most = _MOST_IN_LOCK if path in _LOCKS else _MOST_BYTES
    try:
        with folder.file(path) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        why = error.strerror or str(error)
        raise BadInput(
            f"{one_line(path)} cannot be read: {why}.", "It has to be a file, and no link."
        ) from None
    if len(data) > most:
        raise BadInput(f"{one_line(path)} is larger than {most >> 20} MiB, too much for a cell.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"{one_line(path)} is no text in UTF-8.") from None
    if "\0" in text:
        raise BadInput(f"{one_line(path)} is no text: it has a NUL.")
    return text.replace("\r\n", "\n")
