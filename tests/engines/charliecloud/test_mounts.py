"""What the shell around a Charliecloud container mounts, in a real mount namespace."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from jupyter_containers.engines.charliecloud.mounts import SCRIPT, table, write_files
from jupyter_containers.engines.process_engine.rootfs import complete
from jupyter_containers.models import ContainerSpec, Mount, User

ME = User(mode="me", uid=os.getuid(), gid=os.getgid(), host_uid=os.getuid(), host_gid=os.getgid())


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder that another container writes, with one in it that is mounted within it again."""
    (tmp_path / "sha red/data").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "sha red/data/canary").write_text("fine")
    return tmp_path / "sha red"


def spec(shared: Path, target: str) -> ContainerSpec:
    mounts = (Mount(str(shared), "/mnt/0", True), Mount(str(shared / "data"), target))
    return ContainerSpec(name="n", image="i", argv=(), user=ME, mounts=mounts)


def run(state_dir: Path, text: str) -> subprocess.CompletedProcess[str]:
    """The script with the binds of its table: no overlay or devpts is needed to see where."""
    binds = [line for line in text.splitlines() if " none " in line and "/dev" not in line]
    (state_dir / "table").write_text("\n".join([*binds, ""]))
    outside = ["unshare", "--user", "--map-root-user", "--mount"]
    argv = [*outside, "sh", "-c", SCRIPT, "sh", str(state_dir), "", "", "", "cat"]
    return subprocess.run(
        [*argv, f"{state_dir}/root/mnt/0/in/canary"], capture_output=True, text=True
    )


def test_a_mount_within_what_others_write_stays_in_the_container(
    shared: Path, tmp_path: Path
) -> None:
    tree, state_dir = tmp_path / "tree", tmp_path / "the state"
    tree.mkdir()
    state_dir.mkdir()
    (tree / "mnt/0").mkdir(parents=True)
    complete(tree)
    one = spec(shared, "/mnt/0/in")
    write_files(one, tree, state_dir, {}, overlay=False)
    text = (state_dir / "table").read_text()
    done = run(state_dir, text)
    assert (done.returncode, done.stdout) == (0, "fine"), done.stderr
    (shared / "in").rmdir()
    (shared / "in").symlink_to(tmp_path / "outside")
    done = run(state_dir, text)
    assert (done.returncode, done.stdout) == (125, "")
    assert "led out of the container" in done.stderr


def test_nothing_is_run_by_name_after_what_others_may_lead_elsewhere(
    shared: Path, tmp_path: Path
) -> None:
    """`mount` runs mount.TYPE of what is no bind, where one is installed."""
    (tmp_path / "root").mkdir()
    one = spec(shared, "/data")
    points = [(mount, Path(mount.target)) for mount in one.mounts]
    lines = table(one, tmp_path, points, overlay=True).splitlines()  # type: ignore[arg-type]
    kinds = [line.split()[2] for line in lines]
    assert {"overlay", "devpts", "tmpfs"} < set(kinds)
    assert set(kinds[-len(points) :]) == {"none"}


def test_nothing_is_looked_for_where_no_mount_is_within_another(
    shared: Path, tmp_path: Path
) -> None:
    tree, state_dir = tmp_path / "tree", tmp_path / "state"
    for path in (tree, state_dir, tree / "mnt", tree / "mnt/0", tree / "data"):
        path.mkdir()
    complete(tree)
    write_files(spec(shared, "/data"), tree, state_dir, {}, overlay=False)
    assert not (state_dir / "nested").exists()
