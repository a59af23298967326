"""A home, Jupyter directories and a runtime directory that belong to one test."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jupyter_core.paths
import pytest

from jupyter_containers.host import paths
from jupyter_containers.policy import loader


def private_home(base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point this process to directories below `base`; returns the home."""
    home = base / "home"
    home.mkdir()
    runtime = base / "run"
    runtime.mkdir(mode=0o700)
    for name in ("JUPYTER_CONFIG_PATH", "JUPYTER_PATH", "DOCKER_HOST", "CONTAINER_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name, path in {
        "HOME": home,
        "XDG_RUNTIME_DIR": runtime,
        "XDG_CACHE_HOME": home / ".cache",
        "JUPYTER_CONFIG_DIR": home / ".jupyter",
        "JUPYTER_DATA_DIR": home / ".local/share/jupyter",
        "JUPYTER_RUNTIME_DIR": home / ".local/share/jupyter/runtime",
    }.items():
        monkeypatch.setenv(name, str(path))
    monkeypatch.setattr(loader, "SYSTEM", (str(base / "system_config_path"),))
    for name in ("SYSTEM_CONFIG_PATH", "ENV_CONFIG_PATH"):
        monkeypatch.setattr(jupyter_core.paths, name, [str(base / name.lower())])
    return home


@contextmanager
def private_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Our runtime directory, below a path as short as users have it."""
    short = Path(f"/tmp/jct{os.getpid()}-{len(tmp_path.name)}")
    short.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    monkeypatch.setattr(paths, "_is_shifter_here", lambda _: False)
    try:
        yield paths.runtime_directory()
    finally:
        subprocess.run(["rm", "-r", str(short)], check=True)
