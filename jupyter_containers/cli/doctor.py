"""`doctor`: which engines work here, and the exact command that mends what does not."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_config_path, jupyter_path

from .. import serializers
from ..devices.gpus import find_devices
from ..engines.common.cdi import FEATURE, cannot_give
from ..engines.registry import builder_problems, diagnosis, engine_info, names
from ..models import EngineInfo, Problem
from ..policy.policy import Policy
from .options import administered, with_engine, with_json
from .terminal import print_json, show

_OURS = "jupyter-containers"
_LABS_EXECUTOR = "@jupyterlab/notebook-extension:cell-executor"
"""Whoever brings an executor of cells to JupyterLab switches this one off."""


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
        executors = list(_other_executors())
        print_json(
            {"usable": usable, "engines": engines, "devices": devices, "executors": executors}
        )
    else:
        missing = [info for info in found if usable and not info.installed]
        for info in found:
            if info not in missing:
                _show(info, devices=bool(here.devices))
        if missing:
            show(f"Not installed here: {', '.join(info.name for info in missing)}")
            show("    How to get one: jupyter containers doctor --engine NAME")
        for device in here.devices:
            show(device.name)
        for name in _other_executors():
            show(f"JupyterLab: {name} runs the cells, so %%dockerfile cells are not built there.")
            show(f"    jupyter labextension disable {name}")
        if not usable:
            show("No engine works here yet: mend one of them as said above.")
    return 0 if usable else 1


async def _asked(name: str, policy: Policy) -> EngineInfo:
    """What an engine says of itself, what its builder does, and what else can be found out."""
    info = await engine_info(name, policy)
    if not info.usable:
        return info
    info = replace(info, problems=(*info.problems, *await builder_problems(info, policy)))
    return await diagnosis(info, policy)


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


def _other_executors() -> Iterator[str]:
    """The extensions of JupyterLab that say they run its cells and that ours does not know, so that
    our cells are theirs. What one that does not say so does is seen in JupyterLab only.
    """
    found: dict[str, dict[str, Any]] = {}
    for folder in map(Path, jupyter_path("labextensions")):
        for path in chain(folder.glob("[!@]*/package.json"), folder.glob("@*/*/package.json")):
            package = _read(path)
            found.setdefault(str(package.get("name")), _object(package.get("jupyterlab")))
    if (ours := found.pop(_OURS, None)) is None:
        return
    known = {one.split(":")[0] for one in _names(ours.get("disabledExtensions"))}
    for name in found.keys() - known - _disabled():
        if _LABS_EXECUTOR in _names(found[name].get("disabledExtensions")):
            yield name


def _disabled() -> set[str]:
    """The extensions that `jupyter labextension disable` has switched off."""
    found: dict[str, bool] = {}
    for folder in jupyter_config_path():
        said = _read(Path(folder, "labconfig", "page_config.json")).get("disabledExtensions")
        given = said if isinstance(said, dict) else dict.fromkeys(_names(said), True)
        for name, is_off in given.items():
            found.setdefault(name, bool(is_off))
    return {name for name, is_off in found.items() if is_off}


def _read(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        return _object(json.loads(path.read_bytes()))
    return {}


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _names(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
