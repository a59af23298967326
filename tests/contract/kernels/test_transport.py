"""How a container reaches us where sockets, or even directories, do not cross."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_containers.engines.registry import _instance
from jupyter_containers.images.probe import choose, probe
from jupyter_containers.models import ContainerSpec
from tests.helpers.asking import Ask, Through, ask, forgetful

__all__ = ["ask", "forgetful"]


async def test_sockets_that_do_not_cross(ask: Ask, engine: str, image: str) -> None:
    def cut(spec: ContainerSpec) -> ContainerSpec:
        for mount in spec.own:
            (Path(mount.source) / "s").unlink()
        return spec

    facts = await ask(image, Through(engine, cut))
    assert facts.transport == "tcp"
    assert "does not reach the other side" in facts.transport_reason
    # Remembered until this machine starts anew.
    forbidden = Through(engine, lambda _: pytest.fail("asked again"))
    assert (await ask(image, forbidden)).transport == "tcp"


async def test_directories_that_do_not_cross(
    ask: Ask, engine: str, image: str, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()

    def another_machine(spec: ContainerSpec) -> ContainerSpec:
        own = tuple(replace(mount, source=str(tmp_path / "elsewhere")) for mount in spec.own)
        return replace(spec, own=own)

    assert (await ask(image, Through(engine, another_machine))).transport == "none"


async def test_mounts_that_fail(ask: Ask, engine: str, image: str) -> None:
    def gone(spec: ContainerSpec) -> ContainerSpec:
        return replace(spec, own=tuple(replace(m, source="/nowhere/at/all") for m in spec.own))

    facts = await ask(image, Through(engine, gone))
    assert facts.transport == "none"
    assert "/nowhere/at/all" in facts.transport_reason
    assert choose(facts).interpreter is not None


async def test_a_path_too_long_for_a_socket(engine: str, image: str, tmp_path: Path) -> None:
    real = _instance(engine)
    found = await real.image(image)
    assert found is not None
    scratch = tmp_path / ("x" * 100)
    scratch.mkdir()
    facts = await probe(real, found, await real.user("me", (0, 0)), scratch)
    assert facts.transport == "tcp"
    assert "path too long" in facts.transport_reason
