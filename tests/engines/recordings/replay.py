"""Stands in for a program that is not here: says and does what a recording shows, nothing else."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import NoReturn

from tests.engines.recordings import Call, Setup, read

REFUSED = 64
"""What a call that was never recorded ends with (EX_USAGE of sysexits.h)."""


def main(setup: Setup) -> None:
    """In place of the program."""
    asked = setup.asked()
    calls = Path(sys.argv[0]).parent.parent / "calls"
    for number, call in enumerate(read(Path(setup.file))):
        if alike(call, asked) and take(calls / str(number)):
            answer(setup, call)
    print(f"no such call was recorded: {asked}", file=sys.stderr)
    sys.exit(REFUSED)


def alike(call: Call, asked: Call) -> bool:
    """Whether one was asked as the other."""
    return all(
        getattr(call, name) == getattr(asked, name) for name in ("argv", "env", "scripts", "input")
    )


def take(mark: Path) -> bool:
    """Every recorded call answers once."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def answer(setup: Setup, call: Call) -> NoReturn:
    """Print, make and end as recorded."""
    sys.stdout.write(setup.mine(call.stdout))
    sys.stderr.write(setup.mine(call.stderr))
    sys.stdout.flush()
    sys.stderr.flush()
    while call.code is None:
        signal.pause()
    if (place := setup.makes()) is not None:
        for name, what in call.made.items():
            make(place / name, what)
    sys.exit(call.code)


def make(path: Path, what: dict[str, object]) -> None:
    """One recorded thing; a large file has its size only."""
    if "link" in what:
        path.symlink_to(str(what["link"]))
    elif "directory" in what:
        path.mkdir()
    else:
        path.write_text(str(what["text"]))
        if not what["text"]:
            with path.open("r+b") as file:
                file.truncate(int(str(what["size"])))
