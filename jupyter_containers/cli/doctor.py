"""`doctor`: which engines work here, and the exact command that mends what does not."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict, replace

from .. import serializers
from ..devices.gpus import find_devices
from ..engines.common.cdi import FEATURE, cannot_give
from ..engines.registry import builder_problems, engine_info, names
from ..models import EngineInfo, Problem
from ..policy.policy import Policy
from .options import administered, with_engine, with_json
from .terminal import print_json, show


def doctor_arguments(parser: ArgumentParser) -> None:
    """Options of `doctor`."""
    with_engine(parser)
    with_json(parser)


async def doctor(args: Namespace) -> int:
    """0 where an engine is usable."""
    policy = administered()
    asked = [args.engine] if args.engine else names()
    found = [await _asked(name, policy) for name in asked]
    here = await find_devices()
    usable = any(info.usable for info in found)
    if args.json:
        engines = [serializers.engine(info) for info in found]
        devices = [asdict(device) for device in here.devices]
        print_json({"usable": usable, "engines": engines, "devices": devices})
    else:
        for info in found:
            _show(info, devices=bool(here.devices))
        for device in here.devices:
            show(device.name)
        if not usable:
            show("No engine works here yet: mend one of them as said above.")
    return 0 if usable else 1


async def _asked(name: str, policy: Policy) -> EngineInfo:
    """What an engine says of itself, and what its builder does."""
    info = await engine_info(name, policy)
    if not info.usable:
        return info
    return replace(info, problems=(*info.problems, *await builder_problems(info, policy)))


def _show(info: EngineInfo, *, devices: bool) -> None:
    kind = ", rootless" if info.rootless else ""
    state = f"works{kind}" if info.usable else "does not work"
    version = f" {info.version}" if info.version else ""
    show(f"{info.name}{version}: {state}")
    if info.usable:
        show(f"  can: {', '.join(sorted(info.features))}")
    problems = list(info.problems)
    if devices and info.usable and FEATURE not in info.features:
        without = cannot_give(info)
        problems.append(Problem(without.message, without.hint))
    for problem in problems:
        show(f"  - {problem.message}")
        if problem.fix:
            show(f"    {problem.fix}")
