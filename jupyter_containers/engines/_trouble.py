"""What an engine's complaint means, in a sentence with the way out.

The patterns are the engines' own messages, each seen on the version named beside it.
"""

from __future__ import annotations

import getpass
import os
import re
from pathlib import Path

from ..errors import (
    ContainersError,
    DeviceUnknown,
    EngineDown,
    EngineError,
    EngineFailed,
    ImageNotHere,
    StartFailed,
)
from ..host.process import Completed
from ..models import ContainerSpec
from ..text import one_line, printable


def daemon_trouble(name: str, stderr: str, verb: str = "info") -> EngineError:
    """Why an engine did not do `verb`: down, not permitted, not set up, or an error of its own."""
    said = one_line(stderr, 400)
    lowered = said.lower()
    if "permission denied" in lowered and ".sock" in lowered:
        return EngineDown(
            f"You may not talk to {name}: {said}",
            f"sudo usermod --append --groups docker {_person()}, then log in again. (That group "
            "is as good as root: rootless Podman needs no such right.)",
        )
    if "cannot connect to the docker daemon" in lowered or "is the docker daemon" in lowered:
        return EngineDown(f"The {name} daemon does not answer.", "sudo systemctl start docker")
    if "connection refused" in lowered or "error during connect" in lowered:
        return EngineDown(f"{name} does not answer: {said}", "Check DOCKER_HOST and the daemon.")
    if "newuidmap" in lowered or "subuid" in lowered or "uid mappings" in lowered:
        return EngineDown(
            f"{name} has no user ids to map for {_person()}.",
            f"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {_person()} "
            "&& podman system migrate",
        )
    if "cannot clone" in lowered or "user namespaces" in lowered:
        return EngineDown(
            f"{name} may not make user namespaces here.",
            "sudo sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000",
        )
    if "unable to connect to podman" in lowered or "podman machine" in lowered:
        return EngineDown("Podman's machine does not answer.", "podman machine start")
    return EngineFailed((name, verb), 1, said)


def container_trouble(name: str, spec: ContainerSpec, done: Completed) -> ContainersError:
    """Why a container did not start. `done` is the failed `run`."""
    said = printable(done.stderr).strip()
    lowered = said.lower()
    if re.search(r"no such image|image not known|unable to find image", lowered):
        return ImageNotHere(spec.image, name)
    if "unresolvable cdi device" in lowered:
        return DeviceUnknown(name, spec.devices)
    if re.search(r"cdi|device driver|nvidia|no such device", lowered) and spec.devices:
        return StartFailed(
            f"{name} cannot give the container {', '.join(spec.devices)}: {one_line(said, 400)}",
            "`jupyter containers doctor` lists the devices of this machine.",
        )
    if re.search(r"bind source path does not exist|statfs .*no such file", lowered):
        gone = [m.source for m in spec.mounts if not Path(m.source).exists()]
        return StartFailed(
            f"A folder to mount does not exist: {', '.join(gone) or one_line(said, 400)}.",
            "Create it, or remove the mount from the notebook's settings.",
        )
    if re.search(r"no space left|disk quota", lowered):
        return StartFailed(
            f"The disk is full where {name} keeps its containers.",
            "Free some with: jupyter containers prune --images",
        )
    if done.code in (126, 127):
        return StartFailed(
            f"The image cannot run {spec.argv[0]}: {one_line(said, 400)}",
            "The image changed since it was probed; run: jupyter containers pull, or rebuild it.",
        )
    trouble = daemon_trouble(name, done.stderr)
    if isinstance(trouble, EngineDown):
        return trouble
    return StartFailed(f"{name} could not start the container: {one_line(said, 600)}")


def trouble_of_ours(name: str, spec: ContainerSpec, done: Completed) -> StartFailed | None:
    """Why a container did not start, where that has nothing to do with the engine."""
    gone = [mount.source for mount in spec.mounts if not Path(mount.source).exists()]
    if gone:
        return StartFailed(
            f"A folder to mount does not exist: {', '.join(gone)}.",
            "Create it, or remove the mount from the notebook's settings.",
        )
    if re.search(r"no space left|quota exceeded", done.stderr, re.IGNORECASE):
        return StartFailed(
            f"The disk is full where {name} keeps its containers.",
            "Free some with: jupyter containers prune --images",
        )
    return None


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def last_words(said: str) -> str:
    """The engine's complaint in one line: its last that is no mere information."""
    lines = [line for line in said.splitlines() if line.strip() and "INFO" not in line[:12]]
    return one_line(" ".join(lines[-3:]), 500)
