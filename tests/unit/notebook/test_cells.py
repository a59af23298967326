"""`%%dockerfile` cells: where they are, and which are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from jupyter_containers.errors import BadInput
from jupyter_containers.guest import cell as guest
from jupyter_containers.notebook.cells import cell_of
from jupyter_containers.notebook.file import (
    Options,
    cell_fingerprint,
    dockerfile_cells,
    parse_cell,
    read_notebook,
)


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
