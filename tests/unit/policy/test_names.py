"""What is mounted a second time is the same, whatever it is called: real mounts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.helpers.namespaces import with_own_mounts
from tests.helpers.private_home import private_home

MOUNTS = """
base=$1 home=$1/home
mount --bind "$base" "$base"
mount --bind "$home" "$base/alias"
mount -t tmpfs none "$base/later/.ssh"
mount --bind "$home" "$base/later"
exec "$2" -c "$3" "$base"
"""
INSIDE = """
import json, sys
from pathlib import Path
from jupyter_containers.errors import PolicyRefused
from jupyter_containers.host.mount_sources import tell_writable
from jupyter_containers.host.paths import runtime_directory
from jupyter_containers.models import Mount
from jupyter_containers.policy.folders import is_shared
from tests.helpers.policies import policy, spec

base, said = sys.argv[1], {}
run_dir = runtime_directory() / "00000001"
run_dir.mkdir()
tell_writable(run_dir, [f"{base}/alias/nb"])
names = ("home/.local", "alias/.local", "later/.ssh", "home/nb/data", "alias/nb/data")
for name in (*names, "home/apart"):
    try:
        mounts = (Mount(f"{base}/{name}", "/m", True),)
        said[name] = [one.exposed for one in policy().check_run(spec(mounts=mounts)).sources][0]
    except PolicyRefused as refused:
        said[name] = refused.message
sys.prefix = f"{base}/home/project/.venv"
said["project"] = is_shared(Path(base, "alias/project"))
print(json.dumps(said))
"""


def test_links_and_writable_folders_by_another_name(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = private_home(short_path, monkeypatch)
    for name in ("home/.ssh", "home/.local/share", "home/nb/data", "home/apart", "home/project"):
        (short_path / name).mkdir(parents=True)
    for name in ("alias", "later/.ssh", "scratch"):
        (short_path / name).mkdir(parents=True)
    (home / ".local/share/jupyter").symlink_to(short_path / "scratch")
    (home / "project/.venv").symlink_to(short_path / "scratch")
    done = with_own_mounts("sh", "-ec", MOUNTS, "sh", str(short_path), sys.executable, INSIDE)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (
        "is a link to keys" in said["home/.local"] and "is a link to keys" in said["alias/.local"]
    )
    assert "keys, tokens" in said["later/.ssh"]
    assert said["home/nb/data"] is said["alias/nb/data"] is True
    assert said["home/apart"] is False
    assert said["project"] == "the Python that Jupyter runs on is a link in it (.venv)"
