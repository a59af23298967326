"""Where things are kept: what is refused in their place, who owns what, who has ended."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jupyter_containers import paths
from jupyter_containers.errors import StartFailed

from .private_home import private_home

IS_SHIFTER_HERE = paths._is_shifter_here


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return private_home(tmp_path, monkeypatch)


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Our runtime directory, below a path as short as users have it."""
    short = Path(f"/tmp/jct{os.getpid()}-{len(tmp_path.name)}")
    short.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    monkeypatch.setattr(paths, "_is_shifter_here", lambda _: False)
    try:
        yield paths.runtime_directory()
    finally:
        subprocess.run(["rm", "-r", str(short)], check=True)


def test_where_shifter_is_its_containers_see_it(runtime: Path, tmp_path: Path) -> None:
    (tmp_path / "shifter").touch(mode=0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        patch.setattr(paths, "_is_shifter_here", IS_SHIFTER_HERE)
        assert paths.runtime_directory() == Path(f"/tmp/jc-{os.getuid()}")
        # Anybody can take a name in /tmp.
        patch.setattr(paths, "make_private", _none_in_tmp)
        assert paths.runtime_directory() == runtime


def _none_in_tmp(path: Path) -> None:
    if path.parent == Path("/tmp"):
        raise StartFailed("It is somebody else's.")


def somebody_elses(path: Path) -> Path:
    """A directory of another user, whoever runs the tests."""
    if os.getuid() != 0:
        return Path("/usr")
    path.mkdir(mode=0o700)
    os.chown(path, 65534, 65534)
    return path


def test_the_runtime_directory_is_private_and_short(runtime: Path) -> None:
    assert runtime == Path(os.environ["XDG_RUNTIME_DIR"]) / "jc"
    found = runtime.lstat()
    assert stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o700
    assert paths.runtime_directory() == runtime


def test_a_socket_fits_at_its_longest(runtime: Path) -> None:
    longest = Path("/" + "x" * (paths._LONGEST - 1))
    for base in (longest, runtime):
        assert len(os.fsencode(base / "12345678" / "run" / "k-5")) < 100
    room = runtime / "12345678" / "run"
    room.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(room / "k-5"))


@pytest.mark.parametrize("why", ["unset", "relative", "absent", "open", "long", "file", "comma"])
def test_a_runtime_directory_that_cannot_be_used_falls_back(
    why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = {"long": tmp_path / ("x" * 60), "comma": Path("/tmp") / f"a,{os.getpid()}"}.get(
        why, tmp_path / "run"
    )
    if why in ("open", "long", "comma"):
        place.mkdir(mode=0o700)
    if why == "open":
        place.chmod(0o777)
    if why == "file":
        place.touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", {"unset": "", "relative": "run"}.get(why, str(place)))
    try:
        assert paths.runtime_directory() == Path(f"/tmp/jc-{os.getuid()}")
    finally:
        if why == "comma":
            place.rmdir()


def test_another_users_runtime_directory_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(somebody_elses(tmp_path / "theirs")))
    assert paths.runtime_directory() == Path(f"/tmp/jc-{os.getuid()}")


def test_what_stands_in_place_of_a_private_directory_is_refused(tmp_path: Path) -> None:
    ours = tmp_path / "ours"
    ours.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(ours)
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (tmp_path / "file").touch()
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o750)
    os.mkfifo(tmp_path / "fifo")
    places = [tmp_path / name for name in ("link", "dangling", "file", "open", "fifo")]
    for place in (*places, somebody_elses(tmp_path / "theirs")):
        with pytest.raises(StartFailed, match="cannot be used") as raised:
            paths.make_private(place)
        assert str(place) in raised.value.message and "XDG_RUNTIME_DIR" in raised.value.hint
    assert not (tmp_path / "nothing").exists()
    paths.make_private(ours)


def test_other_places(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paths.cache_directory() == home / ".cache/jupyter-containers"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert paths.cache_directory() == home / ".cache/jupyter-containers"
    assert paths.data_directory() == home / ".local/share/jupyter/jupyter_containers"
    (home / "elsewhere").mkdir()
    (home / ".jupyter").symlink_to("elsewhere")
    config, data, runtime = paths.jupyter_directories()
    assert config == home / "elsewhere"
    assert data == home / ".local/share/jupyter" and runtime == data / "runtime"
    assert paths.boot_id() == paths.boot_id() != ""


# -- owners ------------------------------------------------------------------------------------

OWN = """
import sys
from pathlib import Path
from jupyter_containers.paths import owner, runtime_directory
room = runtime_directory() / sys.argv[1]
room.mkdir(mode=0o700)
owner().claim(room)
print(owner().id, flush=True)
sys.stdin.read()
"""


@contextmanager
def another_owner(room: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A process that owns a room, until it is killed."""
    pipe = subprocess.PIPE
    argv = [sys.executable, "-c", OWN, room]
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as it:
        assert it.stdout is not None
        try:
            yield it.stdout.readline().strip(), it
        finally:
            it.kill()


def gone(id: str) -> bool:
    return paths.owner_is_gone(id, socket.gethostname(), paths.boot_id())


def test_a_killed_owner_leaves_orphans_and_a_living_one_none(runtime: Path) -> None:
    with another_owner("aaaaaaaa") as (alive, _), another_owner("bbbbbbbb") as (killed, process):
        assert alive and killed and alive != killed
        assert not gone(alive) and not gone(killed)
        assert paths.orphans() == []
        process.kill()
        process.wait()
        assert gone(killed) and not gone(alive)
        assert paths.orphans() == [runtime / "bbbbbbbb"]
        assert paths.orphans() == [runtime / "bbbbbbbb"]  # until somebody removes it
        subprocess.run(["rm", "-r", str(runtime / "bbbbbbbb")], check=True)
        assert paths.orphans() == []
        assert not (runtime / "owners" / killed).exists()  # forgotten: it owns nothing
        assert (runtime / "owners" / alive).exists()


def test_where_nobody_can_tell_an_owner_is_not_gone(runtime: Path) -> None:
    with another_owner("aaaaaaaa") as (name, process):
        process.kill()
        process.wait()
    host, boot = socket.gethostname(), paths.boot_id()
    assert paths.owner_is_gone(name, host, boot)
    assert not paths.owner_is_gone(name, "another", boot)
    assert not paths.owner_is_gone(name, host, "another boot")
    for lying in ("", "0" * 32, "../owners/" + name, name + "\n", "x" * 10_000, "\0"):
        assert not paths.owner_is_gone(lying, host, boot)


def test_many_who_look_at_once_agree(runtime: Path) -> None:
    with another_owner("aaaaaaaa") as (_, process):
        process.kill()
        process.wait()
    found: list[list[Path]] = []
    threads = [threading.Thread(target=lambda: found.append(paths.orphans())) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[runtime / "aaaaaaaa"]] * 16


def test_rooms_without_an_owner_have_time_to_be_claimed(runtime: Path) -> None:
    for name in ("aaaaaaaa", "bbbbbbbb", "not-a-room"):
        (runtime / name).mkdir(mode=0o700)
    (runtime / "cccccccc").symlink_to("/etc")
    (runtime / "bbbbbbbb" / "owner").write_text("../../x")
    assert paths.orphans() == []
    long_ago = time.time() - 3600
    for name in ("aaaaaaaa", "bbbbbbbb", "not-a-room"):
        os.utime(runtime / name, (long_ago, long_ago))
    assert paths.orphans() == [runtime / "aaaaaaaa", runtime / "bbbbbbbb"]


def test_this_process_is_one_owner_with_one_lock(runtime: Path) -> None:
    made = paths.owner()
    assert paths.owner() is made and not gone(made.id)
    room = runtime / "dddddddd"
    room.mkdir(mode=0o700)
    made.claim(room)
    assert paths.read_untrusted(room / "owner", 64).decode() == made.id
    assert paths.orphans() == []


def test_a_forked_child_is_an_owner_of_its_own_and_keeps_no_lock(runtime: Path) -> None:
    code = """
import os, socket, time
from jupyter_containers import paths
mine = paths.owner().id
child = os.fork()
if child == 0:
    assert paths.owner().id != mine
    os.close(1)
    os.close(2)
    time.sleep(30)
    os._exit(0)
while len(list((paths.runtime_directory() / "owners").iterdir())) < 2:
    time.sleep(0.01)
print(mine, child, flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20
    )
    mine, child = done.stdout.split()
    try:
        assert gone(mine)
    finally:
        os.kill(int(child), 9)
