"""What people are told of a job: why it waits, and that its time is almost over."""

from __future__ import annotations

import time

import pytest

from jupyter_containers.engines.placement import Placement


@pytest.mark.parametrize(
    ("state", "reason", "said"),
    [
        ("PENDING", "", "Job 7 waits in the queue (just submitted)"),
        ("PENDING", "None", "Job 7 waits in the queue (just submitted)"),
        ("PENDING", "Priority", "Job 7 waits in the queue (Priority: others come first)"),
        ("PENDING", "SomethingNew", "Job 7 waits in the queue (SomethingNew)"),
        ("CONFIGURING", "", "Job 7 is configuring"),
    ],
)
def test_why_it_waits(state: str, reason: str, said: str) -> None:
    assert Placement(job="7", state=state, reason=reason).waiting == said


def test_when_it_is_expected_to_begin() -> None:
    soon, long_ago = time.time() + 3 * 86400, time.time() - 60
    day = time.strftime("%Y-%m-%d %H:%M", time.localtime(soon))
    waits = Placement(job="7", state="PENDING", reason="Priority", begins=soon).waiting
    assert waits.endswith(f", expected to begin {day}")
    assert "expected" not in Placement(job="7", state="PENDING", begins=long_ago).waiting


def test_the_end_is_told_five_minutes_before() -> None:
    def left(seconds: float) -> str:
        return Placement(job="7", state="RUNNING", ends=time.time() + seconds).warning

    assert Placement(job="7", state="RUNNING").warning == ""
    assert left(301) == ""
    assert "in 4 min: save what you need" in left(240)
    assert "in 0 min" in left(-5)
