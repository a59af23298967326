"""Which engines give containers devices by their CDI names, and what is said where one does not.

https://github.com/cncf-tags/container-device-interface#how-to-configure-cdi
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import Unsupported
from ...models import EngineInfo
from .versions import at_least

FEATURE = "gpus"
"""Our name of it among an engine's features."""


def nvidia_gpus(engine: str, devices: Sequence[str]) -> list[str]:
    """Which ones are asked for, of an engine that has a way of its own to give just those. Raises
    Unsupported."""
    asked = []
    for device in devices:
        kind, _, which_one = device.partition("=")
        if kind != "nvidia.com/gpu":
            raise Unsupported(
                f"{engine} gives containers GPUs of NVIDIA, and not {device}.",
                "Use Podman or Docker for it.",
            )
        asked.append(which_one)
    return asked


def docker_gives(said: Mapping[str, Any]) -> bool:
    """From `docker info`: where it looks for specifications; nowhere where CDI is switched off,
    as it was by default before 28.2 (https://github.com/moby/moby/pull/49963), and without the
    key where daemon or client is older than 25 (https://github.com/moby/moby/pull/46004)."""
    return bool(said.get("CDISpecDirs"))


def podman_gives(version: str) -> bool:
    """https://github.com/containers/podman/blob/main/RELEASE_NOTES.md#410"""
    return at_least(version, 4, 1)


def cannot_give(info: EngineInfo) -> Unsupported:
    """Why an engine gives no devices, and what to do."""
    name = f"{info.name} {info.version}".strip()
    if info.name == "docker" and at_least(info.version, 25, 0):
        return Unsupported(
            f"{name} gives containers no devices: CDI is switched off in its daemon.",
            'Add "features": {"cdi": true} to /etc/docker/daemon.json and restart Docker, or set '
            '"engine" to podman.',
        )
    if "jobs" in info.features:
        return Unsupported(
            f"{name} gives containers no devices by their CDI names: Slurm gives a job its GPUs.",
            'Ask for them by "slurm": {"gpus": 1}, or set "engine" to podman.',
        )
    first = {"docker": "Docker 25", "podman": "Podman 4.1"}.get(info.name)
    since = f": that came with {first}" if first else ""
    other = "docker" if info.name == "podman" else "podman"
    update = f"Update {info.name}, or set" if first else "Set"
    return Unsupported(
        f"{name} gives containers no devices by their CDI names{since}.",
        f'{update} "engine" to {other}.',
    )
