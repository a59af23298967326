"""Fixtures of the contract: an engine by itself, and tags that a test made."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_containers.engines.base import Engine
from jupyter_containers.engines.docker.engine import Docker
from jupyter_containers.engines.podman.engine import Podman


@pytest.fixture
def program(engine: str) -> Engine:
    return Podman() if engine == "podman" else Docker()


@pytest.fixture
def tag(engine: str) -> Iterator[str]:
    name = f"localhost/jc-test-build:{uuid.uuid4().hex[:12]}"
    yield name
    subprocess.run([engine, "rmi", "-f", name], capture_output=True, check=False)


@pytest.fixture
def private_temporary_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a build leaves there is ours, whatever else runs on this machine."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
