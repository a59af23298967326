"""`doctor`: which engines work here, and the exact command that mends what does not."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from ..engines import names, open_engine
from ..errors import ContainersError
from ..models import EngineInfo, Problem
from ..terminal import print_json
from . import administered, with_engine, with_json


def doctor_arguments(parser: ArgumentParser) -> None:
    """Options of `doctor`."""
    with_engine(parser)
    with_json(parser)


async def doctor(args: Namespace) -> int:
    """0 where an engine is usable."""
    policy = administered()
    found = [await _look(name, policy) for name in ([args.engine] if args.engine else names())]
    usable = any(info.usable for info in found)
    if args.json:
        print_json({"usable": usable, "engines": [_json(info) for info in found], "devices": []})
    else:
        for info in found:
            _show(info)
        if not usable:
            print("No engine works here yet: mend one of them as said above.")
    return 0 if usable else 1


async def _look(name: str, policy: Any) -> EngineInfo:
    try:
        return await open_engine(name, policy).info()
    except ContainersError as error:
        return EngineInfo(name=name, problems=(Problem(error.message, error.hint),))


def _json(info: EngineInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "version": info.version,
        "usable": info.usable,
        "rootless": info.rootless,
        "features": sorted(info.features),
        "problems": [{"message": one.message, "fix": one.fix} for one in info.problems],
    }


def _show(info: EngineInfo) -> None:
    kind = ", rootless" if info.rootless else ""
    state = f"works{kind}" if info.usable else "does not work"
    version = f" {info.version}" if info.version else ""
    print(f"{info.name}{version}: {state}")
    if info.usable:
        print(f"  can: {', '.join(sorted(info.features))}")
    for problem in info.problems:
        print(f"  - {problem.message}")
        if problem.fix:
            print(f"    {problem.fix}")
