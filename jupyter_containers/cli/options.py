"""The verbs of the command line, one file per group, and what they share.

Each verb is `async def VERB(args) -> int` with `VERB_arguments(parser)` beside it. They parse,
call a function below, and print; what they decide is decided there.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
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
    if found.suffix != ".ipynb":
        named = f"{found.stem}.ipynb"
        raise BadInput(
            f"{found.name} does not end in .ipynb, by which Jupyter knows a notebook.",
            f"If it is one, rename it: mv {found.name} {named}",
        )
    return found
