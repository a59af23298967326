"""podman-hpc's grammar is podman's; what it adds."""

from __future__ import annotations

import os

import pytest

from jupyter_containers.engines import podman_hpc
from jupyter_containers.engines.podman_hpc import PodmanHpc
from jupyter_containers.errors import Unsupported
from jupyter_containers.models import ContainerSpec, User

ME = User(mode="me", uid=os.getuid(), gid=os.getgid(), host_uid=1000, host_gid=1000)


def argv(*devices: str) -> list[str]:
    spec = ContainerSpec(name="one", image="i", argv=("python",), user=ME, devices=devices)
    return PodmanHpc().run_argv(spec, detach=True)


def test_a_run_is_podmans() -> None:
    words = argv()
    assert words[:3] == ["podman-hpc", "run", "--detach"]
    assert "--gpu" not in words
    assert words[-1] == "i"


def test_the_filter_is_switched_on_again() -> None:
    filters = [word for word in argv() if word.startswith("--security-opt=seccomp=")]
    assert len(filters) == podman_hpc._FILTER.exists()


def test_gpus_are_the_sites() -> None:
    assert "--gpu" in argv("nvidia.com/gpu=all")
    with pytest.raises(Unsupported, match="all GPUs of a host or none"):
        argv("nvidia.com/gpu=0")
