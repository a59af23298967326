"""Which files the verbs take, before anything is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_containers.cli.main import main


@pytest.mark.parametrize("verb", ["run", "approve", "build"])
def test_a_notebook_of_another_name_is_refused(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "NB.IPYNB"
    path.write_text('{"cells": [], "metadata": {}}')
    assert main([verb, str(path)]) == 2
    said = capsys.readouterr().err
    assert "NB.IPYNB does not end in .ipynb" in said
    assert "mv NB.IPYNB NB.ipynb" in said


@pytest.mark.parametrize("verb", ["run", "approve", "build"])
def test_a_link_to_a_notebook_is_one(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "n.ipynb").write_text('{"cells": [], "metadata": {}}')
    (tmp_path / "link.ipynb").symlink_to("n.ipynb")
    assert main([verb, str(tmp_path / "link.ipynb")]) == 2
    assert "n.ipynb" in capsys.readouterr().err
