"""One notebook, any Jupyter client: each starts its container through the installed kernel specs,
the generic one and a pinned one, and leaves none behind."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.helpers.command import containers_of, jc, notebook_of, soon, texts

BIN = Path(sys.executable).parent
CODE = "import os, sys; print(os.getcwd(), sys.executable, open('beside').read())"


@pytest.fixture(scope="module")
def notebook(tmp_path_factory, engine, image) -> Path:
    """A notebook that was run once, so that its settings are in it and approved."""
    folder = tmp_path_factory.mktemp("clients")
    (folder / "beside").write_text("beside")
    cell = f"%%dockerfile --engine {engine}\nFROM {image}"
    path = notebook_of(folder / "any.ipynb", f"{cell}\nENV FIRST=1", cell, CODE)
    jc("run", path)
    return path


@pytest.fixture
def expected(notebook) -> list[str]:
    """What the notebook's cells show in its container."""
    return [
        "You are in the image of a later cell: nothing to build.\n",
        "You are in the image of this cell: nothing to build.\n",
        f"{notebook.parent} /usr/bin/python3 beside\n",
    ]


@pytest.fixture
def pinned(folder, engine, image) -> Iterator[str]:
    """A kernel of its own for the image."""
    name = f"client-{uuid.uuid4().hex[:6]}"
    jc("pin", image, "--name", name, "--engine", engine)
    yield name
    jc("unpin", name)


@pytest.fixture
def plain(folder) -> Path:
    """The same cell in a notebook without any settings, for the pinned kernel."""
    (folder / "beside").write_text("beside")
    return notebook_of(folder / "plain.ipynb", CODE)


@pytest.fixture(autouse=True)
def nothing_left(engine_program, left_behind) -> Iterator[None]:
    """Neither a container nor a directory is left by any of these clients."""
    yield
    for name in ("any.ipynb", "plain.ipynb"):
        assert containers_of(engine_program, Path(name)) == []
    soon(lambda: left_behind() == [])


def call(*words: object, notebook: Path | None = None, **options: object) -> str:
    """A client as a process; `notebook` is named as clients that send no name need it."""
    env = {**os.environ, "JUPYTER_CONTAINERS_NOTEBOOK": str(notebook or "")}
    done = subprocess.run(
        [str(BIN / str(words[0])), *map(str, words[1:])],
        env=env,
        text=True,
        capture_output=True,
        timeout=240,
        check=False,
        **options,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout + done.stderr)


# -- the generic spec ----------------------------------------------------------------------


def test_nbclient(notebook, expected, monkeypatch):
    monkeypatch.setenv("JUPYTER_CONTAINERS_NOTEBOOK", str(notebook))
    document = nbformat.read(notebook, 4)
    assert document.metadata.kernelspec.name == "container"
    for cell in document.cells:
        cell.outputs = []
    NotebookClient(document, timeout=60).execute()
    out = notebook.with_name("out.ipynb")
    nbformat.write(document, out)
    assert texts(out) == expected


def test_nbconvert(notebook, expected):
    call(
        *("jupyter", "nbconvert", "--to", "notebook", "--execute"),
        *("--output", "out.ipynb", notebook),
        notebook=notebook,
    )
    assert texts(notebook.with_name("out.ipynb")) == expected


def test_papermill(notebook, expected):
    out = notebook.with_name("out.ipynb")
    call("papermill", "--no-progress-bar", notebook, out, notebook=notebook)
    assert texts(out) == expected


def test_papermill_ends_where_the_image_is_not_the_notebooks(notebook, folder):
    """No cell after one that was changed runs in the image of what it was."""
    document = nbformat.read(notebook, 4)
    document.cells[1].source += "\nENV CHANGED=1"
    for cell in document.cells:
        cell.outputs = []
    changed, out = notebook.with_name("changed.ipynb"), folder / "out.ipynb"
    nbformat.write(document, changed)
    done = subprocess.run(
        [BIN / "papermill", "--no-progress-bar", changed, out],
        env={**os.environ, "JUPYTER_CONTAINERS_NOTEBOOK": str(notebook)},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    _, failed, after = (one for one in nbformat.read(out, 4).cells if one.cell_type == "code")
    assert "is not what this kernel's container" in failed.outputs[0].evalue
    assert after.outputs == []


def test_console(notebook, expected):
    said = call(
        *("jupyter", "console", "--kernel", "container", "--simple-prompt"),
        notebook=notebook,
        input=f"{CODE}\nexit\n",
    )
    assert expected[-1] in said


def test_without_a_notebook_the_kernel_says_how_to_name_one(folder):
    said = call(
        *("jupyter", "console", "--kernel", "container", "--simple-prompt"),
        input="1\nexit\n",
        cwd=folder,
    )
    assert "Set JUPYTER_CONTAINERS_NOTEBOOK=" in said


# -- a pinned one --------------------------------------------------------------------------


def test_nbclient_pinned(plain, pinned):
    document = nbformat.read(plain, 4)
    resources = {"metadata": {"path": str(plain.parent)}}
    NotebookClient(document, kernel_name=pinned, resources=resources, timeout=60).execute()
    out = plain.with_name("out.ipynb")
    nbformat.write(document, out)
    assert texts(out) == [f"{plain.parent} /usr/bin/python3 beside\n"]


def test_nbconvert_pinned(plain, pinned):
    call(
        *("jupyter", "nbconvert", "--to", "notebook", "--execute"),
        *(f"--ExecutePreprocessor.kernel_name={pinned}", "--output", "out.ipynb", plain),
    )
    assert texts(plain.with_name("out.ipynb")) == [f"{plain.parent} /usr/bin/python3 beside\n"]


def test_papermill_pinned(plain, pinned, folder):
    out = folder / "out.ipynb"
    call("papermill", "--no-progress-bar", "--cwd", folder, "-k", pinned, plain, out)
    assert texts(out) == [f"{plain.parent} /usr/bin/python3 beside\n"]


def test_console_pinned(pinned, folder, plain):
    said = call(
        *("jupyter", "console", "--kernel", pinned, "--simple-prompt"),
        input=f"{CODE}\nexit\n",
        cwd=folder,
    )
    assert f"{folder} /usr/bin/python3 beside" in said
