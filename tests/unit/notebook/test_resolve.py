"""Which file the name of a notebook means, and which names mean none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jupyter_containers.errors import BadInput
from jupyter_containers.notebook.file import (
    MAX_BYTES,
    notebook_from_environment,
    read_notebook,
    resolve_notebook,
)


class TestResolve:
    def test_relative_and_absolute_names_under_the_root(self, notebook: Path) -> None:
        assert resolve_notebook("one.ipynb", notebook.parent) == notebook
        assert resolve_notebook(str(notebook), notebook.parent) == notebook
        assert resolve_notebook("./x/../one.ipynb", notebook.parent) is None  # no x
        (notebook.parent / "x").mkdir()
        assert resolve_notebook("./x/../one.ipynb", notebook.parent) == notebook

    def test_a_root_that_is_itself_a_symlink(self, notebook: Path, tmp_path: Path) -> None:
        link = tmp_path / "link"
        link.symlink_to(notebook.parent)
        assert resolve_notebook(str(link / "one.ipynb"), link) == notebook.resolve()

    @pytest.mark.parametrize(
        "name",
        [
            "",
            "console-1",
            "one",
            "/etc/passwd",
            "/etc/x.ipynb",
            "../outside.ipynb",
            "inside/../../outside.ipynb",
            "gone.ipynb",
            "folder.ipynb",
            "out.ipynb",
            "dir/outside.ipynb",
            "fifo.ipynb",
            "loop.ipynb",
            "dangling.ipynb",
            "masked.ipynb",
            "one.ipynb\0",
            "one\0.ipynb",
            "one.ipynb\n",
            "a" * 5000 + ".ipynb",
        ],
    )
    def test_nothing_else_counts(self, name: str, tmp_path: Path) -> None:
        root = tmp_path / "root"
        (root / "folder.ipynb").mkdir(parents=True)
        outside = tmp_path / "outside.ipynb"
        outside.write_text("{}")
        (root / "secret.txt").write_text("{}")
        (root / "out.ipynb").symlink_to(outside)
        (root / "dir").symlink_to(tmp_path)
        (root / "loop.ipynb").symlink_to("loop.ipynb")
        (root / "dangling.ipynb").symlink_to("nowhere.ipynb")
        (root / "masked.ipynb").symlink_to("secret.txt")
        os.mkfifo(root / "fifo.ipynb")
        assert resolve_notebook(name, root) is None

    def test_symlinks_that_stay_inside_count(self, notebook: Path) -> None:
        link = notebook.parent / "two.ipynb"
        link.symlink_to("one.ipynb")
        assert resolve_notebook("two.ipynb", notebook.parent) == notebook

    def test_too_large(self, notebook: Path) -> None:
        os.truncate(notebook, MAX_BYTES)
        assert resolve_notebook("one.ipynb", notebook.parent) == notebook
        os.truncate(notebook, MAX_BYTES + 1)
        assert resolve_notebook("one.ipynb", notebook.parent) is None
        with pytest.raises(BadInput, match="64 MiB"):
            read_notebook(notebook)

    def test_from_environment(self, notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("JUPYTER_CONTAINERS_NOTEBOOK", raising=False)
        assert notebook_from_environment() is None
        monkeypatch.chdir(notebook.parent)
        monkeypatch.setenv("JUPYTER_CONTAINERS_NOTEBOOK", "one.ipynb")
        assert notebook_from_environment() == notebook
        for wrong in ("/etc/passwd", "gone.ipynb", "."):
            monkeypatch.setenv("JUPYTER_CONTAINERS_NOTEBOOK", wrong)
            with pytest.raises(BadInput, match="JUPYTER_CONTAINERS_NOTEBOOK"):
                notebook_from_environment()
