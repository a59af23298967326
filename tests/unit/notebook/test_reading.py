"""What counts as a notebook: gaps are filled in, what nobody can read is refused in a sentence."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import nbformat.v4
import pytest

from jupyter_containers.errors import BadInput, BadSettings
from jupyter_containers.notebook.file import read_notebook, settings_of

nbf: Any = nbformat  # it has no types
CELL: dict[str, Any] = {
    "cell_type": "code",
    "metadata": {},
    "outputs": [],
    "execution_count": None,
    "source": "1",
}


def written(tmp_path: Path, notebook: object) -> Path:
    path = tmp_path / "n.ipynb"
    path.write_text(notebook if isinstance(notebook, str) else json.dumps(notebook))
    return path


def one_cell(**changes: object) -> dict[str, Any]:
    cell = {**CELL, **changes}
    cell = {key: value for key, value in cell.items() if value != "left out"}
    return {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [cell]}


@pytest.mark.parametrize(
    "notebook",
    [
        {"cells": [CELL], "metadata": {}},
        {"cells": [CELL]},
        {"cells": [CELL], "metadata": None, "nbformat": None},
        {"cells": [CELL], "metadata": {}, "nbformat": "4", "nbformat_minor": "4"},
        one_cell(metadata="left out"),
        one_cell(metadata=None),
        one_cell(outputs=None, execution_count="left out"),
        one_cell(outputs="left out"),
        one_cell(source=["1"]),
    ],
)
def test_what_is_left_out_is_filled_in(notebook: object, tmp_path: Path) -> None:
    read = read_notebook(written(tmp_path, notebook))
    assert (read["nbformat"], read["nbformat_minor"], read["metadata"]) == (4, 4, {})
    (cell,) = read["cells"]
    assert {**cell, "source": "".join(cell["source"])} == CELL


def test_a_source_of_null_is_empty(tmp_path: Path) -> None:
    for source in (None, "left out"):
        assert read_notebook(written(tmp_path, one_cell(source=source)))["cells"][0]["source"] == ""


def test_cells_with_ids_are_of_a_format_that_has_them(tmp_path: Path) -> None:
    read = read_notebook(written(tmp_path, {"cells": [{**CELL, "id": "a"}]}))
    assert read["nbformat_minor"] == 5


@pytest.mark.parametrize("minor", [5, 5.0, "5"])
def test_a_version_is_a_number_however_it_is_written(minor: object, tmp_path: Path) -> None:
    notebook = {"cells": [CELL], "nbformat": 4.0, "nbformat_minor": minor}
    read = read_notebook(written(tmp_path, notebook))
    assert json.dumps([read["nbformat"], read["nbformat_minor"]]) == "[4, 5]"


@pytest.mark.parametrize(
    ("notebook", "said"),
    [
        (one_cell(source=5), "cell 1 has a source that is no text"),
        (one_cell(source=["a", 1]), "cell 1 has a source that is no text"),
        (one_cell(metadata=[]), "cell 1 has metadata that are no object"),
        (one_cell(outputs={}), "cell 1 has outputs that are none"),
        (one_cell(outputs=[{"text": "x"}]), "cell 1 has outputs that are none"),
        (one_cell(cell_type="left out"), "cell 1 says no cell_type"),
        ({"cells": [CELL, "print(1)"]}, "cell 2 is no object"),
        ({"cells": [], "nbformat": 5}, "is a notebook of format 5; this program reads format 4"),
        ({"cells": [], "nbformat": 3}, "is a notebook of format 3"),
        ({"cells": [], "nbformat": True}, "its nbformat is 'True'"),
        ({"cells": [], "nbformat": 4.5}, "its nbformat is '4.5'"),
        ({"cells": [], "nbformat": "four"}, "its nbformat is 'four'"),
        ({"worksheets": [], "metadata": {}}, "has no list of cells"),
        ({"cells": {}}, "has no list of cells"),
        ({"cells": [], "metadata": []}, "its metadata is no object"),
        ("", "is not a notebook"),
        ("nonsense", "is not a notebook"),
        ("[]", "is not a notebook"),
        ("null", "is not a notebook"),
        ("[" * 100_000, "is not a notebook"),
        ('{"cells": [], "n": ' + "9" * 5000 + "}", "is not a notebook"),
    ],
)
def test_what_nobody_can_read_is_refused(notebook: object, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        read_notebook(written(tmp_path, notebook))
    assert caught.value.message.startswith("n.ipynb ")
    assert said in caught.value.message
    assert caught.value.hint


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "n.ipynb").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match=r"n\.ipynb is not a notebook"):
        read_notebook(tmp_path / "n.ipynb")


def test_symlinks_and_fifos_are_not_opened(notebook: Path, tmp_path: Path) -> None:
    (tmp_path / "link.ipynb").symlink_to(notebook)
    os.mkfifo(tmp_path / "fifo.ipynb")
    for name in ("link.ipynb", "fifo.ipynb"):
        with pytest.raises(BadInput):
            settings_of(read_notebook(tmp_path / name))


def test_our_key_must_be_an_object(tmp_path: Path) -> None:
    path = written(tmp_path, {"cells": [], "metadata": {"jupyter_containers": "python"}})
    with pytest.raises(BadSettings):
        settings_of(read_notebook(path))


@pytest.mark.parametrize(
    "value", ["NaN", "-Infinity", "1e400", "1" * 400, "[" * 150 + "]" * 150, '[{"a": 1e999}]']
)
def test_settings_are_what_every_reader_of_json_takes(value: str, tmp_path: Path) -> None:
    text = json.dumps({"cells": [], "metadata": {"jupyter_containers": {"x": "HERE"}}})
    path = written(tmp_path, text.replace('"HERE"', value))
    with pytest.raises((BadSettings, BadInput)):
        settings_of(read_notebook(path))


def test_a_bom_is_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_bytes(b'\xef\xbb\xbf{"cells": [], "metadata": {}}')
    assert settings_of(read_notebook(path)) == {}


def test_a_notebook_that_is_being_saved_is_read_when_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    path.touch()
    text = nbformat.writes(nbformat.v4.new_notebook(metadata={"jupyter_containers": {"a": 1}}))
    later = threading.Timer(0.1, path.write_text, [text])
    later.start()
    assert settings_of(read_notebook(path)) == {"a": 1}
    later.join()


def test_a_broken_notebook_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "n.ipynb"
    path.write_text("{")
    os.utime(path, (1, 1))
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waits"))
    with pytest.raises(BadInput):
        settings_of(read_notebook(path))
