"""What a container leaves is deleted, whatever it is like; and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_containers.host.reaper.trees import remove_tree, remove_trees
from tests.helpers.namespaces import with_own_mounts


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "home"
    made.mkdir()
    (made / "file").write_text("x")
    (made / "folder/below").mkdir(parents=True)
    (made / "folder/below/file").write_text("x")
    yield made
    # What a failing test leaves is deeper than pytest can remove.
    subprocess.run(["chmod", "-Rf", "u+rwx", str(made)])
    subprocess.run(["rm", "-rf", str(made)], check=True)


def nested(top: Path, deep: int) -> None:
    """Directories in each other, deeper than any path can say."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(deep):
        os.mkdir("a" * 200, dir_fd=here)
        below = os.open("a" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("last", os.O_CREAT, dir_fd=here))
    os.close(here)


def test_a_tree_a_file_and_nothing(tree: Path) -> None:
    assert remove_tree(str(tree / "file")) == []
    assert remove_tree(str(tree)) == []
    assert not tree.exists()
    assert remove_tree(str(tree)) == []


def test_three_thousand_deep(tree: Path) -> None:
    nested(tree / "folder", 3000)
    assert remove_tree(str(tree)) == []
    assert not tree.exists()


def test_modes_that_forbid(tree: Path) -> None:
    nested(tree / "folder/below", 3)
    for path in (*[one for one in tree.rglob("*") if one.is_dir()][::-1], tree):
        path.chmod(0)
    assert remove_tree(str(tree)) == []
    assert not tree.exists()


def test_links_are_deleted_and_not_followed(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    (tree / "folder/out").symlink_to(outside)
    (tree / "out").symlink_to(outside)
    assert remove_tree(str(tree)) == []
    assert (outside / "kept").exists()
    (tmp_path / "link").symlink_to(outside)
    assert remove_tree(str(tmp_path / "link")) == []
    assert (outside / "kept").exists()


@pytest.mark.parametrize("name", [".0", "..a", "a\nb", "ü" * 100, "-rf", "x" * 255])
def test_any_name(name: str, tree: Path) -> None:
    (tree / "folder" / name).mkdir()
    (tree / "folder" / name / name).write_text("x")
    assert remove_tree(str(tree)) == []
    assert not tree.exists()


def test_the_last_of_several_goes_only_after_the_others(tree: Path, mounted: Path) -> None:
    last = tree.parent / "last"
    last.mkdir()
    assert remove_trees([str(tree), str(last)])
    assert last.exists()
    assert remove_trees([str(tree / "nothing"), str(last)]) == []
    assert not last.exists()


@pytest.fixture
def mounted(tree: Path) -> Iterator[Path]:
    place = tree / "folder/mount"
    place.mkdir()
    for number in range(20):
        (tree / f"folder/{number}/full").mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "none", place], capture_output=True).returncode:
        pytest.skip("only root can mount")
    (place / "theirs").write_text("x")
    place.chmod(0o555)
    yield place
    subprocess.run(["umount", place], check=True)


def test_what_cannot_go_keeps_no_other_and_is_told(mounted: Path, tree: Path) -> None:
    said = remove_tree(str(tree))
    assert said
    assert not (tree / "file").exists()
    assert [one.name for one in (tree / "folder").iterdir()] == ["mount"]
    assert (mounted / "theirs").exists()
    assert mounted.stat().st_mode & 0o777 == 0o555


BIND = """
set -e
mount --bind "$1" "$1/home/data"
mount --bind "$1" "$1/home/folder/below"
mount --bind "$1/bound" "$1/bound"
exec "$2" - "$1" <<'END'
import sys
from jupyter_containers.host.reaper.trees import remove_tree
print(remove_tree(sys.argv[1] + "/home"), remove_tree(sys.argv[1] + "/bound"))
END
"""


def test_a_folder_of_the_same_disk_that_is_mounted_there_stays(tree: Path, tmp_path: Path) -> None:
    (tree / "data").mkdir()
    (tmp_path / "bound").mkdir()
    theirs = [tmp_path / "thesis", tmp_path / "bound/thesis"]
    for one in theirs:
        one.write_text("x")
    done = with_own_mounts("sh", "-c", BIND, "sh", str(tmp_path), sys.executable)
    assert not done.stderr
    assert done.stdout.count("it is a mount") == 3
    assert all(one.exists() for one in theirs)
    assert not (tree / "file").exists()
