"""The notebooks of the course, run on every engine as a reader runs them: from top to bottom."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from jupyter_containers.images.bootstrap import BASE
from tests.helpers import ROOT
from tests.helpers.command import containers_of, jc
from tests.helpers.harness import DAEMONS

NOTEBOOKS = ROOT / "notebooks"


@pytest.fixture
def base(engine_program: str, image: str, features: frozenset[str]) -> Iterator[None]:
    """What `jupyter containers bootstrap` leaves on the engine that builds: here, the name of a
    test image. Charliecloud builds too, from what is converted for it."""
    builder = engine_program if engine_program in DAEMONS else "podman"

    def call(*words: str) -> int:
        return subprocess.run([builder, *words], capture_output=True, check=False).returncode

    there = call("image", "inspect", BASE) == 0
    assert there or call("tag", image, BASE) == 0
    if "build" in features and builder != engine_program:
        jc("convert", BASE, "--from", builder, "--to", engine_program)
    yield
    assert there or call("rmi", BASE) == 0


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_are_kept_as_a_reader_finds_them(path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "container"
    assert "jupyter_containers" not in notebook.metadata
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code[0].source.startswith("%%dockerfile")
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


def test_the_first_container(folder, base, engine, engine_program, features):
    path = folder / "01-first-container.ipynb"
    path.write_bytes((NOTEBOOKS / path.name).read_bytes())
    first = run_notebook(path, engine)
    assert f"is built ({engine})" in first["dockerfile"]
    inside = _table(first["inside"])
    assert inside["system"].startswith("Debian GNU/Linux 12")
    assert inside["COURSE"] == "containers, part 1: a tour"
    assert first["processes"].splitlines()[0].split()[0] == "1"
    user = _table(first["user"])
    assert user["capabilities"].split()[0] == "0" * 16
    alone = "ports open to others: []" in first["network"]
    assert alone or "network-private" not in features
    assert f"belongs to user {os.getuid()} and I am {os.getuid()}" in first["counters"]
    assert first["by-hand"] == "'made by hand'"
    assert _runs(first) == (1, 1)

    again = run_notebook(path, engine)
    assert again["dockerfile"] == first["dockerfile"]
    assert _runs(again) == (1, 2), "inside, counting begins anew; in the folder it goes on"
    assert _table(again["inside"])["built at"] == inside["built at"]
    assert containers_of(engine_program, path) == []


def test_what_the_first_notebook_tells_the_reader_to_try(folder, base, engine):
    path = folder / "01-first-container.ipynb"
    text = (NOTEBOOKS / path.name).read_text()
    notebook = nbformat.reads(text, 4)
    by_id = {cell.id: cell for cell in notebook.cells}
    lines = by_id["commit"].source.split("```dockerfile\n")[1].split("```")[0]
    by_id["dockerfile"].source = (
        by_id["dockerfile"].source.replace("%%dockerfile", "%%dockerfile --network none")
        + "\n"
        + lines
    )
    by_id["by-hand"].source = "import greeting; greeting.greet()"
    nbformat.write(notebook, path)
    shown = run_notebook(path, engine)
    assert shown["by-hand"] == "'made by recipe'"
    assert "interfaces: ['lo']" in shown["network"]


def test_where_docker_is_not(folder, base, engine, engine_program, features):
    path = folder / "07-where-docker-is-not.ipynb"
    path.write_bytes((NOTEBOOKS / path.name).read_bytes())
    shown = run_notebook(path, engine)
    assert f"is built ({engine})" in shown["dockerfile"]
    assert _table(shown["inside"])["COURSE"] == "containers, part 2: where Docker is not"
    assert "the same tool everywhere" in shown["inside"]
    assert _table(shown["user"])["rights"] == "can gain none"
    assert f"the file belongs to {os.getuid()}" in shown["user"]
    alone = "its own" in shown["differs-here"]
    assert alone or "network-private" not in features
    assert "/tmp       can be written" in shown["differs-here"]
    assert containers_of(engine_program, path) == []


def run_notebook(path: Path, engine: str, *options: str) -> dict[str, str]:
    """Run it as its title says; cell id → text of its outputs."""
    jc("run", path, "--engine", engine, *options, timeout=900)
    return {cell["id"]: _text(cell) for cell in json.loads(path.read_text())["cells"]}


def _text(cell: dict[str, object]) -> str:
    parts: list[str] = []
    for output in cell.get("outputs", []):  # type: ignore[attr-defined]
        assert output["output_type"] != "error", output
        text = output["text"] if "text" in output else output["data"]["text/plain"]
        parts += [text] if isinstance(text, str) else text
    return "".join(parts)


def _table(text: str) -> dict[str, str]:
    """Lines of a name, two spaces or more, and a value."""
    rows = [re.split(" {2,}", line, maxsplit=1) for line in text.splitlines()]
    return {row[0]: row[1] for row in rows if len(row) == 2}


def _runs(shown: dict[str, str]) -> tuple[int, int]:
    inside, folder, _ = shown["counters"].splitlines()
    return int(inside.split()[1]), int(folder.split()[1])
