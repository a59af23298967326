"""Fixtures of the tests of builds."""

from __future__ import annotations

import asyncio
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_containers.host.paths import cache_directory
from tests.contract.builds.site import Site


@pytest.fixture(autouse=True)
def private_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@pytest.fixture
def word() -> str:
    """Makes a Dockerfile that no other test, and no earlier run, has built."""
    return uuid.uuid4().hex


@pytest.fixture
def site(folder: Path, engine: str, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Site]:
    site = Site(folder, engine)
    yield site
    jp_asyncio_loop.run_until_complete(site.builds.close())
    for name in site.images():
        subprocess.run([engine, "rmi", "-f", name], capture_output=True, check=False)
    assert list((cache_directory() / "contexts").glob("*")) == []
