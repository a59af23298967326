"""What the guest gives up, as a process that has all capabilities of a user namespace."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import jupyter_containers

GUEST_DIR = Path(jupyter_containers.__file__).parent / "guest"
ROOT_OF_A_NAMESPACE = ("unshare", "--user", "--map-root-user")
"""As Charliecloud starts a container's first process: with all of them."""
EVERY = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")

SHOW = """
import json, subprocess, sys
sys.path.insert(0, sys.argv[1])
{before}
import privileges
said = {give_up}
child = subprocess.run(["cat", "/proc/self/status"], stdout=subprocess.PIPE).stdout.decode()
pairs = dict(line.split(":", 1) for line in child.splitlines() if ":" in line)
print(json.dumps([said, {{name: value.strip() for name, value in pairs.items()}}]))
"""


def show(*within: str, before: str = "", give_up: str = "privileges.give_up()"):
    """What it says, and what a program that it starts has then."""
    script = SHOW.format(before=before, give_up=give_up)
    argv = [*within, sys.executable, "-I", "-S", "-c", script, str(GUEST_DIR)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode and within and "unshare" in done.stderr:
        pytest.skip(f"no user namespaces here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    said, fields = json.loads(done.stdout)
    return said, fields, done.stderr


def test_all_of_them_go_for_good() -> None:
    _, had, _ = show(*ROOT_OF_A_NAMESPACE, give_up="''")
    assert int(had["CapEff"], 16) and int(had["CapBnd"], 16)
    said, fields, stderr = show(*ROOT_OF_A_NAMESPACE)
    assert (said, stderr) == ("", "")
    assert {name: int(fields[name], 16) for name in EVERY} == dict.fromkeys(EVERY, 0)
    assert fields["NoNewPrivs"] == "1"


def test_a_python_without_ctypes_says_so() -> None:
    said, fields, stderr = show(*ROOT_OF_A_NAMESPACE, before="sys.modules['ctypes'] = None")
    assert "this Python has no ctypes" in said
    assert f"CapEff {fields['CapEff']}" in said
    assert said in stderr
    assert int(fields["CapEff"], 16)


def test_where_nothing_is_there_nothing_is_done() -> None:
    """In Podman's and Docker's containers: to load ctypes takes longer than the guest's start."""
    without = ("setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")
    script = "(privileges.give_up(), 'ctypes' in sys.modules)"
    said, _, _ = show(*ROOT_OF_A_NAMESPACE, *without, give_up=script)
    assert said == ["", False]


def test_root_that_was_asked_for_keeps_them(short_path: Path) -> None:
    for root, kept in ((True, True), (False, False)):
        place = short_path / str(root)
        place.mkdir()
        script = "cat /proc/self/status >status"
        start: dict[str, Any] = {"argv": ["sh", "-c", script], "cwd": str(place), "root": root}
        start |= {"note": "", "token": "a" * 32, "mounts": [], "port": None}
        start |= {"grace": 0.1, "patience": 0.5}
        (place / "start.json").write_text(json.dumps(start))
        guest = [sys.executable, "-I", "-S", str(GUEST_DIR / "main.py"), str(place)]
        done = subprocess.run(
            [*ROOT_OF_A_NAMESPACE, *guest], capture_output=True, text=True, timeout=30, check=False
        )
        if "unshare" in done.stderr:
            pytest.skip(f"no user namespaces here: {done.stderr}")
        assert (place / "status").exists(), done.stderr
        lines = (place / "status").read_text().splitlines()
        fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        assert (int(fields["CapEff"], 16) != 0) is kept
