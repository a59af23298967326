"""Programs that run to their end in a container, and what they printed."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_containers.engines.docker.engine import Docker
from jupyter_containers.engines.podman.engine import Podman
from jupyter_containers.host.process import Completed
from tests.helpers.policies import spec


@pytest.mark.parametrize(
    ("ends", "runs", "heard"),
    [
        ([(0, "said", "")], 1, "said"),
        ([(0, "", ""), (0, "said", "")], 2, "said"),
        ([(0, "", ""), (0, "", "")], 2, ""),
        ([(1, "", "")], 1, ""),
        ([(0, "", "a warning")], 1, ""),
    ],
)
async def test_words_that_were_lost_are_asked_for_once_more(
    ends: list[tuple[int, str, str]], runs: int, heard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, asked = list(ends), []

    async def run(_self: Docker, asked_for: Any, _timeout: float) -> Completed:
        asked.append(asked_for)
        return Completed(("podman", "run"), *left.pop(0))

    monkeypatch.setattr(Docker, "run", run)
    one = spec()
    assert (await Podman().run(one, 1.0)).stdout == heard
    assert asked == [one] * runs
