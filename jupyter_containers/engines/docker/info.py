"""What a docker daemon says of itself, and who one is in its containers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

from ...errors import Unsupported
from ...models import EngineInfo, Problem, User
from ...text import as_dict, as_list, as_text
from ..base import ISOLATES, NAMED_NETWORKS
from ..common import cdi, versions
from ..common.build_grammar import DOCKER, lacks
from ..common.userns import CHECKED_INSIDE
from . import network


def is_recursive(said: Mapping[str, Any]) -> bool:
    """Whether `readonly` is recursive: daemon, client and kernel have to be new enough.
    https://docs.docker.com/engine/storage/bind-mounts/#recursive-mounts"""
    client = as_text(as_dict(said.get("ClientInfo")).get("Version"))
    daemon = versions.at_least(as_text(said.get("ServerVersion")), 25, 0)
    kernel = versions.at_least(as_text(said.get("KernelVersion")), 5, 12)
    return daemon and kernel and versions.at_least(client, 25, 0)


def engine_info(name: str, said: Mapping[str, Any], *, routed_by_hand: bool = False) -> EngineInfo:
    """See `Engine.info`, from the daemon's own words."""
    options = [str(option) for option in as_list(said.get("SecurityOptions"))]
    rootless = any("name=rootless" in option for option in options)
    features = {"build", "secrets", "pull", "limits", "network-none", "network-private", "ports"}
    features |= {NAMED_NETWORKS} if routed_by_hand else {NAMED_NETWORKS, ISOLATES}
    if cdi.docker_gives(said):
        features.add(cdi.FEATURE)
    problems = [network.HOST, network.TOGETHER] if routed_by_hand else [network.HOST]
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
        problems.append(CHECKED_INSIDE)
    version = str(said["ServerVersion"])
    if versions.at_least(version, 23, 0):
        features.add("heredocs")
    return EngineInfo(
        name=name,
        version=version,
        usable=True,
        rootless=rootless,
        features=frozenset(features),
        lacks=lacks(DOCKER, version),
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
