"""`build --check` says 1 for what builds nowhere, and for nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jupyter_containers.cli.main import main
from jupyter_containers.dockerfile.parser import parse
from jupyter_containers.dockerfile.render import render
from tests.unit.dockerfile.written import BROKEN, BUILDS


def check(text: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    file = folder / "Dockerfile"
    file.write_text(text)
    code = main(["build", "--check", str(file)])
    return code, capsys.readouterr().out


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said is of the text alone."""
    monkeypatch.setenv("PATH", "/nowhere")


def test_there_are_many() -> None:
    assert len(BUILDS) >= 40 and len(BROKEN) >= 15


@pytest.mark.parametrize("name", BUILDS)
def test_what_builds_passes(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = check(BUILDS[name], tmp_path, capsys)
    assert code == 0, said
    assert " error " not in said


@pytest.mark.parametrize("name", BUILDS)
def test_what_builds_is_given_to_engines(name: str) -> None:
    """The text that they get means the same."""
    found = parse(BUILDS[name], {}, {})
    again = parse(render(found).text, {}, {})
    assert [one.name for one in again.instructions] == [one.name for one in found.instructions]
    assert len(again.stages) == len(found.stages)


@pytest.mark.parametrize("name", BROKEN)
def test_what_builds_nowhere_fails_at_its_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, line = BROKEN[name]
    code, said = check(text, tmp_path, capsys)
    assert code == 1, said
    lines = re.findall(r"^Dockerfile, line (\d+): error ", said, re.MULTILINE)
    assert lines == [str(line)], said
