"""NERSC's podman-hpc: podman with what a cluster needs around it. Its grammar is podman's.

What it adds to a `run` is the site's: where images are, hooks, and for `--gpu` the host's driver.
https://github.com/NERSC/podman-hpc
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import Unsupported
from ..models import EngineInfo, Problem, User
from . import _cdi
from ._process import run
from .podman import Podman

_FILTER = Path("/usr/share/containers/seccomp.json")
"""Podman's own, which the wrapper switches off."""
_ONE_HOST = Problem(
    "Images that are built here are on this host only.",
    "For the jobs of a cluster: podman-hpc migrate NAME",
)


class PodmanHpc(Podman):
    """Talks to the podman-hpc of the person who runs this process."""

    name = "podman-hpc"
    program = "podman-hpc"

    async def _ask_info(self) -> EngineInfo:
        info = await super()._ask_info()
        features = set(info.features) - {_cdi.FEATURE}
        modules = (await run([self.program, "infohpc"], timeout=30)).stdout
        if "/gpu.yaml" in modules:
            features.add(_cdi.FEATURE)
        return replace(
            info,
            features=frozenset(features),
            problems=(*info.problems, _ONE_HOST),
            endpoint=info.endpoint.replace("podman:", "podman-hpc:", 1),
        )

    def _user_argv(self, user: User) -> list[str]:
        argv = super()._user_argv(user)
        return [*argv, f"--security-opt=seccomp={_FILTER}"] if _FILTER.exists() else argv

    def _devices_argv(self, devices: Sequence[str]) -> list[str]:
        for device in devices:
            if device != "nvidia.com/gpu=all":
                raise Unsupported(
                    f"podman-hpc gives containers all GPUs of a host or none, and not {device}.",
                    "Ask for nvidia.com/gpu=all; which are seen is up to the job.",
                )
        return ["--gpu"] if devices else []
