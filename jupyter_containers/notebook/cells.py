"""`%%dockerfile` cells: their options, their Dockerfile, their fingerprint. Pure.

The grammar itself is in `guest/cell.py`, because the magic inside a container must find the same
fingerprint; what a host may believe of it is decided here.
"""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ..errors import BadInput, BadReference
from ..guest import cell as grammar
from ..models import NO_ENV, Reference
from ..settings.schema import Settings
from ..settings.validators import KERNEL, mount_option, port_option

_HINT = (
    "Write %%dockerfile [-t TAG] [--engine E] [--build-arg K=V] [--target S] [--context DIR] "
    "[--secret NAME] [--no-cache] [--no-switch] and settings such as --memory 8g."
)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,127}")
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Options:
    """What stands behind `%%dockerfile`. `settings` holds the options that say how to run the
    image, in the shape of the notebook's metadata; `Settings.parse` takes them.
    """

    tag: str = ""
    engine: str = ""
    build_args: Mapping[str, str] = field(default_factory=lambda: NO_ENV)
    target: str = ""
    context: str = ""
    secrets: tuple[str, ...] = ()
    no_cache: bool = False
    no_switch: bool = False
    settings: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, kw_only=True)
class DockerfileCell:
    """One cell. `text` is its Dockerfile, whose first line is the cell's line `first_line`
    (from 1): a Dockerfile's line n stands at `first_line + n - 1`.
    """

    text: str
    line: str = ""
    options: Options = field(default_factory=Options)
    first_line: int = 2
    index: int = 0
    id: str = ""

    @property
    def fingerprint(self) -> str:
        """`cell_fingerprint` of it: the `cell` of the settings' `build`."""
        return cell_fingerprint(self.text, self.options)


def cell_fingerprint(text: str, options: Options) -> str:
    """sha256, in hex, of the Dockerfile and the arguments that decide its build.

    The same inside a container (`guest/cell.py`). Not in it: name, engine, run settings, and
    the context, which has a fingerprint of its own.
    """
    return grammar.fingerprint(text, dict(options.build_args), options.target, options.secrets)


def parse_cell(source: str, index: int = 0, id: str = "") -> DockerfileCell | None:
    """The cell IPython would give to `%%dockerfile`, or None. Raises BadInput."""
    found = grammar.find(source)
    if found is None:
        return None
    line, text, first_line = found
    return cell_of(line, text, first_line=first_line, index=index, id=id)


def cell_of(
    line: str, text: str, *, first_line: int = 2, index: int = 0, id: str = ""
) -> DockerfileCell:
    """The same from the two texts that IPython hands a cell magic. Raises BadInput."""
    if len(text) > grammar.MAX_TEXT:
        raise BadInput(
            f"The Dockerfile has {len(text):,} characters; at most {grammar.MAX_TEXT:,} can be.",
            "Put data into a file beside the notebook and COPY it.",
        )
    options = parse_options(line)
    return DockerfileCell(
        text=text, line=line, options=options, first_line=first_line, index=index, id=id
    )


def dockerfile_cells(notebook: Mapping[str, Any]) -> list[DockerfileCell]:
    """The `%%dockerfile` cells of a notebook's JSON, in order; `index` counts all its cells
    from 0. Raises BadInput naming the cell.
    """
    found = []
    for index, cell in enumerate(notebook.get("cells", [])):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source", "")
        if isinstance(source, list):
            source = "".join(part for part in source if isinstance(part, str))
        if not isinstance(source, str):
            continue
        try:
            parsed = parse_cell(source, index, str(cell.get("id", "")))
        except BadInput as error:
            raise BadInput(f"Cell {index + 1}: {error.message}", error.hint) from None
        if parsed is not None:
            found.append(parsed)
    return found


def parse_options(line: str) -> Options:
    """The options of the magic's line. Raises BadInput, never SystemExit as argparse would."""
    try:
        given = grammar.parse(line)
    except ValueError as error:
        raise BadInput(f"%%dockerfile: {error}.", _HINT) from None
    for option in ("engine", "target"):
        _word(getattr(given, option), f"--{option}")
    for name in given.secret:
        _word(name, "--secret")
    _word(given.kernel, "--kernel", KERNEL)
    settings = _settings(given)
    Settings.parse({"version": 1, "image": "this", **settings}, where="%%dockerfile")
    return Options(
        tag=_tag(given.tag),
        engine=given.engine or "",
        build_args=MappingProxyType(given.build_args),
        target=given.target or "",
        context=given.context or "",
        secrets=tuple(dict.fromkeys(given.secret)),
        no_cache=given.no_cache,
        no_switch=given.no_switch,
        settings=MappingProxyType(settings),
    )


def _word(value: str | None, option: str, pattern: re.Pattern[str] = _WORD) -> None:
    if value is not None and not pattern.fullmatch(value):
        raise BadInput(f"%%dockerfile: {option} cannot be {value[:200]!r}.", _HINT)


def _tag(value: str | None) -> str:
    if value is None:
        return ""
    try:
        digest = Reference.parse(value).digest
    except BadReference as error:
        raise BadInput(f"%%dockerfile: --tag: {error.message}", error.hint) from None
    if digest:
        raise BadInput("%%dockerfile: --tag cannot have a digest: the build decides it.", _HINT)
    return value


def _settings(given: Namespace) -> dict[str, Any]:
    """The run options in the shape of the metadata (DESIGN: settings, version 1)."""
    asked: dict[str, Any] = {
        "engine": given.engine,
        "mounts": [_mount(text) for text in given.mount],
        "devices": list(given.device),
        "cpus": _number(given.cpus, float, "--cpus"),
        "memory": given.memory,
        "pids": _number(given.pids, int, "--pids"),
        "shm": given.shm,
        "network": given.network,
        "ports": [port_option(text) for text in given.port],
        "env": dict(given.env),
        "user": given.user,
        "read_only": given.read_only,
        "kernel": given.kernel,
    }
    return {key: value for key, value in asked.items() if value not in (None, [], {}, False)}


def _mount(text: str) -> dict[str, Any]:
    """As for `pin`."""
    found = mount_option(text)
    if found is None:
        raise BadInput(f"%%dockerfile: --mount wants SOURCE:TARGET[:ro|rw], not {text!r}.", _HINT)
    return found


def _number(text: str | None, kind: type[int | float], option: str) -> float | None:
    if text is None:
        return None
    try:
        number = kind(text)
    except ValueError:
        number = -1
    if not 0 < number < 1e9:
        raise BadInput(f"%%dockerfile: {option} wants a number above 0, not {text!r}.", _HINT)
    return int(number) if number == int(number) else number
