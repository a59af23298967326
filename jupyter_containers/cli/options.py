"""The verbs of the command line, one file per group, and what they share.

Each verb is `async def VERB(args) -> int` with `VERB_arguments(parser)` beside it. They parse,
call a function below, and print; what they decide is decided there.
"""

from __future__ import annotations

import shlex
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from contextlib import suppress
from pathlib import Path

from ..engines.guarded import Guarded
from ..engines.registry import choose_engine, names, working_engines
from ..errors import BadInput
from ..policy.loader import load_policy
from ..policy.policy import Policy


def with_engine(parser: ArgumentParser) -> None:
    """`--engine`."""
    parser.add_argument(
        "--engine", default="", metavar="E", help=f"{' or '.join(names())}; else the first usable"
    )


def with_json(parser: ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


_MOST_SECONDS = 1e9
"""Thirty years: timers of the operating system take no infinity."""


def seconds(text: str) -> float:
    """A limit of time, for argparse; none at all is said by leaving the option away."""
    with suppress(ValueError):
        if 0 < float(text) < _MOST_SECONDS:
            return float(text)
    raise ArgumentTypeError(
        f"{text!r} is no number of seconds above 0; without it there is no limit"
    )


def administered() -> Policy:
    """The administrator's policy, from Jupyter's configuration."""
    return load_policy(None)


async def one_engine(args: Namespace) -> Guarded:
    """The engine that was asked for, or the first that works. Raises EngineMissing."""
    return await choose_engine(args.engine, administered())


async def all_engines(args: Namespace) -> list[Guarded]:
    """The engine that was asked for, or all that work, for verbs that list."""
    return await working_engines(args.engine, administered())


def existing_file(path: Path) -> Path:
    """A file named on the command line, as an absolute path through no symlink."""
    try:
        found = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise BadInput(f"{path} cannot be read: {getattr(error, 'strerror', error)}.") from None
    if not found.is_file():
        raise BadInput(f"{path} is not a file.")
    return found


def existing_notebook(path: Path) -> Path:
    """The same of a notebook. Jupyter knows one by its name, in small letters, and so does all that
    looks for its kernel's settings: what is named otherwise is refused before anything is built."""
    found = existing_file(path)
    if found.suffix == ".ipynb":
        return found
    named = found.with_name(f"{found.stem.removesuffix('.ipynb')}.ipynb")
    hint = f"If it is one, rename it: mv -i {shlex.quote(str(found))} {shlex.quote(str(named))}"
    if path.is_symlink():
        hint = f"If it is one, rename it and make the link {path.name} anew, or name a copy."
    raise BadInput(f"{found.name} does not end in .ipynb, by which Jupyter knows a notebook.", hint)
