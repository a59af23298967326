"""This host's GPUs as CDI names: what a container can be given, and how busy it is.

https://github.com/cncf-tags/container-device-interface is what docker (from 25 on) and podman
resolve such names by. Asked of `nvidia-smi`, of the CDI specifications that a toolkit wrote, and
of the kernel's device files; `looked` tells it, so that an empty list is no riddle.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any

from .cuda import Driver, read_driver, too_old
from .engines import _cdi, _process
from .engines.guarded import Guarded
from .errors import DeviceUnknown, EngineError
from .measures import Device
from .text import one_line

_CDI = (Path("/etc/cdi"), Path("/var/run/cdi"))
_MOST_BYTES = 4 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,62}")
_KIND = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,126}/[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_YAML = re.compile(r"^(?P<indent>\s*)(?:- )?(?P<key>kind|devices|name):\s*(?P<value>.*)$")
_QUERY = "index,memory.total,memory.used,utilization.gpu"
_SMI_SECONDS = 10.0
_DRIVER_SECONDS = 60.0
_known: tuple[float, Driver | None] | None = None


@dataclass(frozen=True)
class Devices:
    """What is here, and in words what was looked for."""

    devices: tuple[Device, ...]
    looked: tuple[str, ...]


async def find_devices(cdi: Iterable[Path] = _CDI, dev: Path = Path("/dev")) -> Devices:
    """All of it. Raises nothing of ours: what cannot be asked is said in `looked`. Called by
    `doctor` and the sidebar."""
    (nvidia, said), (named, files), seen = await asyncio.gather(
        _nvidia(), asyncio.to_thread(_specified, list(cdi)), asyncio.to_thread(_files, dev)
    )
    found = {device.name: device for device in (*named, *nvidia)}
    if nvidia and not any(device.kind == "nvidia.com/gpu" for device in named):
        files += " For NVIDIA: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
    return Devices(tuple(found[name] for name in sorted(found)), (said, files, seen))


async def check_devices(engine: Guarded, devices: Sequence[str]) -> None:
    """Raises Unsupported where an engine gives none at all. Called before every start, and for
    who looks at a notebook."""
    if devices and _cdi.FEATURE not in (info := await engine.info()).features and info.usable:
        raise _cdi.cannot_give(info)


async def driver_warning(devices: Sequence[str], env: Mapping[str, str]) -> str:
    """In a sentence, where a GPU is asked for and this host's driver is too old for an image with
    that environment; else empty."""
    nvidia = any(device.startswith("nvidia.com/") for device in devices)
    if not nvidia or not {"CUDA_VERSION", "NVIDIA_REQUIRE_CUDA"} & set(env):
        return ""
    driver = await _driver()
    return too_old(driver, env) if driver is not None else ""


async def _driver() -> Driver | None:
    """Asked once a minute: it takes up to a second where no program holds the driver loaded."""
    global _known  # noqa: PLW0603 - this host's
    if which("nvidia-smi") is None:
        return None
    if _known is None or time.monotonic() > _known[0]:
        driver = None
        with suppress(EngineError):
            done = await _process.run(["nvidia-smi", "-q", "-d", "MEMORY"], timeout=_SMI_SECONDS)
            driver = read_driver(done.stdout)
        _known = (time.monotonic() + _DRIVER_SECONDS, driver)
    return _known[1]


async def with_what_is_here(unknown: DeviceUnknown) -> DeviceUnknown:
    """The same error with the names that could be meant. Called where a start failed."""
    here = await find_devices()
    names = ", ".join(device.name for device in here.devices)
    looked = " ".join(here.looked)
    unknown.hint = f"Here are: {names}." if names else f"There are none here. {looked}"
    return unknown


async def _nvidia() -> tuple[list[Device], str]:
    if which("nvidia-smi") is None:
        return [], "NVIDIA: no nvidia-smi on PATH, so no driver."
    argv = ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"]
    try:
        done = await _process.run(argv, timeout=_SMI_SECONDS)
    except EngineError as error:
        return [], f"NVIDIA: {error.message}"
    if done.code:
        return [], f"NVIDIA: nvidia-smi failed: {one_line(done.stdout + done.stderr, 200)}"
    found = read_smi(done.stdout)
    return found, f"NVIDIA: nvidia-smi names {len(found)} GPU{'' if len(found) == 1 else 's'}."


def read_smi(text: str) -> list[Device]:
    """The lines of `nvidia-smi --query-gpu`; memory is in MiB, `[N/A]` where nobody says."""
    found = []
    for line in text.splitlines():
        index, *numbers = [cell.strip() for cell in line.split(",")]
        total, used, load = (int(n) if n.isdigit() else None for n in [*numbers, "", "", ""][:3])
        if index.isdigit():
            found.append(
                Device(
                    name=f"nvidia.com/gpu={index}",
                    kind="nvidia.com/gpu",
                    memory_total=total << 20 if total is not None else None,
                    memory_used=used << 20 if used is not None else None,
                    load_percent=load,
                )
            )
    return found


def _specified(directories: list[Path]) -> tuple[list[Device], str]:
    where = " and ".join(str(directory) for directory in directories)
    files = sorted(
        path
        for directory in directories
        if directory.is_dir()
        for path in directory.iterdir()
        if path.suffix in (".json", ".yaml", ".yml")
    )
    found = [device for path in files for device in _read_spec(path)]
    names = sorted({device.name for device in found})
    if not files:
        return [], f"CDI: no specification in {where}."
    return found, f"CDI: {len(names)} devices in {', '.join(str(path) for path in files)}."


def _read_spec(path: Path) -> list[Device]:
    """The devices of one CDI specification; none where it cannot be read."""
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode()
        kind, names = _read_json(text) if path.suffix == ".json" else _read_yaml(text)
    except (OSError, ValueError, RecursionError):
        return []
    if not _KIND.fullmatch(kind):
        return []
    good = [name for name in names if _NAME.fullmatch(name)]
    return [Device(name=f"{kind}={name}", kind=kind) for name in good]


def _read_json(text: str) -> tuple[str, list[str]]:
    said: Any = json.loads(text)
    devices = said.get("devices") if isinstance(said, dict) else None
    listed = devices if isinstance(devices, list) else []
    names = [str(one.get("name", "")) for one in listed if isinstance(one, dict)]
    return (str(said.get("kind", "")) if isinstance(said, dict) else ""), names


def _read_yaml(text: str) -> tuple[str, list[str]]:
    """`kind` and the names below `devices`, as nvidia-ctk and others write them. No YAML parser:
    what is not written in that plain way names no device."""
    kind, names, depth = "", [], -1
    for line in text.splitlines():
        if depth >= 0 and re.match(r"[A-Za-z]", line):
            depth = -1
        found = _YAML.match(line)
        if found is None:
            continue
        value = found["value"].strip().strip("'\"")
        column = len(found["indent"])
        if found["key"] == "kind" and column == 0:
            kind = value
        elif found["key"] == "devices" and column == 0:
            depth = 1000
        elif found["key"] == "name" and 0 <= (at := _column(line)) <= depth:
            depth = at
            names.append(value)
    return kind, names


def _column(line: str) -> int:
    """Where the key stands: a list's dash counts as indent."""
    return len(line) - len(line.lstrip(" -"))


def _files(dev: Path) -> str:
    """AMD and Intel GPUs by their device files. Without a CDI name they cannot be asked for."""
    nodes = sorted((dev / "dri").glob("renderD*")) if (dev / "dri").is_dir() else []
    if not nodes:
        return f"ROCm and Intel: no GPU in {dev}/dri."
    names = ", ".join(node.name for node in nodes)
    if (dev / "kfd").exists():
        return f"ROCm: {names} in {dev}/dri; its CDI names come from: sudo amd-ctk cdi generate"
    return f"Intel or other: {names} in {dev}/dri; CDI names come from the maker's toolkit."
