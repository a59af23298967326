"""An NVIDIA driver against what images say of their CUDA."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_containers.devices import gpus
from jupyter_containers.devices.cuda import Driver, read_driver, too_old
from jupyter_containers.kernels import preflight
from jupyter_containers.kernels.preflight import notebook_state
from jupyter_containers.policy.policy import Policy
from tests.helpers.harness import write_notebook

HEAD = """
==============NVSMI LOG==============

Timestamp                                 : Tue Nov 24 07:31:02 2026
Driver Version                            : 535.183.01
CUDA Version                              : 12.2

Attached GPUs                             : 1
GPU 00000000:00:04.0
    FB Memory Usage
        Total                             : 81559 MiB
"""
OLD = Driver((470, 57, 2), (11, 4))
D535 = Driver((535, 183, 1), (12, 2))
# nvidia/cuda:12.4.1-base-ubuntu22.04, shortened
REQUIRE = (
    "cuda>=12.4 brand=tesla,driver>=470,driver<471 brand=unknown,driver>=470,driver<471 "
    "brand=tesla,driver>=525,driver<526 brand=tesla,driver>=535,driver<536"
)


def test_what_nvidia_smi_prints():
    assert read_driver(HEAD) == D535
    assert read_driver("NVIDIA-SMI has failed") is None
    assert read_driver(HEAD.replace("12.2", "N/A")) is None


@pytest.mark.parametrize(
    ("driver", "env", "old"),
    [
        (D535, {}, False),
        # By CUDA_VERSION alone: minor versions from 11 on are compatible.
        (D535, {"CUDA_VERSION": "12.2.0"}, False),
        (D535, {"CUDA_VERSION": "12.9.1"}, False),
        (D535, {"CUDA_VERSION": "13.0.1"}, True),
        (D535, {"CUDA_VERSION": "11.8.0"}, False),
        (OLD, {"CUDA_VERSION": "11.8.0"}, False),
        (OLD, {"CUDA_VERSION": "12.0.0"}, True),
        (Driver((384, 81), (9, 0)), {"CUDA_VERSION": "9.2.148"}, True),
        (Driver((384, 81), (9, 0)), {"CUDA_VERSION": "9.0.176"}, False),
        (OLD, {"CUDA_VERSION": "none"}, False),
        # What the image requires in words counts more.
        (D535, {"NVIDIA_REQUIRE_CUDA": "cuda>=12.2", "CUDA_VERSION": "13.0"}, False),
        (D535, {"NVIDIA_REQUIRE_CUDA": "cuda>=12.4"}, True),
        (D535, {"NVIDIA_REQUIRE_CUDA": "cuda>=12"}, False),
        (D535, {"NVIDIA_REQUIRE_CUDA": "cuda>=12.4 driver>=535"}, False),
        (D535, {"NVIDIA_REQUIRE_CUDA": "cuda>=12.4 driver>=535,driver<535.100"}, True),
        (D535, {"NVIDIA_REQUIRE_CUDA": "cuda!=12.2"}, True),
        (D535, {"NVIDIA_REQUIRE_CUDA": "cuda=12.2.0"}, False),
        # A brand is not known here: where it decides, nothing is said.
        (D535, {"NVIDIA_REQUIRE_CUDA": REQUIRE}, False),
        (OLD, {"NVIDIA_REQUIRE_CUDA": REQUIRE}, False),
        (Driver((515, 65), (11, 7)), {"NVIDIA_REQUIRE_CUDA": REQUIRE}, True),
        (Driver((550, 54), (12, 4)), {"NVIDIA_REQUIRE_CUDA": REQUIRE}, False),
        (OLD, {"NVIDIA_REQUIRE_CUDA": "nonsense>>1"}, False),
        (OLD, {"NVIDIA_REQUIRE_CUDA": "cuda>=12.4", "NVIDIA_DISABLE_REQUIRE": "1"}, False),
        (OLD, {"NVIDIA_REQUIRE_CUDA": " , ", "CUDA_VERSION": "12.0"}, False),
    ],
)
def test_too_old(driver, env, old):
    said = too_old(driver, env)
    assert bool(said) is old, said


def test_the_sentence():
    said = too_old(Driver((515, 65, 1), (11, 7)), {"NVIDIA_REQUIRE_CUDA": REQUIRE})
    assert said == (
        "The image needs CUDA 12.4, and this machine's NVIDIA driver (515.65.1) knows CUDA up to "
        "11.7: update the driver, or take an image with an older CUDA."
    )
    said = too_old(OLD, {"NVIDIA_REQUIRE_CUDA": "driver>=900\x1b[31m"})
    assert "\x1b" not in said


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """An nvidia-smi that prints the head above; counts how often it was asked."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho >>{tmp_path}/asked\n/bin/cat <<'E'\n{HEAD}\nE\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(gpus, "_known", None)
    return lambda: len((tmp_path / "asked").read_text().splitlines())


async def test_it_is_asked_once_and_only_for_gpus(smi):
    new = {"CUDA_VERSION": "13.0.0"}
    for _ in range(2):
        said = await gpus.driver_warning(["nvidia.com/gpu=all"], new)
        assert "535.183.1" in said
    assert smi() == 1
    assert await gpus.driver_warning(["example.org/harmless=zero"], new) == ""
    assert await gpus.driver_warning(["nvidia.com/gpu=all"], {}) == ""


async def test_without_a_driver_nothing_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert await gpus.driver_warning(["nvidia.com/gpu=0"], {"CUDA_VERSION": "99.0"}) == ""


async def test_who_looks_at_a_notebook_is_warned(smi, tmp_path, monkeypatch):
    from jupyter_containers.engines.guarded import Guarded
    from jupyter_containers.models import EngineInfo, Image

    class Some:  # an engine, as far as it is asked
        name = program = "podman"

        async def info(self):
            return EngineInfo(name="podman", usable=True, features=frozenset({"gpus"}))

        async def image(self, reference):
            return Image(id="sha256:1", env={"CUDA_VERSION": "13.0.0"})

    some: Any = Some()
    engine = Guarded(some, Policy())

    async def choose(name, policy):
        return engine

    monkeypatch.setattr(preflight, "preferred_engine", choose)
    notebook = write_notebook(
        tmp_path / "n.ipynb", {"image": "a/b", "devices": ["nvidia.com/gpu=0"]}
    )
    state = await notebook_state(notebook, Policy())
    assert state.error is None
    assert state.warning.startswith("The image needs CUDA 13.0, ")
