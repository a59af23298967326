"""Settings in a notebook's metadata; nothing else in the file changes."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from pathlib import Path
from typing import Any

import nbformat.v4
import pytest

from jupyter_containers.errors import BadInput, BadSettings
from jupyter_containers.notebook.file import read_settings, write_settings

nbf: Any = nbformat  # it has no types

SETTINGS = {"version": 1, "image": "localhost/a:1", "env": {"B": "ü", "A": "1"}}


class TestReadAndWrite:
    def test_a_notebook_of_nbformat_changes_by_our_key_only(self, notebook: Path) -> None:
        before = nbf.read(notebook, as_version=4)
        write_settings(notebook, SETTINGS)
        before["metadata"]["jupyter_containers"] = SETTINGS
        expected = nbf.writes(before)
        assert notebook.read_text() == expected + "\n"
        assert read_settings(notebook) == SETTINGS

    def test_removing_brings_the_first_bytes_back(self, notebook: Path) -> None:
        before = notebook.read_bytes()
        write_settings(notebook, SETTINGS)
        assert notebook.read_bytes() != before
        write_settings(notebook, None)
        assert notebook.read_bytes() == before
        assert read_settings(notebook) == {}

    def test_the_look_of_other_writers_is_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ipynb"
        text = json.dumps(
            {"nbformat": 4, "metadata": {"z": 1, "a": 2}, "cells": [], "nbformat_minor": 5},
            indent=4,
        )
        path.write_text(text)  # no newline at the end, keys unsorted, indent 4
        write_settings(path, {"version": 1})
        assert list(json.loads(path.read_text())) == list(json.loads(text))
        assert path.read_text().startswith('{\n    "nbformat": 4')
        assert not path.read_text().endswith("\n")
        write_settings(path, None)
        assert path.read_text() == text

    def test_mode_is_kept_and_nothing_is_left(self, notebook: Path) -> None:
        notebook.chmod(0o640)
        write_settings(notebook, SETTINGS)
        assert stat.S_IMODE(notebook.stat().st_mode) == 0o640
        assert os.listdir(notebook.parent) == ["one.ipynb"]

    def test_a_lone_surrogate_survives(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ipynb"
        path.write_text('{"cells": [{"source": "\\ud800"}], "metadata": {}}')
        write_settings(path, {"version": 1})
        assert json.loads(path.read_text())["cells"][0]["source"] == "\ud800"

    def test_read_only_is_said(self, notebook: Path) -> None:
        notebook.chmod(0o444)
        before = notebook.read_bytes()
        with pytest.raises(BadInput, match=r"cannot be written into one\.ipynb"):
            write_settings(notebook, SETTINGS)
        assert notebook.read_bytes() == before

    def test_values_that_are_no_json_leave_the_file_alone(self, notebook: Path) -> None:
        before = notebook.read_bytes()
        with pytest.raises(TypeError):
            write_settings(notebook, {"image": object()})
        assert notebook.read_bytes() == before
        assert os.listdir(notebook.parent) == ["one.ipynb"]

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "nonsense",
            "[]",
            "null",
            "{}",
            '{"cells": {}}',
            '{"cells": [], "metadata": []}',
            '{"worksheets": [], "metadata": {}}',
            "[" * 100_000,
            '{"cells": [], "n": ' + "9" * 5000 + "}",
            "\xff\xfe",
        ],
    )
    def test_what_is_no_notebook_is_named(self, text: str, tmp_path: Path) -> None:
        path = tmp_path / "bad.ipynb"
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(BadInput, match=r"bad\.ipynb is not a notebook") as caught:
            read_settings(path)
        assert caught.value.hint

    def test_symlinks_and_fifos_are_not_opened(self, notebook: Path, tmp_path: Path) -> None:
        (tmp_path / "link.ipynb").symlink_to(notebook)
        os.mkfifo(tmp_path / "fifo.ipynb")
        for name in ("link.ipynb", "fifo.ipynb"):
            with pytest.raises(BadInput):
                read_settings(tmp_path / name)

    def test_our_key_must_be_an_object(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ipynb"
        path.write_text('{"cells": [], "metadata": {"jupyter_containers": "python"}}')
        with pytest.raises(BadSettings):
            read_settings(path)

    def test_a_bom_is_no_trouble(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ipynb"
        path.write_bytes(b'\xef\xbb\xbf{"cells": [], "metadata": {}}')
        assert read_settings(path) == {}


def test_a_notebook_that_is_being_saved_is_read_when_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    path.touch()
    text = nbformat.writes(nbformat.v4.new_notebook(metadata={"jupyter_containers": {"a": 1}}))
    later = threading.Timer(0.1, path.write_text, [text])
    later.start()
    assert read_settings(path) == {"a": 1}
    later.join()


def test_a_broken_notebook_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    path.write_text("{")
    os.utime(path, (1, 1))
    begun = time.monotonic()
    with pytest.raises(BadInput):
        read_settings(path)
    assert time.monotonic() - begun < 0.05
