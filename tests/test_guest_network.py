"""A guest whose owner is on another machine, as a plain process: what becomes of the connection
when the network fails. In jobs: tests/kernels/test_jobs.py."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import jupyter_containers
from jupyter_containers.certificates import _ARGV, certificate_of
from jupyter_containers.guestclient import GuestClient

MAIN = Path(jupyter_containers.__file__).parent / "guest" / "main.py"
TOKEN = "a" * 32


def wait_for(condition: Callable[[], object], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, str]]:
    """Its process, its port and its certificate; its kernel sleeps."""
    pem = subprocess.run(_ARGV, capture_output=True, text=True, check=True).stdout
    settings = {"argv": ["sleep", "60"], "cwd": "/", "note": "", "token": TOKEN, "pem": pem}
    settings |= {"grace": 5.0, "patience": 20, "mounts": [], "port": None}
    (tmp_path / "start.json").write_text(json.dumps(settings))
    (tmp_path / "port").touch()
    process = subprocess.Popen([sys.executable, "-I", "-S", str(MAIN), str(tmp_path)])
    wait_for((tmp_path / "port").read_text)
    yield process, int((tmp_path / "port").read_text()), certificate_of(pem)
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    process.wait(5)


def test_both_ends_notice_a_machine_that_is_gone(
    guest: tuple[subprocess.Popen[bytes], int, str],
) -> None:
    _, port, certificate = guest
    client = GuestClient(("127.0.0.1", port), TOKEN, certificate)
    wait_for(client.try_connect)
    which = f"sport = :{port} or dport = :{port}"
    argv = ["ss", "--tcp", "--numeric", "--options", "--no-header", "state", "established", which]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(told) == 2
    assert all("timer:(keepalive," in line for line in told), told
    client.close()
