"""What a Docker daemon says of itself, and whose files a user in its containers writes.

Functions of what `docker info` said; `docker.py` asks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

from ..errors import Unsupported
from ..models import EngineInfo, Problem, User
from .common import cdi
from .docker import inspect


def engine_info(name: str, said: Mapping[str, Any]) -> EngineInfo:
    """See `Engine.info`, from the daemon's own words."""
    options = [str(option) for option in said.get("SecurityOptions") or ()]
    rootless = any("name=rootless" in option for option in options)
    features = {"build", "secrets", "pull", "limits", "network-none", "network-private", "ports"}
    if cdi.docker_gives(said):
        features.add(cdi.FEATURE)
    problems: list[Problem] = []
    if any("name=userns" in option for option in options):
        problems.append(
            Problem(
                "The daemon remaps users (userns-remap): files on mounts would not be yours.",
                "Run the daemon without userns-remap, or use rootless Docker or Podman.",
            )
        )
    if not said.get("MemoryLimit", True):
        features.discard("limits")
        problems.append(Problem("The kernel gives Docker no memory limits.", ""))
    if rootless:
        features.add("root")
    version = str(said["ServerVersion"])
    if inspect.at_least(version, 23, 0):
        features.add("heredocs")
    return EngineInfo(
        name=name,
        version=version,
        usable=True,
        rootless=rootless,
        features=frozenset(features),
        problems=tuple(problems),
        endpoint=f"docker:{said.get('ID', '')}:{said.get('DockerRootDir', '')}",
    )


def user_inside(
    info: EngineInfo, mode: Literal["me", "root", "image"], image_ids: tuple[int, int]
) -> User:
    """The ids inside that leave files on mounts with the person at the keyboard.

    Rootless Docker maps its root to the person; rootful Docker maps nobody. Raises
    Unsupported where the asked user would write files as somebody else.
    """
    uid, gid = os.getuid(), os.getgid()
    if info.rootless:
        inside = (0, 0)
        if mode == "image" and image_ids != inside:
            raise Unsupported(
                f"The image's user {image_ids[0]} would write files that are not yours "
                "under rootless Docker.",
                "Use the user `me`, or Podman, which can map that user to you.",
            )
    else:
        inside = (uid, gid)
        if mode == "root" and uid != 0:
            raise Unsupported(
                "Root in a container of this Docker is root on the host.",
                "Use rootless Podman or Docker for it, or put the command in the Dockerfile.",
            )
        if mode == "image" and image_ids[0] != uid:
            raise Unsupported(
                f"The image's user {image_ids[0]} would write files that are not yours.",
                "Use the user `me`, or Podman, which can map that user to you.",
            )
        # Its group only where it is one of theirs: root's reads on mounts what they may not.
        if mode == "image" and image_ids[1] in os.getgroups():
            inside = image_ids
    return User(mode=mode, uid=inside[0], gid=inside[1], host_uid=uid, host_gid=gid)
