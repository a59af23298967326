"""Whose a container's directory is, who has ended, and what the next server inherits."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jupyter_containers.host import owners, paths
from tests.helpers.private_home import private_runtime


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with private_runtime(tmp_path, monkeypatch) as directory:
        yield directory


OWN = """
import sys
from pathlib import Path
from jupyter_containers.host.owners import owner
from jupyter_containers.host.paths import runtime_directory
room = runtime_directory() / sys.argv[1]
room.mkdir(mode=0o700)
owner().claim(room)
if len(sys.argv) > 2:
    owner().serve(sys.argv[2])
print(owner().id, flush=True)
sys.stdin.read()
"""


@contextmanager
def another_owner(run_dir: str, *server: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A process that owns a room, until it is killed; it may be a server."""
    pipe = subprocess.PIPE
    argv = [sys.executable, "-c", OWN, run_dir, *server]
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as it:
        assert it.stdout is not None
        try:
            yield it.stdout.readline().strip(), it
        finally:
            it.kill()


def gone(id: str) -> bool:
    return owners.owner_is_gone(id, socket.gethostname(), paths.life_id())


def test_a_killed_owner_leaves_orphans_and_a_living_one_none(runtime: Path) -> None:
    with another_owner("aaaaaaaa") as (alive, _), another_owner("bbbbbbbb") as (killed, process):
        assert alive and killed and alive != killed
        assert not gone(alive) and not gone(killed)
        assert owners.orphans() == []
        process.kill()
        process.wait()
        assert gone(killed) and not gone(alive)
        assert owners.orphans() == [runtime / "bbbbbbbb"]
        assert owners.orphans() == [runtime / "bbbbbbbb"]  # until somebody removes it
        subprocess.run(["rm", "-r", str(runtime / "bbbbbbbb")], check=True)
        assert owners.orphans() == []
        assert not (runtime / "owners" / killed).exists()  # forgotten: it owns nothing
        assert (runtime / "owners" / alive).exists()


def test_where_nobody_can_tell_an_owner_is_not_gone(runtime: Path) -> None:
    with another_owner("aaaaaaaa") as (name, process):
        process.kill()
        process.wait()
    host, boot = socket.gethostname(), paths.life_id()
    assert owners.owner_is_gone(name, host, boot)
    assert not owners.owner_is_gone(name, "another", boot)
    assert not owners.owner_is_gone(name, host, "another boot")
    for lying in ("", "0" * 32, "../owners/" + name, name + "\n", "x" * 10_000, "\0"):
        assert not owners.owner_is_gone(lying, host, boot)


def test_many_who_look_at_once_agree(runtime: Path) -> None:
    with another_owner("aaaaaaaa") as (_, process):
        process.kill()
        process.wait()
    found: list[list[Path]] = []
    threads = [threading.Thread(target=lambda: found.append(owners.orphans())) for _ in range(16)]
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
    assert owners.orphans() == []
    long_ago = time.time() - 3600
    for name in ("aaaaaaaa", "bbbbbbbb", "not-a-room"):
        os.utime(runtime / name, (long_ago, long_ago))
    assert owners.orphans() == [runtime / "aaaaaaaa", runtime / "bbbbbbbb"]


def test_this_process_is_one_owner_with_one_lock(runtime: Path) -> None:
    made = owners.owner()
    assert owners.owner() is made and not gone(made.id)
    run_dir = runtime / "dddddddd"
    run_dir.mkdir(mode=0o700)
    made.claim(run_dir)
    assert paths.read_untrusted(run_dir / "owner", 64).decode() == made.id
    assert owners.orphans() == []


def test_a_forked_child_is_an_owner_of_its_own_and_keeps_no_lock(runtime: Path) -> None:
    code = """
import os, socket, time
from jupyter_containers.host import owners, paths
mine = owners.owner().id
child = os.fork()
if child == 0:
    assert owners.owner().id != mine
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


def take_over(server: str) -> list[Path]:
    return sorted(owners.take_over(server, lambda _: True))


def left(runtime: Path, run_dir: str, server: str) -> Path:
    """The owner file of a server that was killed and has left a room."""
    with another_owner(run_dir, server) as (name, process):
        process.kill()
        process.wait()
    return runtime / "owners" / name


def test_the_same_server_inherits_what_a_killed_one_left(runtime: Path) -> None:
    owners.owner().serve("/home http://here/")
    file = left(runtime, "aaaaaaaa", "/home http://here/")
    left(runtime, "bbbbbbbb", "/home http://there/")
    with another_owner("cccccccc", "/home http://here/"), another_owner("dddddddd"):
        assert take_over("/home http://here/") == [runtime / "aaaaaaaa"]
        assert take_over("/home http://here/") == []
    host, boot = socket.gethostname(), paths.life_id()
    # The container's labels name the first one for ever.
    assert not owners.owner_is_gone(file.name, host, boot, "jupyter-aaaaaaaa")
    for name in ("", "aaaaaaaa/../bbbbbbbb", "jupyter-00000000"):
        assert owners.owner_is_gone(file.name, host, boot, name)
    assert runtime / "aaaaaaaa" not in owners.orphans()


def test_a_process_that_was_no_server_has_no_heir(runtime: Path) -> None:
    with another_owner("aaaaaaaa") as (_, process):
        process.kill()
        process.wait()
    assert take_over("") == take_over("/home http://here/") == []
    assert owners.orphans() == [runtime / "aaaaaaaa"]


def test_what_waits_for_its_heir_is_no_orphan(runtime: Path) -> None:
    file = left(runtime, "aaaaaaaa", "here")
    about = json.loads(file.read_text())
    file.write_text(json.dumps(about | {owners.KEPT: time.time() + 60}))
    assert owners.orphans() == [] and not gone(file.name)
    assert take_over("there") == []
    assert take_over("here") == [runtime / "aaaaaaaa"]


def test_a_time_to_wait_that_is_over_or_nonsense_protects_nothing(runtime: Path) -> None:
    file = left(runtime, "aaaaaaaa", "here")
    about = json.loads(file.read_text())
    nonsense: list[object] = [time.time() - 1, "for ever", None, []]
    for until in nonsense:
        file.write_text(json.dumps(about | {owners.KEPT: until}))
        assert owners.orphans() == [runtime / "aaaaaaaa"]


def test_nobody_inherits_what_is_being_removed(runtime: Path) -> None:
    file = left(runtime, "aaaaaaaa", "here")
    with file.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert take_over("here") == []
    assert take_over("here") == [runtime / "aaaaaaaa"]


def test_what_is_of_no_use_is_an_orphan_as_before(runtime: Path) -> None:
    file = left(runtime, "aaaaaaaa", "here")
    assert owners.take_over("here", lambda _: False) == {}
    assert owners.orphans() == [runtime / "aaaaaaaa"]
    assert owners.take_over("here", lambda _: True) == {runtime / "aaaaaaaa": file.name}
    owners.give_back(runtime / "aaaaaaaa", file.name)
    assert owners.orphans() == [runtime / "aaaaaaaa"]


def test_what_is_given_back_to_one_who_was_forgotten_is_an_orphan(runtime: Path) -> None:
    file = left(runtime, "aaaaaaaa", "here")
    assert owners.take_over("here", lambda _: True) == {runtime / "aaaaaaaa": file.name}
    assert owners.orphans() == []
    assert not file.exists()  # it owned nothing
    owners.give_back(runtime / "aaaaaaaa", file.name)
    assert owners.orphans() == [runtime / "aaaaaaaa"]
    host, boot = socket.gethostname(), paths.life_id()
    assert owners.owner_is_gone(file.name, host, boot, "jupyter-aaaaaaaa")


def test_what_another_machine_wrote_is_not_ours(runtime: Path) -> None:
    """The runtime directory may lie where several machines see it, and not each other's locks."""
    file = left(runtime, "aaaaaaaa", "here")
    about = json.loads(file.read_text())
    for other in ({"host": "login2"}, {"boot": "another"}):
        file.write_text(json.dumps(about | other))
        assert take_over("here") == []


def test_who_only_looks_keeps_nobody_from_inheriting(runtime: Path) -> None:
    file = left(runtime, "aaaaaaaa", "here")
    with file.open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.05, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        assert take_over("here") == [runtime / "aaaaaaaa"]
