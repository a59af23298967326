"""This host's GPUs as CDI names: what a container can be given, and how busy it is.

https://github.com/cncf-tags/container-device-interface is what docker (from 25 on) and podman
resolve such names by. Asked of `nvidia-smi`, of the CDI specifications that a toolkit wrote, and
of the kernel's device files; `looked` tells it, so that an empty list is no riddle.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any

import yaml

from ..engines.common import cdi
from ..engines.guarded import Guarded
from ..errors import DeviceUnknown, EngineError
from ..host import process
from ..models import Device
from ..text import one_line, untrusted_json
from .cuda import Driver, read_driver, too_old
from .slurm import NAME, job_devices

_CDI = (Path("/etc/cdi"), Path("/var/run/cdi"))
_MOST_BYTES = 1 << 20
_KIND = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,126}/[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_NUMBER = re.compile("[0-9]{1,12}")
_SUFFIXES = (".json", ".yaml", ".yml")
_QUERY = "index,memory.total,memory.used,utilization.gpu"
_SMI_SECONDS = 10.0
_DRIVER_SECONDS = 60.0
_BY_CDI = ("podman", "docker")
"""Engines that take the name itself; the others only number a maker's GPUs, as they see them."""
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
    """Raises Unsupported where an engine gives none at all. Called by `granted`, and for who looks
    at a notebook."""
    if devices and cdi.FEATURE not in (info := await engine.info()).features and info.usable:
        raise cdi.cannot_give(info)


async def granted(engine: Guarded, devices: Sequence[str]) -> tuple[str, ...]:
    """What a start asks the engine for. Raises Unsupported. Called before every start."""
    await check_devices(engine, devices)
    if engine.places:  # there, a job's GPUs are of its own
        return tuple(devices)
    return await job_devices(devices, os.environ, by_host=engine.name in _BY_CDI)


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
            done = await process.run(["nvidia-smi", "-q", "-d", "MEMORY"], timeout=_SMI_SECONDS)
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
        done = await process.run(argv, timeout=_SMI_SECONDS)
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
        read = (int(n) if _NUMBER.fullmatch(n) else None for n in [*numbers, "", "", ""][:3])
        total, used, load = read
        if _NUMBER.fullmatch(index):
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
    files, unread = _spec_files(directories)
    found: list[Device] = []
    for path in files:
        try:
            found += _read_spec(path)
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            unread.append(_unread(path, error))
    if files:
        names = {device.name for device in found}
        said = f"CDI: {len(names)} devices in {', '.join(str(path) for path in files)}."
    else:
        where = " and ".join(str(directory) for directory in directories)
        said = f"CDI: no specification in {where}."
    return found, " ".join([said, *unread])


def _spec_files(directories: list[Path]) -> tuple[list[Path], list[str]]:
    """The specifications there are, and which directories cannot be read."""
    files, unread = [], []
    for directory in directories:
        try:
            files += [one for one in directory.iterdir() if one.suffix in _SUFFIXES]
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            unread.append(_unread(directory, error))
    return sorted(files), unread


def _unread(path: Path, error: Exception) -> str:
    why = (error.strerror or str(error)) if isinstance(error, OSError) else "it is damaged"
    return f"{path} could not be read: {one_line(why, 200)}."


def _read_spec(path: Path) -> list[Device]:
    """The devices of one CDI specification. Raises OSError, and what a damaged file makes its
    parser raise."""
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES).decode()
    said: Any = untrusted_json(text) if path.suffix == ".json" else yaml.safe_load(text)
    if not isinstance(said, dict):
        raise ValueError("no specification")
    kind, listed = str(said.get("kind", "")), said.get("devices")
    if not _KIND.fullmatch(kind) or not isinstance(listed, list):
        return []
    names = [str(one.get("name", "")) for one in listed if isinstance(one, dict)]
    good = [name for name in names if NAME.fullmatch(name)]
    return [Device(name=f"{kind}={name}", kind=kind) for name in good]


def _files(dev: Path) -> str:
    """AMD and Intel GPUs by their device files. Without a CDI name they cannot be asked for."""
    try:
        nodes = sorted(path for path in (dev / "dri").iterdir() if path.match("renderD*"))
        kfd = (dev / "kfd").exists()
    except (FileNotFoundError, NotADirectoryError):
        nodes, kfd = [], False
    except OSError as error:
        return f"ROCm and Intel: {_unread(dev / 'dri', error)}"
    if not nodes:
        return f"ROCm and Intel: no GPU in {dev}/dri."
    names = ", ".join(node.name for node in nodes)
    if kfd:
        return f"ROCm: {names} in {dev}/dri; its CDI names come from: sudo amd-ctk cdi generate"
    return f"Intel or other: {names} in {dev}/dri; CDI names come from the maker's toolkit."
