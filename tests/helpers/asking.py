"""Probing real images on the engine under test, and changing on the way what it is asked to run."""

from __future__ import annotations

import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.engines.base import Engine, Output
from jupyter_containers.engines.registry import _instance
from jupyter_containers.host.paths import cache_directory
from jupyter_containers.images.facts import ImageFacts
from jupyter_containers.images.probe import probe
from jupyter_containers.models import ContainerSpec
from tests.helpers.harness import DAEMONS

Ask = Callable[..., Awaitable[ImageFacts]]


@pytest.fixture(autouse=True)
def forgetful(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is remembered from another test."""
    directory = tmp_path / "cache"
    monkeypatch.setattr("jupyter_containers.host.cache.cache_directory", lambda: directory)
    return directory


@pytest.fixture
def ask(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Probe an image by reference, with an engine of one's own where given."""

    async def ask(reference: str, by: Engine | None = None) -> ImageFacts:
        real = by or _instance(engine)
        image = await real.image(reference)
        assert image is not None, reference
        scratch = tmp_path_factory.mktemp("r")
        facts = await probe(real, image, await real.user("me", (0, 0)), scratch)
        assert list(scratch.iterdir()) == [], "the trial of the transport left something"
        return facts

    return ask


class Through:
    """A real engine, with what it is asked to run changed on the way."""

    def __init__(self, engine: str, change: Callable[[ContainerSpec], ContainerSpec]) -> None:
        self._engine = _instance(engine)
        self._change = change
        self.runs = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def run(self, spec: ContainerSpec, timeout: float) -> Output:
        self.runs += 1
        return await self._engine.run(self._change(spec), timeout)


def probe_containers(engine: str) -> str:
    if engine not in DAEMONS:
        here = cache_directory() / "containers" / engine
        return "".join(path.name for path in here.glob("jupyter-probe*"))
    argv = [engine, "ps", "--all", "--filter", "name=jupyter-probe", "--format", "{{.Names}}"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout
