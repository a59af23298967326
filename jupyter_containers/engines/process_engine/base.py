"""What apptainer, charliecloud, enroot and shifter have in common: a container is a process of
ours (`containers.py`), and an image is a directory of ours (`image_store.py`).

A subclass says which command runs a spec (`command`, pure), and how an image comes to be.
"""

from __future__ import annotations

import asyncio
import os
import signal as signals
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...errors import (
    ContainersError,
    EngineFailed,
    ImageNotHere,
    MountReplaced,
    StartFailed,
    Unsupported,
)
from ...host.paths import cache_directory
from ...host.process import Completed, Environment, run
from ...models import (
    BuildSpec,
    ChangedPath,
    Container,
    ContainerSpec,
    Ended,
    EngineInfo,
    Image,
    Layer,
    Problem,
    Progress,
    Stats,
    User,
)
from ...text import printable
from ..common.errors import trouble_of_ours
from ..common.info_cache import InfoCache
from . import containers, hold, upper
from .containers import ProcessContainers, ProcessWatch, StateDir, wait_for_init
from .image_store import TREE, Store, Stored, on_network

_UP_SECONDS = 20.0
"""How long an engine may take to start what it was told to; after that the guest is waited for."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """What runs a container: `argv`, and what its environment is besides this process's own."""

    argv: tuple[str, ...]
    env: Environment


class ProcessEngine(ABC):
    """See `base.Engine`."""

    name: str
    starters: tuple[str, ...]
    """Names of the engine's own processes (comm, 15 characters at most)."""
    holds = False
    """Whether `command` runs the script of `hold.py` first, in a mount namespace, and takes what is
    held from there. Where it does not, only the guest compares what was mounted."""

    upper = "upper"
    """Where in a container's own directory an overlay keeps what it writes, if it is there."""

    def __init__(self) -> None:
        self.store = Store(self.name)
        self.process_containers = ProcessContainers(self.name, self.starters)
        self._info = InfoCache(self.name, self.ask_info)

    # -- what a subclass says ----------------------------------------------------------------

    @property
    @abstractmethod
    def program(self) -> str:
        """See `Engine.program`."""

    @abstractmethod
    def shell(self, stored: Stored) -> str:
        """What a person types for a shell in an image."""

    @abstractmethod
    async def ask_info(self) -> EngineInfo:
        """See `Engine.info`; may raise EngineError."""

    @abstractmethod
    def command(self, spec: ContainerSpec, stored: Stored, state_dir: StateDir) -> Command:
        """The command for a spec. Pure: compared as text in tests, placed by Slurm."""

    @abstractmethod
    def write_files(self, spec: ContainerSpec, stored: Stored, state_dir: StateDir) -> None:
        """Make what `command` names in a container's own directory."""

    @abstractmethod
    def trouble(self, done: Completed) -> ContainersError:
        """Why a container did not start, by the engine's words in `done.stderr`."""

    @abstractmethod
    def ran_nothing(self, done: Completed) -> int | None:
        """126 or 127 where the engine could not run the program, 125 where it failed itself;
        None where the code is the program's own."""

    @abstractmethod
    def load(self, archive: Path, image: Image) -> AsyncGenerator[Progress]:
        """See `Engine.load`."""

    @abstractmethod
    def pull(self, reference: str) -> AsyncGenerator[Progress]:
        """See `Engine.pull`."""

    # -- what it says of itself ----------------------------------------------------------------

    def described(
        self, version: str, features: Collection[str], problems: Sequence[Problem], *, usable: bool
    ) -> EngineInfo:
        """What `ask_info` found. Whoever has this store has these containers and images."""
        return EngineInfo(
            name=self.name,
            version=version,
            usable=usable,
            rootless=True,
            features=frozenset(features),
            problems=tuple(problems),
            endpoint=f"{self.name}:{os.getuid()}:{self.store.root}",
        )

    async def info(self) -> EngineInfo:
        """See `Engine.info`; remembered for a minute where the engine was usable."""
        return await self._info.get()

    async def user(self, mode: Literal["me", "root", "image"], image_ids: tuple[int, int]) -> User:
        """Nobody's ids but the person's are to be had inside; one of them may look like root."""
        uid, gid = os.getuid(), os.getgid()
        inside = (uid, gid)
        if mode == "root":
            if "root" not in (await self.info()).features:
                raise Unsupported(
                    f"{self.name} gives no root in a container.",
                    "Put what needs it into the Dockerfile.",
                )
            inside = (0, 0)
        elif mode == "image" and image_ids[0] != uid:
            raise Unsupported(
                f"{self.name} runs everything as you, not as the image's user {image_ids[0]}.",
                "Use the user `me`.",
            )
        return User(mode=mode, uid=inside[0], gid=inside[1], host_uid=uid, host_gid=gid)

    # -- images ----------------------------------------------------------------------------

    async def images(self) -> list[Image]:
        """See `Engine.images`."""
        found = await asyncio.to_thread(self.store.all)
        return [one.image for one in found if one.image.references]

    async def image(self, reference: str) -> Image | None:
        """See `Engine.image`."""
        stored = await asyncio.to_thread(self.store.find, reference)
        return stored.image if stored is not None else None

    async def all_here(self, references: Sequence[str]) -> list[Image] | None:
        """See `Engine.all_here`."""
        found = [one for name in references if (one := await self.image(name)) is not None]
        return found if len(found) == len(references) else None

    async def remove_image(self, reference: str) -> None:
        """See `Engine.remove_image`."""
        stored = await asyncio.to_thread(self.store.find, reference)
        if stored is None:
            raise ImageNotHere(reference, self.name)
        if user := await asyncio.to_thread(self.process_containers.uses, stored.image.id):
            raise EngineFailed(
                (self.name, "rm", reference), 1, f"the container {user} runs this image"
            )
        await asyncio.to_thread(self.store.remove, reference)

    async def layers(self, reference: str) -> list[Layer]:
        """None are kept: the image is one tree. Raises ImageNotHere."""
        if await self.image(reference) is None:
            raise ImageNotHere(reference, self.name)
        return []

    def build(self, spec: BuildSpec) -> AsyncGenerator[Progress]:  # noqa: ARG002
        """See `Engine.build`; `builds` lets another engine build, and converts."""
        raise Unsupported(
            f"{self.name} cannot build from a Dockerfile.", "Podman, Docker or ch-image can."
        )

    def save(self, reference: str, archive: Path) -> AsyncGenerator[Progress]:  # noqa: ARG002
        """See `Engine.save`."""
        raise Unsupported(
            f"{self.name} cannot write an image that other engines read.",
            "Convert from the engine that built or pulled it.",
        )

    # -- containers ------------------------------------------------------------------------

    async def run(self, spec: ContainerSpec, timeout: float) -> Completed:
        """See `Engine.run`."""
        _, command = await self.process_containers.create(spec, self._made)
        try:
            done = await run(command.argv, env=command.env, timeout=timeout, cwd="/")
        finally:
            await asyncio.to_thread(self.process_containers.remove, spec.name)
        code = self.ran_nothing(done)
        return done if code is None else Completed(done.argv, code, done.stdout, done.stderr)

    async def start(self, spec: ContainerSpec) -> Container:
        """See `Engine.start`."""
        state_dir, command = await self.process_containers.create(spec, self._made)
        try:
            self.process_containers.start(spec, state_dir, list(command.argv), command.env)
            for pause in wait_for_init(self.process_containers, spec.name, _UP_SECONDS):
                await asyncio.sleep(pause)
            if (code := self.process_containers.poll(spec.name)) is not None:
                said = self.process_containers.tail(spec.name, 40)
                done = Completed(command.argv, code, "", said)
                if (trouble := self.not_started(spec, done)) is not None:
                    raise trouble
        except BaseException:
            await asyncio.to_thread(self.process_containers.remove, spec.name)
            raise
        name = spec.name
        return Container(id=name, name=name, image=spec.image, running=True, labels=spec.labels)

    def not_started(self, spec: ContainerSpec, done: Completed) -> ContainersError | None:
        """Why a container did not start; None where its program has run."""
        if (swapped := hold.trouble(done.stderr)) is not None:
            return swapped
        if self.ran_nothing(done) is None:
            return None
        return trouble_of_ours(self.name, spec, done) or self.trouble(done)

    async def prepare(self, spec: ContainerSpec) -> tuple[Stored, StateDir]:
        """Image and directory of a container. Raises ImageNotHere, StartFailed."""
        return await self.process_containers.create(spec, self._prepared)

    def _prepared(self, spec: ContainerSpec) -> tuple[Stored, StateDir]:
        if (stored := self.store.find(spec.image)) is None:
            raise ImageNotHere(spec.reference or spec.image, self.name)
        try:
            state_dir = self.process_containers.make(spec)
            if self.holds:
                hold.write(spec, state_dir)
            self.write_files(spec, stored, state_dir)
        except OSError as error:
            for mount in (*spec.own, *spec.mounts):
                if error.filename == mount.source:  # it was there when it was judged
                    raise MountReplaced(mount.target) from None
            raise StartFailed(
                f"The container's directory cannot be made: {error}.",
                "Free some disk space, or set XDG_CACHE_HOME to a directory that is yours.",
            ) from None
        return stored, state_dir

    def _made(self, spec: ContainerSpec) -> tuple[StateDir, Command]:
        stored, state_dir = self._prepared(spec)
        return state_dir, self.command(spec, stored, state_dir)

    async def poll(self, id: str) -> int | None:
        """See `Engine.poll`. Costs nothing."""
        return self.process_containers.poll(id)

    async def pid(self, id: str) -> int | None:
        """See `Engine.pid`."""
        return self.process_containers.init_pid(id)

    def watch(self, id: str) -> ProcessWatch:
        """See `Engine.watch`."""
        return self.process_containers.watch(id)

    async def ended(self, id: str) -> Ended | None:
        """See `Engine.ended`. Nobody but the guest knows of memory here."""
        if not self.process_containers.state_dir(id).path.exists():
            return None
        code = self.process_containers.poll(id)
        return Ended(code=code) if code is not None else None

    async def logs(self, id: str, tail: int) -> str:
        """See `Engine.logs`."""
        text = await asyncio.to_thread(self.process_containers.tail, id, tail)
        return printable(text, 20_000)

    async def signal(self, id: str, signum: int) -> None:
        """See `Engine.signal`."""
        if (pid := self.process_containers.init_pid(id)) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signals.Signals(signum))

    async def ports(self, id: str) -> dict[int, int]:  # noqa: ARG002
        """See `Engine.ports`: nothing is ever published."""
        return {}

    async def remove(self, id: str) -> None:
        """See `Engine.remove`."""
        await asyncio.to_thread(self.process_containers.remove, id)

    def remove_argv(self, id: str) -> Sequence[str]:
        """See `Engine.remove_argv`."""
        return self.process_containers.remove_argv(id)

    def by_hand(self, image: str) -> str:
        """See `Engine.by_hand`."""
        stored = self.store.find(image)
        return self.shell(stored) if stored is not None else f"jupyter containers pull {image}"

    async def containers(self, label: str) -> list[Container]:
        """See `Engine.containers`."""
        key, _, value = label.partition("=")
        found = await asyncio.to_thread(lambda: list(self.process_containers.all()))
        return [one for one in found if key in one.labels and value in ("", one.labels[key])]

    async def changes(self, id: str) -> list[ChangedPath]:
        """See `base.HasChanges`. Raises Unsupported where the engine keeps it in memory, or lets
        nothing be written."""
        return await asyncio.to_thread(self._changes, id)

    def _changes(self, id: str) -> list[ChangedPath]:
        state_dir = self.process_containers.state_dir(id)
        stored = self.store.find(str(state_dir.record().get("image")))
        over, tree = state_dir.path / self.upper, stored and stored.directory / TREE
        if on_network(cache_directory()) or not over.is_dir() or not tree or not tree.is_dir():
            raise Unsupported(
                f"Here {self.name} does not tell what a container has changed: its files are not "
                "kept as directories of this machine.",
            )
        return upper.changes(over, tree)

    async def stats(self, id: str) -> Stats | None:
        """See `Engine.stats`."""
        pid = self.process_containers.init_pid(id)
        return await containers.usage_of(pid) if pid is not None else None
