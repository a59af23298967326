"""GPUs of the job of Slurm's that a server runs in."""

from __future__ import annotations

import pytest

from jupyter_containers.devices.slurm import job_devices
from jupyter_containers.errors import Unsupported

ALL = "nvidia.com/gpu=all"
JOB = {"SLURM_JOB_ID": "7"}
CONSTRAINED = {**JOB, "CUDA_VISIBLE_DEVICES": "0,1", "SLURM_JOB_GPUS": "2,3"}
"""What a cluster says that hides other jobs' GPUs."""


@pytest.mark.parametrize(
    ("job", "asked", "given"),
    [
        ({}, [ALL], (ALL,)),
        ({"CUDA_VISIBLE_DEVICES": "1"}, [ALL], (ALL,)),
        (JOB, ["vendor.org/x=y"], ("vendor.org/x=y",)),
        (
            {**JOB, "CUDA_VISIBLE_DEVICES": "2,3"},
            ["nvidia.com/gpu=3", ALL, "vendor.org/x=y"],
            ("nvidia.com/gpu=3", "nvidia.com/gpu=2", "vendor.org/x=y"),
        ),
        ({**JOB, "ROCR_VISIBLE_DEVICES": "0"}, ["amd.com/gpu=all"], ("amd.com/gpu=0",)),
        ({**CONSTRAINED, "SLURM_STEP_GPUS": "3"}, [ALL], ("nvidia.com/gpu=3",)),
        (CONSTRAINED, [ALL], ("nvidia.com/gpu=2", "nvidia.com/gpu=3")),
    ],
)
async def test_a_server_in_a_job_gives_the_jobs_gpus(job, asked, given):
    assert await job_devices(asked, job, by_host=True) == given


async def test_an_engine_that_numbers_what_it_sees_gets_those_numbers():
    given = await job_devices([ALL], CONSTRAINED, by_host=False)
    assert given == ("nvidia.com/gpu=0", "nvidia.com/gpu=1")


@pytest.mark.parametrize(
    ("visible", "asked", "has"),
    [
        ("2,3", "nvidia.com/gpu=0", "it has nvidia.com/gpu=2, nvidia.com/gpu=3"),
        ("NoDevFiles", ALL, "it has no GPU"),
    ],
)
async def test_gpus_of_other_peoples_jobs_are_refused(visible, asked, has):
    job = {**JOB, "CUDA_VISIBLE_DEVICES": visible}
    with pytest.raises(Unsupported, match=has):
        await job_devices([asked], job, by_host=True)


async def test_where_slurm_cannot_be_asked_nothing_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    job = {**JOB, "SLURMD_NODENAME": "n1"}
    assert await job_devices([ALL], job, by_host=True) == (ALL,)
    assert await job_devices([ALL], {**JOB, "SLURMD_NODENAME": "-a"}, by_host=True) == (ALL,)


async def test_a_refusal_names_the_gpu_and_not_what_else_was_asked_for(monkeypatch, tmp_path):
    scontrol = tmp_path / "scontrol"
    scontrol.write_text("#!/bin/sh\necho 'NodeName=n1 Gres=gpu:2 State=IDLE'\n")
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    job = {**JOB, "SLURMD_NODENAME": "n1"}
    with pytest.raises(Unsupported, match=r"^nvidia\.com/gpu=1 is not .* it has no GPU"):
        await job_devices(["vendor.org/x=y", "nvidia.com/gpu=1"], job, by_host=True)
