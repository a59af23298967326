"""What a path leads to, and who can make it lead elsewhere."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_containers.host import mount_sources
from jupyter_containers.host.mount_sources import (
    find_source,
    follower,
    is_exposed,
    opened,
    tell_writable,
    told_writable,
)
from jupyter_containers.host.mountinfo import Names
from tests.helpers.private_home import private_home, private_runtime


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return private_home(tmp_path, monkeypatch)


@pytest.fixture
def runtime(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with private_runtime(tmp_path, monkeypatch) as runtime:
        yield runtime


def test_a_path_is_known_by_what_it_leads_to(home: Path) -> None:
    (home / "data").mkdir()
    (home / "link").symlink_to("data")
    (home / "data/file").write_text("x")
    found = find_source(str(home / "link/../link"))
    assert found.path == str(home / "data")
    assert found.status.st_ino == (home / "data").stat().st_ino
    assert find_source(str(home / "link/file")).path == str(home / "data/file")
    for path in (home / "nothing", home / "data/file/below"):
        with pytest.raises(OSError):
            find_source(str(path))


def test_what_is_open_stays_what_it_is(home: Path) -> None:
    (home / "data").mkdir()
    (home / "secret").mkdir()
    inode = (home / "data").stat().st_ino
    with opened(str(home / "data")) as descriptor:
        (home / "data").rename(home / "was")
        (home / "data").symlink_to("secret")
        assert os.fstat(descriptor).st_ino == inode
        assert os.readlink(f"/proc/self/fd/{descriptor}") == str(home / "was")


def test_a_socket_is_looked_at_and_not_opened(home: Path) -> None:
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(home / "s"))
    made.close()
    os.mkfifo(home / "fifo")
    assert find_source(str(home / "s")).path == str(home / "s")
    assert find_source(str(home / "fifo")).path == str(home / "fifo")


def test_below_what_a_container_can_write(home: Path) -> None:
    (home / "nb/data").mkdir(parents=True)
    (home / "nb-other").mkdir()
    writable = [str(home / "nb")]
    assert is_exposed(str(home / "nb/data"), writable)
    # The folder itself has its name in another one, which the container cannot write.
    assert not is_exposed(str(home / "nb"), writable)
    assert not is_exposed(str(home / "nb-other"), writable)
    assert not is_exposed(str(home / "nb/data"), [])
    assert is_exposed(str(home / "nb-other"), writable, [f"{home}/nb/other"])  # another name of it


@pytest.mark.parametrize(
    ("mode", "exposed"), [(0o755, False), (0o700, False), (0o757, True), (0o1777, False)]
)
def test_where_others_can_rename(home: Path, mode: int, exposed: bool) -> None:
    (home / "shared/mine/data").mkdir(parents=True)
    (home / "shared").chmod(mode)
    assert is_exposed(str(home / "shared/mine/data"), []) is exposed
    assert not is_exposed(str(home / "shared"), [])


def test_a_group_is_others_unless_it_is_ones_own(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "shared/data").mkdir(parents=True)
    (home / "shared").chmod(0o775)
    monkeypatch.setattr(mount_sources, "_is_own_group", lambda gid: False)
    assert is_exposed(str(home / "shared/data"), [])
    monkeypatch.setattr(mount_sources, "_is_own_group", lambda gid: True)
    assert not is_exposed(str(home / "shared/data"), [])


def test_what_is_not_there_is_exposed(home: Path) -> None:
    assert is_exposed(str(home / "gone/data"), [])


def test_containers_tell_what_they_can_write(home: Path, runtime: Path) -> None:
    assert told_writable() == set()
    for name, places in {"00000001": [str(home / "nb")], "00000002": []}.items():
        run_dir = runtime / name
        run_dir.mkdir(mode=0o700)
        tell_writable(run_dir, places)
    assert told_writable() == {str(home / "nb")}


def test_a_folder_that_is_a_link_by_now_is_told_as_it_was(home: Path, runtime: Path) -> None:
    """It was resolved for the mount: who swaps it for a moment would have another one told."""
    (home / "other").mkdir()
    (home / "nb").symlink_to("other")
    (runtime / "00000001").mkdir()
    tell_writable(runtime / "00000001", [str(home / "nb")])
    assert told_writable() == {str(home / "nb")}


def test_what_was_told_in_another_runtime_directory(
    home: Path, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """cron, su and ssh come with none, or with another one."""
    for name in ("00000001", "00000002"):
        (runtime / name).mkdir()
        tell_writable(runtime / name, [f"{home}/{name}"])
    (tmp_path / "other").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "other"))
    assert told_writable() == {f"{home}/00000001", f"{home}/00000002"}
    (runtime / "00000001/writable").unlink()
    assert told_writable() == {f"{home}/00000002"}


@pytest.mark.parametrize("text", ["", "null", "7", "[[", '{"a": 1}', "\xff", "[" * 60_000])
def test_what_is_damaged_is_passed_over(runtime: Path, text: str) -> None:
    good, bad = runtime / "00000001", runtime / "00000002"
    good.mkdir()
    bad.mkdir()
    tell_writable(good, ["/a"])
    (bad / "writable").write_text(text)
    (runtime / "00000003").mkdir()
    (runtime / "00000003/writable").symlink_to(good / "writable")
    assert "/a" in told_writable()


def test_an_access_control_list_lets_others_write(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its mask stands in the mode as the group's bits, also where the group is one's own."""
    monkeypatch.setattr(mount_sources, "_is_own_group", lambda gid: True)
    shared = home / "shared"
    (shared / "data").mkdir(parents=True)
    nobody = [(1, 7, -1), (2, 7, 65534), (4, 5, -1), (16, 7, -1), (32, 5, -1)]
    entries = (struct.pack("<HHi", *entry) for entry in nobody)
    try:
        os.setxattr(shared, "system.posix_acl_access", struct.pack("<I", 2) + b"".join(entries))
    except OSError as error:
        pytest.skip(f"no access control lists here: {error.strerror}")
    assert shared.stat().st_mode & 0o777 == 0o775
    assert is_exposed(str(shared / "data"), [])
    shared.chmod(0o755)  # the mask: nobody may write by the list
    assert not is_exposed(str(shared / "data"), [])


def test_the_links_on_the_way(home: Path) -> None:
    (home / "real/deep").mkdir(parents=True)
    for name, target in {
        "link": "real",
        "again": f"{home}/link/deep",
        "up": "real/../link/deep/..",
        "loop": "loop/x",
        "gone": "nothing/here",
    }.items():
        (home / name).symlink_to(target)
    follow = follower()
    assert follow(f"{home}/real/deep/none") == (f"{home}/real/deep/none", [])
    assert follow(f"{home}//again/./x/") == (
        f"{home}/real/deep/x",
        [f"{home}/again", f"{home}/link"],
    )
    assert follow(f"{home}/up") == (f"{home}/real", [f"{home}/up", f"{home}/link"])
    assert follow(f"{home}/gone/x") == (f"{home}/nothing/here/x", [f"{home}/gone"])
    assert follow("/..") == ("/", []) and follow("/a\0b") == ("/a\0b", [])
    assert len(follow(f"{home}/loop")[1]) > 40
    for path in ("link", "again/x", "up/../up", "gone"):
        assert follow(f"{home}/{path}")[0] == os.path.realpath(home / path)


def test_other_names_of_the_same(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    mounts = [
        ("8:1", "/", "/"),
        ("8:1", "/data/homes", "/home"),  # a bind mount, or a subvolume
        ("8:1", "/data/homes/me/.ssh", "/srv/my\\040keys"),
        ("8:1", "/var/lib", "/var/lib"),  # on itself
        ("8:2", "/", "/mnt/one"),
        ("8:2", "/below", "/mnt/two"),
        ("0:9", "/", "/mnt/one/below/hidden"),
    ]
    table.write_text("".join(f"1 2 {dev} {root} {at} rw - x y z\n" for dev, root, at in mounts))
    names = Names(table)
    assert names.of("/home/me") == ["/data/homes/me"]
    assert names.of("/data/homes/me") == ["/home/me"]
    assert names.of("/home/me/.ssh/id") == ["/data/homes/me/.ssh/id", "/srv/my keys/id"]
    assert names.of("/srv/my keys") == ["/data/homes/me/.ssh", "/home/me/.ssh"]
    assert names.of("/home/me/work") == ["/data/homes/me/work"]
    assert names.of("/home/me", parts=True) == ["/data/homes/me", "/srv/my keys"]
    assert names.of("/mnt/one/below/x") == ["/mnt/two/x"]
    assert names.of("/mnt/two/hidden/x") == []  # another mount is over it
    assert names.of("/mnt/one/below/hidden/x") == []
    assert names.of("/var/lib/x") == names.of("/usr") == names.of("/") == []
    assert Names(tmp_path / "none").of("/home/me") == []
    table.write_text("8:1\n\n1 2 8:1 / / rw\n")
    assert Names(table).of("/home/me") == []


def test_names_below_what_was_mounted_later(tmp_path: Path) -> None:
    """A mount over a folder hides what was mounted below it before, and one at the same place."""
    table = tmp_path / "mountinfo"
    mounts = [
        ("1 1", "8:1", "/", "/"),
        ("2 1", "0:9", "/", "/x/.ssh"),
        ("3 1", "8:1", "/home/me", "/x"),
        ("4 1", "8:1", "/srv", "/y"),
        ("5 4", "8:1", "/home/me/.ssh", "/y/keys"),
        ("6 4", "0:8", "/", "/y"),
        ("7 6", "8:1", "/home/me/work", "/y/a/b"),
    ]
    for lines in (mounts, mounts[::-1]):  # the order says nothing
        table.write_text("".join(f"{ids} {dev} {root} {at} rw\n" for ids, dev, root, at in lines))
        names = Names(table)
        assert names.of("/home/me/.ssh/id") == ["/x/.ssh/id"]
        assert names.of("/x/.ssh") == ["/home/me/.ssh"]
        assert names.of("/home/me/work") == ["/x/work", "/y/a/b"]
        assert names.of("/y/keys") == names.of("/srv") == []
    many = [f"{number + 1} {number} 0:9 / /x rw\n" for number in range(1, 5000)]
    table.write_text("1 0 8:1 / / rw\n" + "".join(many) + "9999 1 8:1 /x /z rw\n")
    assert Names(table).of("/home/me") == []
