"""Which files the verbs take, before anything is built."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from jupyter_containers.cli.main import main


@pytest.mark.parametrize(
    ("verb", "name", "right"),
    [
        ("run", "NB.IPYNB", "NB.ipynb"),
        ("approve", "NB.IPYNB", "NB.ipynb"),
        ("build", "NB.IPYNB", "NB.ipynb"),
        ("run", "My Notebook.IPYNB", "My Notebook.ipynb"),
        ("run", "-x.IPYNB", "-x.ipynb"),
        ("run", "a;touch b.Ipynb", "a;touch b.ipynb"),
        ("run", "it's.IPYNB", "it's.ipynb"),
        ("run", "nb.ipynb.txt", "nb.ipynb"),
    ],
)
def test_a_notebook_of_another_name_is_refused(
    verb: str, name: str, right: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_text('{"cells": [], "metadata": {}}')
    assert main([verb, str(path)]) == 2
    said = capsys.readouterr().err
    assert f"{name} does not end in .ipynb" in said
    command = said.splitlines()[-1].partition("rename it: ")[2]
    assert shlex.split(command) == ["mv", "-i", str(path), str(tmp_path / right)]


def test_a_link_to_another_name_is_not_cut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "target").write_text('{"cells": [], "metadata": {}}')
    (tmp_path / "link.ipynb").symlink_to("target")
    assert main(["run", str(tmp_path / "link.ipynb")]) == 2
    said = capsys.readouterr().err
    assert "target does not end in .ipynb" in said
    assert "make the link link.ipynb anew" in said and "mv " not in said


@pytest.mark.parametrize("option", ["--timeout", "--total-timeout"])
@pytest.mark.parametrize("given", ["-1", "0", "nan", "inf", "1e300", "soon"])
def test_a_limit_is_a_time(option: str, given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["run", "n.ipynb", option, given])
    assert "is no number of seconds above 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("pipe", "it is no regular file"),
        ("to the pipe", "it is no regular file"),
        ("folder", "it is no regular file"),
        ("loop.ipynb", "Too many levels of symbolic links"),
        ("a" * 300, "File name too long"),
        ("n.ipynb/x", "Not a directory"),
        ("nowhere/x", "its folder does not exist"),
    ],
)
def test_where_nothing_can_be_written(
    output: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "n.ipynb").write_text('{"cells": [], "metadata": {}}')
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop.ipynb").symlink_to("loop.ipynb")
    reading, writing = os.pipe()
    (tmp_path / "to the pipe").symlink_to(f"/proc/self/fd/{writing}")
    os.mkfifo(tmp_path / "pipe")
    try:
        assert main(["run", str(tmp_path / "n.ipynb"), "-o", str(tmp_path / output)]) == 2
    finally:
        os.close(reading)
        os.close(writing)
    shown = capsys.readouterr().err
    assert f"{output} cannot be written: {said}." in shown
    assert "-o OUT" in shown and "XDG_RUNTIME_DIR" not in shown


@pytest.mark.parametrize("verb", ["run", "approve", "build"])
def test_a_link_to_a_notebook_is_one(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "n.ipynb").write_text('{"cells": [], "metadata": {}}')
    (tmp_path / "link.ipynb").symlink_to("n.ipynb")
    assert main([verb, str(tmp_path / "link.ipynb")]) == 2
    assert "n.ipynb" in capsys.readouterr().err
