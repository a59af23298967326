"""When a job counts as gone, and what is asked of Slurm until then. With a real one:
tests/contract/kernels/test_job_ends.py."""

from __future__ import annotations

from jupyter_containers.host.reaper.slurm_job import Removal, theirs


def test_a_job_is_gone_once_slurm_lists_none() -> None:
    removal = Removal("jupyter-0123abcd", 0.0)
    assert not removal.over("RUNNING\n", 0.0)
    assert not removal.over("PENDING\nCOMPLETING\n", 10.0)
    assert removal.over("", 10.1)


def test_a_job_whose_epilog_goes_on_is_gone() -> None:
    removal = Removal("jupyter-0123abcd", 0.0)
    assert not removal.over("COMPLETING\n", 0.0)
    assert not removal.over("COMPLETING\n", 1.9)
    assert removal.over("COMPLETING\n", 2.0)


def test_the_controller_is_asked_seldom() -> None:
    removal, now, cancelled, looked = Removal("jupyter-0123abcd", 0.0), 0.0, 0, 0
    while now < 60:
        cancelled += removal.due(now)
        looked += 1
        assert not removal.over("RUNNING\n", now)
        now += removal.pause
    assert cancelled <= 13
    assert looked <= 40


def test_what_is_theirs_of_an_environment() -> None:
    ours = ["PATH", "SLURM_CONF", "SLURM_CLUSTERS", "SBATCH_ACCOUNT"]
    persons = ["SQUEUE_PARTITION", "SCANCEL_STATE", "SINFO_FORMAT", "SLURM_TIME_FORMAT"]
    assert theirs(ours + persons) == persons
