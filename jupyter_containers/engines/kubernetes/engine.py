"""Kubernetes *places* containers as Pods. Images, builds and looks into images are those of an
engine of this machine, whose images are pushed to where the cluster's nodes get them.

A Pod sees nothing of this machine: its files go through a tunnel, by which its sockets are here
(`tunnel.py`). So a kernel in a Pod is reached as one of this machine, and has no open port.
"""

from __future__ import annotations

import asyncio
import getpass
import logging
import os
import signal as signals
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ...errors import EngineDown, EngineError, PolicyRefused, StartFailed, Unsupported
from ...host.guest_files import guest_files
from ...host.paths import empty_file
from ...layout import CA_FILE, INSIDE
from ...models import (
    BuilderFaults,
    Container,
    ContainerSpec,
    Ended,
    EngineInfo,
    Problem,
    Stats,
    User,
)
from ...policy.traits import PolicyTraits
from ...text import as_dict, as_text, printable
from ..base import Engine, Output, ProbedBuilder, Watch
from ..common.info_cache import InfoCache
from ..inner import InnerEngine
from ..placement import Placement
from .client import Cluster
from .diagnosis import diagnosed
from .info import info_of, stats_of
from .kernel import KernelPod, place_of
from .labels import labels_of, selector
from .manifest import PodFiles, config_maps, pod, tunnel_argv
from .namespace import Namespace, claims_of, removal_argv
from .push import Pusher
from .site import Site, site_of
from .states import state_of
from .volumes import folder_note

_POLL_AGE = 2.0
log = logging.getLogger("jupyter_containers")


class Kubernetes(InnerEngine[Engine]):
    """See `base.Engine`, `base.ScheduledEngine`, `base.TunnelingEngine`, `base.FromPolicy`."""

    name = "kubernetes"
    brings_sockets: Literal[True] = True

    def __init__(self, inner: Engine) -> None:
        super().__init__(inner)
        self.policy = PolicyTraits()
        self._infos: dict[tuple[str, ...], InfoCache] = {}
        self._clusters: dict[str, Cluster] = {}
        self._kernels: dict[str, KernelPod] = {}
        self._polled: dict[str, tuple[float, int | None]] = {}
        self._pusher = Pusher(inner)

    @property
    def program(self) -> str:
        """That of the engine of this machine."""
        return self.inner.program

    async def info(self) -> EngineInfo:
        """See `Engine.info`: of the cluster that the policy names now."""
        said = self.policy
        volumes = [f"{path} {claim}" for path, claim in sorted(said.kubernetes_volumes.items())]
        where = (said.kubernetes_context, said.kubernetes_namespace, said.push_registry, *volumes)
        cache = self._infos.setdefault(where, InfoCache(self.name, self._ask_info))
        return await cache.get()

    async def _ask_info(self) -> EngineInfo:
        try:
            site = await asyncio.to_thread(self._site)
            return await info_of(await self._space(site), site, self.policy, self.inner)
        except (PolicyRefused, StartFailed) as error:
            return EngineInfo(name=self.name, problems=(Problem(error.message, error.hint),))

    async def diagnose(self, info: EngineInfo) -> EngineInfo:
        """See `base.DiagnosedEngine`."""
        site = await asyncio.to_thread(self._site)
        return await diagnosed(info, await self._space(site), site, self.policy)

    def _site(self) -> Site:
        return site_of(self.policy, username())

    def _cluster(self, context: str) -> Cluster:
        return self._clusters.setdefault(context, Cluster(context))

    async def _space(self, site: Site) -> Namespace:
        cluster = self._cluster(site.context)
        return Namespace(cluster, site.namespace or (await cluster.access()).namespace)

    async def _kernel(self, id: str) -> KernelPod:
        """What is known of a Pod: by this process, or by what a server before it wrote down."""
        if (known := self._kernels.get(id)) is not None:
            return known
        said = await asyncio.to_thread(place_of, id)
        if isinstance(said.get("namespace"), str):
            context = self._cluster(str(said.get("context", "")))
            return KernelPod(Namespace(context, said["namespace"]), id)
        return KernelPod(await self._space(await asyncio.to_thread(self._site)), id)

    async def user(self, mode: Literal["me", "root", "image"], image_ids: tuple[int, int]) -> User:
        """See `Engine.user`: who a Pod runs as."""
        site = await asyncio.to_thread(self._site)
        return site.user_inside(mode, image_ids, (os.getuid(), os.getgid()))

    async def folder_note(self, source: str) -> str:
        """See `TunnelingEngine.folder_note`."""
        return folder_note(await asyncio.to_thread(self._site), source)

    async def builder_faults(self) -> BuilderFaults:
        """See `ProbedBuilder.builder_faults`: of the engine of this machine."""
        if isinstance(self.inner, ProbedBuilder):
            return await self.inner.builder_faults()
        return BuilderFaults()

    async def run(self, spec: ContainerSpec, timeout: float) -> Output:
        """See `Engine.run`: on this machine, as who may write there."""
        user = await self.inner.user(spec.user.mode, (spec.user.uid, spec.user.gid))
        return await self.inner.run(replace(spec, user=user), timeout)

    # -- a container's life ------------------------------------------------------------------

    async def start(self, spec: ContainerSpec) -> Container:
        """See `Engine.start`. Waits for a node as long as it takes; cancelling it, or `remove`
        from elsewhere, ends that."""
        site = await asyncio.to_thread(self._site)
        space = await self._space(site)
        site = replace(site, namespace=space.name)
        kernel = self._kernels[spec.name] = KernelPod(space, spec.name)
        kernel.is_unmade = True
        async with space.cluster.use():
            try:
                await self._start(kernel, spec, site)
                await kernel.open_tunnel(spec, tunnel_argv(spec))
            except BaseException:
                if not kernel.is_unmade:
                    await asyncio.shield(self.remove(spec.name))
                raise
        return Container(
            id=spec.name, name=spec.name, image=spec.image, running=True, labels=spec.labels
        )

    async def _start(self, kernel: KernelPod, spec: ContainerSpec, site: Site) -> None:
        """Push and create; once more where the registry has lost what was pushed before."""
        files = await asyncio.to_thread(_pod_files, spec)
        pod(spec, site, "", files)  # what cannot be a Pod is not pushed
        registry = self.policy.push_registry
        while True:
            kernel.say("Looking for the image in the cluster's registry")
            (image, was_known), _ = await asyncio.gather(
                self._pusher.push(spec, registry, kernel.say),
                kernel.space.put_maps(config_maps(files, site)),
            )
            made = pod(spec, site, image, files)
            if claims := claims_of(made.manifest):
                node = await kernel.space.node_of(claims)
                made = pod(spec, replace(site, affinity=node), image, files)
            for note in made.notes:
                log.warning("%s: %s", spec.name, note)
            try:
                return await kernel.create(made.manifest, tunnel_argv(spec))
            except StartFailed:
                if not was_known or not kernel.lacks_image:
                    raise
                await self._pusher.forget(spec, registry)
                await kernel.space.remove_pod(spec.name)

    def placement(self, id: str) -> Placement | None:
        """See `ScheduledEngine.placement`."""
        known = self._kernels.get(id)
        return known.placed if known is not None else None

    async def find(self, id: str) -> Placement | None:
        """See `ScheduledEngine.find`: with its sockets here again."""
        kernel = await self._kernel(id)
        async with kernel.space.cluster.use():
            try:
                state = await kernel.look()
            except StartFailed:
                return None
            if not state.running:
                return None
            if kernel.tunnel is None:
                await kernel.join()
            self._kernels[id] = kernel
        return state.placement

    async def poll(self, id: str) -> int | None:
        """See `Engine.poll`: what the cluster said within the last seconds."""
        at, said = self._polled.get(id, (0.0, None))
        if time.monotonic() - at > _POLL_AGE:
            said = await self._ask(id)
            self._polled[id] = (time.monotonic(), said)
        return said

    async def _ask(self, id: str) -> int | None:
        kernel = await self._kernel(id)
        now = await kernel.space.pod(id)
        if now is None:
            return -signals.SIGKILL
        ended = state_of(now).ended
        return ended.code if ended is not None else None

    def watch(self, id: str) -> Watch:  # noqa: ARG002
        """See `Engine.watch`: a kernel in a Pod speaks for itself, by our guest."""
        raise Unsupported(f"{self.name} runs kernels of images with Python only.")

    async def ended(self, id: str) -> Ended | None:
        """See `Engine.ended`: its kernel's end is heard of before the cluster knows why."""
        kernel = await self._kernel(id)
        async with kernel.space.cluster.use():
            try:
                for pause in (0.1, 0.2, 0.4, 0.8, 1.6, 0.0):
                    if (ended := await kernel.ended()) is not None:
                        return ended
                    await asyncio.sleep(pause)
            except EngineDown:
                if (lost := await kernel.lost()) is not None:
                    return lost
                raise
            return await kernel.lost()

    async def trouble(self, spec: ContainerSpec) -> StartFailed | None:
        """See `ScheduledEngine.trouble`."""
        ended = await self.ended(spec.name)
        if ended is None:
            return None
        if any(ended.why):
            return StartFailed(*ended.why)
        said = await self.logs(spec.name, 20)
        return StartFailed(f"The container ended with exit code {ended.code}.\n{said}".rstrip())

    async def logs(self, id: str, tail: int) -> str:
        """See `Engine.logs`."""
        kernel = await self._kernel(id)
        return printable(await kernel.space.log(id, tail), 20_000)

    async def signal(self, id: str, signum: int) -> None:
        """See `Engine.signal`: signals are the guest's to send; the end is the cluster's."""
        if signum not in (signals.SIGTERM, signals.SIGKILL):
            raise Unsupported("A cluster sends no signals: interrupt the kernel in Jupyter.")
        await (await self._kernel(id)).space.delete_pod(id)

    async def remove(self, id: str) -> None:
        """See `Engine.remove`. Waits until no such Pod is left; while the cluster does not answer,
        raises EngineDown."""
        kernel = await self._kernel(id)
        try:
            await kernel.close()
            if not kernel.is_unmade:
                await kernel.space.remove_pod(id)
        finally:
            self._polled.pop(id, None)
        self._kernels.pop(id, None)

    def remove_argv(self, id: str) -> Sequence[str]:
        """See `Engine.remove_argv`."""
        known = self._kernels.get(id)
        if known is not None:
            return removal_argv(known.space.cluster.context, known.space.name, id)
        context, namespace = self.policy.kubernetes_context, self.policy.kubernetes_namespace
        return removal_argv(context, namespace, id)

    async def containers(self, label: str) -> list[Container]:
        """See `Engine.containers`."""
        site = await asyncio.to_thread(self._site)
        pods = await (await self._space(site)).pods(selector(site))
        key, _, value = label.partition("=")
        found = []
        for one in pods:
            labels, metadata = labels_of(one), as_dict(one.get("metadata"))
            if labels and key in labels and value in ("", labels[key]):
                name = as_text(metadata.get("name"))
                going = state_of(one).ended is None
                found.append(
                    Container(
                        id=name,
                        name=name,
                        image=labels.get("jupyter-containers.image", ""),
                        running=going,
                        labels=labels,
                        created=as_text(metadata.get("creationTimestamp")),
                    )
                )
        return found

    async def stats(self, id: str) -> Stats | None:
        """See `Engine.stats`: by the cluster's metrics, where it has them, which are of the last
        minute."""
        with suppress(EngineError, StartFailed):
            kernel = await self._kernel(id)
            if used := await kernel.space.metrics(id):
                return stats_of(used, kernel.pod or await kernel.space.pod(id) or {})
        return None


def username() -> str:
    """Whose server this is: the Hub's word for it, else this machine's."""
    if name := os.environ.get("JUPYTERHUB_USER"):
        return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _pod_files(spec: ContainerSpec) -> PodFiles:
    places = {one.target: Path(one.source) for one in spec.own}

    def text(target: str, name: str = "") -> str:
        place = places.get(target)
        if place is None or (name and not (place / name).exists()):
            return ""
        return (place / name).read_text(errors="replace")

    return PodFiles(
        guest=guest_files(),
        passwd=text("/etc/passwd"),
        group=text("/etc/group"),
        ca=text(f"{INSIDE}/conf", CA_FILE),
        empty_file=str(empty_file()),
    )
