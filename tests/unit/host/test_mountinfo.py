"""What is mounted below a folder, by the kernel's own table."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jupyter_containers.host.mountinfo import mount_points, submounts
from tests.helpers import ROOT
from tests.helpers.namespaces import with_own_mounts


def line(point: str, options: str = "rw") -> str:
    return f"36 35 98:0 / {point} {options},relatime master:1 - ext4 /dev/root rw,errors=continue"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "mountinfo"


def test_below_a_folder_and_nowhere_else(tmp_path: Path, table: Path) -> None:
    for name in ("data/a/b", "data/with space", "data/back\\slash", "database"):
        (tmp_path / name).mkdir(parents=True)
    points = ["/", "data", "data/a/b", "data/a", "data/a", "database", "data/gone"]
    lines = [line(str(tmp_path / point)) for point in points]
    lines.append(line(f"{tmp_path}/data/with\\040space"))
    lines.append(line(f"{tmp_path}/data/back\\134slash"))
    table.write_text("\n".join(lines) + "\n")
    below = [f"{tmp_path}/data/{name}" for name in ("a", "a/b", "back\\slash", "with space")]
    assert submounts(f"{tmp_path}/data", table) == below
    assert submounts(f"{tmp_path}/data/a", table) == [f"{tmp_path}/data/a/b"]
    assert submounts(f"{tmp_path}/data/a/b", table) == []


def test_ten_thousand_lines(tmp_path: Path, table: Path) -> None:
    (tmp_path / "data/sub").mkdir(parents=True)
    many = [line(f"/var/lib/docker/overlay2/{number:064x}/merged") for number in range(10_000)]
    many[5000] = line(f"{tmp_path}/data/sub")
    table.write_text("\n".join(many))
    assert submounts(f"{tmp_path}/data", table) == [f"{tmp_path}/data/sub"]
    assert len(list(mount_points(table))) == 10_000
    all_below = [line(f"{tmp_path}/data/sub/{number}") for number in range(10_000)]
    table.write_text("\n".join(all_below))
    assert submounts(f"{tmp_path}/data", table) == []  # none of them is there


def test_lines_that_are_none(tmp_path: Path, table: Path) -> None:
    table.write_bytes(
        b"\n \nnothing\n1 2 3 4\n\xff\xfe \xff x x /\\999 rw\n36 35 98:0 / /\\777 rw\n"
    )
    assert list(mount_points(table)) == ["/\\999", "/\\777"]
    assert submounts(str(tmp_path), table) == []


INSIDE = """
import sys
from jupyter_containers.engines.process_engine.image_store import on_network
from jupyter_containers.host.mountinfo import mount_points, submounts
from jupyter_containers.host.reaper import podman_build

folder = sys.argv[1]
found = [f"{folder}/a\\rb", f"{folder}/a\\x85b", f"{folder}/plain"]
assert submounts(folder) == found, submounts(folder)
assert set(found) <= set(mount_points())
assert len(podman_build._mounts(folder)) == 3
assert on_network(folder) is False
"""


def test_names_that_hold_the_end_of_a_line(tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in ("a\rb", "a\x85b", "plain")]
    for name in names:
        Path(name).mkdir()
    mount = 'set -e; for one in "$1" "$2" "$3"; do mount -t tmpfs none "$one"; done; shift 3; "$@"'
    python = [sys.executable, "-c", INSIDE, str(tmp_path)]
    done = with_own_mounts("sh", "-c", mount, "", *names, *python, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


def test_this_machines_own() -> None:
    points = list(mount_points())
    assert "/" in points and "/proc" in points
    assert "/proc" in submounts("/")
