from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import nbformat.v4
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from jupyter_containers.cells import cell_of, parse_options
from jupyter_containers.errors import BadInput, BadSettings, ContainersError
from jupyter_containers.guest import cell as guest
from jupyter_containers.notebook import (
    MAX_BYTES,
    Options,
    cell_fingerprint,
    dockerfile_cells,
    notebook_from_environment,
    parse_cell,
    read_notebook,
    read_settings,
    resolve_notebook,
    write_settings,
)

nbf: Any = nbformat  # it has no types
SETTINGS = {"version": 1, "image": "localhost/a:1", "env": {"B": "ü", "A": "1"}}


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


class TestCells:
    def test_all_of_a_notebook(self, notebook: Path) -> None:
        (cell,) = dockerfile_cells(read_notebook(notebook))
        assert (cell.index, cell.id, cell.first_line) == (1, "aa", 2)
        assert cell.text == "FROM python:3.12\nRUN true"
        assert cell.options == Options(tag="one")

    def test_a_bad_cell_is_named(self) -> None:
        cells = [{"cell_type": "code", "source": ["%%dockerfile --nope\n", "FROM a"]}]
        with pytest.raises(BadInput, match=r"Cell 1: .*--nope"):
            dockerfile_cells({"cells": cells})

    @pytest.mark.parametrize("source", [None, 3, {}, [1, 2], ["%%", 5]])
    def test_odd_sources_are_no_cells(self, source: Any) -> None:
        assert dockerfile_cells({"cells": [{"cell_type": "code", "source": source}, "x", 7]}) == []

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("%%dockerfile\nFROM a", ("", "FROM a", 2)),
            ("%%dockerfile -t x  \nFROM a\n", ("-t x", "FROM a\n", 2)),
            ("\n  \n  %%dockerfile\n  FROM a\n    RUN b", ("", "FROM a\n  RUN b", 4)),
            ("%%dockerfile", ("", "", 2)),
            ("%%dockerfilex\nFROM a", None),
            ("%%dockerfile?\nFROM a", None),
            ("%dockerfile\nFROM a", None),
            ("x = 1\n%%dockerfile\nFROM a", None),
            ("# no\n%%dockerfile\nFROM a", None),
            ("%%dockerfile\t-t x\nFROM a", None),
            ("", None),
        ],
    )
    def test_where_the_magic_is(self, source: str, expected: Any) -> None:
        cell = parse_cell(source)
        assert (cell and (cell.line, cell.text, cell.first_line)) == expected

    @settings(database=None)
    @given(
        st.text("\n\r\t \x0c\x85\u2028%ab", max_size=8),
        st.sampled_from(["%%dockerfile", "%%dockerfile ", "%dockerfile", " %%dockerfile -t a"]),
        st.text("\n\r\t \x0c\u2028%FROM-", max_size=20),
    )
    def test_ipython_decides_alike(self, before: str, magic: str, after: str) -> None:
        source = before + magic + after
        manager: Any = TransformerManager()
        lines = (source if source.endswith("\n") else source + "\n").splitlines(keepends=True)
        for transform in manager.cleanup_transforms + manager.line_transforms:
            lines = transform(lines)
        code = "".join(lines)
        calls: list[tuple[str, str, str]] = []

        class Shell:
            def run_cell_magic(self, name: str, line: str, text: str) -> None:
                calls.append((name, line, text))

        if code.startswith("get_ipython().run_cell_magic("):
            exec(code, {"get_ipython": Shell})
        expected = [(line, text) for name, line, text in calls if name == "dockerfile"]
        found = guest.find(source)
        got = [] if found is None else [found[:2]]
        # IPython ends every cell with a newline, which the fingerprint does not see.
        assert [(a, b.rstrip("\n")) for a, b in got] == [(a, b.rstrip("\n")) for a, b in expected]

    def test_a_cell_of_ten_megabytes_is_refused_quickly(self) -> None:
        with pytest.raises(BadInput, match="at most"):
            parse_cell("%%dockerfile\n" + "RUN a\n" * 1_700_000)


class TestOptions:
    def test_all_of_them(self) -> None:
        options = parse_options(
            "-t lab/one:2 --engine podman --build-arg A=1 --build-arg 'B=x y' --target last "
            "--context .. --secret token --no-cache --no-switch --mount data:/data:ro "
            "--mount /a:/b --device nvidia.com/gpu=0 --cpus 1.5 --memory 8g --network none "
            "--env C=d=e --user root --shm 1g --pids 99 --read-only --port 8888 --kernel ir"
        )
        assert options == Options(
            tag="lab/one:2",
            engine="podman",
            build_args={"A": "1", "B": "x y"},
            target="last",
            context="..",
            secrets=("token",),
            no_cache=True,
            no_switch=True,
            settings={
                "engine": "podman",
                "mounts": [
                    {"source": "data", "target": "/data", "writable": False},
                    {"source": "/a", "target": "/b", "writable": True},
                ],
                "devices": ["nvidia.com/gpu=0"],
                "cpus": 1.5,
                "memory": "8g",
                "pids": 99,
                "shm": "1g",
                "network": "none",
                "ports": [8888],
                "env": {"C": "d=e"},
                "user": "root",
                "read_only": True,
                "kernel": "ir",
            },
        )

    @pytest.mark.parametrize(
        "line",
        [
            "-t --privileged",
            "--tag=--privileged",
            "--tag=-v",
            "-t a -t b",
            "-t A",
            "-t 'a b'",
            "-t a,b",
            "-t ../a",
            "-t a@sha256:" + "0" * 64,
            "-t",
            "stray",
            "-- stray",
            "--",
            "--ta x",
            "--help",
            "-h",
            "--no-cache=1",
            "--build-arg A",
            "--build-arg =1",
            "--build-arg A-B=1",
            "--build-arg 'A=1\x002'",
            "--build-arg 'A=\x1b[31m'",
            "--build-arg 'A=a\u2028b'",
            "--env PATH",
            "--engine 'docker --privileged'",
            "--engine -x",
            "--target -x",
            "--target 'a\nb'",
            "--secret a,b",
            "--secret id=x,src=/etc/shadow",
            "--mount a",
            "--mount a:",
            "--mount :b",
            "--mount a:b:c",
            "--mount a:b:ro:x",
            "--cpus none",
            "--cpus nan",
            "--cpus inf",
            "--cpus -1",
            "--cpus 0",
            "--pids 1.5",
            "--pids 0",
            "--port http",
            "--memory lots",
            "--network host",
            "--user admin",
            "--mount a:relative",
            "--mount a,b:/c",
            "--device /dev/sda",
            "--engine nonsense/x",
            "--kernel ../../x",
            "--port -5",
            "'unclosed",
            "\\",
            "@/etc/passwd",
        ],
    )
    def test_what_is_refused(self, line: str) -> None:
        with pytest.raises(BadInput):
            parse_options(line)

    @settings(database=None)
    @given(
        st.text(max_size=60)
        | st.lists(
            st.sampled_from(
                [
                    "-t",
                    "--tag=",
                    "a",
                    "--",
                    "--mount",
                    "a:b",
                    "--env",
                    "K=V",
                    "=",
                    "'",
                    "\\",
                    "--cpus",
                ]
            )
        ).map(" ".join)
    )
    def test_anything_is_options_or_an_error_of_ours(self, line: str) -> None:
        try:
            options = parse_options(line)
        except ContainersError:
            return
        words = [options.tag, options.engine, options.target, *options.secrets]
        assert not any(word.startswith("-") for word in words)


class TestFingerprint:
    def test_it_is_this_one(self) -> None:
        # Written into notebooks: a change of it makes every notebook build anew.
        cell = cell_of("--build-arg A=1 --target t", "FROM a\nRUN b\n")
        assert cell.fingerprint == (
            "56e4a39e149729d4338f1f30df5db2ebb9e5bf83ac14823fbfb19a62f2b18584"
        )

    def test_what_counts(self) -> None:
        def of(line: str, text: str = "FROM a\nRUN b\n") -> str:
            return cell_of(line, text).fingerprint

        same = of("")
        assert of("-t x --engine podman --memory 1g --no-switch --no-cache --context x") == same
        assert of("", "\ufeffFROM a\r\nRUN b") == same
        assert of("", "\n\nFROM a\nRUN b\n\n") == same
        others = [
            of("--build-arg A=1"),
            of("--build-arg A=2"),
            of("--build-arg A=1 --build-arg B=2"),
            of("--target A"),
            of("--secret A"),
            of("", "FROM a\nRUN  b"),
            of("", "FROM a\nRUN b "),
            of("", "FROM a RUN b"),
        ]
        assert len({same, *others}) == len(others) + 1
        assert of("--build-arg B=2 --build-arg A=1") == of("--build-arg A=1 --build-arg B=2")
        assert of("--secret b --secret a --secret a") == of("--secret a --secret b")

    def test_the_guest_finds_the_same_without_importing_us(self) -> None:
        namespace: dict[str, Any] = {"__name__": "anything"}
        path = Path(guest.__file__)
        exec(compile(path.read_text(), path, "exec"), namespace)
        given = namespace["parse"]("--build-arg A=ü --secret s -t x")
        found = namespace["fingerprint"]("FROM a", given.build_args, "", given.secret)
        expected = Options(build_args={"A": "ü"}, secrets=("s",))
        assert found == cell_fingerprint("FROM a\n", expected)
