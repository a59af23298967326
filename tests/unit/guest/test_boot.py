"""What a kernel finds on its path. By another Python, as in a container."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_containers.layout import GUEST_DIR

PRINTS = "import sys\nsys.exit('\\n'.join(sys.path))"
"""In the place of ipykernel: standard error has the path that a kernel would begin with."""


def path_of(tmp_path: Path, home: Path, *, writable: bool) -> list[str]:
    """The path of a kernel on a Python whose directory for packages is `writable`."""
    (tmp_path / "ipykernel").mkdir(exist_ok=True)
    (tmp_path / "ipykernel/__init__.py").write_text(PRINTS)
    # Root may write everywhere: os.access answers in its place.
    (tmp_path / "usercustomize.py").write_text(
        f"import os, site\nsite.ENABLE_USER_SITE = True\nos.access = lambda *_: {writable}\n"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "HOME": str(home), "PYTHONUSERBASE": ""}
    code = (
        "import usercustomize, sys, runpy; sys.argv = sys.argv[1:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    argv = [sys.executable, "-c", code, str(GUEST_DIR / "boot.py"), "-", "connection.json"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True)
    return done.stderr.splitlines()


def test_what_pip_installs_below_home_is_found(tmp_path: Path) -> None:
    """pip makes that directory after Python has looked for it."""
    home = tmp_path / "home"
    home.mkdir()
    folder = home / f".local/lib/python3.{sys.version_info[1]}/site-packages"
    path = path_of(tmp_path, home, writable=False)
    assert str(folder) in path and folder.is_dir()
    of_all = [one for one in path if one.endswith("site-packages") and one != str(folder)]
    assert of_all and path.index(str(folder)) < path.index(of_all[0])


def test_no_directory_is_made_where_pip_installs_for_all(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert not [one for one in path_of(tmp_path, home, writable=True) if "home" in one]
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("safe", ["", "1"])
@pytest.mark.parametrize("linked", [False, True])
def test_our_files_are_not_on_the_path(safe: str, linked: bool, tmp_path: Path) -> None:
    """Also where /opt is a link, as in images that ostree made: Python follows it, we do not."""
    (tmp_path / "opt").symlink_to(GUEST_DIR.parent)
    (tmp_path / "ipykernel").mkdir()
    (tmp_path / "ipykernel/__init__.py").write_text(PRINTS)
    guest = tmp_path / "opt/guest" if linked else GUEST_DIR
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": safe}
    argv = [sys.executable, str(guest / "boot.py"), "-", "connection.json"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True)
    path = done.stderr.splitlines()
    assert path[0] == str(tmp_path)
    assert os.path.realpath(GUEST_DIR) not in map(os.path.realpath, path)
