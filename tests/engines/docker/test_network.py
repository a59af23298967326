"""The network of ours, by Docker's own words: each answer was seen on 20.10.24."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from jupyter_containers.engines.base import ISOLATES, NAMED_NETWORKS
from jupyter_containers.engines.docker import network
from jupyter_containers.engines.docker.engine import Docker
from jupyter_containers.engines.docker.info import engine_info
from jupyter_containers.errors import EngineDown, EngineFailed, StartFailed
from jupyter_containers.host.process import Completed
from jupyter_containers.models import EngineInfo
from tests.helpers.policies import spec

INFO = EngineInfo(name="docker", endpoint="docker:IAZN:2OXO:/var/lib/docker", usable=True)
OURS = {
    "Name": "jupyter-containers",
    "Id": "a7582fcfaf25",
    "Driver": "bridge",
    "Internal": False,
    "Containers": {},
    "Options": {
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.bridge.name": "jc-0123456789",
    },
    "Labels": {"jupyter-containers": "network"},
}
NOT_THERE = (1, "[]", "Error response from daemon: network jupyter-containers not found")
SAME_BRIDGE = (
    "Error response from daemon: cannot create network f89d (jc-0123456789): conflicts with "
    "network a758 (jc-0123456789): networks have same bridge name"
)
FULL = (
    "Error response from daemon: could not find an available, non-overlapping IPv4 address pool "
    "among the defaults to assign to the network"
)


class Daemon:
    """Answers as told, in order; what was asked is in `asked`."""

    def __init__(self, *answers: tuple[int, str, str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def run(self, argv) -> Completed:
        await asyncio.sleep(0)
        self.asked.append(" ".join(argv[:2]))
        code, stdout, stderr = self.answers.pop(0)
        return Completed(tuple(argv), code, stdout, stderr)


def there(**changes: Any) -> tuple[int, str, str]:
    return 0, json.dumps([OURS | changes]), ""


async def test_is_made_by_the_first_and_asked_for_once() -> None:
    daemon = Daemon(NOT_THERE, (0, "a7582fcfaf25\n", ""))
    own = network.OwnNetwork(daemon.run)
    for _ in range(3):
        assert await own.id(INFO) == "a7582fcfaf25"
    assert daemon.asked == ["network inspect", "network create"]
    daemon.answers = [there()]
    own.forget()
    assert await own.id(INFO) == "a7582fcfaf25"


@pytest.mark.parametrize(
    "said", [SAME_BRIDGE, "Error: network with name jupyter-containers already exists"]
)
async def test_one_who_comes_second_takes_the_firsts(said: str) -> None:
    daemon = Daemon(NOT_THERE, (1, "", said), there())
    assert await network.OwnNetwork(daemon.run).id(INFO) == "a7582fcfaf25"


@pytest.mark.parametrize(
    "changes",
    [
        {"Labels": {}},
        {"Options": {}},
        {"Options": {"com.docker.network.bridge.enable_icc": "true"}},
        {"Internal": True},
        {"Labels": ["jupyter-containers"]},
        {"Labels": "network"},
        {"Options": "x"},
    ],
)
async def test_a_network_of_that_name_that_is_not_ours_is_not_used(changes: Any) -> None:
    with pytest.raises(StartFailed, match="not ours") as raised:
        await network.OwnNetwork(Daemon(there(**changes)).run).id(INFO)
    assert "docker network rm jupyter-containers" in raised.value.hint


async def test_an_answer_that_is_no_id_is_none() -> None:
    warned = (0, "WARNING: x\nabc\n", "")
    own = network.OwnNetwork(Daemon(NOT_THERE, warned, there()).run)
    assert await own.id(INFO) == "a7582fcfaf25"
    for id in (["x"], "--privileged"):
        daemon = Daemon(there(Id=id), warned, there(Id=id))
        with pytest.raises(StartFailed, match="does not have it"):
            await network.OwnNetwork(daemon.run).id(INFO)


async def test_no_room_for_one_more_says_what_to_remove() -> None:
    with pytest.raises(StartFailed, match="non-overlapping") as raised:
        await network.OwnNetwork(Daemon(NOT_THERE, (1, "", FULL)).run).id(INFO)
    assert "docker network prune" in raised.value.hint
    assert '"network": "none"' in raised.value.hint


async def test_a_daemon_that_is_down_is_no_missing_network() -> None:
    down = (
        1,
        "",
        "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?",
    )
    for answers in ([down], [NOT_THERE, down]):
        with pytest.raises(EngineDown):
            await network.OwnNetwork(Daemon(*answers).run).id(INFO)
    with pytest.raises(EngineFailed, match="on fire"):
        await network.OwnNetwork(Daemon((1, "", "the disk is on fire")).run).id(INFO)


async def test_what_nobody_is_on_can_be_removed() -> None:
    busy = OURS | {"Id": "b", "Containers": {"c": {}}}
    daemon = Daemon((0, "a7582fcfaf25\nb\n", ""), (0, json.dumps([OURS, busy]), ""))
    assert await network.OwnNetwork(daemon.run).unused() == ["a7582fcfaf25"]
    assert await network.OwnNetwork(Daemon((1, "", "no")).run).unused() == []


def test_two_daemons_of_a_machine_have_bridges_of_their_own() -> None:
    argv = network.create_argv("docker:A:/a")
    assert argv == network.create_argv("docker:A:/a") != network.create_argv("docker:B:/b")
    assert "--opt=com.docker.network.bridge.enable_icc=false" in argv
    assert "--label=jupyter-containers=network" in argv
    bridge = next(one.rpartition("=")[2] for one in argv if "bridge.name" in one)
    assert len(bridge) <= 15  # IFNAMSIZ


def test_a_bridge_that_the_administrator_routes_is_used_as_it_is() -> None:
    masquerade = "com.docker.network.bridge.enable_ip_masquerade"
    assert network.routed_by_hand([{"Options": {masquerade: "false"}}])
    assert not network.routed_by_hand([{"Options": {masquerade: "true"}}])
    assert not network.routed_by_hand([{"Options": None}])
    assert not network.routed_by_hand([{"Options": ["x"]}])
    assert not network.routed_by_hand([])
    said = {"ServerVersion": "28.5.2"}
    plain, by_hand = engine_info("docker", said), engine_info("docker", said, routed_by_hand=True)
    assert {ISOLATES, NAMED_NETWORKS} <= plain.features
    assert ISOLATES not in by_hand.features
    assert network.TOGETHER in by_hand.problems
    assert network.HOST in plain.problems
    assert network.TOGETHER not in plain.problems


def test_arguments() -> None:
    docker = Docker()
    argv = docker.run_argv(spec(network_name="a758"), detach=True)
    options = argv[: argv.index(spec().image)]
    for option in (
        *("--cap-drop=ALL", "--security-opt=no-new-privileges", "--cgroupns=private"),
        *("--ipc=private", "--log-driver=json-file", "--log-opt=max-size=5000000"),
        *("--log-opt=max-file=2", "--network=a758"),
    ):
        assert option in options
    none = docker.run_argv(spec(network="none", network_name="a758"), detach=True)
    assert [one for one in none if "network" in one] == ["--network=none"]
    assert [one for one in docker.run_argv(spec(), detach=True) if "network" in one] == []
