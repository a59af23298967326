"""What a shell holds and makes read-only around a process engine, in a real mount namespace."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from jupyter_containers.engines.apptainer import Apptainer
from jupyter_containers.engines.charliecloud.engine import Charliecloud
from jupyter_containers.engines.enroot.engine import Enroot
from jupyter_containers.engines.process_engine import hold
from jupyter_containers.engines.process_engine.base import ProcessEngine
from jupyter_containers.engines.process_engine.containers import StateDir
from jupyter_containers.engines.process_engine.image_store import Stored
from jupyter_containers.errors import MountReplaced
from jupyter_containers.models import ContainerSpec, Image, Mount
from tests.engines.common.test_mounts import source
from tests.helpers.policies import spec

NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")


@pytest.fixture
def state_dir(tmp_path: Path) -> StateDir:
    (tmp_path / "it's state").mkdir()
    return StateDir(tmp_path / "it's state")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "nb/my data").mkdir(parents=True)
    (tmp_path / "nb/my data/canary").write_text("fine")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/canary").write_text("SECRET")
    return tmp_path / "nb/my data"


def asked(path: Path, *, writable: bool = False, exposed: bool = True) -> ContainerSpec:
    mount = Mount(str(path), "/data", writable)
    return spec(mounts=(mount,), sources=(source(path, "/data", exposed=exposed),))


def run(state_dir: StateDir, then: str, before: str = ":") -> subprocess.CompletedProcess[str]:
    """What an engine's script does: source ours, and go on. `before` is what is mounted already,
    by whom the namespace of the script belongs to."""
    inner = '. "$0"; ' + then
    script = f"set -e; {before}; exec unshare --user --map-root-user --mount sh -c '{inner}' \"$0\""
    argv = [*NAMESPACE, script, hold.script(state_dir)]
    return subprocess.run(argv, capture_output=True, text=True)


def place(state_dir: StateDir, asked: ContainerSpec) -> str:
    found = hold.held(asked.mounts[0], state_dir)
    assert found is not None
    return Path(found).relative_to(state_dir.path).as_posix()


def test_nothing_is_held_where_nothing_needs_it(state_dir: StateDir, data: Path) -> None:
    for writable in (True, False):
        hold.write(asked(data, writable=writable, exposed=False), state_dir)
    hold.write(spec(mounts=(Mount(str(data), "/data"),)), state_dir)
    assert hold.script(state_dir) == ""
    assert hold.held(Mount(str(data), "/data"), state_dir) is None
    assert list(state_dir.path.iterdir()) == []


def test_read_only_and_writable(state_dir: StateDir, data: Path) -> None:
    for writable in (True, False):
        one = asked(data, writable=writable)
        if not writable:
            (state_dir.path / "held").rename(state_dir.path / "before")
        hold.write(one, state_dir)
        held = place(state_dir, one)
        done = run(state_dir, f"cat {held}/canary; touch {held}/new")
        assert done.stdout == "fine", done.stderr
        assert (data / "new").exists() or not writable
        assert ("Read-only file system" in done.stderr) is not writable
        (data / "new").unlink(missing_ok=True)


def test_a_file(state_dir: StateDir, data: Path) -> None:
    one = asked(data / "canary")
    hold.write(one, state_dir)
    held = place(state_dir, one)
    done = run(state_dir, f"cat {held}; echo x >{held}")
    assert done.stdout == "fine"
    assert "Read-only file system" in done.stderr
    (data / "canary").unlink()
    (data / "canary").symlink_to(data.parents[1] / "secret/canary")
    done = run(state_dir, f"cat {held}")
    assert (done.returncode, done.stdout) == (125, "")
    assert isinstance(hold.trouble(done.stderr), MountReplaced)


@pytest.mark.parametrize("above", [False, True])
def test_what_was_swapped_is_not_bound(state_dir: StateDir, data: Path, above: bool) -> None:
    one = asked(data)
    hold.write(one, state_dir)
    secret = data.parents[1] / "secret"
    if above:
        (secret / data.name).mkdir()
        data.parent.rename(data.parents[1] / "was")
        data.parent.symlink_to(secret)
    else:
        data.rename(data.parent / "was")
        data.symlink_to(secret)
    done = run(state_dir, f"cat {place(state_dir, one)}/canary")
    assert (done.returncode, done.stdout) == (125, "")
    trouble = hold.trouble("starting\n" + done.stderr)
    assert trouble is not None
    assert "mounted at /data is not the one that was allowed" in trouble.message
    assert str(secret) in trouble.message


def test_a_source_that_is_gone(state_dir: StateDir, data: Path) -> None:
    one = asked(data)
    hold.write(one, state_dir)
    data.rename(data.parent / "was")
    done = run(state_dir, "echo went on")
    assert (done.returncode, done.stdout) == (125, "")
    assert hold.trouble(done.stderr) is not None


def test_read_only_is_all_that_is_below(
    state_dir: StateDir, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mounted in a namespace above, so locked: neither to be left away, nor to lose its flags."""
    monkeypatch.setattr(hold, "submounts", lambda path: [f"{path}/su b"])
    (data / "su b").mkdir()
    (data / "plain").mkdir()
    one = asked(data, exposed=False)
    hold.write(one, state_dir)
    held = place(state_dir, one)
    below = f'"{data}/su b"'
    mount = f"mount -t tmpfs -o nosuid,nodev,noexec none {below}; mkdir {below}/inner; "
    mount += f"mount -t tmpfs none {below}/inner; mount -t tmpfs none {below}/inner"
    looks = f'touch "{held}/su b/x"; touch "{held}/su b/inner/x"; touch "{held}/plain/x"'
    done = run(state_dir, f"{looks}; grep -c noexec /proc/self/mountinfo", before=mount)
    assert done.stderr.count("Read-only file system") == 3, done.stderr
    assert int(done.stdout) >= 2


def test_read_only_is_what_has_a_name_that_is_no_text(
    state_dir: StateDir, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setattr(hold, "submounts", lambda path: [path])
    below = data / os.fsdecode(b"B\xf6rse")
    below.mkdir()
    one = asked(data, exposed=False)
    hold.write(one, state_dir)
    look = f'cd "{place(state_dir, one)}"/B*; echo "$LC_ALL"; touch x'
    done = run(state_dir, look, before=f'mount -t tmpfs none "{below}"')
    assert "Read-only file system" in done.stderr
    assert done.stdout == "C.UTF-8\n"  # the engine's, and the container's, stays


def test_a_container_cannot_make_up_where_it_was_led() -> None:
    assert hold.trouble("jupyter-containers: nothing of this\n") is None
    assert hold.trouble("said jupyter-containers: swapped: /data\nx") is None


STORED = Stored(Image(id="sha256:" + "0" * 64), Path("/images/0"))


@pytest.mark.parametrize("kind", [Apptainer, Charliecloud, Enroot])
def test_engines_mount_what_is_held(
    kind: type[ProcessEngine], tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    engine = kind()
    assert engine.holds
    tree = tmp_path / "image/tree"
    tree.mkdir(parents=True)
    for exposed in (False, True):
        state_dir = StateDir(tmp_path / f"state{exposed}")
        state_dir.path.mkdir()
        one = asked(data, exposed=exposed)
        hold.write(one, state_dir)
        stored = Stored(STORED.image, tree.parent)
        engine.write_files(one, stored, state_dir)
        argv = engine.command(one, stored, state_dir).argv
        files = [state_dir.path / name for name in ("table", "conf")]  # Charliecloud's, enroot's
        told = [*argv, *(path.read_text() for path in files if path.exists())]
        text = "\n".join(told)
        assert (str(data) in text.replace("\\040", " ")) is not exposed
        assert ((hold.held(one.mounts[0], state_dir) or "nothing") in text) is exposed
        assert any(word == "unshare" for word in argv) or not exposed


def test_a_source_that_is_gone_by_now_is_named(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    engine = Charliecloud()
    (tmp_path / "image/tree").mkdir(parents=True)
    stored = Stored(STORED.image, tmp_path / "image")
    monkeypatch.setattr(engine.store, "find", lambda _: stored)
    one = asked(data, exposed=False)
    data.rename(data.with_name("elsewhere"))
    with pytest.raises(MountReplaced, match="mounted at /data is not the one that was allowed"):
        engine._prepared(one)
