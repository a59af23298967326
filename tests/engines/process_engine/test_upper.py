"""What an overlay's upper directory says, as the kernel and fuse-overlayfs write it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from jupyter_containers.engines.process_engine.upper import changes


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    upper, tree = tmp_path / "upper", tmp_path / "tree"
    for folder in (upper / "etc", tree / "etc", upper / "new" / "deep", upper / "link"):
        folder.mkdir(parents=True)
    (tree / "etc" / "issue").write_text("old")
    (upper / "etc" / "issue").write_text("changed")
    (upper / "etc" / "made").write_text("x")
    (upper / "new" / "deep" / "file").write_text("12345")
    (tree / "link").symlink_to("/etc")
    (upper / "link" / "passwd").write_text("x")
    return upper


def rows(upper: Path, tree: Path | None) -> dict[str, tuple[str, int | None]]:
    return {one.path: (one.kind, one.size) for one in changes(upper, tree)}


def test_added_and_changed(upper, tmp_path):
    found = rows(upper, tmp_path / "tree")
    assert found == {
        "/etc": ("changed", None),
        "/etc/issue": ("changed", 7),
        "/etc/made": ("added", 1),
        "/new": ("added", None),
        "/new/deep": ("added", None),
        "/new/deep/file": ("added", 5),
        "/link": ("changed", None),
        "/link/passwd": ("added", 1),  # the image has a link there, which is not followed
    }
    assert set(rows(upper, None).values()) == {("added", n) for n in (None, 1, 5, 7)}


def test_removed(upper, tmp_path):
    """By a device, and by a name where none can be made."""
    (upper / ".wh.home").touch()
    (upper / "etc" / ".wh..wh..opq").touch()
    expected = {"/home": ("removed", None)}
    try:
        os.mknod(upper / "srv", stat.S_IFCHR | 0o600, os.makedev(0, 0))
        expected["/srv"] = ("removed", None)
    except PermissionError:
        pass  # of ordinary users only a kernel before 5.8
    found = rows(upper, tmp_path / "tree")
    assert {path: kind for path, kind in found.items() if kind[0] == "removed"} == expected
    assert not [path for path in found if ".wh." in path]


def test_no_link_is_followed_and_what_is_closed_counts_nothing(upper, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").touch()
    (upper / "out").symlink_to(tmp_path / "outside")
    (upper / "closed").mkdir(mode=0)
    found = rows(upper, tmp_path / "tree")
    assert found["/out"] == ("added", None)
    assert not [path for path in found if "secret" in path]
    assert found["/closed"] == ("added", None)
