"""A mount's source on a file system that never answers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT

INSIDE = """
import ctypes, os, sys, threading
from pathlib import Path
from jupyter_containers.errors import BadSettings
from jupyter_containers.policy.policy import Policy
from jupyter_containers.settings import schema

schema._PATIENCE = 0.5
fuse = os.open("/dev/fuse", os.O_RDWR)  # and nobody ever reads what it is asked
options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode()
here = Path(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"fuse", os.fsencode(here / "remote"), b"fuse", 0, options):
    sys.exit(f"no FUSE here: {os.strerror(ctypes.get_errno())}")

def look(source):
    asked = {"version": 1, "image": "x", "mounts": [{"source": source, "target": "/a"}]}
    settings = schema.Settings.parse(asked, where="")
    try:
        return settings.resolved(here, Policy()).mounts[0].source
    except BadSettings as error:
        return error.message

said = [look("remote/data") for _ in range(3)]
assert all("'remote/data' does not answer" in one for one in said), said
assert threading.active_count() == 2, threading.enumerate()
assert look("local") == str(here / "local")
os.close(fuse)  # what hangs gets an error now
next(iter(schema._looks.values()))[1].exception(10)
assert "does not answer" not in look("remote/data")
assert not schema._looks
"""


@pytest.mark.skipif(not os.access("/dev/fuse", os.W_OK), reason="no FUSE here")
def test_one_that_never_answers_is_told_and_keeps_one_thread(tmp_path: Path) -> None:
    (tmp_path / "remote").mkdir()
    namespaces = ("unshare", "--user", "--map-root-user", "--mount")
    done = subprocess.run(
        [*namespaces, sys.executable, "-c", INSIDE, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if "unshare" in done.stderr or "no FUSE here" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert (done.returncode, done.stderr) == (0, "")
