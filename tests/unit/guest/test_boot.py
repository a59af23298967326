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
