"""No symlink leads out of the context."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from jupyter_containers.dockerfile.context import collect, stage
from jupyter_containers.dockerfile.openat import SafeDir
from jupyter_containers.dockerfile.parser import parse
from jupyter_containers.errors import BadInput, DockerfileError
from tests.unit.dockerfile.collecting import names, take


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

    @pytest.mark.parametrize("line", ["COPY link /x", "RUN --mount=source=link,target=/x true"])
    def test_where_one_led_when_it_was_asked_for(self, here: Path, line: str) -> None:
        """A cell that is running can put another link in its place at any time."""
        (here / "link").symlink_to("data")
        asked: list[str] = []

        def allow(_: Path, named: Mapping[str, bool]) -> None:
            asked.extend(named)
            (here / "link").unlink()
            (here / "link").symlink_to("../secret")

        context = collect(parse(f"FROM scratch\n{line}\nCOPY . /y"), here, allow=allow)
        assert "data" in asked
        stage(context, here.parent / "staged")
        assert (here.parent / "staged/link").readlink() == Path("data")

    @pytest.mark.parametrize("first", ["empty", "."])
    def test_a_folder_that_becomes_one(
        self, here: Path, first: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While it is walked through, for two sources."""
        (here / "empty").mkdir()
        looked = SafeDir.names

        def names(self: SafeDir, path: str) -> list[tuple[str, os.stat_result]]:
            found = looked(self, path)
            if path == "empty" and not (here / "empty").is_symlink():
                (here / "empty").rmdir()
                (here / "empty").symlink_to("../secret")
            return found

        monkeypatch.setattr(SafeDir, "names", names)
        mount, rest = "RUN --mount=source=empty,target=/x true", "COPY . /y"
        with pytest.raises((BadInput, DockerfileError), match="changed"):
            take(here, *((mount, rest) if first == "empty" else (rest, mount)))

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
