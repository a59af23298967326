"""Which folders are mounted and read unasked, and that sockets of this person's are covered."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_containers.host.paths import empty_file
from jupyter_containers.models import Mount
from jupyter_containers.policy.approvals import Approvals
from jupyter_containers.policy.folders import is_shared, sockets_below
from jupyter_containers.policy.mounts import judge
from jupyter_containers.settings.schema import Settings
from tests.helpers.policies import policy
from tests.helpers.private_home import private_home


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return private_home(tmp_path, monkeypatch)


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short path, for sockets."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        yield Path(made).resolve()


@contextlib.contextmanager
def listening(path: Path, at: Path | None = None) -> Iterator[None]:
    """A program of ours outside of any container."""
    code = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); "
    code += "print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=at
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield


def why(folder: Path) -> str:
    return Approvals().why_not_mounted(folder)


def test_an_ordinary_folder_is_mounted(folder: Path) -> None:
    for mode in (0o700, 0o755, 0o775, 0o2775):
        folder.chmod(mode)
        assert why(folder) == ""


@pytest.mark.parametrize("mode", [0o1777, 0o777, 0o1755, 0o2777, 0o702])
def test_a_folder_that_all_can_write_is_not(mode: int, folder: Path) -> None:
    folder.chmod(mode)
    assert why(folder) == "everybody on this machine can write in it"
    link = folder / "link"
    link.symlink_to(folder)
    assert why(link)


def test_tmp_and_home_are_not(home: Path) -> None:
    assert why(Path("/tmp")) and why(Path("/var/tmp")) and why(Path("/dev/shm"))
    assert "home" in why(home) and "home" in why(home.parent) and "home" in why(Path("/"))


def test_a_folder_with_a_socket_of_ours_is_not(folder: Path) -> None:
    (folder / "sub").mkdir()
    with listening(folder / "sub/tmux.sock"):
        assert "(sub/tmux.sock)" in why(folder)
        assert why(folder / "sub") and not why(folder.parent / "none")
    # Left behind, it leads to nobody.
    assert (folder / "sub/tmux.sock").exists() and why(folder) == ""


def test_a_socket_that_was_bound_to_a_relative_path(folder: Path) -> None:
    (folder / "sub").mkdir()
    with listening(Path("agent.sock"), at=folder / "sub"):
        assert sockets_below(str(folder)) == [str(folder / "sub/agent.sock")]
        assert sockets_below(str(folder / "sub")) == [str(folder / "sub/agent.sock")]


def test_a_yes_is_remembered_for_the_folder(folder: Path, home: Path) -> None:
    folder.chmod(0o1777)
    here = str(folder)

    def approve(notebook: Path, *mounts: Mount) -> None:
        Approvals().approve(notebook, Settings(image="localhost/x:1", mounts=mounts))

    approve(folder / "n.ipynb")
    approve(folder / "n.ipynb", Mount(here, here))
    approve(folder / "n.ipynb", Mount(here, "/data", True))
    approve(home / "n.ipynb", Mount(here, here, True))
    assert why(folder)
    approve(folder / "n.ipynb", Mount(here, here, True))
    assert why(folder) == ""
    assert is_shared(folder)
    # Never of one's home.
    approve(home / "n.ipynb", Mount(str(home), str(home), True))
    assert why(home)


def test_sockets_are_covered_where_their_folder_is_mounted(folder: Path) -> None:
    (folder / "sub").mkdir()
    mount = Mount(str(folder), "/m", True)
    with listening(folder / "sub/podman.sock"):
        allowed = judge(mount, policy()._rules())
        assert allowed.over == (
            Mount(str(folder / "sub"), "/m/sub", True),
            Mount(str(empty_file()), "/m/sub/podman.sock"),
        )
    assert judge(mount, policy()._rules()).over == ()


def test_what_programs_keep_in_tmp_is_covered(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while they do not run: tmux may be started once the container is there."""
    monkeypatch.setenv("TMUX_TMPDIR", str(folder))
    named = [f"tmux-{os.getuid()}", "ssh-XXabc", ".X11-unix", "podman-run-1000", "dbus-x1"]
    for name in named:
        (folder / name).mkdir(mode=0o700)
    (folder / "ssh-notes.txt").touch()
    (folder / "work").mkdir()
    over = judge(Mount(str(folder), "/m", True), policy()._rules()).over
    assert sorted(one.target for one in over) == sorted(f"/m/{name}" for name in named)


def test_sockets_by_the_hundred_are_refused_and_quick(folder: Path) -> None:
    held = []
    try:
        for number in range(300):
            one = socket.socket(socket.AF_UNIX)
            held.append(one)
            one.bind(str(folder / f"s{number}"))
            one.listen()
        assert len(sockets_below(str(folder))) == 300
        with pytest.raises(Exception, match="over 200 sockets, keys"):
            judge(Mount(str(folder), "/m", True), policy()._rules())
    finally:
        for one in held:
            one.close()
