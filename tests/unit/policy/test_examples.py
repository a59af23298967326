"""The policies that the package has as examples, loaded as an administrator installs them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import jupyter_containers
from jupyter_containers.errors import PolicyRefused
from jupyter_containers.models import Demands
from jupyter_containers.policy.loader import load_policy
from jupyter_containers.policy.policy import Policy
from tests.helpers.policies import ROOT, refused, spec
from tests.helpers.private_home import private_home

EXAMPLES = Path(jupyter_containers.__file__).parent / "examples/policy"
COURSE = "registry.example.org/course/week1:2026"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return private_home(tmp_path, monkeypatch)


@pytest.fixture
def installed(tmp_path: Path, home: Path) -> Any:
    """`installed(NAME)`: the policy of a machine whose administrator copied that example, on
    which somebody has a wish of their own."""

    def install(name: str) -> Policy:
        system = tmp_path / "system_config_path"
        system.mkdir()
        shutil.copy(EXAMPLES / f"{name}.py", system / "jupyter_containers_config.py")
        own = home / ".jupyter/jupyter_containers_config.py"
        own.parent.mkdir()
        own.write_text("c.Policy.images = ['*']")
        with pytest.raises(PolicyRefused, match="only the administrator may"):
            load_policy(None)
        own.unlink()
        return load_policy(None)

    return install


def test_these_are_all() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {
        "gpu_workstation",
        "login_node",
        "teaching_hub",
    }


def test_a_teaching_hub(installed: Any) -> None:
    policy = installed("teaching_hub")
    allowed = policy.check_run(spec(reference=COURSE))
    assert (allowed.memory, allowed.cpus, allowed.pids) == (2 << 30, 1, 512)
    assert allowed.barred == ("host", "metadata")
    assert policy.check_image("localhost/mine") == "localhost/mine:latest"
    refused("Policy.images", policy, reference="docker.io/library/python:3.12")
    refused("Policy.max_memory", policy, reference=COURSE, memory=8 << 30)
    refused("Policy.max_cpus", policy, reference=COURSE, cpus=4)
    refused("Policy.devices", policy, reference=COURSE, devices=("nvidia.com/gpu=0",))
    refused("Policy.users", policy, reference=COURSE, user=ROOT)
    refused("Policy.ports", policy, reference=COURSE, publish=((0, 8888),))
    assert policy.source_of("COURSE") == "/srv/course"
    with pytest.raises(PolicyRefused, match=r"Policy\.engines"):
        policy.check_engine("docker")
    with pytest.raises(PolicyRefused, match=r"line 3: .*Policy\.build_urls"):
        demands = Demands(images=(COURSE,), urls=("https://x.org/a",), lines={"https://x.org/a": 3})
        policy.check_build(demands, 0)


def test_a_workstation_with_gpus(installed: Any) -> None:
    policy = installed("gpu_workstation")
    allowed = policy.check_run(spec(devices=("nvidia.com/gpu=1",)))
    assert (allowed.memory, allowed.shm) == (32 << 30, 16 << 30)
    refused("Policy.devices", policy, devices=("nvidia.com/gpu=all",))
    refused("Policy.max_memory", policy, memory=256 << 30)
    refused("Policy.ports", policy, publish=((0, 22),))
    assert policy.engine_order(["docker", "apptainer", "podman"]) == ["podman", "apptainer"]
    assert policy.source_of("SCRATCH") == "/scratch"


def test_a_login_node(installed: Any) -> None:
    policy = installed("login_node")
    names = ["podman", "docker", "apptainer", "slurm+charliecloud", "slurm+apptainer"]
    assert policy.engine_order(names) == ["slurm+charliecloud", "slurm+apptainer"]
    slurm = policy.check_run(spec(slurm={"gpus": "2"})).slurm
    assert (slurm["partition"], slurm["time"]) == ("jupyter", "02:00:00")
    refused("Policy.max_slurm_gpus", policy, slurm={"gpus": "3"})
    refused("Policy.max_slurm_time", policy, slurm={"time": "2-0"})
    refused("Policy.slurm_partitions", policy, slurm={"partition": "huge"})
    refused("Policy.slurm_extra", policy, slurm={"extra": "--output=/x"})
    assert policy.orphan_grace == 600
