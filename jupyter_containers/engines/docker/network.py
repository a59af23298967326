"""The network of ours in a Docker daemon: containers on it do not reach each other.

On Docker's default bridge every container reaches every other one. A daemon has room for about 30
networks, so there is one for all of ours. It is made by the first start that needs it, found again
by its name, and removed by `prune` once nothing is on it. Nobody's firewall is touched: that it
keeps containers apart is Docker's own rule, `enable_icc`.
https://docs.docker.com/engine/network/drivers/bridge/
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ...errors import EngineDown, StartFailed
from ...host.process import Completed
from ...layout import LABEL
from ...models import EngineInfo, Problem
from ...text import as_dict, as_text, one_line
from ..common.errors import daemon_trouble
from . import inspect

NAME = LABEL
_ICC = "com.docker.network.bridge.enable_icc"
_BRIDGE = "com.docker.network.bridge.name"
_MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"

HOST = Problem(
    "With a private network, containers reach what listens on this machine, and everybody on this "
    "machine reaches what a container listens on, at its address.",
    'For neither: "network": "none" in the notebook\'s settings, or Podman.',
)
TOGETHER = Problem(
    "Containers with a private network reach each other: this daemon leaves its bridge to the "
    "administrator (--ip-masq=false), so it is used as it is.",
    'For none: "network": "none" in the notebook\'s settings; or name a network of your own: '
    "c.Policy.docker_network",
)

Run = Callable[[Sequence[str]], Awaitable[Completed]]
_GONE = re.compile(r"network \S+ not found|no such network", re.IGNORECASE)
_TAKEN = re.compile(r"already exists|same bridge name", re.IGNORECASE)
_FULL = re.compile(r"non-overlapping IPv4 address pool|fully subnetted", re.IGNORECASE)


def routed_by_hand(default: Sequence[dict[str, Any]]) -> bool:
    """Whether the administrator routes for the default bridge, by its `network inspect`: a network
    that we made would lead nowhere."""
    options = as_dict(default[0].get("Options")) if default else {}
    return options.get(_MASQUERADE) == "false"


def create_argv(daemon: str) -> list[str]:
    """The command, pure. Two that come at once make one: a bridge's name is its daemon's once
    (20.10 would make several networks of one name). Another daemon of this machine has another."""
    bridge = f"jc-{hashlib.sha256(daemon.encode()).hexdigest()[:10]}"
    return [
        *("network", "create", "--driver=bridge", f"--label={LABEL}=network"),
        *(f"--opt={_ICC}=false", f"--opt={_BRIDGE}={bridge}", NAME),
    ]


def gone(done: Completed) -> bool:
    """Whether a container did not start because its network was removed."""
    return done.code != 0 and _GONE.search(done.stderr) is not None


class OwnNetwork:
    """Of one daemon, for the life of this process."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._id = ""

    async def id(self, info: EngineInfo) -> str:
        """Its id; made where it is not there. Raises StartFailed, EngineError."""
        if not self._id:
            self._id = await self._find() or await self._create(info) or await self._find()
        if not self._id:
            raise StartFailed(f"Docker made the network {NAME} and does not have it.")
        return self._id

    def forget(self) -> None:
        """It was removed: the next `id` looks again."""
        self._id = ""

    async def _find(self) -> str:
        done = await self._run(["network", "inspect", NAME])
        found = inspect.parse_array(done.stdout)
        if not found:
            if done.code == 0 or _GONE.search(done.stderr):
                return ""
            raise daemon_trouble("docker", done.stderr, "network inspect")
        said = found[0]
        labels, options = as_dict(said.get("Labels")), as_dict(said.get("Options"))
        if labels.get(LABEL) != "network" or options.get(_ICC) != "false" or said.get("Internal"):
            raise StartFailed(
                f"Docker has a network {NAME} that is not ours: its containers may reach each "
                "other, or nothing.",
                f"Remove it; ours is made then: docker network rm {NAME}",
            )
        return inspect.printed_id(as_text(said.get("Id"))) or ""

    async def _create(self, info: EngineInfo) -> str:
        done = await self._run(create_argv(info.endpoint))
        if done.code == 0:
            return inspect.printed_id(done.stdout) or ""  # else `id` looks for it
        if _TAKEN.search(done.stderr):  # another process was faster
            return ""
        trouble = daemon_trouble("docker", done.stderr, "network create")
        if isinstance(trouble, EngineDown):
            raise trouble
        hint = 'Or set "network": "none" in the notebook\'s settings.'
        if _FULL.search(done.stderr):
            hint = f"Remove networks that nobody uses: docker network prune. {hint}"
        raise StartFailed(
            "Docker could not make the network that keeps containers from each other: "
            f"{one_line(done.stderr, 400)}",
            hint,
        )

    async def unused(self) -> list[str]:
        """The ids of those that no container is on."""
        listed = await self._run(
            ["network", "ls", "--quiet", "--no-trunc", f"--filter=label={LABEL}=network"]
        )
        if listed.code or not (ids := listed.stdout.split()):
            return []
        done = await self._run(["network", "inspect", *ids])
        found = inspect.parse_array(done.stdout)
        return [id for one in found if (id := as_text(one.get("Id"))) and not one.get("Containers")]
