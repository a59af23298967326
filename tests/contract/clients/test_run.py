"""`jupyter containers run`: what Run All does, in a terminal, on every real engine."""

from __future__ import annotations

import json
import signal
import uuid
from pathlib import Path

import nbformat
import pytest

from jupyter_containers.host.paths import cache_directory
from jupyter_containers.notebook.file import parse_cell
from tests.helpers.command import (
    Running,
    containers_of,
    jc,
    jc_json,
    notebook_of,
    processes,
    soon,
    texts,
)


@pytest.fixture
def dockerfile(engine, image):
    """A `%%dockerfile` cell for the engine under test."""

    def write(*lines: str, options: str = "") -> str:
        return "\n".join([f"%%dockerfile --engine {engine} {options}", f"FROM {image}", *lines])

    return write


def test_builds_and_runs_in_the_image_and_again(folder, dockerfile, engine_program):
    mark = uuid.uuid4().hex
    path = notebook_of(
        folder / "first.ipynb",
        dockerfile(f"RUN echo {mark} > /built"),
        "print(open('/built').read()); kept = 41",
        "open('made', 'w'); kept + 1",
    )
    done = jc("run", path)
    assert "cell 1/3" in done.stderr
    assert f"RUN echo {mark}" in done.stderr
    assert "cell 3/3" in done.stderr
    built, printed, value = texts(path)
    assert "is built" in built
    assert printed.strip() == mark
    assert value == "42"
    assert (folder / "made").exists()
    assert containers_of(engine_program, path) == []
    first = path.read_bytes()
    again = jc("run", path)
    assert mark not in again.stderr, "an unchanged cell was built again"
    assert path.read_bytes() == first, "the same run gives another file"


def test_the_file_says_how_it_ran_and_other_clients_run_it_so(folder, dockerfile, engine, image):
    source = dockerfile("RUN true", options="-t localhost/jc-told --env GREETING=hi")
    path = notebook_of(folder / "told.ipynb", source, "import os; os.environ['GREETING']")
    jc("run", path, "--approve")
    metadata = json.loads(path.read_text())["metadata"]
    assert metadata["kernelspec"]["name"] == "container"
    assert metadata["language_info"]["name"] == "python"
    settings = metadata["jupyter_containers"]
    assert settings["image"] == "localhost/jc-told:latest"
    assert settings["engine"] == engine
    assert settings["env"] == {"GREETING": "hi"}
    cell = parse_cell(source)
    assert cell is not None
    assert settings["build"]["cell"] == cell.fingerprint
    assert list(settings["build"]["bases"]) == [image]


def test_output_elsewhere_leaves_the_input_as_it_is(folder, dockerfile, tmp_path):
    path = notebook_of(
        folder / "input.ipynb", dockerfile(), "import os; print(os.getcwd(), *os.listdir('.'))"
    )
    before = path.read_bytes()
    out = tmp_path / "out.ipynb"
    ran = jc_json("run", path, "-o", out)
    assert path.read_bytes() == before
    assert ran["output"] == str(out)
    assert ran["cells"] == 2
    assert texts(out)[1].split() == [str(folder), "input.ipynb"]
    jc("run", path, "-o", tmp_path / "nowhere" / "x.ipynb", code=2)


def test_several_cells_are_several_images_and_one_builds_on_another(folder, dockerfile, engine):
    path = notebook_of(
        folder / "several.ipynb",
        dockerfile("RUN echo one > /one", options="-t localhost/jc-one"),
        "import os; x = 1; sorted(set(os.listdir('/')) & {'one', 'two'})",
        f"%%dockerfile --engine {engine}\nFROM localhost/jc-one\nRUN echo two > /two",
        "import os; sorted(set(os.listdir('/')) & {'one', 'two'}), 'x' in globals()",
        f"%%dockerfile --engine {engine}\nFROM localhost/jc-one\nRUN echo two > /two",
        "sorted(set(os.listdir('/')) & {'one', 'two'})",
        dockerfile("RUN echo helper > /helper", options="-t localhost/jc-beside --no-switch"),
        "os.path.exists('/helper')",
    )
    jc("run", path)
    shown = texts(path)
    assert shown[1] == "['one']"
    assert shown[3] == "(['one', 'two'], False)", "another image is another kernel"
    assert shown[5] == "['one', 'two']", "the same image is the same kernel, with its variables"
    assert shown[7] == "False"
    metadata = json.loads(path.read_text())["metadata"]
    assert "jc-beside" not in metadata["jupyter_containers"]["image"]


def test_a_failing_cell_fails_the_run_and_the_file_has_what_happened(folder, dockerfile):
    path = notebook_of(
        folder / "fails.ipynb", dockerfile(), "print('before')", "1/0", "print('after')"
    )
    done = jc("run", path, code=1)
    assert "cell 3/4 failed" in done.stderr
    assert "ZeroDivisionError: division by zero" in done.stderr
    shown = texts(path)
    assert shown[1].strip() == "before"
    assert shown[2].startswith("ZeroDivisionError")
    assert shown[3] == ""


def test_a_failing_build_names_the_line_and_stands_in_the_cell(folder, dockerfile):
    path = notebook_of(
        folder / "unbuilt.ipynb", dockerfile("RUN true", "RUN echo why >&2; exit 7"), "1"
    )
    done = jc("run", path, code=1)
    for part in ("cell 1/2", "Dockerfile line 3", "exit code 7", "why"):
        assert part in done.stderr
    built, ran = texts(path)
    assert built.startswith("BuildFailed: ")
    assert "exit code 7" in built
    assert ran == ""


def test_settings_without_a_dockerfile_cell(folder, engine, image):
    path = notebook_of(
        folder / "settings.ipynb",
        "import os; os.environ['A']",
        settings={"image": image, "engine": engine, "env": {"A": "set"}},
    )
    done = jc("run", path, code=1)
    assert "the environment variable A" in done.stderr
    jc("run", path, "--approve")
    assert texts(path) == ["'set'"]


def test_more_than_image_and_folder_needs_a_yes_before_anything_is_built(
    folder, dockerfile, tmp_path, engine, image
):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_text("1")
    path = notebook_of(
        folder / "asks.ipynb",
        dockerfile(f"RUN echo {tmp_path}", options=f"--mount {tmp_path / 'data'}:/data"),
        "print(open('/data/a').read())",
    )
    before = path.read_bytes()
    done = jc("run", path, code=1)
    assert f"the folder {tmp_path / 'data'}" in done.stderr
    assert "--approve" in done.stderr
    assert "RUN echo" not in done.stderr, "it was built before it was refused"
    assert path.read_bytes() == before
    jc("run", path, "--approve")
    assert texts(path)[1].strip() == "1"


def test_a_notebook_that_names_nothing(folder):
    nothing = notebook_of(folder / "nothing.ipynb", "1")
    assert "names no image" in jc("run", nothing, code=2).stderr
    late = notebook_of(folder / "late.ipynb", "1", "%%dockerfile\nFROM scratch")
    assert "Cell 1 of late.ipynb" in jc("run", late, code=2).stderr
    assert "cannot be read" in jc("run", folder / "absent.ipynb", code=2).stderr
    broken = folder / "broken.ipynb"
    broken.write_text("{")
    assert "is not a notebook" in jc("run", broken, code=2).stderr
    unknown = notebook_of(folder / "unknown.ipynb", "1", settings={"image": "x", "colour": "red"})
    assert "'colour'" in jc("run", unknown, code=2).stderr


def test_why_the_kernel_died(folder, dockerfile, enforces_memory):
    path = notebook_of(folder / "died.ipynb", dockerfile(), "import os; os._exit(7)", "1")
    done = jc("run", path, code=1)
    assert "exit code 7" in done.stderr
    assert texts(path)[1].startswith("KernelDied")
    if enforces_memory:
        source = dockerfile(options="--memory 300m")
        path = notebook_of(folder / "oom.ipynb", source, "x = bytearray(2 << 30)")
        assert "out of memory (limit 300m)" in jc("run", path, code=1).stderr


def test_a_cell_has_its_time(folder, dockerfile, engine_program):
    path = notebook_of(folder / "slow.ipynb", dockerfile(), "while True: pass")
    done = jc("run", path, "--timeout", "2", code=1)
    assert "cell 2/2 failed" in done.stderr
    assert "--timeout" in done.stderr
    assert containers_of(engine_program, path) == []


def test_the_whole_run_has_its_time(folder, dockerfile, engine_program):
    path = notebook_of(folder / "slow.ipynb", dockerfile(), "1", "while True: pass", "2")
    done = jc("run", path, "--total-timeout", "8", code=1)
    assert "was not done after 8 s" in done.stderr and "--total-timeout" in done.stderr
    assert texts(path)[1:] == ["1", "CellFailed: The notebook was not done after 8 s.", ""]
    assert containers_of(engine_program, path) == []


@pytest.mark.parametrize("asking", ["input('Your name? ')", "import getpass; getpass.getpass()"])
def test_nobody_is_there_to_answer(asking, folder, dockerfile):
    path = notebook_of(folder / "asks.ipynb", dockerfile(), asking)
    done = jc("run", path, code=1, timeout=60)
    assert "cell 2/2 failed" in done.stderr
    assert "StdinNotImplementedError" in texts(path)[1]


def test_a_notebook_that_names_no_format_keeps_its_cells(folder, dockerfile):
    cells = [
        {"cell_type": "code", "source": dockerfile()},
        {"cell_type": "code", "source": "6 * 7"},
    ]
    path = folder / "script.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": None}))
    jc("run", path)
    after = nbformat.read(path, 4)
    assert [cell.source for cell in after.cells] == [cell["source"] for cell in cells]
    assert texts(path)[1] == "42"


def test_what_a_failed_run_did_not_reach_stays(folder, dockerfile):
    path = notebook_of(folder / "fails.ipynb", dockerfile(), "1 / 0", "'long'")
    notebook = nbformat.read(path, 4)
    notebook.cells[2].outputs = [nbformat.v4.new_output("stream", text="of a long computation")]
    nbformat.write(notebook, path)
    jc("run", path, code=1)
    assert texts(path)[1:] == ["ZeroDivisionError: division by zero", "of a long computation"]


def test_a_notebook_for_another_language_is_not_run_as_python(folder, dockerfile):
    path = notebook_of(folder / "r.ipynb", dockerfile("RUN echo irkernel"), "a <- 8")
    notebook = nbformat.read(path, 4)
    notebook.metadata["kernelspec"] = {"name": "ir", "display_name": "R", "language": "R"}
    nbformat.write(notebook, path)
    before = path.read_bytes()
    done = jc("run", path, code=1)
    assert "is written in R, and the image has a kernel for python only" in done.stderr
    assert "%%dockerfile --kernel python3" in done.stderr
    assert path.read_bytes() == before


def test_ctrl_c_in_a_build_leaves_no_process_and_the_file_as_it_was(folder, dockerfile):
    path = notebook_of(folder / "stopped.ipynb", dockerfile("RUN sleep 4711"), "1")
    before = path.read_bytes()
    running = Running("run", path)
    running.until("RUN sleep 4711")
    soon(lambda: processes("sleep 4711"))
    assert running.end(signal.SIGINT) == 1
    assert "Cancelled." in running.said
    assert "Traceback" not in running.said
    soon(lambda: not processes("sleep 4711"))
    assert path.read_bytes() == before


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ended_in_a_cell_it_leaves_nothing(folder, dockerfile, engine_program, left_behind, signum):
    path = notebook_of(
        folder / f"ended-{signum}.ipynb",
        dockerfile(),
        "import time; open('here', 'w')",
        "time.sleep(1000)",
    )
    before = path.read_bytes()
    running = Running("run", path)
    running.until("cell 3/3")
    soon((folder / "here").exists)
    assert containers_of(engine_program, path) != []
    assert running.end(signum) == (1 if signum != signal.SIGKILL else -signal.SIGKILL)
    soon(lambda: containers_of(engine_program, path) == [])
    soon(lambda: left_behind() == [])
    soon(lambda: list((cache_directory() / "clients").iterdir()) == [])
    assert path.read_bytes() == before


def test_a_file_changed_while_it_ran_is_not_written_over(folder, dockerfile):
    path = notebook_of(
        folder / "mine.ipynb", dockerfile(), "open('mine.ipynb', 'a').write(' '); 'ran'"
    )
    done = jc("run", path)
    assert "was changed while it ran" in done.stderr
    assert nbformat.read(path, 4).cells[1].outputs == []
    assert texts(Path(folder / "mine-executed.ipynb"))[1] == "'ran'"


def test_the_engine_of_the_command_line_counts_more_than_the_cells(folder, engine, image):
    path = notebook_of(
        folder / "other.ipynb", f"%%dockerfile --engine nosuch\nFROM {image}", "6 * 7"
    )
    jc("run", path, "--engine", engine)
    assert texts(path)[1] == "42"
    assert json.loads(path.read_text())["metadata"]["jupyter_containers"]["engine"] == engine
    assert "no engine named 'nosuch'" in jc("run", path, code=1).stderr
