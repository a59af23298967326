"""Commands in a mount namespace of their own, where an ordinary user may mount."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

OWN_MOUNTS = ("unshare", "--user", "--map-root-user", "--mount")


def with_own_mounts(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What a command that mounts printed, and its exit status."""
    done = subprocess.run([*OWN_MOUNTS, *command], cwd=cwd, capture_output=True, text=True)
    if done.returncode and "unshare:" in done.stderr:
        no_namespaces(done.stderr.strip())
    return done


def no_namespaces(why: str) -> NoReturn:
    """Skip a test; in CI, which has them, fail."""
    if os.environ.get("JC_REQUIRE_ENGINES") == "1":
        pytest.fail(f"no namespaces here: {why}")
    pytest.skip(f"no namespaces here: {why}")
