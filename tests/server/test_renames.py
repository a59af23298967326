"""A notebook that this person renames or moves in the file browser: its kernel stays its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from jupyter_containers.host.owners import run_dir_of
from jupyter_containers.kernels.record import read_sessions
from tests.helpers.command import COMMAND
from tests.helpers.harness import containers, write_notebook
from tests.helpers.serving import Server
from tests.ui.lab import until

Rename = Callable[[str, str], None]


@pytest.fixture
def rename(server: Server) -> Rename:
    """In the file browser of a page where the notebook is not open: no session is told."""

    def call(old: str, new: str) -> None:
        server.ask("PATCH", f"api/contents/{quote(old)}", {"path": new})

    return call


def notebook(server: Server, path: str) -> dict[str, Any]:
    said: dict[str, Any] = server.ask("GET", f"jupyter-containers/notebook?path={quote(path)}")
    return said


def restart(server: Server, session: dict[str, Any]) -> None:
    server.ask("POST", f"api/kernels/{session['kernel']['id']}/restart")


def listed(server: Server) -> list[tuple[str, str]]:
    """What `ps` calls each container's notebook, and what the sidebar does."""
    done = subprocess.run(
        [*COMMAND, "ps", "--json"], env=server._env(), capture_output=True, text=True, check=True
    )
    rows = {one["name"]: one["notebook"] for one in json.loads(done.stdout)["containers"]}
    ours = server.ask("GET", "jupyter-containers/containers")["containers"]
    assert rows == {one["name"]: one["notebook"] for one in ours}
    return [(one["notebook"], one["path"]) for one in ours]


def test_the_kernel_goes_on_and_restarts_under_the_new_name(
    server: Server, its_notebook: Path, rename: Rename, engine_program: str
) -> None:
    before = server.open(its_notebook)
    assert server.run(before, "x = 41; print(x)") == "41"
    running = containers(engine_program)
    assert listed(server) == [("n.ipynb", "n.ipynb")]
    rename("n.ipynb", "m é.ipynb")
    assert server.sessions() == [(before["id"], "m é.ipynb", before["kernel"]["id"])]
    assert listed(server) == [("m é.ipynb", "m é.ipynb")]
    said = notebook(server, "m é.ipynb")
    assert (said["missing"], said["warning"]) == ([], None)
    assert (said["kernel"]["state"], [said["kernel"]["container"]]) == ("running", running)
    assert server.run(before, "print(x + 1)") == "42"
    restart(server, before)
    assert server.run(before, "print('x' in dir())") == "False"
    assert containers(engine_program) == running  # it is the same container, too


def test_what_takes_the_old_name_is_another_notebook(
    server: Server, its_notebook: Path, rename: Rename, image: str, engine: str
) -> None:
    before = server.open(its_notebook)
    rename("n.ipynb", "m.ipynb")
    settings = {"image": image, "engine": engine, "env": {"SECRET": "x"}}
    other = write_notebook(server.root / "n.ipynb", settings)
    server.approve(other, {"version": 1, **settings})
    assert notebook(server, "n.ipynb")["kernel"] is None
    restart(server, before)
    code = "import os; print(os.environ.get('SECRET'))"
    assert server.run(before, code) == "None"
    theirs = server.open(other)
    assert theirs["kernel"]["id"] != before["kernel"]["id"]
    assert server.run(theirs, code) == "x"
    assert sorted(listed(server)) == [("m.ipynb", "m.ipynb"), ("n.ipynb", "n.ipynb")]


def test_a_notebook_that_is_moved_has_its_new_folder_after_a_restart(
    server: Server, its_notebook: Path, rename: Rename, engine_program: str
) -> None:
    (server.root / "sub").mkdir()
    (server.root / "sub/here.txt").touch()
    before = server.open(its_notebook)
    code = "import os; print(os.getcwd(), os.path.exists('here.txt'))"
    assert server.run(before, code) == f"{server.root} False"
    rename("n.ipynb", "sub/n.ipynb")
    said = notebook(server, "sub/n.ipynb")
    assert f"still runs in {server.root}. Restart the kernel" in said["warning"]
    assert said["missing"] == []
    assert server.run(before, code) == f"{server.root} False"
    restart(server, before)
    assert server.run(before, code) == f"{server.root}/sub True"
    assert notebook(server, "sub/n.ipynb")["warning"] is None
    assert len(containers(engine_program)) == 1


def test_a_folder_above_it_that_is_renamed(
    server: Server, rename: Rename, image: str, engine: str
) -> None:
    path = server.root / "a/b/n.ipynb"
    before = server.open(write_notebook(path, {"image": image, "engine": engine}))
    assert server.run(before, "x = 41; print(x)") == "41"
    rename("a", "c")
    assert server.sessions() == [(before["id"], "c/b/n.ipynb", before["kernel"]["id"])]
    assert listed(server) == [("n.ipynb", "c/b/n.ipynb")]
    assert server.run(before, "print(x + 1)") == "42"
    assert "Restart the kernel" in notebook(server, "c/b/n.ipynb")["warning"]
    restart(server, before)
    assert server.run(before, "import os; print(os.getcwd())") == f"{server.root}/c/b"
    assert notebook(server, "c/b/n.ipynb")["missing"] == []


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("a/n.ipynb", "a/m.ipynb", "a/m.ipynb"),
        ("a/n.ipynb", "n.ipynb", "n.ipynb"),
        ("a", "c", "c/n.ipynb"),
    ],
)
def test_the_next_server_knows_the_new_name(
    server: Server,
    rename: Rename,
    image: str,
    engine: str,
    engine_program: str,
    old: str,
    new: str,
    path: str,
) -> None:
    settings = {"image": image, "engine": engine}
    before = server.open(write_notebook(server.root / "a/n.ipynb", settings))
    assert server.run(before, "x = 41; print(x)") == "41"
    rename(old, new)
    (container,) = containers(engine_program)
    room = run_dir_of(container)
    assert room is not None
    until(lambda: [one["path"] for one in read_sessions(room)] == [path], "it is written down")
    server.kill()
    write_notebook(server.root / "a/n.ipynb", settings, "another()")
    server.start()
    assert server.sessions() == [(before["id"], path, before["kernel"]["id"])]
    assert listed(server) == [(Path(path).name, path)]
    assert server.run(before, "print(x + 1)") == "42"
    moved = "Restart the kernel" in (notebook(server, path)["warning"] or "")
    assert moved == (Path(path).parent != Path("a"))
    restart(server, before)
    where = server.root / Path(path).parent
    assert server.run(before, "import os; print(os.getcwd())") == str(where)
    assert notebook(server, path)["kernel"]["state"] == "running"


def test_a_move_in_a_shell_moves_nothing(
    server: Server, its_notebook: Path, image: str, engine: str, engine_program: str
) -> None:
    before = server.open(its_notebook)
    assert server.run(before, "x = 41; print(x)") == "41"
    # By a cell: the folder is mounted.
    assert server.run(before, "import os; os.rename('n.ipynb', 'm.ipynb')") == ""
    assert server.run(before, "print(x + 1)") == "42"
    assert notebook(server, "m.ipynb")["kernel"] is None
    assert len(notebook(server, "m.ipynb")["missing"]) == 1
    restart(server, before)
    assert "n.ipynb cannot be read: No such file" in server.run(before, "print(1)")
    assert containers(engine_program) == []

    # What is there then, or a link to a notebook that may do more, starts nothing either.
    other = {"image": image, "engine": engine, "env": {"SECRET": "x"}}
    write_notebook(its_notebook, other)
    restart(server, before)
    assert "not approved" in server.run(before, "print(1)")
    approved = write_notebook(server.root / "sub/approved.ipynb", other)
    server.approve(approved, {"version": 1, **other})
    its_notebook.unlink()
    its_notebook.symlink_to(approved)
    restart(server, before)
    assert "n.ipynb cannot be read" in server.run(before, "print(1)")
    assert containers(engine_program) == []
