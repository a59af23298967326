"""Fixtures of the tests of a notebook's settings and cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat.v4
import pytest

nbf: Any = nbformat  # it has no types


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """A notebook as JupyterLab would save it, with somebody else's metadata in it."""
    path = tmp_path / "one.ipynb"
    cells = [
        nbf.v4.new_markdown_cell("# hello"),
        nbf.v4.new_code_cell("%%dockerfile -t one\nFROM python:3.12\nRUN true", id="aa"),
        nbf.v4.new_code_cell("print('héllo')\n1"),
    ]
    metadata = {"kernelspec": {"name": "x", "display_name": "X"}, "zeta": [1, 2.50]}
    made = nbf.v4.new_notebook(cells=cells, metadata=metadata)
    nbf.write(made, path)
    return path
