"""Which files a Dockerfile names."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from jupyter_containers.dockerfile.context import collect
from jupyter_containers.dockerfile.parser import parse
from jupyter_containers.errors import BadInput, DockerfileError
from tests.unit.dockerfile.collecting import names, take
from tests.unit.dockerfile.parsed import upon


class TestWhatIsNamed:
    def test_nothing(self, here: Path) -> None:
        (here / ".dockerignore").write_text("[")  # not even read
        context = take(here, "COPY <<EOF /x", "a", "EOF", "RUN --mount=type=cache,target=/c true")
        assert context.files == ()
        assert context.total == 0

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("COPY requirements.txt /x", ["requirements.txt"]),
            ("COPY ./requirements.txt /x", ["requirements.txt"]),
            ("COPY /requirements.txt /x", ["requirements.txt"]),
            ("COPY src/../requirements.txt /x", ["requirements.txt"]),
            ("COPY src /x", ["src/a.py", "src/deep/b.py"]),
            ("COPY src/ /x", ["src/a.py", "src/deep/b.py"]),
            ("COPY src/* /x", ["src/a.py", "src/deep/b.py"]),
            ("COPY data/?.csv /x", ["data/1.csv", "data/2.csv"]),
            ("COPY data/[^1].csv /x", ["data/2.csv"]),
            ("COPY d*/*.md /x", ["data/notes.md"]),
            ("COPY requirements.txt nothing*.txt /x", ["requirements.txt"]),
            ('COPY ["a b.txt", "/x"]', ["a b.txt"]),
            ("COPY [[]odd].txt /x", ["[odd].txt"]),
            (r"COPY \\[odd].txt /x", ["[odd].txt"]),
            ("COPY --parents src/**/b.py /x", ["src/deep/b.py"]),
            ("COPY --parents **/*.csv /x", ["data/1.csv", "data/2.csv"]),
            ("COPY --from=other src /x", []),
            ("ADD data/1.csv https://example.org/a /x", ["data/1.csv"]),
            (
                "RUN --mount=target=/x,source=data true",
                ["data/1.csv", "data/2.csv", "data/notes.md"],
            ),
            ("ARG D=data\nCOPY ${D}/1.csv /x", ["data/1.csv"]),
        ],
    )
    def test_words(self, here: Path, line: str, expected: list[str]) -> None:
        assert names(here, line) == expected

    def test_all_is_all_but_what_is_hidden_or_a_key(self, here: Path) -> None:
        context = take(here, "COPY . /x")
        assert [file.path for file in context.files if file.kind == "file"] == [
            "[odd].txt",
            "a b.txt",
            "analysis.ipynb",
            "data/1.csv",
            "data/2.csv",
            "data/notes.md",
            "id_rsa.pub",
            "requirements.txt",
            "src/a.py",
            "src/deep/b.py",
        ]
        left_out = (".config", ".env", ".git", "id_rsa", "src/deep/.hidden", "src/server.pem")
        assert context.left_out == (*left_out, "tls.key")
        assert take(here, "RUN --mount=target=/x true").files == context.files

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("COPY .env /x", [".env"]),
            ("COPY .e* /x", [".env"]),
            ("COPY .[a-f]nv /x", [".env"]),
            ("COPY id_rsa tls.key /x", ["id_rsa", "tls.key"]),
            ("COPY *.key /x", ["tls.key"]),
            ("COPY id_* /x", ["id_rsa.pub"]),
            ("COPY t* /x", []),
            ("COPY src/*.pem /x", ["src/server.pem"]),
            ("COPY src/deep/.hidden /x", ["src/deep/.hidden"]),
            ("COPY .config /x", [".config/app/key.pem", ".config/app/x.toml"]),
            ("COPY .config/app /x", [".config/app/key.pem", ".config/app/x.toml"]),
            ("COPY .git/config /x", [".git/config"]),
        ],
    )
    def test_secrets_go_along_when_they_are_named(
        self, here: Path, line: str, expected: list[str]
    ) -> None:
        assert names(here, line) == expected

    @pytest.mark.parametrize(
        ("line", "why"),
        [
            ("COPY requirement.txt /x", "Did you mean requirements.txt"),
            ("COPY src/c.py /x", "'src/c.py' is not there"),
            ("COPY src/aa.py /x", "Did you mean src/a.py"),
            ("COPY requirements.txt/x /x", "is not there"),
            ("COPY src/deep/../../../secret /x", "is outside"),
            ("COPY ../secret /x", "'../secret' is outside"),
            ("COPY /../secret /x", "is outside"),
            ("COPY .. /x", "is outside"),
            ("COPY " + "a" * 300 + " /x", "is not there"),
            ("COPY [z-a /x", "is no pattern"),
            ("COPY fifo /x", "neither a file nor a folder"),
        ],
    )
    def test_mistakes_name_the_line(self, here: Path, line: str, why: str) -> None:
        os.mkfifo(here / "fifo")
        with pytest.raises(DockerfileError, match="Dockerfile line 2: COPY") as caught:
            take(here, line)
        assert why in str(caught.value)

    def test_sockets_and_pipes_in_a_folder_are_left_out(self, here: Path) -> None:
        os.mkfifo(here / "data/fifo")
        assert take(here, "COPY data /x").left_out == ("data/fifo",)

    def test_a_bases_onbuild_names_files_too(self, here: Path) -> None:
        context = collect(upon(["COPY data/1.csv /x"]), here)
        assert [file.path for file in context.files] == ["data/1.csv"]

    def test_an_unreadable_file_is_named(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            folder.chmod(0o755)
            (folder / "open").write_text("")
            (folder / "closed").write_text("")
            (folder / "closed").chmod(0)
            (folder / "shut").mkdir(mode=0)
            root = os.geteuid() == 0
            if root:  # who could read all
                os.seteuid(65534)
            try:
                assert names(folder, "COPY open /x") == ["open"]
                with pytest.raises(BadInput, match=r"closed cannot be read .*Permission denied"):
                    take(folder, "COPY closed /x")
                with pytest.raises(DockerfileError, match=r"line 2: COPY: .*permission denied"):
                    take(folder, "COPY shut /x")
            finally:
                if root:
                    os.seteuid(0)


def test_context_directory(here: Path) -> None:
    (here / "link").symlink_to("src/deep")
    found = parse("FROM a")
    for base, option, expected in (
        (here, "", here),
        (here, "src/..", here),
        (here / "src", "..", here),
        (here, "link", here / "src/deep"),
    ):
        assert collect(found, base, option).directory == expected
    for wrong in ("gone", "requirements.txt", "a\0b", "x" * 5000):
        with pytest.raises(BadInput, match="is not there"):
            collect(found, here, wrong)
