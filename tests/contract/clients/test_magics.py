"""`%%dockerfile` as a magic: on the host it builds, in a container it says where one is."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

from jupyter_containers.guest import boot
from jupyter_containers.notebook.file import parse_cell
from tests.helpers.command import processes, soon

GUEST = str(Path(boot.__file__).parent)

# -- in a container ------------------------------------------------------------------------


@pytest.fixture
def inside() -> Any:
    """A shell prepared as `boot.py` prepares one in a container."""
    shell = InteractiveShell()
    boot.prepare(shell, GUEST, "")

    def run(source: str) -> str:
        with capture_output() as said:
            result = shell.run_cell(source)
        result.raise_error()
        return str(said.stdout)

    yield run
    if shell.history_manager is not None:
        shell.history_manager.end_session()
    InteractiveShell.clear_instance()


CELLS = [
    "%%dockerfile\nFROM a",
    "%%dockerfile -t x --build-arg A='b c' --build-arg B=$x --target t --secret s\nFROM a\n\nRUN b",
    "\n\n  %%dockerfile --memory 8g --network none --mount a:/b\n  FROM a\n  RUN b\\\n  c\n",
    "%%dockerfile\n\nFROM a\r\nRUN <<E\n  indented $x {x}\nE\n\n",
    "%%dockerfile --env A={x} --env B=ü\nFROM a\nRUN echo ü🐋\n",
    "%%dockerfile \n# syntax=docker/dockerfile:1\nFROM a AS b\n\n\n",
]


@pytest.mark.parametrize("source", CELLS, ids=range(len(CELLS)))
def test_host_and_container_find_one_fingerprint(inside, source, monkeypatch):
    cell = parse_cell(source)
    assert cell is not None
    monkeypatch.setenv("JUPYTER_CONTAINERS_CELL", cell.fingerprint)
    inside("x = 'a variable of Python, which is none of the Dockerfile'")
    assert inside(source) == "You are in the image of this cell: nothing to build.\n"
    with pytest.raises(Exception, match=r"is not what this kernel's container(?s:.)* run NOTEBOOK"):
        inside(source.replace("FROM a", "FROM b"))


def test_in_a_container_the_earlier_cells_of_its_notebook_pass(inside, monkeypatch):
    first, second, other = (f"%%dockerfile\nFROM {name}" for name in "abc")
    prints = [cell.fingerprint for source in (second, first) if (cell := parse_cell(source))]
    monkeypatch.setenv("JUPYTER_CONTAINERS_CELL", " ".join(prints))
    assert inside(first) == "You are in the image of a later cell: nothing to build.\n"
    assert inside(second) == "You are in the image of this cell: nothing to build.\n"
    with pytest.raises(Exception, match="built from"):
        inside(other)


def test_in_a_container_a_mistake_or_a_helper_is_said(inside):
    with pytest.raises(Exception, match="--nosuch"):
        inside("%%dockerfile --nosuch\nFROM a")
    assert "beside the notebook's own" in inside("%%dockerfile --no-switch\nFROM a")


# -- on the host ---------------------------------------------------------------------------


def executed(folder: Path, *cells: str) -> list[Any]:
    """The cells of a notebook of the host's kernel, executed in a folder."""
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(cell, metadata={"tags": ["raises-exception"]})
            for cell in ("%load_ext jupyter_containers", *cells)
        ]
    )
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, kernel_name="python3", resources=resources, timeout=240).execute()
    assert notebook.cells[0].outputs == []
    return list(notebook.cells[1:])


def test_on_the_host_it_builds_from_the_folder(folder, engine, image):
    mark = uuid.uuid4().hex
    (folder / "beside").write_text(mark)
    source = (
        f"%%dockerfile -t localhost/jc-magic:{mark} --engine {engine}\nFROM {image}\n"
        "COPY beside /beside\nRUN cat /beside"
    )
    built, again = executed(folder, source, source)
    (shown,) = built.outputs
    assert f"localhost/jc-magic:{mark} is built ({engine})." in shown.data["text/plain"]
    assert "jupyter containers run NOTEBOOK" in shown.data["text/plain"]
    assert "runs on this machine and in no container" in shown.data["text/plain"]
    assert again.outputs == built.outputs
    said = subprocess.run(
        [engine, "run", "--rm", "--network=none", f"localhost/jc-magic:{mark}", "cat", "/beside"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == mark


def test_on_the_host_a_mistake_is_an_error_without_our_insides(folder, engine, image):
    bad, failed = executed(
        folder,
        "%%dockerfile --nosuch\nFROM a",
        f"%%dockerfile --engine {engine}\nFROM {image}\nRUN echo why; exit 3",
    )
    assert bad.outputs[0].ename == "BadInput"
    (shown, error) = failed.outputs
    assert "why" in shown.data["text/plain"]
    assert error.ename == "BuildFailed"
    said = "\n".join(error.traceback)
    assert "Dockerfile line 2" in said
    assert "exit code 3" in said
    assert "jupyter_containers/" not in said


def test_an_interrupt_ends_the_build_and_keeps_the_kernel(folder, engine, image):
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(folder))
    client: Any = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        client.execute_interactive("%load_ext jupyter_containers\nkept = 1", timeout=60)
        # Else ipykernel aborts what it is asked in the moment after the error.
        source = f"%%dockerfile --engine {engine}\nFROM {image}\nRUN sleep 4713"
        client.execute(source, stop_on_error=False)
        soon(lambda: processes("sleep 4713"), 60)
        manager.interrupt_kernel()
        reply: dict[str, Any] = {}
        deadline = time.monotonic() + 30
        while reply.get("content", {}).get("ename") != "KeyboardInterrupt":
            assert time.monotonic() < deadline
            reply = client.get_shell_msg(timeout=30)
        soon(lambda: not processes("sleep 4713"))
        reply = client.execute_interactive("kept", timeout=60)
        assert reply["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
        manager.context.destroy(linger=0)


def test_in_a_terminal_lines_come_as_they_are(folder, engine, image):
    code = (
        "get_ipython().run_line_magic('load_ext', 'jupyter_containers')\n"
        f"get_ipython().run_cell_magic('dockerfile', '--engine {engine}', "
        f"'FROM {image}\\nRUN echo {uuid.uuid4().hex}')"
    )
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--simple-prompt", "--colors=NoColor", "-c", code],
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
        cwd=folder,
    )
    assert re.search(r"^\[2/2\] RUN echo", done.stdout, re.MULTILINE)
    assert done.stdout.count("[2/2] RUN echo") == 1
    assert f"is built ({engine})" in done.stdout
