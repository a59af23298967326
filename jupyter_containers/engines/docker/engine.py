"""Docker, by its command line (20.10 and newer, rootful or rootless).

`docker run`'s grammar is also podman's, so `podman/engine.py` inherits from here and changes what
differs. Arguments are pure functions of a spec: `run_argv` is compared as text in tests.
"""

from __future__ import annotations

import asyncio
import re
import signal as signals
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from ...errors import EngineDown, EngineFailed
from ...host.process import Completed, Waiting, run
from ...models import (
    BuilderFaults,
    BuildSpec,
    ChangedPath,
    Container,
    ContainerSpec,
    Ended,
    EngineInfo,
    Image,
    Layer,
    Progress,
    Stats,
    User,
)
from ...text import as_int, as_text, one_line, printable
from ..base import ISOLATES
from ..common import versions
from ..common.errors import container_trouble, daemon_trouble
from ..common.info_cache import InfoCache
from ..common.mounts import held, with_parts
from ..common.run_argv import PACKAGE_MANAGER_CAPABILITIES, env_file, limits
from . import buildkit, inspect, network, transfer
from .descriptors import NO_DESCRIPTORS, NO_VOLUME, can_mount, files_apart, option
from .info import engine_info, is_recursive, user_inside

LOG_BYTES = 5_000_000
"""Of a container's log, at which the engine begins it anew."""


class Docker:
    """Talks to the daemon that `docker` talks to (DOCKER_HOST, the current context)."""

    name = "docker"
    program = "docker"

    _recursive = False
    """Whether what is mounted `readonly` is so with all that is mounted below it, for certain."""
    _by_descriptor = True
    """Whether the daemon mounts from descriptors of this process, as far as is known."""

    def __init__(self) -> None:
        self._info = InfoCache(self.name, self._ask_info)
        self._listed = inspect.Listing()
        self._own_network = network.OwnNetwork(self._run)

    # -- what it says of itself ------------------------------------------------------------

    async def info(self) -> EngineInfo:
        """See `Engine.info`; remembered for a minute where the engine was usable."""
        return await self._info.get()

    async def _ask_info(self) -> EngineInfo:
        done, bridge = await asyncio.gather(
            self._run(["info", "--format", "{{json .}}"], timeout=20),
            self._run(["network", "inspect", "bridge"], timeout=20),
        )
        said = inspect.parse_object(done.stdout)
        if not as_text(said.get("ServerVersion")):
            raise daemon_trouble(self.name, done.stderr or str(said.get("ServerErrors", "")))
        self._recursive = is_recursive(said)
        by_hand = network.routed_by_hand(inspect.parse_array(bridge.stdout))
        return engine_info(self.name, said, routed_by_hand=by_hand)

    async def user(self, mode: Literal["me", "root", "image"], image_ids: tuple[int, int]) -> User:
        """See `Engine.user`. Rootless Docker maps its root to the person; rootful nobody."""
        return user_inside(await self.info(), mode, image_ids)

    # -- images ----------------------------------------------------------------------------

    async def images(self) -> list[Image]:
        """See `Engine.images`."""
        return await self._listed.images(self._checked, self._run)

    async def image(self, reference: str) -> Image | None:
        """See `Engine.image`."""
        done = await self._run(["image", "inspect", reference])
        if done.code == 0:
            if not (said := inspect.images(inspect.parse_array(done.stdout))):
                raise self._nonsense(done, "describes no image")
            return await self._whole(said[0])
        if re.search(r"no such image|image not known|not found", done.stderr, re.IGNORECASE):
            return None
        raise daemon_trouble(self.name, done.stderr, "image inspect")

    async def all_here(self, references: Sequence[str]) -> list[Image] | None:
        """See `Engine.all_here`."""
        done = await self._run(["image", "inspect", *references])
        said = inspect.images(inspect.parse_array(done.stdout))
        if done.code != 0 or len(said) != len(references):
            return None
        return [await self._whole(one) for one in said]

    async def _whole(self, said: dict[str, Any]) -> Image:
        return inspect.image(said)

    def pull(self, reference: str) -> AsyncGenerator[Progress]:
        """See `Engine.pull`."""
        return transfer.pull((self.program,), None, reference, self.image)

    def build(self, spec: BuildSpec) -> AsyncGenerator[Progress]:
        """See `Engine.build`."""
        return buildkit.build((self.program,), None, spec, self.image)

    async def builder_faults(self) -> BuilderFaults:
        """See `ProbedBuilder.builder_faults`. It takes a race to see them: by the version, though
        distributions mend old ones. https://github.com/moby/moby/releases/tag/v25.0.2"""
        old = not versions.at_least((await self.info()).version, 25, 0, 2)
        return BuilderFaults(caches=old, tried=False)

    def save(self, reference: str, archive: Path) -> AsyncGenerator[Progress]:
        """See `Engine.save`."""
        return transfer.save(self.program, reference, archive, self.image)

    def load(self, archive: Path, image: Image) -> AsyncGenerator[Progress]:
        """See `Engine.load`."""
        return transfer.load(self.program, archive, image, self.image)

    async def layers(self, reference: str) -> list[Layer]:
        """See `Engine.layers`."""
        return await inspect.layers(self.name, reference, self._run)

    async def remove_image(self, reference: str) -> None:
        """See `Engine.remove_image`."""
        await self._checked(["image", "rm", reference])

    # -- containers ------------------------------------------------------------------------

    def run_argv(
        self, spec: ContainerSpec, *, detach: bool, descriptors: Mapping[str, int] = NO_DESCRIPTORS
    ) -> list[str]:
        """The command for a spec, pure. The environment comes on standard input (`env_file`),
        so that no value is ever seen in a process list. Mounts whose targets have `descriptors`
        are made from these."""
        first = "--detach" if detach else "--rm"
        return [self.program, "run", first, *self._rest_of_argv(spec, descriptors)]

    def _rest_of_argv(self, spec: ContainerSpec, descriptors: Mapping[str, int]) -> list[str]:
        options = [
            f"--name={spec.name}",
            "--pull=never",
            "--env-file=/dev/stdin",
            f"--workdir={spec.workdir}",
            "--no-healthcheck",
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            "--cgroupns=private",
            "--ipc=private",
            *self._log_argv(),
            *self._user_argv(spec.user),
            *(f"--label={key}={value}" for key, value in sorted(spec.labels.items())),
            *(option(mount, descriptors) for mount in spec.own + spec.mounts),
            *(f"--tmpfs={target}" for target in spec.tmpfs),
            *self._limits_argv(spec),
            *self._network_argv(spec),
            *self._devices_argv(spec.devices),
        ]
        if spec.hostname:
            options.append(f"--hostname={spec.hostname}")
        if spec.read_only:
            options += ["--read-only", "--tmpfs=/tmp", "--tmpfs=/var/tmp"]
        if spec.init:
            options.append("--init")
        command = list(spec.argv)
        if spec.entrypoint == "none":
            options.append(f"--entrypoint={command.pop(0)}")
        return [*options, spec.image, *command]

    def _user_argv(self, user: User) -> list[str]:
        caps = PACKAGE_MANAGER_CAPABILITIES if user.mode == "root" else ()
        return [f"--user={user.uid}:{user.gid}", *(f"--cap-add={c}" for c in caps)]

    def _limits_argv(self, spec: ContainerSpec) -> list[str]:
        shm = [] if spec.shm is None else [f"--shm-size={spec.shm}"]
        return limits(spec) + shm

    def _log_argv(self) -> list[str]:
        """The driver is named because others know no size: a kernel wrote 1 GB in a second."""
        return ["--log-driver=json-file", f"--log-opt=max-size={LOG_BYTES}", "--log-opt=max-file=2"]

    def _network_argv(self, spec: ContainerSpec) -> list[str]:
        if spec.network == "none":
            return ["--network=none"]
        named = [f"--network={spec.network_name}"] if spec.network_name else []
        return named + [
            f"--publish=127.0.0.1:{host or ''}:{inside}/tcp" for host, inside in spec.publish
        ]

    async def _on_network(self, spec: ContainerSpec) -> ContainerSpec:
        """With the name of its network, where that is ours. Asks the daemon once."""
        info = await self.info()
        if spec.network_name or spec.network == "none" or ISOLATES not in info.features:
            return spec
        return replace(spec, network_name=await self._own_network.id(info))

    def _devices_argv(self, devices: Sequence[str]) -> list[str]:
        return [f"--device={device}" for device in devices]

    async def run(self, spec: ContainerSpec, timeout: float) -> Completed:
        """See `Engine.run`."""
        try:
            return await run(
                self.run_argv(spec, detach=False), input=env_file(spec.env), timeout=timeout
            )
        except BaseException:
            await self.remove(spec.name)
            raise

    async def start(self, spec: ContainerSpec) -> Container:
        """See `Engine.start`."""
        spec = await asyncio.to_thread(
            with_parts, spec, recursive=self._recursive, seen_by=self._mounter()
        )
        try:
            # Podman's conmon keeps the directory it is started in, and puts a file `oom` there
            # when memory runs out (src/oom.c): not into the person's folder.
            with held(spec) as exposed, tempfile.TemporaryDirectory() as nowhere:
                id = await self._launch(spec, exposed, nowhere)
        except BaseException:
            await self._discard(spec.name)
            raise
        return Container(
            id=id,
            name=spec.name,
            image=spec.image,
            running=True,
            labels=spec.labels,
        )

    def _mounter(self) -> int | None:
        """A process with the mounts that the engine has, where these are not this process's."""
        return None

    async def _launch(
        self, spec: ContainerSpec, exposed: Mapping[str, int], nowhere: str, *, again: bool = True
    ) -> str:
        """Start it in the directory `nowhere`; its id. Sources that could be swapped are `exposed`,
        held open: they are mounted by descriptor where the daemon can do that."""
        by = exposed if self._by_descriptor else NO_DESCRIPTORS
        connected = await self._on_network(spec)
        async with files_apart(self.name, connected, by) as (mounted, rest):
            argv = self.run_argv(mounted, detach=True, descriptors=rest)
            done = await run(argv, input=env_file(spec.env), timeout=120, cwd=nowhere)
        if done.code == 0:
            if (id := inspect.printed_id(done.stdout)) is None:
                raise self._nonsense(done, "names no container")
            return id
        no_volume = by and NO_VOLUME in done.stderr and not await can_mount(spec, self._run)
        pruned = network.gone(done) and not spec.network_name  # by somebody, meanwhile
        if again and (no_volume or pruned):
            self._by_descriptor = self._by_descriptor and not no_volume
            self._own_network.forget()
            await self._discard(spec.name)
            return await self._launch(spec, exposed, nowhere, again=False)
        raise container_trouble(self.name, spec, done)

    async def poll(self, id: str) -> int | None:
        """See `Engine.poll`. A container that is gone has ended, killed by somebody else."""
        state = await self._state(id)
        if state is None:
            return -signals.SIGKILL
        return None if state.get("Running") else inspect.code(state)

    async def ended(self, id: str) -> Ended | None:
        """See `Engine.ended`."""
        state = await self._state(id)
        if state is None or state.get("Running"):
            return None
        return Ended(code=inspect.code(state), out_of_memory=bool(state.get("OOMKilled")))

    async def _state(self, id: str) -> dict[str, Any] | None:
        argv = ["container", "inspect", "--format", "{{json .State}}", id]
        done = await self._run(argv)
        if done.code == 0:
            return inspect.parse_object(done.stdout)
        if re.search(r"no such|no container", done.stderr, re.IGNORECASE):
            return None
        raise daemon_trouble(self.name, done.stderr, "container inspect")

    async def pid(self, id: str) -> int | None:
        """See `Engine.pid`."""
        state = await self._state(id) or {}
        return as_int(state.get("Pid")) or None

    def watch(self, id: str) -> Waiting:
        """See `Engine.watch`."""
        return Waiting([self.program, "wait", id])

    async def logs(self, id: str, tail: int) -> str:
        """See `Engine.logs`; empty for a container that is gone."""
        done = await self._run(["logs", f"--tail={tail}", id])
        # A line may have no end, and the last of it says more than the first.
        return printable((done.stdout + done.stderr)[-20_000:], 20_000) if done.code == 0 else ""

    async def signal(self, id: str, signum: int) -> None:
        """See `Engine.signal`."""
        await self._checked(["kill", f"--signal={signum}", id])

    async def ports(self, id: str) -> dict[int, int]:
        """See `Engine.ports`."""
        done = await self._checked(["port", id])
        lines = re.findall(r"^(\d+)/tcp -> 127\.0\.0\.1:(\d+)$", done.stdout, re.MULTILINE)
        return {int(inside): int(host) for inside, host in lines if len(inside + host) <= 10}

    async def remove(self, id: str) -> None:
        """See `Engine.remove`."""
        await remove(self.name, self._rm(id))

    async def _discard(self, name: str) -> None:
        """Remove what a start that failed may have left."""
        await self.remove(name)

    def _rm(self, id: str) -> Sequence[str]:
        return [self.program, "rm", "--force", "--volumes", id]

    def remove_argv(self, id: str) -> Sequence[str]:
        """See `Engine.remove_argv`."""
        return self._rm(id)

    def by_hand(self, image: str) -> str:
        """See `Engine.by_hand`."""
        return f"{self.program} run --rm -it --entrypoint /bin/sh {image}"

    async def containers(self, label: str) -> list[Container]:
        """See `Engine.containers`."""
        argv = ["ps", "--all", "--quiet", "--no-trunc", f"--filter=label={label}"]
        said = (await self._checked(argv)).stdout.split()
        ids = [id for id in said if inspect.printed_id(id)]
        if not ids:
            return []
        done = await self._run(["container", "inspect", *ids])
        found = [inspect.container(one) for one in inspect.parse_array(done.stdout)]
        return [one for one in found if inspect.printed_id(one.id)]

    async def changes(self, id: str) -> list[ChangedPath]:
        """See `base.HasChanges`."""
        return inspect.changes((await self._checked(["diff", id])).stdout)

    async def unused_networks(self) -> list[str]:
        """See `base.HasNetworks`."""
        return await self._own_network.unused()

    async def remove_network(self, id: str) -> None:
        """See `base.HasNetworks`."""
        self._own_network.forget()
        await self._checked(["network", "rm", id])

    async def stats(self, id: str) -> Stats | None:
        """See `Engine.stats`."""
        return await inspect.stats(self.name, id, self._run)

    async def _run(self, argv: Sequence[str], timeout: float = 60.0) -> Completed:
        return await run([self.program, *argv], timeout=timeout)

    def _nonsense(self, done: Completed, what: str) -> EngineFailed:
        """It ended well, and said what no engine of that name says."""
        printed = one_line(done.stdout or done.stderr, 200) or "nothing"
        hint = f"See what answers to that name: type -a {self.program}"
        return EngineFailed(done.argv, done.code, f"its answer {what}: {printed}", hint)

    async def _checked(self, argv: Sequence[str]) -> Completed:
        done = await self._run(argv)
        if done.code != 0:
            trouble = daemon_trouble(self.name, done.stderr, argv[0])
            if isinstance(trouble, EngineDown):
                raise trouble
            raise EngineFailed(done.argv, done.code, printable(done.stderr))
        return done


_GONE = re.compile(r"no such|no container|already in progress", re.IGNORECASE)


async def remove(engine: str, argv: Sequence[str]) -> None:
    """Run docker's or podman's command until the container is gone."""
    for pause in (0.1, 0.5, None):
        done = await run(argv, timeout=60)
        if done.code == 0 or _GONE.search(done.stderr):
            return
        trouble = daemon_trouble(engine, done.stderr, "rm")
        if pause is None or isinstance(trouble, EngineDown):
            raise trouble
        # One that is ending cannot be removed at that moment.
        await asyncio.sleep(pause)
