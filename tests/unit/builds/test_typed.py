"""What a person typed behind `%%dockerfile` in their page is not asked once more."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from jupyter_containers.builds.cells import Switch, settings_after
from jupyter_containers.builds.manager import Build
from jupyter_containers.notebook.cells import parse_options
from jupyter_containers.policy.approvals import Approvals
from jupyter_containers.policy.policy import Policy
from tests.helpers.private_home import private_home

IMAGE = "localhost/x:1"
ASKED: dict[str, Any] = {"version": 1, "image": IMAGE}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    work = private_home(tmp_path, monkeypatch) / "work"
    (work / "data").mkdir(parents=True)
    return work


def missing(work: Path, line: str, asked: dict[str, Any] = ASKED, *, typed: bool) -> list[str]:
    """What is asked for once the image is built and approved."""
    notebook, options = work / "n.ipynb", parse_options(line)
    Approvals().approve_image(notebook, IMAGE, "1")
    switch = Switch(options=options, asked=asked, seen=typed)
    engine = SimpleNamespace(policy=Policy())
    build = cast("Build", SimpleNamespace(engine=engine, notebook=notebook))
    settings = settings_after(asked, options, IMAGE, None)
    return list(switch._missing(build, settings, "1"))


@pytest.mark.parametrize(
    "line",
    ["--mount data:/data", "--env A=b", "--user root", "--port 8000", "--device x.com/y=z"],
)
def test_an_option_is_a_yes(line: str, work: Path) -> None:
    assert len(missing(work, line, typed=False)) == 1
    assert missing(work, line, typed=True) == []
    assert missing(work, line, typed=False) == []  # remembered
    assert len(missing(work, f"{line} --env OTHER=1", typed=False)) == 1


def test_not_what_a_link_makes_of_it(work: Path) -> None:
    (work / "link").symlink_to("data")
    (item,) = missing(work, "--mount link:/data", typed=True)
    assert str(work / "data") in item


def test_not_what_stands_in_the_notebook(work: Path) -> None:
    theirs = {**ASKED, "env": {"THEIRS": "1"}}
    assert len(missing(work, "--mount data:/data", theirs, typed=True)) == 2
