"""What a notebook may ask of Slurm: how it is read, and what a policy makes of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containers.errors import BadSettings, PolicyRefused
from jupyter_containers.models import NO_ENV
from jupyter_containers.settings.schema import FIELDS
from jupyter_containers.settings.slurm import gpus_of, seconds_of, slurm, time_of
from tests.helpers.policies import policy, spec


def asked(**options: Any) -> dict[str, str]:
    return dict(slurm(options, "slurm"))


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("partition", "gpu-long", "gpu-long"),
        ("time", "2:00:00", "02:00:00"),
        ("time", 90, "01:30:00"),
        ("time", "90:30", "01:30:30"),
        ("time", "1-12", "1-12:00:00"),
        ("time", "2-00:30", "2-00:30:00"),
        ("gpus", 2, "2"),
        ("gpus", "a100:2", "a100:2"),
        ("gres", "gpu:tesla:2,shard:1", "gpu:tesla:2,shard:1"),
        ("cpus", "4", "4"),
        ("memory", "8192m", "8g"),
        ("nodes", 1, "1"),
        ("extra", "--qos=high --exclusive", "--qos=high --exclusive"),
        ("extra", ["--constraint=a100&nvlink"], "--constraint=a100&nvlink"),
    ],
)
def test_is_read_to_one_form(name: str, value: Any, read: str) -> None:
    assert asked(**{name: value}) == {name: read}
    assert asked(**{name: read}) == {name: read}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("partition", "--wrap=id", "is not a name"),
        ("partition", "a b", "is not a name"),
        ("account", "", "is not a name"),
        ("time", "soon", "is not a time"),
        ("time", "0", "is not a time"),
        ("time", True, "must be text"),
        ("gres", "gpu:2;id", "names no resources"),
        ("gres", "gres:gpu:8", "names no resources"),
        ("gres", "license:1,GRES:gpu:8", "names no resources"),
        ("gpus", -1, "must be a number"),
        ("gpus", "a100:2 --wrap=id", "is no number of GPUs"),
        ("cpus", 0, "must be a number"),
        ("cpus", 1.5, "must be a whole number"),
        ("memory", "much", "is not a size"),
        ("nodes", 2, "runs on one node"),
        ("extra", "--wrap=$(id)", "is not an option of sbatch"),
        ("extra", "-Jx", "is not an option of sbatch"),
        ("extra", "job.sh", "is not an option of sbatch"),
        ("extra", [1], "is not an option of sbatch"),
        ("wrap", "id", "is not known"),
        ("setup", "id", "is not known"),
        ("partitoin", "gpu", "Did you mean 'partition'"),
    ],
)
def test_is_refused(name: str, value: Any, said: str) -> None:
    with pytest.raises(BadSettings) as raised:
        slurm({name: value}, "slurm")
    assert said in str(raised.value)
    assert raised.value.key == f"slurm.{name}"


@given(st.integers(1, 10**7))
def test_times_survive(seconds: int) -> None:
    assert seconds_of(time_of(seconds)) == seconds


@pytest.mark.parametrize("text", ["UNLIMITED", "INVALID", "N/A", "", "NOT_SET", "1:2:3:4"])
def test_times_without_end_are_none(text: str) -> None:
    assert seconds_of(text) is None


def test_gpus_are_counted() -> None:
    assert gpus_of({"gpus": "a100:2", "gres": "gpu:3,license:9"}) == 5
    assert gpus_of({"gres": "gpu"}) == 1
    assert gpus_of({"gres": "GPU:4"}) == 4
    assert gpus_of({}) == 0


# -- the policy --------------------------------------------------------------------------------


def allowed(traits: dict[str, Any], **options: Any) -> dict[str, str]:
    return dict(policy(**traits).check_run(spec(slurm=slurm(options, "slurm"))).slurm)


@pytest.mark.parametrize(
    ("traits", "options", "trait"),
    [
        ({"slurm_partitions": ["short", "gpu*"]}, {"partition": "long"}, "slurm_partitions"),
        ({"slurm_partitions": []}, {"partition": "long"}, "slurm_partitions"),
        ({"slurm_accounts": ["a"]}, {"account": "b"}, "slurm_accounts"),
        ({}, {"extra": "--output=/etc/x"}, "slurm_extra"),
        ({}, {"extra": "--qos=high --wrap=id"}, "slurm_extra"),
        ({"slurm_extra": []}, {"extra": "--qos=high"}, "slurm_extra"),
        ({"max_slurm_time": "8:00:00"}, {"time": "8:00:01"}, "max_slurm_time"),
        ({"max_slurm_gpus": 1}, {"gpus": 1, "gres": "gpu:1"}, "max_slurm_gpus"),
        ({"max_slurm_gpus": 0}, {"gpus": 1}, "max_slurm_gpus"),
        ({"max_cpus": 4}, {"cpus": 5}, "max_cpus"),
        ({"max_cpus": 4}, {"cpus": 2, "ntasks": 3}, "max_cpus"),
        ({"max_cpus": 4}, {"ntasks": 5}, "max_cpus"),
        ({"max_cpus": 4, "default_cpus": 1.5}, {"ntasks": 3}, "max_cpus"),
        ({"max_memory": "4g"}, {"memory": "5g"}, "max_memory"),
    ],
)
def test_a_policy_refuses(traits: dict[str, Any], options: dict[str, Any], trait: str) -> None:
    with pytest.raises(PolicyRefused) as raised:
        allowed(traits, **options)
    assert raised.value.trait == f"Policy.{trait}"


def test_a_policy_fills_in() -> None:
    assert allowed({}) == {}
    traits = {
        "slurm_partitions": ["gpu*", "short", "long"],
        "slurm_accounts": ["physics"],
        "max_slurm_time": "1-0",
        "default_slurm_time": "60",
        "slurm_setup": "module load apptainer",
    }
    assert allowed(traits) == {
        "partition": "short",
        "account": "physics",
        "time": "01:00:00",
        "setup": "module load apptainer",
    }
    assert allowed(traits, partition="gpu1", time="2:00:00")["time"] == "02:00:00"
    assert allowed({"max_slurm_time": "1-0"})["time"] == "1-00:00:00"


def test_cpus_are_whole_in_a_job() -> None:
    assert allowed({"max_cpus": 0.5}) == {}
    assert allowed({"max_cpus": 2, "default_cpus": 1}, ntasks=2) == {"ntasks": "2"}


@pytest.mark.parametrize("trait", ["max_slurm_time", "default_slurm_time"])
def test_a_time_that_is_none_lets_nothing_start(trait: str) -> None:
    with pytest.raises(PolicyRefused, match="is no time"):
        policy(**{trait: "soon"}).check_run(spec(slurm=NO_ENV))


def test_what_an_engine_cannot_limit_slurm_does() -> None:
    """The size of a job is what its nodes hold it to; all else is up to the engine it places."""
    for name in ("cpus", "memory"):
        assert "charliecloud" in FIELDS[name].unable_engines
        assert "slurm+charliecloud" not in FIELDS[name].unable_engines
    assert "slurm+charliecloud" in FIELDS["pids"].unable_engines
