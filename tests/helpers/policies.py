"""A policy as an administrator sets it, and what is asked of it."""

from __future__ import annotations

from typing import Any

import pytest
from traitlets.config import Config

from jupyter_containers.errors import PolicyRefused
from jupyter_containers.models import ContainerSpec, Mount, User
from jupyter_containers.policy.loader import load_policy
from jupyter_containers.policy.policy import Policy

ID = "sha256:" + "0123456789abcdef" * 4
ME = User(mode="me", uid=1000, gid=1000, host_uid=1000, host_gid=1000)
ROOT = User(mode="root", uid=0, gid=0, host_uid=1000, host_gid=1000)


def policy(**traits: Any) -> Policy:
    """As an administrator's file sets it."""
    return load_policy(Config({"Policy": traits}))


def spec(**more: Any) -> ContainerSpec:
    given: dict[str, Any] = {"name": "n", "image": ID, "argv": ("a",), "user": ME}
    return ContainerSpec(**(given | {"reference": "docker.io/library/x:1"} | more))


def refused(trait: str, policy: Policy, **more: Any) -> str:
    with pytest.raises(PolicyRefused) as raised:
        policy.check_run(spec(**more))
    assert raised.value.trait == trait
    assert f"({trait})" in raised.value.message
    return raised.value.message


def mounted(
    allows: Policy, source: object, target: str = "/m", writable: bool = True
) -> ContainerSpec:
    return allows.check_run(spec(mounts=(Mount(str(source), target, writable),)))


def not_mounted(allows: Policy, source: object, writable: bool = False) -> str:
    return refused("Policy.mounts", allows, mounts=(Mount(str(source), "/m", writable),))
