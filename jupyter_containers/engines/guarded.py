"""An engine behind the policy. Everything above this package holds one of these, never an engine,
so nobody else contains an `if allowed`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from weakref import WeakKeyDictionary

from ..errors import BaseUnknown, MountReplaced, PolicyRefused, StartFailed, Unsupported
from ..models import (
    Barred,
    BuilderFaults,
    BuildSpec,
    ChangedPath,
    Container,
    ContainerSpec,
    Ended,
    EngineInfo,
    Image,
    Layer,
    Mount,
    Progress,
    Stats,
    User,
    refuse_unquotable,
)
from .base import (
    BARS,
    BARS_RUN,
    NAMED_NETWORKS,
    DiagnosedEngine,
    Engine,
    FromRegistry,
    HasChanges,
    HasNetworks,
    Output,
    PickyEngine,
    ProbedBuilder,
    ScheduledEngine,
    TunnelingEngine,
    Watch,
)
from .image_cache import ImageCache
from .placement import Placement

if TYPE_CHECKING:
    from ..policy.policy import Policy


_BARRED = {
    "host": ("what listens on this machine", "host_access"),
    "metadata": ("a cloud's metadata", "metadata_access"),
}

_ANSWERS: WeakKeyDictionary[Engine, ImageCache] = WeakKeyDictionary()
"""Of each engine of this process: the policy is read anew for every request, these are kept."""


class Guarded:
    """Same methods as `Engine`; what starts, builds or pulls asks the policy first."""

    def __init__(self, engine: Engine, policy: Policy) -> None:
        self._engine = engine
        self._answers = _ANSWERS.setdefault(engine, ImageCache(engine))
        self.policy = policy
        self.name = engine.name
        self.program = engine.program

    async def start(self, spec: ContainerSpec) -> Container:
        """Checked by `Policy.check_run`, which may also lower limits. Raises MountReplaced where a
        source is not what it was when `spec` was made."""
        allowed = await self.allowed(spec)
        judged = {one.target: (one.device, one.inode) for one in allowed.sources}
        for one in spec.sources:
            if judged.get(one.target) != (one.device, one.inode):
                raise MountReplaced(one.target)
        return await self._engine.start(allowed)

    async def allowed(self, spec: ContainerSpec) -> ContainerSpec:
        """What `start` would give the engine: limits filled in, private places covered. Raises
        PolicyRefused, too, where the engine cannot bar what the policy wants barred."""
        found = await asyncio.to_thread(self.policy.check_run, spec)
        if found.barred:
            can = (await self._engine.info()).features
            if BARS not in can and not (found.network_name and NAMED_NETWORKS in can):
                raise _cannot_bar(self.name, found.barred, can)
        return found

    async def run(self, spec: ContainerSpec, timeout: float) -> Output:
        """Checked like `start`: a probe gets no more than a kernel."""
        return await self._engine.run(await self.allowed(spec), timeout)

    def pull(self, reference: str, stands_for: str = "") -> AsyncGenerator[Progress]:
        """Checked by `Policy.check_pull`."""
        self.policy.check_pull(reference, stands_for)
        return self._answers.invalidating(self._engine.pull(reference))

    def only_here(self) -> Guarded:
        """The same for who must not wait: a pull ends before it begins, with BaseUnknown."""
        return _OnlyHere(self._engine, self.policy)

    def build(self, spec: BuildSpec) -> AsyncGenerator[Progress]:
        """`builds` checks what a Dockerfile demands before it renders the text given here. What
        the policy bars is barred from RUN, too; where the builder cannot, RUN has no network."""
        return self._answers.invalidating(self._barred_build(spec))

    async def _barred_build(self, spec: BuildSpec) -> AsyncGenerator[Progress]:
        if spec.network == "private" and (barred := self.policy.barred):
            spec = replace(spec, barred=barred)
            if BARS_RUN not in (await self._engine.info()).features:
                spec = replace(spec, network="none", barred=())
                refused = _cannot_bar(self.name, barred, ())
                yield Progress(kind="notice", text=f"RUN has no network: {refused.message}")
        async with aclosing(self._engine.build(spec)) as events:
            async for event in events:
                yield event

    async def builder_faults(self) -> BuilderFaults:
        """See `ProbedBuilder.builder_faults`; none where there is nothing to try."""
        if isinstance(self._engine, ProbedBuilder):
            return await self._engine.builder_faults()
        return BuilderFaults()

    def check_load(self) -> None:
        """Raises Unsupported where this engine cannot be given what others built."""
        if isinstance(self._engine, FromRegistry):
            self._engine.check_load()

    async def check_mounts(self, mounts: Sequence[Mount]) -> None:
        """Raises Unsupported where this engine cannot make them, BadSettings where none can."""
        for mount in mounts:
            refuse_unquotable(mount.source, "mounts")
        if isinstance(self._engine, PickyEngine):
            await self._engine.check_mounts(mounts)

    def load(self, archive: Path, image: Image) -> AsyncGenerator[Progress]:
        """Of the names that the policy allows: it was run or pulled under them elsewhere."""
        for name in image.references:
            self.policy.check_image(name)
        return self._answers.invalidating(self._engine.load(archive, image))

    # The rest only reads, or takes away.

    async def info(self) -> EngineInfo:
        """See `Engine.info`."""
        return await self._engine.info()

    async def diagnose(self, info: EngineInfo) -> EngineInfo:
        """See `DiagnosedEngine.diagnose`."""
        if isinstance(self._engine, DiagnosedEngine):
            return await self._engine.diagnose(info)
        return info

    async def images(self) -> list[Image]:
        """See `Engine.images`; who asks while it is being answered gets that answer."""
        return await self._answers.images()

    async def image(self, reference: str) -> Image | None:
        """See `Engine.image`."""
        return await self._answers.image(reference)

    async def recent_image(self, reference: str) -> Image | None:
        """The same as it was less than a second ago: for who shows it, not for who starts it."""
        return await self._answers.recent(reference)

    async def all_here(self, references: Sequence[str]) -> list[Image] | None:
        """See `Engine.all_here`."""
        return await self._engine.all_here(references)

    def last_image(self, reference: str) -> Image | None:
        """What `image` said last, without asking again: by now the name may mean another."""
        return self._answers.last(reference)

    def save(self, reference: str, archive: Path) -> AsyncGenerator[Progress]:
        """See `Engine.save`."""
        return self._engine.save(reference, archive)

    async def user(self, mode: Literal["me", "root", "image"], image_ids: tuple[int, int]) -> User:
        """See `Engine.user`."""
        return await self._engine.user(mode, image_ids)

    @property
    def places(self) -> bool:
        """Whether a scheduler places its containers on other machines (`base.ScheduledEngine`)."""
        return isinstance(self._engine, ScheduledEngine)

    @property
    def tunnels(self) -> bool:
        """Whether it brings the sockets of its containers here (`base.TunnelingEngine`)."""
        return isinstance(self._engine, TunnelingEngine)

    @property
    def shares(self) -> bool:
        """Whether its containers find their files on a file system that several machines share."""
        return self.places and not self.tunnels

    def placement(self, id: str) -> Placement | None:
        """See `ScheduledEngine.placement`; None for an engine of this machine."""
        return self._engine.placement(id) if isinstance(self._engine, ScheduledEngine) else None

    async def find(self, id: str) -> Placement | None:
        """See `ScheduledEngine.find`."""
        return await self._engine.find(id) if isinstance(self._engine, ScheduledEngine) else None

    async def trouble(self, spec: ContainerSpec) -> StartFailed | None:
        """See `ScheduledEngine.trouble`."""
        return (
            await self._engine.trouble(spec) if isinstance(self._engine, ScheduledEngine) else None
        )

    async def folder_note(self, source: str) -> str:
        """See `TunnelingEngine.folder_note`; "" where containers see this machine's folders."""
        if isinstance(self._engine, TunnelingEngine):
            return await self._engine.folder_note(source)
        return ""

    async def poll(self, id: str) -> int | None:
        """See `Engine.poll`."""
        return await self._engine.poll(id)

    async def pid(self, id: str) -> int | None:
        """See `Engine.pid`."""
        return await self._engine.pid(id)

    def watch(self, id: str) -> Watch:
        """See `Engine.watch`."""
        return self._engine.watch(id)

    async def ended(self, id: str) -> Ended | None:
        """See `Engine.ended`."""
        return await self._engine.ended(id)

    async def logs(self, id: str, tail: int) -> str:
        """See `Engine.logs`."""
        return await self._engine.logs(id, tail)

    async def signal(self, id: str, signum: int) -> None:
        """See `Engine.signal`."""
        await self._engine.signal(id, signum)

    async def ports(self, id: str) -> dict[int, int]:
        """See `Engine.ports`."""
        return await self._engine.ports(id)

    async def remove(self, id: str) -> None:
        """See `Engine.remove`."""
        await self._engine.remove(id)

    def remove_argv(self, id: str) -> Sequence[str]:
        """See `Engine.remove_argv`."""
        return self._engine.remove_argv(id)

    def by_hand(self, image: str) -> str:
        """See `Engine.by_hand`."""
        return self._engine.by_hand(image)

    async def containers(self, label: str) -> list[Container]:
        """See `Engine.containers`."""
        return await self._engine.containers(label)

    async def stats(self, id: str) -> Stats | None:
        """See `Engine.stats`."""
        return await self._engine.stats(id)

    async def changes(self, id: str) -> list[ChangedPath]:
        """See `HasChanges.changes`; raises Unsupported for an engine that does not know."""
        if isinstance(self._engine, HasChanges):
            return await self._engine.changes(id)
        raise Unsupported(f"{self.name} does not tell what a container has changed.")

    async def unused_networks(self) -> list[str]:
        """See `HasNetworks.unused_networks`; none of an engine in which we make none."""
        return await self._engine.unused_networks() if isinstance(self._engine, HasNetworks) else []

    async def remove_network(self, id: str) -> None:
        """See `HasNetworks.remove_network`."""
        if isinstance(self._engine, HasNetworks):
            await self._engine.remove_network(id)

    async def layers(self, reference: str) -> list[Layer]:
        """See `Engine.layers`."""
        return await self._engine.layers(reference)

    async def remove_image(self, reference: str) -> None:
        """See `Engine.remove_image`."""
        try:
            await self._engine.remove_image(reference)
        finally:
            self._answers.invalidate()


def _cannot_bar(name: str, barred: Sequence[Barred], can: Collection[str]) -> PolicyRefused:
    texts = [_BARRED[one][0] for one in barred]
    hints = ['Set "network": "none" in the notebook\'s settings.'] if "network-none" in can else []
    hints.append("Podman can: use it where it is installed.")
    if NAMED_NETWORKS in can:
        hints.append(
            "Or the administrator names a network whose firewall does: c.Policy.docker_network."
        )
    what = f"{name} cannot keep a private network from {' and from '.join(texts)}"
    return PolicyRefused(what, f"Policy.{_BARRED[barred[0]][1]}", " ".join(hints))


class _OnlyHere(Guarded):
    def pull(self, reference: str, stands_for: str = "") -> AsyncGenerator[Progress]:
        raise BaseUnknown(stands_for or reference, None, "it was not asked")
