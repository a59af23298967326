"""A kernel in a Pod: ours against a bare Pod of the same image and kernel, and what comes through
the tunnel against a kernel whose engine is this machine's."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, cast

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager

from jupyter_containers.engines.kubernetes.engine import Kubernetes
from jupyter_containers.engines.kubernetes.namespace import Namespace
from jupyter_containers.kernels.connection import choosing_itself, use_network
from jupyter_containers.kernels.provisioner import ContainerProvisioner
from jupyter_containers.layout import POD_CONTAINER

from .kernels import Kernels, answered, executed, running, stop
from .report import Row, in_turns

_FIRST_PORT = 20_001
_BYTES = 20_000_000
_PRINTS = f"line = 'x' * 999\nfor _ in range({_BYTES // 1000}): print(line)"
_WRITES = 'printf %s "$JC_CONNECTION" >"$JC_FILE" && exec "$@"'


class Pods:
    """What a start of ours has made, to be made again without us."""

    def __init__(self, kernels: Kernels) -> None:
        self.kernels = kernels
        self._like: dict[str, Any] = {}
        self._argv: tuple[str, ...] = ()
        self._space: Namespace | None = None

    async def prepare(self) -> Namespace:
        """Start one of ours, and remember its Pod."""
        manager, _ = await self.kernels.ours.start()
        provisioner = cast("ContainerProvisioner", manager.provisioner)
        plan = provisioner._plan
        assert plan is not None and plan.files is not None and provisioner.container is not None
        kernel = cast("Kubernetes", plan.engine._engine)._kernels[provisioner.container.id]
        self._like, self._space = kernel.pod, kernel.space
        self._argv = plan.files.kernel_argv
        await stop(manager)
        return kernel.space

    @asynccontextmanager
    async def bare(self) -> AsyncIterator[tuple[AsyncKernelClient, float]]:
        """A client of a kernel alone in a Pod, by TCP, and the seconds until it answered."""
        assert self._space is not None
        manager = AsyncKernelManager(kernel_name="python3")
        said = choosing_itself(manager)
        ports = tuple(range(_FIRST_PORT, _FIRST_PORT + 5))
        names = [name for name in said if name.endswith("_port")]
        said = {key: value for key, value in said.items() if not key.startswith("curve_")}
        manager.curve_publickey = manager.curve_secretkey = None
        connection = json.dumps({**said, **dict(zip(names, ports, strict=True))})
        manifest = _bare(self._like, self._argv, connection)
        begun = time.perf_counter()
        made = await self._space.create_pod(manifest)
        try:
            async with aclosing(self._space.follow(made)) as changes:
                async for now in changes:
                    assert now is not None
                    if address := now.get("status", {}).get("podIP"):
                        break
            use_network(manager, address, ports, "")
            client = await answered(manager)
            yield client, time.perf_counter() - begun
            client.stop_channels()
            manager.context.destroy(linger=0)
        finally:
            await self._space.remove_pod(manifest["metadata"]["name"])
            manager.cleanup_connection_file()


async def rows(kernels: Kernels, image: str, place: Path, runs: int) -> list[Row]:
    """All of them."""
    pods = Pods(kernels)
    space = await pods.prepare()
    async with space.cluster.use():
        found = [await _start(pods, runs), await _round_trips(pods)]
        return [*found, *await _output(pods, image, place, min(runs, 5))]


async def _start(pods: Pods, runs: int) -> Row:
    async def ours() -> float:
        manager, seconds = await pods.kernels.ours.start()
        await stop(manager)
        return seconds

    async def theirs() -> float:
        async with pods.bare() as (_, seconds):
            return seconds

    medians = await in_turns(ours, theirs, runs)
    return Row(
        name="kernel in a Pod",
        aim=1.05,
        ours="start_kernel to kernel_info_reply: Pod, guest, tunnel, kernel",
        theirs="create of a Pod of the same image with the kernel alone in it, its address taken "
        "from a watch, to kernel_info_reply over TCP without encryption",
        ours_s=medians[0],
        theirs_s=medians[1],
        runs=runs,
    )


async def _round_trips(pods: Pods, runs: int = 500) -> Row:
    async with running(pods.kernels.ours) as inside, pods.bare() as (there, _):
        ours = await answered(inside)
        for client in (ours, there) * 20:
            await executed(client)
        medians = await in_turns(lambda: executed(ours), lambda: executed(there), runs)
        ours.stop_channels()
    return Row(
        name="execute 1+1 by the tunnel",
        aim=1.3,
        ours="execute_request of 1+1 to execute_reply and idle, by the tunnel",
        theirs="the same by TCP to a Pod's address, without encryption",
        ours_s=medians[0],
        theirs_s=medians[1],
        runs=runs,
    )


async def _output(pods: Pods, image: str, place: Path, runs: int) -> list[Row]:
    """20 MB of lines."""
    local = Kernels("podman", image, place, runs)
    async with running(local.ours) as manager:
        pods.kernels.use()
        async with running(pods.kernels.ours) as inside, pods.bare() as (there, _):
            here, ours = await answered(manager), await answered(inside)
            by_sockets = await in_turns(lambda: _printed(ours), lambda: _printed(here), runs)
            by_tcp = await in_turns(lambda: _printed(ours), lambda: _printed(there), runs)
            for client in (here, ours):
                client.stop_channels()
    what = "print of 20,000 lines of 1 kB, to idle"
    others = (
        ("local", "from a container of Podman on this machine, by Unix sockets", by_sockets),
        ("TCP", "from a Pod by TCP to its address, without encryption", by_tcp),
    )
    return [
        Row(
            name=f"20 MB of output ({name})",
            aim=2.0,
            ours=f"{what}, from a Pod by the tunnel",
            theirs=f"{what}, {other}",
            ours_s=medians[0],
            theirs_s=medians[1],
            runs=runs,
        )
        for name, other, medians in others
    ]


def _bare(like: dict[str, Any], argv: tuple[str, ...], connection: str) -> dict[str, Any]:
    """The same Pod with nothing but the kernel in it."""
    container = like["spec"]["containers"][0]
    env = {"JC_CONNECTION": connection, "JC_FILE": argv[-1]}
    bare = {
        **{key: container[key] for key in ("image", "workingDir", "resources", "securityContext")},
        "name": POD_CONTAINER,
        "command": ["sh", "-c", _WRITES, "sh", *argv],
        "env": [*container["env"], *({"name": key, "value": env[key]} for key in env)],
        "volumeMounts": [
            one for one in container["volumeMounts"] if not one["mountPath"].startswith("/var/run")
        ],
    }
    kept = ("restartPolicy", "securityContext", "automountServiceAccountToken", "volumes")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"bare-{secrets.token_hex(4)}", "labels": like["metadata"]["labels"]},
        "spec": {**{key: like["spec"][key] for key in kept}, "containers": [bare]},
    }


async def _printed(client: AsyncKernelClient) -> float:
    seen = 0

    def hook(message: dict[str, Any]) -> None:
        nonlocal seen
        if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
            seen += len(message["content"]["text"])

    begun = time.perf_counter()
    await client.execute_interactive(_PRINTS, timeout=120, output_hook=hook)
    seconds = time.perf_counter() - begun
    assert seen == _BYTES, f"{seen} bytes came"
    return seconds
