"""`run`: a notebook in the images of its %%dockerfile cells, as Run All would."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..errors import BadInput
from ..running import Run, run_notebook
from .options import administered, existing_file, with_engine, with_json
from .terminal import Screen, print_json, show_note


def run_arguments(parser: ArgumentParser) -> None:
    """Options of `run`."""
    parser.add_argument("notebook", metavar="NOTEBOOK", type=Path)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT", help="write here instead of in place"
    )
    parser.add_argument(
        "--approve",
        action="store_true",
        help="approve all the notebook asks for (mounts, devices, …), not only its images",
    )
    parser.add_argument(
        "--timeout", type=float, metavar="S", help="seconds a cell may take; none by default"
    )
    with_engine(parser)
    with_json(parser)


async def run(args: Namespace) -> int:
    """Build, execute, write. Naming the file approves its images and its folder."""
    notebook = existing_file(args.notebook)
    output = _output(args.output) if args.output is not None else notebook
    asked = Run(
        notebook=notebook,
        output=output,
        engine=args.engine,
        approve=args.approve,
        timeout=args.timeout,
    )
    async with Screen().open() as screen:
        ran = await run_notebook(asked, administered(), screen)
    if args.json:
        print_json(
            {
                "notebook": str(notebook),
                "output": str(ran.output),
                "cells": ran.cells,
                "image": ran.image,
                "seconds": round(ran.seconds, 3),
            }
        )
    else:
        show_note(f"{ran.cells} cells in {ran.seconds:.1f} s: {ran.output}")
    return 0


def _output(path: Path) -> Path:
    """Where to write, refused now and not after an hour of cells."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise BadInput(f"{path} cannot be written: its folder does not exist, or it is one.")
    return path.resolve()
