"""What the policy bars from private networks: kept by the engine, or the start is refused."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from jupyter_containers.engines.apptainer import Apptainer
from jupyter_containers.engines.base import BARS, BARS_RUN, NAMED_NETWORKS
from jupyter_containers.engines.guarded import Guarded
from jupyter_containers.errors import PolicyRefused
from jupyter_containers.models import BuildSpec, Container, ContainerSpec, EngineInfo, Progress
from tests.helpers.policies import policy, spec


class Engine(Apptainer):
    """Says what it can, and remembers what it was given."""

    def __init__(self, *features: str) -> None:
        super().__init__()
        self.can = features
        self.asked = 0
        self.started: list[ContainerSpec] = []
        self.built: list[BuildSpec] = []

    async def info(self) -> EngineInfo:
        self.asked += 1
        return EngineInfo(name=self.name, usable=True, features=frozenset(self.can))

    async def start(self, spec: ContainerSpec) -> Container:
        self.started.append(spec)
        return Container(id="c", name="c", image="i", running=True)

    async def build(self, spec: BuildSpec) -> AsyncGenerator[Progress]:
        self.built.append(spec)
        yield Progress(kind="image")


BUILD = BuildSpec(dockerfile="FROM x\n", tag="localhost/x:1")


async def built(engine: Engine, **traits: Any) -> tuple[BuildSpec, list[str]]:
    said = [event async for event in Guarded(engine, policy(**traits)).build(BUILD)]
    return engine.built[-1], [event.text for event in said if event.kind == "notice"]


async def test_nothing_is_barred_by_default_and_no_engine_is_asked() -> None:
    engine = Engine()
    await Guarded(engine, policy()).start(spec())
    assert await built(engine) == (BUILD, [])
    assert (engine.started[0].barred, engine.asked) == ((), 0)


@pytest.mark.parametrize(
    ("traits", "barred"),
    [
        ({"host_access": False}, ("host",)),
        ({"metadata_access": False}, ("metadata",)),
        ({"host_access": False, "metadata_access": False}, ("host", "metadata")),
    ],
)
async def test_an_engine_that_can_is_told(traits: Any, barred: Any) -> None:
    engine = Engine(BARS, BARS_RUN)
    guarded = Guarded(engine, policy(**traits))
    await guarded.start(spec())
    await guarded.start(spec(network="none"))
    assert [one.barred for one in engine.started] == [barred, ()]
    found, said = await built(engine, **traits)
    assert (found.barred, found.network, said) == (barred, "private", [])


async def test_one_that_cannot_starts_nothing() -> None:
    engine = Engine("network-none")
    guarded = Guarded(engine, policy(metadata_access=False))
    for call in (guarded.start(spec()), guarded.run(spec(), 1), guarded.allowed(spec())):
        with pytest.raises(PolicyRefused, match=r"metadata \(Policy\.metadata_access\)") as raised:
            await call
        assert '"network": "none"' in raised.value.hint
        assert "docker_network" not in raised.value.hint
    assert engine.started == []
    await guarded.start(spec(network="none"))
    with pytest.raises(PolicyRefused) as raised:
        await Guarded(Engine(), policy(host_access=False)).start(spec())
    assert '"network": "none"' not in raised.value.hint  # it has none


async def test_one_that_cannot_builds_without_a_network_and_says_so() -> None:
    found, (said,) = await built(Engine(BARS), host_access=False)
    assert (found.barred, found.network) == ((), "none")
    assert said.startswith("RUN has no network")
    assert "Policy.host_access" in said


async def test_the_administrators_own_network_answers_for_itself() -> None:
    traits = {"host_access": False, "docker_network": "jupyter"}
    engine = Engine(NAMED_NETWORKS)
    await Guarded(engine, policy(**traits)).start(spec())
    assert engine.started[0].network_name == "jupyter"
    with pytest.raises(PolicyRefused) as raised:
        await Guarded(Engine(NAMED_NETWORKS), policy(host_access=False)).start(spec())
    assert "c.Policy.docker_network" in raised.value.hint
    with pytest.raises(PolicyRefused):  # an engine that takes no name of one
        await Guarded(Engine(), policy(**traits)).start(spec())
