"""What `.dockerignore` leaves out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jupyter_containers.dockerfile.context import collect
from jupyter_containers.dockerfile.parser import parse
from jupyter_containers.errors import BadInput, DockerfileError
from tests.unit.dockerfile.collecting import names, take


class TestIgnore:
    @pytest.mark.parametrize(
        ("ignore", "line", "expected"),
        [
            ("data", "COPY . /x", ["requirements.txt", "src/a.py", "src/deep/b.py"]),
            ("/data/", "COPY . /x", ["requirements.txt", "src/a.py", "src/deep/b.py"]),
            ("*\n!src", "COPY . /x", ["src/a.py", "src/deep/b.py"]),
            ("*\n!src/deep", "COPY . /x", ["src/deep/b.py"]),
            ("*\n!src/deep/*.py", "COPY src /x", ["src/deep/b.py"]),
            ("**/*.py\ndata", "COPY . /x", ["requirements.txt"]),
            ("*.py\ndata", "COPY . /x", ["requirements.txt", "src/a.py", "src/deep/b.py"]),
            ("src/*\ndata", "COPY src /x", []),
            ("# src\n\n  data  \n", "COPY src /x", ["src/a.py", "src/deep/b.py"]),
            ("src/**/b.py", "COPY src /x", ["src/a.py"]),
            ("data/1.csv", "COPY data/*.csv /x", ["data/2.csv"]),
            ("\ufeffdata\r\nsrc/deep\r\n", "COPY src /x", ["src/a.py"]),
            ("# **********\n# * a * b * c * d * e\nsrc/deep", "COPY src /x", ["src/a.py"]),
            ("# x\n\n" * 3000 + "src/deep", "COPY src /x", ["src/a.py"]),
            ("**/a/**/b/**/c/**\nsrc/deep", "COPY src /x", ["src/a.py"]),
        ],
    )
    def test_as_moby_has_it(self, here: Path, ignore: str, line: str, expected: list[str]) -> None:
        for name in ("a b.txt", "[odd].txt", "analysis.ipynb", "id_rsa.pub"):
            (here / name).unlink()
        (here / ".dockerignore").write_text(ignore, newline="")
        assert names(here, line) == expected

    def test_a_named_file_that_is_ignored_is_a_mistake(self, here: Path) -> None:
        (here / ".dockerignore").write_text("data\n")
        for word in ("data", "data/1.csv"):
            with pytest.raises(DockerfileError, match=r"left out by \.dockerignore") as caught:
                take(here, "RUN a", f"COPY {word} /x")
            assert caught.value.line == 3

    def test_one_that_cannot_be_read(self, here: Path) -> None:
        (here / ".dockerignore").write_text("a[")
        with pytest.raises(BadInput, match=r"\.dockerignore cannot be read"):
            take(here, "COPY src /x")
        for target in ("../secret", str(here / "src/a.py"), ".dockerignore", ".."):
            (here / ".dockerignore").unlink()
            (here / ".dockerignore").symlink_to(target)
            with pytest.raises(BadInput, match=r"\.dockerignore cannot be read: .* leads out"):
                take(here, "COPY src /x")
        (here / ".dockerignore").unlink()
        (here / ".dockerignore").write_text("src", encoding="utf-16")
        with pytest.raises(BadInput, match="no text in UTF-8"):
            take(here, "COPY src /x")

    def test_a_link_to_another_file_of_the_folder(self, here: Path) -> None:
        (here / ".dockerignore").symlink_to("src/ignored")
        (here / "src/ignored").symlink_to("../.gitignore")
        (here / ".gitignore").write_text("src/deep\nsrc/ignored\n")
        assert names(here, "COPY src /x") == ["src/a.py"]

    def test_letters_of_another_encoding(self, here: Path) -> None:
        (here / ".dockerignore").write_bytes(b"# f\xfcr alle\nsrc/deep\nsrc/\xfc*\n")
        (here / "src" / os.fsdecode(b"\xfc.txt")).write_text("x")
        assert names(here, "COPY src /x") == ["src/a.py"]

    @pytest.mark.parametrize(
        "ignore", ["a*" * 20 + "b", "**/" * 5 + "a/**/b/**/c/**/d", "x\n" * 3000]
    )
    def test_patterns_that_would_take_for_ever(self, here: Path, ignore: str) -> None:
        (here / ("a" * 250)).write_text("")
        (here / ".dockerignore").write_text(ignore)
        with pytest.raises(BadInput, match=r"too many|over"):
            take(here, "COPY . /x")
        (here / ".dockerignore").write_text("**/" * 50 + "*.md")
        assert "data/notes.md" not in names(here, "COPY data /x")
        with pytest.raises(DockerfileError, match="too many"):
            take(here, f"COPY {'a*' * 20}b /x")

    def test_containerignore_counts_and_goes_first(self, here: Path) -> None:
        (here / ".containerignore").write_text("*\n!data/*.csv\n")
        assert names(here, "COPY . /x") == ["data/1.csv", "data/2.csv"]
        (here / ".dockerignore").write_text("data\n")
        assert names(here, "COPY . /x") == ["data/1.csv", "data/2.csv"]
        with pytest.raises(DockerfileError, match=r"left out by \.containerignore"):
            take(here, "COPY src /x")

    @pytest.mark.parametrize("end", [".dockerignore", ".containerignore"])
    def test_what_stands_beside_the_dockerfile_goes_first(
        self, end: str, here: Path, tmp_path: Path
    ) -> None:
        (here / ".containerignore").write_text("data\n")
        for file in (here / "GPU.Dockerfile", tmp_path / "Dockerfile"):
            file.with_name(file.name + end).write_text("*\n!data/1.csv\n")
            found = collect(parse("FROM a\nCOPY . /x"), here, file=file)
            assert [one.path for one in found.files if one.kind == "file"] == ["data/1.csv"]
            with pytest.raises(DockerfileError, match=r"left out by \.containerignore"):
                collect(parse("FROM a\nCOPY data /x"), here, file=file.with_name("Other"))
