"""Kernels that Slurm places: how their jobs end where the site or the person is special.

On the Slurm of tests/setup/slurm.sh: after a job of its partition `tidy`, the node's Epilog takes
8 s.
"""

from __future__ import annotations

import subprocess
import time

import pytest

from tests.harness import running
from tests.slurm import ours, states


@pytest.fixture(autouse=True)
def slurm(features):
    if "jobs" not in features:
        pytest.skip("this engine's containers run on this machine")


async def test_nobody_waits_for_a_sites_epilog(notebook):
    async with running(notebook(slurm={"partition": "tidy"})) as kernel:
        job = kernel.container.placement.job
        begun = time.monotonic()
        await kernel.shutdown(now=True)
        assert time.monotonic() - begun < 6
    assert states([job]), "the Epilog does not go on: this test shows nothing"
    while states([job]):
        time.sleep(0.2)


async def test_a_persons_defaults_for_slurms_commands_change_nothing(notebook, monkeypatch):
    with monkeypatch.context() as theirs:
        for name in ("SQUEUE", "SCANCEL"):
            theirs.setenv(f"{name}_PARTITION", "short")
        theirs.setenv("SLURM_TIME_FORMAT", "relative")
        async with running(notebook(slurm={"partition": "debug", "time": 30})) as kernel:
            job = kernel.container.placement.job
            assert await kernel.value("6*7") == "42"
            assert kernel.container.placement.ends is not None
    assert not ours()
    said = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True)
    assert "JobState=RUNNING" not in said.stdout
