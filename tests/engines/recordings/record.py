"""Runs the real program, and writes down what it was asked and what came of it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.engines.recordings import Setup

_MOST = 4096


def main(setup: Setup) -> None:
    """In place of the program. Its own children are not recorded."""
    call, bin = setup.asked(), Path(sys.argv[0]).parent
    file = bin.parent / "calls" / f"{time.monotonic_ns():020}.json"
    file.write_text(json.dumps(asdict(call)))  # of one that is killed, this is all that is known
    others = [path for path in os.environ["PATH"].split(os.pathsep) if path != str(bin)]
    env = {**os.environ, "PATH": os.pathsep.join(others)}
    given = setup.mine(call.input).encode() or None
    done = subprocess.run([setup.program, *sys.argv[1:]], env=env, input=given, capture_output=True)
    sys.stdout.buffer.write(done.stdout)
    sys.stderr.buffer.write(done.stderr)
    call.code = done.returncode
    call.stdout, call.stderr = (
        setup.normal(said.decode(errors="replace").replace(f'"{platform.node()}"', '"host"'))
        for said in (done.stdout, done.stderr)
    )
    if (path := setup.makes()) is not None and path.exists():
        call.made = made(path)
    file.write_text(json.dumps(asdict(call)))
    sys.exit(done.returncode)


def made(path: Path) -> dict[str, dict[str, Any]]:
    """What lies at a path, by the path below it; of large files only their size."""
    found: dict[str, dict[str, Any]] = {}
    for one in [path, *sorted(path.rglob("*"))]:
        name = str(one.relative_to(path))
        if one.is_symlink():
            found[name] = {"link": str(one.readlink())}
        elif one.is_dir():
            found[name] = {"directory": True}
        elif one.is_file():
            size = one.stat().st_size
            small = size <= _MOST
            found[name] = {"size": size, "text": one.read_text(errors="replace") if small else ""}
    return found
