"""Where things are kept: what is refused in their place, who owns what, who has ended."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_containers.errors import StartFailed
from jupyter_containers.host import paths
from tests.helpers.private_home import private_home, private_runtime

IS_SHIFTER_HERE = paths._is_shifter_here


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return private_home(tmp_path, monkeypatch)


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with private_runtime(tmp_path, monkeypatch) as directory:
        yield directory


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
    run_dir = runtime / "12345678" / "run"
    run_dir.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(run_dir / "k-5"))


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
    config, data, runtime = map(Path, paths.named_jupyter_directories())
    assert config == home / ".jupyter"
    assert data == home / ".local/share/jupyter" and runtime == data / "runtime"
    assert paths.boot_id() == paths.boot_id() != ""


POD = "0c1d6e2a-94b2-4c0e-8f0b-5d8f3c6f1a77"
MOUNTS = """\
1143 1035 0:105 / / rw,relatime master:410 - overlay overlay rw,lowerdir=/x
1149 1143 8:1 /ROOT /etc/hosts rw,relatime - ext4 /dev/sda1 rw
1150 1143 8:1 /var/lib/kubelet/pods/other/x /dev/termination-log rw - ext4 /dev/sda1 rw
"""


@pytest.mark.parametrize(
    ("root", "uid"),
    [
        (f"var/lib/kubelet/pods/{POD}/etc-hosts", POD),
        (f"pods/{POD}/etc-hosts", POD),  # kubelet's directory is a file system of its own
        (f"var/snap/microk8s/common/var/lib/kubelet/pods/{'0' * 32}/etc-hosts", "0" * 32),
        ("var/lib/docker/containers/x/hosts", ""),
        ("pods/../etc-hosts", ""),
    ],
)
def test_a_pod_knows_itself(root: str, uid: str) -> None:
    assert paths.pod_uid(MOUNTS.replace("ROOT", root)) == uid


def test_a_life_is_a_boot_or_a_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    for uid, expected in (("", paths.boot_id()), (POD, POD)):
        monkeypatch.setattr(paths, "pod_uid", lambda _, uid=uid: uid)
        paths.life_id.cache_clear()
        assert paths.life_id() == expected
    paths.life_id.cache_clear()


@pytest.mark.parametrize("name", ["a b", "10:30", "a,b", 'a"b', "$x", "a%b", "a\\b"])
def test_temporary_directories_lie_where_programs_take_their_path(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tmp_path / "plain"
    monkeypatch.setenv("TMPDIR", str(plain))
    assert paths.temporary_parent() == str(plain)
    monkeypatch.setenv("TMPDIR", str(tmp_path / name))
    assert paths.temporary_parent("/var/tmp") == "/var/tmp"
