"""Which folders are mounted and read unasked, and that sockets of this person's are covered."""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from jupyter_containers.errors import PolicyRefused
from jupyter_containers.host.paths import empty_directory, empty_file
from jupyter_containers.layout import INSIDE
from jupyter_containers.models import Mount
from jupyter_containers.policy.approvals import Approvals, asks
from jupyter_containers.policy.folders import Look, is_shared, sockets_below
from jupyter_containers.policy.mounts import judge
from jupyter_containers.settings.schema import Settings
from tests.helpers.namespaces import OWN_MOUNTS, no_namespaces
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
def listening(
    path: Path | str, at: Path | None = None, *, within: Sequence[str] = (), root: str = ""
) -> Iterator[None]:
    """A program of ours outside of any container; `within` a command, or with another `root`."""
    code = "import os,socket,sys; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()"
    code += "; sys.argv[2] and os.chroot(sys.argv[2]); print(flush=True); sys.stdin.read()"
    command = [*within, sys.executable, "-c", code, str(path), root]
    if within and subprocess.run([*within, "true"], capture_output=True).returncode:
        no_namespaces(" ".join(within))
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=at
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield


def why(folder: Path) -> str:
    return Approvals().why_not_mounted(folder)


def test_an_ordinary_folder_is_mounted(folder: Path) -> None:
    for mode in (0o700, 0o755, 0o775, 0o2775):
        folder.chmod(mode)
        assert why(folder) == ""


@pytest.mark.parametrize("mode", [0o1777, 0o777, 0o2777, 0o702])
def test_a_folder_that_all_can_write_is_not(mode: int, folder: Path) -> None:
    folder.chmod(mode)
    assert why(folder) == "everybody on this machine can write in it"
    link = folder / "link"
    link.symlink_to(folder)
    assert why(link)


def test_a_folder_that_all_could_write_if_they_came_there_is(folder: Path) -> None:
    """Mode 0777 in a home of mode 0700."""
    (folder / "project").mkdir()
    (folder / "project").chmod(0o777)
    assert why(folder / "project") == ""
    folder.chmod(0o711)
    assert why(folder / "project") == "everybody on this machine can write in it"


@pytest.mark.parametrize("mode", [0o1755, 0o1770, 0o3775])
def test_a_folder_with_a_sticky_bit_is_shared(mode: int, folder: Path) -> None:
    folder.chmod(mode)
    assert why(folder) == "several people write in it, as its sticky bit says"


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
        assert sockets_below(str(folder), Look()) == [str(folder / "sub/agent.sock")]
        assert sockets_below(str(folder / "sub"), Look()) == [str(folder / "sub/agent.sock")]


@pytest.mark.parametrize(
    ("bound", "at"),
    [
        ("{link}/sub/s", None),
        ("{folder}/sub/../sub/s", None),
        ("/{folder}//sub//s", None),
        ("run/x/s", "sub"),
        ("../sub/./s", "sub"),
        ("sub/s", ""),
    ],
)
def test_a_socket_that_was_bound_by_another_path(
    bound: str, at: str | None, folder: Path, tmp_path: Path
) -> None:
    (folder / "sub/run/x").mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir="/tmp") as other:
        link = Path(other, "link")
        link.symlink_to(folder)
        path = bound.format(folder=folder, link=link)
        with listening(path, None if at is None else folder / at):
            here = str(folder / "sub" / ("run/x/s" if "run" in bound else "s"))
            assert sockets_below(str(folder), Look()) == [here]
            assert sockets_below(str(folder / "sub"), Look()) == [here]


def test_a_socket_that_was_bound_by_a_descriptor(folder: Path) -> None:
    deep = folder / ("x" * 120)
    deep.mkdir()
    descriptor = os.open(deep, os.O_PATH)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{descriptor}/s")
            made.listen()
            assert sockets_below(str(folder), Look()) == [str(deep / "s")]
    finally:
        os.close(descriptor)


def test_a_socket_whose_folder_was_renamed(folder: Path) -> None:
    (folder / "was").mkdir()
    with listening(folder / "was/s"):
        (folder / "was").rename(folder / "is")
        assert sockets_below(str(folder), Look()) == [str(folder / "is/s")]
        assert why(folder / "is")


@pytest.mark.parametrize("name", ["a\u2028b", "a\x85b", "a\nb", "a b ", "a\x1cb"])
def test_folders_with_odd_names(name: str, folder: Path) -> None:
    (folder / name).mkdir()
    with listening(folder / name / "s"), listening(folder / "plain"):
        below = [str(folder / name / "s"), str(folder / "plain")]
        assert sockets_below(str(folder), Look()) == sorted(below)


def test_mounts_of_its_own_make_no_container(folder: Path) -> None:
    """Rootless podman's service and whatever has PrivateTmp have a mount namespace of their own."""
    with listening(folder / "podman.sock", within=OWN_MOUNTS):
        assert "(podman.sock)" in why(folder)
    with listening(folder / "tmux.sock"):
        code = "import sys; from jupyter_containers.policy import folders; from pathlib import Path"
        code += "; print(folders.is_shared(Path(sys.argv[1])))"
        command = [*OWN_MOUNTS, sys.executable, "-c", code, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "(tmux.sock)" in done.stdout


def test_a_program_without_a_network_listens_as_well(folder: Path, tmp_path: Path) -> None:
    """rootlesskit's, a service with PrivateNetwork, bubblewrap's."""
    without = (*OWN_MOUNTS, "--net")
    with listening(folder / "agent.sock", within=without):
        assert "(agent.sock)" in why(folder)
        assert sockets_below(str(folder), Look()) == [str(folder / "agent.sock")]
    root = tmp_path / "root"
    (root / INSIDE[1:]).mkdir(parents=True)
    with listening(folder / "s", within=without, root=str(root)):
        assert why(folder) == ""


@pytest.mark.parametrize("ours", [True, False])
def test_what_a_container_of_ours_listens_on_is_its_own(
    ours: bool, folder: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    (root / (INSIDE if ours else "/opt")[1:]).mkdir(parents=True)
    with listening(folder / "s", within=OWN_MOUNTS, root=str(root)):
        assert why(folder) == "" if ours else "(s)" in why(folder)


def test_the_home_that_the_list_of_users_names(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HOME may be another, by `HOME=… jupyter lab`."""
    real = pwd.getpwuid(os.getuid())
    listed = pwd.struct_passwd((*real[:5], str(folder / "me"), *real[6:]))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: listed)
    (folder / "me/work").mkdir(parents=True)
    assert "home" in why(folder / "me") and "home" in why(folder)
    assert why(folder / "me/work") == ""
    mounts = (Mount(str(folder / "me"), "/me", True),)
    asked = asks(Settings(image="localhost/x:1", mounts=mounts))
    assert asked[1].text.startswith("your home folder")

    def none(uid: int) -> pwd.struct_passwd:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", none)
    assert why(folder / "me") == ""
    judge(Mount(str(folder / "me"), "/me", True), policy()._rules())


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
    tickets = [f"krb5cc_{os.getuid()}_x", f"x509up_u{os.getuid()}"]
    for name in (*tickets, f"krb5cc_7{os.getuid()}"):  # and one of somebody else's
        (folder / name).touch()
    over = judge(Mount(str(folder), "/m", False), policy()._rules()).over
    assert [one.target for one in over if "_" in one.target] == [f"/m/{one}" for one in tickets]


def test_what_only_looks_like_a_programs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMUX_TMPDIR", str(folder))
    rules = policy()._rules
    for name in ("ssh-notes", "S-parameters", "gpg-data", "runtime-analysis"):
        (folder / name).mkdir(mode=0o755)
        assert judge(Mount(str(folder / name), "/m", True), rules()).over == ()
    assert judge(Mount(str(folder), "/m", True), rules()).over == ()
    with listening(folder / "ssh-notes/agent"):
        with pytest.raises(PolicyRefused):
            judge(Mount(str(folder / "ssh-notes"), "/m", True), rules())
        covers = judge(Mount(str(folder), "/m", True), rules()).over
        assert Mount(str(empty_directory()), "/m/ssh-notes") in covers


def test_the_folder_of_an_agents_socket_is_not_the_agents(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`SSH_AUTH_SOCK=/tmp/agent.sock` forbids the socket, and not all of /tmp."""
    (folder / "work").mkdir()
    monkeypatch.setenv("SSH_AUTH_SOCK", str(folder / "agent.sock"))
    assert judge(Mount(str(folder / "work"), "/m", True), policy()._rules()).over == ()
    with listening(folder / "agent.sock"):
        over = judge(Mount(str(folder), "/m", True), policy()._rules()).over
        assert over == (Mount(str(empty_file()), "/m/agent.sock"),)


def test_a_socket_among_many_files(folder: Path) -> None:
    for number in range(60):
        (folder / f"d{number}").mkdir()
        (folder / f"d{number}/file").touch()
    with listening(folder / "d59/s"), listening(folder / "d0/s"):
        below = [str(folder / "d0/s"), str(folder / "d59/s")]
        assert sockets_below(str(folder), Look()) == below


def test_processes_are_asked_only_where_a_socket_may_be(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start in a small folder without one costs nothing for each process of the machine."""

    class Asked(Exception):
        pass

    def ask() -> None:
        raise Asked

    monkeypatch.setattr("jupyter_containers.policy.folders._sockets", ask)
    (folder / "sub/sub").mkdir(parents=True)
    (folder / "sub/sub/file").touch()
    (folder / "link").symlink_to("nowhere")
    assert sockets_below(str(folder), Look()) == []
    for path in ("s", "sub/sub/s"):
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(folder / path))
        with pytest.raises(Asked):
            sockets_below(str(folder), Look())
        (folder / path).unlink()
    assert sockets_below(str(folder), Look()) == []
    for number in range(200):
        (folder / f"sub/{number}").touch()
    with pytest.raises(Asked):
        sockets_below(str(folder), Look())
    with pytest.raises(Asked):
        sockets_below(str(folder / "none"), Look())


def test_sockets_by_the_hundred_are_refused_and_quick(folder: Path) -> None:
    held = []
    try:
        for number in range(300):
            one = socket.socket(socket.AF_UNIX)
            held.append(one)
            one.bind(str(folder / f"s{number}"))
            one.listen()
        assert len(sockets_below(str(folder), Look())) == 300
        with pytest.raises(Exception, match="over 200 sockets, keys"):
            judge(Mount(str(folder), "/m", True), policy()._rules())
    finally:
        for one in held:
            one.close()
