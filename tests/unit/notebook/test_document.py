"""A notebook after a run: what did not run stands there as it was, byte for byte where it can."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any

import nbformat.v4
import pytest

from jupyter_containers.errors import BadInput
from jupyter_containers.notebook import document
from jupyter_containers.notebook.document import Document
from jupyter_containers.notebook.file import language_of, read_language_info, read_notebook

nbf: Any = nbformat  # it has no types
PRINTED = nbf.v4.new_output("stream", name="stdout", text="a\nb\n")

CONTAINER = json.loads(
    (Path(document.__file__).parents[1] / "kernelspec/container/kernel.json").read_text()
)
"""Our own kernel spec, which speaks any language."""
PYTHON = {"name": "python3", "display_name": "Python 3", "language": "python"}


def ran(path: Path, *indexes: int, output: Path | None = None) -> Path:
    """What `run` does, without a kernel."""
    made = Document(path, output or path)
    for number, index in enumerate(indexes, 1):
        made.begin(index)
        made.node.cells[index].outputs = [PRINTED]
        made.node.cells[index].execution_count = number
    return made.write()


def test_a_notebook_of_nbformat_changes_where_it_ran(notebook: Path) -> None:
    expected = nbf.read(notebook, as_version=4)
    expected.cells[2].outputs, expected.cells[2].execution_count = [PRINTED], 1
    ran(notebook, 2)
    assert notebook.read_text() == nbf.writes(expected) + "\n"


def test_nothing_ran_and_nothing_changed(notebook: Path) -> None:
    before = notebook.read_bytes()
    ran(notebook)
    assert notebook.read_bytes() == before


def test_sources_stay_where_no_format_is_named(tmp_path: Path) -> None:
    cell: dict[str, Any] = {"cell_type": "code", "outputs": [], "execution_count": None}
    cells = [{**cell, "source": "print('three weeks of work')"}, {**cell, "source": ["a\n", "b"]}]
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "mine": [1]}))
    ran(path, 0)
    after = json.loads(path.read_text())
    assert [one["source"] for one in after["cells"]] == [one["source"] for one in cells]
    assert after["mine"] == [1]
    assert after["cells"][0]["outputs"][0]["text"] == ["a\n", "b\n"]
    assert nbf.read(path, as_version=4).nbformat == 4


def test_outputs_that_were_not_reached_stay(tmp_path: Path) -> None:
    of_old = {"output_type": "stream", "name": "stdout", "text": "of a long computation", "x": 1}
    cells = [
        {"cell_type": "code", "source": "1", "outputs": [of_old], "execution_count": 1},
        {"cell_type": "code", "source": "2", "outputs": [of_old], "execution_count": 2},
    ]
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 4, "cells": cells}))
    ran(path, 0)
    after = json.loads(path.read_text())["cells"]
    assert after[0]["outputs"] != [of_old]
    assert (after[1]["outputs"], after[1]["execution_count"]) == ([of_old], 2)


def test_the_look_of_other_writers_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    whole = {"nbformat": 4, "metadata": {"z": 1, "a": 2}, "cells": [], "nbformat_minor": 5}
    text = json.dumps(whole, indent=4)
    path.write_text(text)  # no newline at the end, keys unsorted, indent 4
    ran(path)
    assert path.read_text() == text


ODD = {"cells": [], "nbformat": 4, "nbformat_minor": 4, "x": {"é": ["ü", 1]}, "metadata": {}}
INDENTED = json.dumps(ODD, indent=1, ensure_ascii=False)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ODD),
        json.dumps(ODD, ensure_ascii=False),
        json.dumps(ODD, separators=(",", ":")) + "\n",
        json.dumps(ODD, indent=0, ensure_ascii=False),
        json.dumps(ODD, indent="\t"),
        INDENTED.replace("\n", "\r\n") + "\r\n",
        "\ufeff" + INDENTED,
        "\n" + " " * 50_000 + INDENTED + "\n\n",
    ],
)
def test_each_look_is_kept(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_bytes(text.encode())
    ran(path)
    assert path.read_bytes() == text.encode()


def test_an_indent_multiplies_nothing(tmp_path: Path) -> None:
    cells = [{"cell_type": "code", "source": "1", "metadata": {}}] * 50
    path = tmp_path / "a.ipynb"
    text = json.dumps({"cells": cells, "metadata": {}})
    for wide in ("\n" + " " * 100_000 + text, "{\n" + " " * 100_000 + text[1:]):
        path.write_text(wide)
        ran(path, 0)
        assert path.stat().st_size < 150_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"cells": [{"cell_type": "raw"}], "cells": []}', "'cells' stands twice"),
        ('{"cells": [{"cell_type": "raw", "source": "a", "source": ""}]}', "'source' stands twice"),
        ('{"cells": [], "metadata": {"x": 1e400}}', "1e400 is no number"),
        (f'{{"cells": [], "x": {"[" * 100}{"]" * 100}}}', "nested too deeply"),
        (f'{{"cells": [], "x": {"[" * 900}{"]" * 900}}}', "nested too deeply"),
    ],
)
def test_what_would_be_written_with_less_in_it_is_refused(
    text: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(text)
    with pytest.raises(BadInput, match=said):
        Document(path, path)
    assert read_notebook(path)["nbformat"] == 4, "a start needs only its settings"


def test_what_is_no_json_stays_and_none_is_added(notebook: Path) -> None:
    data = json.loads(notebook.read_text())
    data["metadata"]["papermill"] = {"parameters": {"x": float("nan")}}
    notebook.write_text(json.dumps(data))
    made = Document(notebook, notebook)
    made.begin(2)
    sent = {"application/json": {"a": [float("nan"), float("-inf")]}}
    made.node.cells[2].outputs = [nbf.v4.new_output("display_data", data=sent)]
    made.write()
    after = json.loads(notebook.read_text())
    assert str(after["metadata"]["papermill"]["parameters"]["x"]) == "nan"
    (shown,) = after["cells"][2]["outputs"]
    assert shown["data"]["application/json"] == {"a": ["NaN", "-Infinity"]}


@pytest.mark.parametrize("tags", [None, 5, {}, [5], "x", ["raises-exception"]])
def test_tags_are_what_nbclient_can_look_into(tags: object, notebook: Path) -> None:
    data = json.loads(notebook.read_text())
    data["cells"][2]["metadata"]["tags"] = tags
    notebook.write_text(json.dumps(data))
    made = Document(notebook, notebook)
    assert "skip-execution" not in made.node.cells[2].metadata.get("tags", [])
    made.write()
    assert json.loads(notebook.read_text())["cells"][2]["metadata"]["tags"] == tags


def test_a_lone_surrogate_survives(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text('{"cells": [{"cell_type": "raw", "source": "\\ud800"}], "metadata": {}}')
    ran(path)
    assert json.loads(path.read_text())["cells"][0]["source"] == "\ud800"


@pytest.mark.parametrize("mode", [0o640, 0o600, 0o664])
def test_mode_and_owner_are_kept_and_nothing_is_left(mode: int, notebook: Path) -> None:
    notebook.chmod(mode)
    if os.getuid() == 0:
        os.chown(notebook, 1234, 1234)
    owner = notebook.stat().st_uid
    ran(notebook, 2)
    assert stat.S_IMODE(notebook.stat().st_mode) == mode
    assert notebook.stat().st_uid == owner
    assert os.listdir(notebook.parent) == ["one.ipynb"]


def test_the_file_that_is_there_is_filled(notebook: Path, tmp_path: Path) -> None:
    """So it keeps its group, ACL and labels too, which only root could give to another file."""
    other = tmp_path / "other.ipynb"
    other.hardlink_to(notebook)
    before = notebook.stat().st_ino
    ran(notebook, 2)
    assert notebook.stat().st_ino == before
    assert nbf.read(other, as_version=4).cells[2].outputs == [PRINTED]
    notebook.write_text(notebook.read_text() + " " * 10_000)
    ran(notebook, 2)
    assert json.loads(notebook.read_text()) == json.loads(other.read_text())
    assert sorted(os.listdir(tmp_path)) == ["one.ipynb", "other.ipynb"]


def test_extended_attributes_are_kept(notebook: Path) -> None:
    try:
        os.setxattr(notebook, "user.tag", b"1")
    except OSError as error:
        pytest.skip(f"no extended attributes here: {error}")
    ran(notebook, 2)
    assert os.getxattr(notebook, "user.tag") == b"1"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_a_file_of_somebody_else_is_refused_before_anything_runs(notebook: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        path = Path(shutil.copy(notebook, folder))
        for mode in (0o666, 0o640):
            path.chmod(mode)
            os.setresuid(65534, 0, 0)  # what access(2) asks for
            try:
                if mode == 0o666:
                    Document(path, path)
                    folder.chmod(0o755)
                with pytest.raises(BadInput, match="cannot be written"):
                    Document(path, path)
            finally:
                os.setresuid(0, 0, 0)
                folder.chmod(0o777)


def test_what_is_no_file_is_not_replaced(notebook: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for output in (fifo, Path("/dev/null")):
        with pytest.raises(BadInput, match="it is no regular file"):
            Document(notebook, output)


def test_a_long_name_can_be_written(notebook: Path) -> None:
    path = notebook.rename(notebook.with_name("あ" * 82 + ".ipynb"))
    ran(path, 2)
    made = Document(path, path)
    path.write_text("changed")
    written = made.write()
    assert written.name.startswith("あ" * 70) and written.name.endswith("-executed.ipynb")
    assert sorted(path.parent.iterdir()) == sorted([path, written])


def test_read_only_is_said_before_anything_runs(notebook: Path, tmp_path: Path) -> None:
    notebook.chmod(0o444)
    with pytest.raises(BadInput, match=r"one\.ipynb cannot be written") as caught:
        Document(notebook, notebook)
    assert "-o OUT" in caught.value.hint
    assert ran(notebook, 2, output=tmp_path / "out.ipynb").exists()


def test_changed_meanwhile_it_goes_beside_and_over_nothing(notebook: Path) -> None:
    taken = notebook.with_name("one-executed.ipynb")
    taken.write_text("somebody's")
    for number in range(2, 1001):
        taken.with_name(f"one-executed{number}.ipynb").touch()
    made = Document(notebook, notebook)
    notebook.write_text("changed")
    assert made.write() == notebook.with_name("one-executed1001.ipynb")
    assert (notebook.read_text(), taken.read_text()) == ("changed", "somebody's")


def test_a_link_that_came_meanwhile_is_not_followed(notebook: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    made = Document(notebook, tmp_path / "out.ipynb")
    (tmp_path / "out.ipynb").symlink_to("mine")
    made.write()
    made = Document(notebook, notebook)
    notebook.rename(tmp_path / "moved")
    notebook.symlink_to("moved")
    with pytest.raises(BadInput, match="What was executed is in") as caught:
        made.write()
    assert caught.value.message.startswith(str(notebook))
    assert (tmp_path / "mine").read_text() == "precious"


@pytest.mark.parametrize("place", ["_copy", "_fill"])
def test_where_the_disk_is_full_the_outputs_are_elsewhere(
    place: str, notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(document, place)

    def full(*given: Any, **more: Any) -> Any:
        if given[1] is None:
            return real(*given, **more)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(document, place, full)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = notebook.read_bytes()
    with pytest.raises(BadInput, match="No space left") as caught:
        ran(notebook, 2)
    there = Path(caught.value.hint.rpartition(" ")[2])
    assert nbf.read(there, as_version=4).cells[2].outputs == [PRINTED]
    assert notebook.read_bytes() == before


def test_where_nothing_can_be_written_nothing_is_left(
    notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before, limits = notebook.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    made = Document(notebook, notebook)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(BadInput, match="Nothing was written"):
            made.write()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert notebook.read_bytes() == before
    assert os.listdir(tmp_path) == ["one.ipynb"]


@pytest.mark.parametrize(
    ("metadata", "language"),
    [
        ({}, ""),
        ({"kernelspec": {"name": "ir", "language": "R"}}, "R"),
        ({"language_info": {"name": "julia"}}, "julia"),
        ({"kernelspec": CONTAINER, "language_info": {"name": "R"}}, "R"),
        ({"kernelspec": CONTAINER}, ""),
        ({"kernelspec": {"name": "python3", "language": "python"}}, ""),
        ({"kernelspec": CONTAINER, "language_info": {"name": "polyglot-notebook"}}, ""),
        ({"kernelspec": "ir", "language_info": {"name": 4}}, ""),
        ({"kernelspec": PYTHON, "language_info": {"name": "R"}}, "R"),
        ({"jupytext": {"main_language": "R"}}, "R"),
        ({"language": "Julia", "orig_nbformat": 3}, "julia"),
        ({"application/vnd.databricks.v1+notebook": {"language": "scala"}}, "scala"),
        ({"polyglot_notebook": {"kernelInfo": {"defaultKernelName": "csharp"}}}, "C#"),
        ({"kernelspec": {"name": "mine"}, "language_info": {"mimetype": "text/x-r-source"}}, "r"),
        ({"language_info": {"file_extension": ".jl"}}, "julia"),
        ({"language_info": {"pygments_lexer": "julia"}}, "julia"),
        ({"language_info": {"codemirror_mode": "r", "mimetype": "text/plain"}}, "r"),
        ({"language_info": {"codemirror_mode": {"name": "clike"}, "file_extension": ".R"}}, "r"),
        ({"language_info": {"codemirror_mode": {"name": "ipython", "version": 3}}}, ""),
        ({"jupytext": {"text_representation": {"extension": ".R"}}}, "r"),
        ({"jupytext": {"text_representation": {"extension": ".md"}}}, ""),
        ({"kernelspec": PYTHON, "language": "en"}, ""),
        ({"kernelspec": {"display_name": "Julia 1.10"}}, "Julia"),
        ({"kernelspec": {"display_name": "Container (this notebook)"}}, ""),
        ({"kernelspec": {"name": "jl", "display_name": "Julia (with Python)"}}, "jl"),
        ({"kernelspec": {"name": "tf", "display_name": "TensorFlow (Python 3.8)"}}, ""),
        ({"kernelspec": {"name": "conda_python3", "display_name": "conda"}}, ""),
        ({"kernelspec": {"name": "x", "language": "ipython"}}, ""),
        ({"kernelspec": {"name": "ir", "display_name": "R"}}, "ir"),
        ({"kernelspec": {"name": "julia-1.10", "display_name": "Julia 1.10"}}, "julia-1.10"),
        ({"kernelspec": {"name": ".net-csharp", "display_name": ".NET (C#)"}}, ".net-csharp"),
        ({"kernel_info": {"name": "ir"}}, "ir"),
        ({"kernelspec": {"name": "ir", "display_name": 4}, "kernel_info": {"name": "no"}}, "ir"),
        ({"kernelspec": {"name": "container", "display_name": "Container"}}, ""),
        ({"kernelspec": {"name": "python3", "display_name": "Python 3"}}, ""),
        ({"kernelspec": {"name": "foo-py", "display_name": "Python [conda env:foo]"}}, ""),
        ({"kernelspec": {"name": "mine", "display_name": "mine", "language": "python"}}, ""),
        ({"kernelspec": {"name": "mine"}, "language_info": {"name": "python"}}, ""),
        ({"kernelspec": {"name": 4}, "kernel_info": None, "jupytext": {"main_language": []}}, ""),
    ],
)
def test_the_language_is_what_the_notebook_says(
    metadata: dict[str, Any], language: str, tmp_path: Path
) -> None:
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps({"cells": [], "metadata": metadata}))
    assert Document(path, path).language == language


def test_python_counts_once_a_cell_was_run(notebook: Path) -> None:
    data = json.loads(notebook.read_text())
    named = {"name": "mine", "display_name": "Python (mine)"}
    info = {"name": "python"}
    written: list[dict[str, Any]] = [
        {"kernelspec": PYTHON},
        {"kernelspec": named},
        {"kernelspec": {"name": "mine", "display_name": "mine"}, "language_info": info},
    ]
    code = [cell for cell in data["cells"] if cell["cell_type"] == "code"]
    for count, language in ((None, ""), (1, "python")):
        code[-1]["execution_count"] = count
        assert [language_of({**data, "metadata": one}) for one in written] == [language] * 3


@pytest.mark.parametrize(
    ("language", "name"), [("R", "R"), ("julia", "julia"), ("python", "python"), ("", "container")]
)
def test_what_the_fallback_kernel_says_changes_no_notebooks_language(
    tmp_path: Path, language: str, name: str
) -> None:
    path = tmp_path / "n.ipynb"
    data = nbf.v4.new_notebook(cells=[nbf.v4.new_code_cell("1", execution_count=1)])
    data["metadata"] = {"kernelspec": {**CONTAINER, "language": language}}
    path.write_text(json.dumps(data))
    said = read_language_info(path)
    assert said["name"] == name
    assert (said["mimetype"] == "text/x-python") == (language in ("", "python"))
    after = {"metadata": {"kernelspec": CONTAINER, "language_info": said}, "cells": []}
    assert language_of(after) == ("" if language == "python" else language)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ({"name": "python", "version": "3.12.1", "codemirror_mode": {"name": "ipython"}}, True),
        ({"name": "", "version": "3"}, False),
        ({"name": "python", "version": "3" * 4000}, False),
        (["python"], False),
    ],
)
def test_the_fallback_kernel_repeats_what_the_notebook_says(
    tmp_path: Path, written: Any, kept: bool
) -> None:
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps({**nbf.v4.new_notebook(), "metadata": {"language_info": written}}))
    assert (read_language_info(path) == written) is kept
    assert read_language_info(path)["name"] == ("python" if kept else "container")
    assert read_language_info(None)["name"] == "container"
