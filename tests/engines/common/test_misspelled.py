"""A package that no index has: the one that was meant is named in the build's error."""

from __future__ import annotations

import pytest

from jupyter_containers.engines.common.errors import build_trouble
from jupyter_containers.errors import BuildFailed, NetworkFailed
from jupyter_containers.models import BuildStep

PIP = """ERROR: Could not find a version that satisfies the requirement {0} (from versions: none)
ERROR: No matching distribution found for {0}
"""
UV = """  × No solution found when resolving dependencies:
  ╰─▶ Because {0} was not found in the package registry and you require {0}, we can conclude that
"""
# Of conda 26.7; before, it was a PackagesNotFoundError.
CONDA = """PackagesNotFoundInChannelsError: The following packages are not available from current \
channels:

  - {0}

Current channels:
"""
MAMBA = """error    libmamba Could not solve for environment specs
    The following package could not be found:
    └─ {0} =* * does not exist (perhaps a typo or a missing channel).
"""


def hint(tail: str) -> str:
    step = BuildStep(stage=0, line=2, text="RUN pip install x", stage_name="", ours=False)
    error = build_trouble(
        "podman", said="exit status 1", code=1, step=step, instruction="", tail=tail
    )
    assert isinstance(error, BuildFailed)
    return error.hint


@pytest.mark.parametrize("says", [PIP, UV, CONDA, MAMBA])
def test_the_name_that_was_meant(says: str) -> None:
    assert hint(says.format("pandsa")) == "Did you mean pandas? No package pandsa was found."


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("Scikit_Lern", "scikit-learn"),
        ("cv2", "opencv-python"),
        ("matplotlb>=3", "matplotlib"),
        ("tensorlfow[and-cuda]==2.16", "tensorflow"),
        ("conda-forge::nunpy", "numpy"),
    ],
)
def test_names_in_other_forms(given: str, meant: str) -> None:
    says = CONDA if "::" in given else PIP
    assert hint(says.format(given)).startswith(f"Did you mean {meant}?")


@pytest.mark.parametrize(
    "tail",
    [
        "",
        PIP.format("our-own-analysis-of-2024"),
        PIP.format("pandas==99.1"),  # the name is right
        PIP.format("x" * 10_000),
        "pandsa: command not found",
    ],
)
def test_nothing_is_guessed(tail: str) -> None:
    assert hint(tail) == ""


def test_where_no_index_was_reached_that_is_told() -> None:
    step = BuildStep(stage=0, line=2, text="RUN pip install pandsa", stage_name="", ours=False)
    tail = f"Temporary failure in name resolution\n{PIP.format('pandsa')}"
    error = build_trouble(
        "podman", said="exit status 1", code=1, step=step, instruction="", tail=tail
    )
    assert isinstance(error, NetworkFailed)
