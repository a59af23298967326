from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from jupyter_containers.context import Context, collect, context_directory, stage, unstage
from jupyter_containers.dockerfile import parse, triggers
from jupyter_containers.errors import BadInput, DockerfileError, PolicyRefused

GB = 10**9


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder as people have them beside a notebook, with a secret outside of it."""
    (tmp_path / "secret").write_text("outside")
    root = tmp_path / "here"
    for name in (
        "requirements.txt",
        "analysis.ipynb",
        "src/a.py",
        "src/deep/b.py",
        "src/deep/.hidden",
        "src/server.pem",
        "data/1.csv",
        "data/2.csv",
        "data/notes.md",
        ".env",
        ".git/config",
        ".config/app/x.toml",
        ".config/app/key.pem",
        "id_rsa",
        "id_rsa.pub",
        "tls.key",
        "a b.txt",
        "[odd].txt",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def take(here: Path, *lines: str, max_bytes: int = GB) -> Context:
    return collect(parse("\n".join(["FROM scratch", *lines])), here, max_bytes)


def names(here: Path, *lines: str) -> list[str]:
    return [file.path for file in take(here, *lines).files if file.kind != "folder"]


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
        context = collect(parse("FROM a"), here, GB, [triggers(["COPY data/1.csv /x"])])
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


class TestSymlinks:
    def test_in_a_folder_they_stay_links(self, here: Path) -> None:
        (here / "src/in").symlink_to("a.py")
        (here / "src/out").symlink_to("../../secret")
        (here / "src/abs").symlink_to("/etc")
        files = {file.path: file for file in take(here, "COPY src /x").files}
        assert files["src/in"].content == "a.py"
        assert files["src/out"].content == "../../secret"
        assert files["src/abs"].kind == "link"
        assert not any(path.startswith("src/abs/") for path in files)

    def test_named_ones_are_followed_inside(self, here: Path) -> None:
        (here / "link").symlink_to("src")
        (here / "one").symlink_to("two")
        (here / "two").symlink_to("link/../data/1.csv")
        assert names(here, "COPY link/a.py /x") == ["link", "src/a.py"]
        assert names(here, "COPY link /x") == ["link", "src/a.py", "src/deep/b.py"]
        # As the file system has it, not as text: link/.. is here, because src is.
        assert names(here, "COPY one /x") == ["data/1.csv", "link", "one", "two"]

    @pytest.mark.parametrize(
        "target", ["../secret", "/etc/passwd", "src/../../secret", "src/deep/../../..", "loop"]
    )
    def test_nothing_through_one_that_leaves(self, here: Path, target: str) -> None:
        (here / "loop").symlink_to("loop")
        (here / "link").symlink_to(target)
        with pytest.raises(DockerfileError, match=r"line 2: COPY: .*link.* leads out"):
            take(here, "COPY link /x")
        context = take(here, "COPY lin* /x")
        assert all(file.kind == "link" for file in context.files)
        assert any(path in ("link", "loop") or path == "" for path in context.left_out)

    def test_a_folder_outside_is_never_entered(self, here: Path) -> None:
        (here / "up").symlink_to("..")
        with pytest.raises(DockerfileError, match="leads out"):
            take(here, "COPY up/secret /x")
        with pytest.raises(DockerfileError, match="leads out"):
            take(here, "COPY up/here/requirements.txt /x")

    def test_deep_chains_end(self, here: Path) -> None:
        for number in range(100):
            (here / f"l{number}").symlink_to(f"l{number + 1}")
        (here / "l100").write_text("x")
        assert "l100" in names(here, "COPY l80 /x")
        with pytest.raises(DockerfileError, match="leads out"):
            take(here, "COPY l0 /x")

    def test_deep_folders_are_refused(self, here: Path) -> None:
        (here / "deep").mkdir()
        descriptor = os.open(here / "deep", os.O_RDONLY)
        for _ in range(1500):  # deeper than PATH_MAX and than Python's recursion
            os.mkdir("dir", dir_fd=descriptor)
            descriptor, old = os.open("dir", os.O_RDONLY, dir_fd=descriptor), descriptor
            os.close(old)
        os.close(descriptor)
        try:
            with pytest.raises(BadInput, match="nests too deep"):
                take(here, "COPY deep /x")
            assert take(here, "COPY data src /x").files
        finally:
            subprocess.run(["rm", "-rf", here / "deep"], check=True)


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
        (here / ".dockerignore").unlink()
        (here / ".dockerignore").symlink_to("../secret")
        with pytest.raises(BadInput, match=r"\.dockerignore cannot be read"):
            take(here, "COPY src /x")

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


class TestFingerprint:
    def test_what_counts(self, here: Path) -> None:
        def now(line: str = "COPY src data /x") -> str:
            return take(here, line).fingerprint

        first = now()
        os.utime(here / "src/a.py", (1, 1))
        (here / "requirements.txt").write_text("not named")
        (here / "src/a.py").chmod(0o664)
        assert now() == now("COPY . /x") or now() == first
        assert now() == first
        seen = {first}
        (here / "src/a.py").write_text("other")
        seen.add(now())
        (here / "src/a.py").chmod(0o755)
        seen.add(now())
        (here / "src/a.py").chmod(0o600)
        seen.add(now())
        (here / "src/a.py").rename(here / "src/c.py")
        seen.add(now())
        (here / "src/l").symlink_to("c.py")
        seen.add(now())
        (here / "src/l").unlink()
        (here / "src/l").symlink_to("d.py")
        seen.add(now())
        (here / "src/empty").mkdir()
        seen.add(now())
        assert len(seen) == 8

    def test_it_is_the_same_elsewhere(self, here: Path, tmp_path: Path) -> None:
        shutil.copytree(here, tmp_path / "there", symlinks=True)
        line = "COPY . /x"
        assert take(here, line).fingerprint == take(tmp_path / "there", line).fingerprint

    def test_names_of_any_bytes(self, here: Path) -> None:
        name = os.fsdecode(b"src/\xff\n\xc3\xa9")
        (here / name).write_text("x")
        context = take(here, "COPY src /x")
        assert len(context.fingerprint) == 64
        into = here.parent / "staged"
        stage(context, into)
        assert (into / name).read_text() == "x"

    def test_a_file_is_read_once(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        reads = 0
        real = hashlib.file_digest

        def counted(*args: object) -> object:
            nonlocal reads
            reads += 1
            return real(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(hashlib, "file_digest", counted)
        time.sleep(1.1)  # until a further change would show in the times
        first = take(here, "COPY src /x")
        assert reads == 2
        stage(first, here.parent / "staged")
        assert os.stat(here / "src/a.py").st_nlink == 2
        assert take(here, "COPY src /x") == first
        unstage(first, here.parent / "staged")
        assert os.stat(here / "src/a.py").st_nlink == 1
        assert take(here, "COPY src /x").fingerprint == first.fingerprint
        assert reads == 2

        (here / "src/a.py").write_text("A.PY")
        times = os.stat(here / "src/deep/b.py")
        (here / "src/deep/b.py").write_text("SRC/DEEP/B.PY")  # same size, same mtime
        os.utime(here / "src/deep/b.py", ns=(times.st_atime_ns, times.st_mtime_ns))
        assert take(here, "COPY src /x").fingerprint != first.fingerprint
        assert reads == 4
        # Just written: what was read is not believed the next time.
        take(here, "COPY src /x")
        assert reads == 6

    def test_without_a_cache_it_works_too(
        self, here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        first = take(here, "COPY src /x").fingerprint
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
        assert take(here, "COPY src /x").fingerprint == first
        broken = tmp_path / "broken/jupyter-containers"
        broken.mkdir(parents=True)
        (broken / "digests.sqlite").write_bytes(b"nonsense" * 1000)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "broken"))
        assert take(here, "COPY src /x").fingerprint == first

    def test_the_limit_comes_before_the_reading(self, here: Path) -> None:
        os.truncate(here / "data/1.csv", 50 * GB)  # sparse
        began = time.monotonic()
        with pytest.raises(PolicyRefused, match=r"50 GB in 3 files.*data/1\.csv \(50 GB\)"):
            take(here, "COPY data /x", max_bytes=2 * GB)
        assert names(here, "COPY src /x")
        assert time.monotonic() - began < 1


class TestStage:
    def test_just_these_files(self, here: Path, tmp_path: Path) -> None:
        (here / "src/in").symlink_to("a.py")
        (here / "src/empty").mkdir(mode=0o750)
        (here / "src/a.py").chmod(0o751)
        context = take(here, "COPY src data/1.csv /x")
        into = tmp_path / "staged"
        stage(context, into)
        found = sorted(str(path.relative_to(into)) for path in into.rglob("*"))
        assert found == [
            "data",
            "data/1.csv",
            "src",
            "src/a.py",
            "src/deep",
            "src/deep/b.py",
            "src/empty",
            "src/in",
        ]
        assert os.readlink(into / "src/in") == "a.py"
        assert (into / "src/a.py").samefile(here / "src/a.py")
        assert stat.S_IMODE((into / "src/empty").stat().st_mode) == 0o750
        assert stat.S_IMODE(into.stat().st_mode) == 0o700
        unstage(context, into)
        unstage(context, into)
        assert not into.exists()
        assert (here / "src/a.py").read_text() == "src/a.py"

    def test_across_file_systems_it_copies(self, here: Path) -> None:
        shm = Path("/dev/shm")
        if os.stat(shm).st_dev == os.stat(here).st_dev:
            pytest.fail("/dev/shm is no other file system here: nothing is tested")
        (here / "src/a.py").chmod(0o711)
        context = take(here, "COPY src /x")
        into = shm / f"jc-test-{os.getpid()}"
        try:
            stage(context, into)
            assert (into / "src/a.py").read_text() == "src/a.py"
            assert stat.S_IMODE((into / "src/a.py").stat().st_mode) == 0o711
        finally:
            unstage(context, into)
        assert not into.exists()

    def test_what_a_run_may_write_is_a_copy(self, here: Path, tmp_path: Path) -> None:
        context = take(here, "RUN --mount=source=src,target=/x,rw true")
        stage(context, tmp_path / "staged")
        (tmp_path / "staged/src/a.py").write_text("scribbled")
        assert (here / "src/a.py").read_text() == "src/a.py"

    @pytest.mark.parametrize("trick", ["file", "folder", "changed", "gone"])
    def test_a_swap_after_collecting_is_seen(self, here: Path, tmp_path: Path, trick: str) -> None:
        context = take(here, "COPY src /x")
        if trick == "file":
            (here / "src/a.py").unlink()
            (here / "src/a.py").symlink_to(tmp_path / "secret")
        elif trick == "folder":
            (tmp_path / "evil").mkdir()
            (tmp_path / "evil/a.py").write_text("outside!")
            (here / "src").rename(here / "old")
            (here / "src").symlink_to(tmp_path / "evil")
        elif trick == "changed":
            (here / "src/a.py").write_text("SRC/A.PY")
        else:
            (here / "src/a.py").unlink()
        with pytest.raises(BadInput, match=r"src/a\.py cannot be read"):
            stage(context, tmp_path / "staged")
        assert not (tmp_path / "staged").exists()


def test_context_directory(here: Path) -> None:
    assert context_directory(here, "") == here
    assert context_directory(here, "src/..") == here
    assert context_directory(here / "src", "..") == here
    for wrong in ("gone", "requirements.txt", "a\0b", "x" * 5000):
        with pytest.raises(BadInput, match="is not there"):
            context_directory(here, wrong)
