"""One kernel's Pod from its start to its end: made, followed until it runs, spoken to by its
tunnel. `engine.py` has one of these for each."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import ContainersError, EngineDown, StartFailed
from ...guest.mux import NAMES
from ...host.cache import recall
from ...host.paths import runtime_directory
from ...layout import INSIDE, POD_CONTAINER
from ...models import ContainerSpec, Ended
from ...text import as_dict, as_int, as_text, one_line
from ..placement import Placement
from .client import Object
from .ends import gone, unreached
from .execs import Exec, open_exec
from .namespace import Namespace
from .pulls import is_about_images
from .states import State, container_of, state_of
from .tunnel import Tunnel, tunnel_secret

_START = "start.json"
_PATIENCE = 30.0
"""Seconds for which a Pod's end waits for a connection at least: the API server may restart."""
_LOOK = 1.0
"""Seconds between looks at the events of a Pod that does not run yet."""
_SOON, _ATTEMPTS = 0.08, 25
"""Seconds between attempts to reach one that is on a node, and how many there are."""
_RECORD = "pod.json"
"""In the run directory, where no container sees it: where the Pod is, for the next server."""


class KernelPod:
    """One of ours, by its name, which is its container's."""

    def __init__(self, space: Namespace, name: str) -> None:
        self.space, self.name = space, name
        self.pod: Object = {}
        """As it was seen last."""
        self.placement: Placement | None = None
        self.is_unmade = False
        """Whether this process has begun to start it, and the cluster has no Pod of it for sure."""
        self.tunnel: Tunnel | None = None
        self._first: Exec | None = None
        """The tunnel's first connection, where it was made before the cluster says that the Pod
        runs."""

    # -- start -------------------------------------------------------------------------------

    def say(self, phase: str) -> None:
        """What a start does before there is a Pod."""
        self.placement = Placement(job=self.name, kind="Pod", state="PENDING", phase=phase)

    async def create(self, manifest: Object, argv: Sequence[str]) -> None:
        """Make the Pod and wait until its container runs, as long as it takes; `argv` is what the
        tunnel runs there. Raises StartFailed, EngineDown, and what `refused` makes."""
        self.say("Asking the cluster for a Pod")
        self.is_unmade = False
        try:
            self._see(await self.space.create_pod(manifest))
        except EngineDown:
            raise
        except ContainersError:
            self.is_unmade = True
            raise
        while True:
            try:
                await self._until_running(argv)
            except EngineDown as down:  # the cluster keeps the Pod: wait for its return
                self.say(down.message)
                await asyncio.sleep(_LOOK)
                with suppress(EngineDown):
                    self._see_or_fail(await self.space.pod(self.name))
                continue
            return

    async def _until_running(self, argv: Sequence[str]) -> None:
        """A node says that a container runs up to a second after it does, so that some attempts
        to reach it are made before."""
        events: Sequence[Mapping[str, Any]] = ()
        coming: asyncio.Task[Object | None] | None = None
        attempts = _ATTEMPTS
        async with aclosing(self.space.follow(self.pod)) as changes:
            try:
                while not self._state(events).running:
                    coming = coming or asyncio.ensure_future(anext(changes))
                    tries = attempts > 0 and self.placement is not None and self.placement.node
                    done, _ = await asyncio.wait({coming}, timeout=_SOON if tries else _LOOK)
                    if done:
                        self._see_or_fail(coming.result())
                        coming = None
                    elif not tries:
                        events = await self.space.events(self.pod)
                    elif await self._is_reached(argv):
                        return
                    else:
                        attempts -= 1
            finally:
                if coming is not None:
                    coming.cancel()
                    await asyncio.wait({coming})

    async def _is_reached(self, argv: Sequence[str]) -> bool:
        with suppress(OSError, EngineDown):
            path = self.space.path("pods", self.name)
            self._first = await open_exec(self.space.cluster, path, POD_CONTAINER, argv)
        return self._first is not None

    def _state(self, events: Sequence[Mapping[str, Any]]) -> State:
        state = state_of(self.pod, events)
        self.placement = state.placement
        if state.failure is not None:
            raise state.failure
        if state.ended is not None:
            raise StartFailed(*_told(state.ended, self.name))
        return state

    def _see(self, pod: Object) -> None:
        self.pod = pod

    def _see_or_fail(self, pod: Object | None) -> None:
        if pod is None:
            raise StartFailed(*_told(gone(self.pod), self.name))
        self._see(pod)

    # -- the tunnel --------------------------------------------------------------------------

    async def open_tunnel(self, spec: ContainerSpec, argv: Sequence[str]) -> None:
        """Send the container's files, and have its sockets here. Raises StartFailed."""
        run = _source(spec, "run")
        files = await asyncio.to_thread(_files, run, _source(spec, "conf"), _replaceable(spec))
        start = json.loads(files[_START])
        await asyncio.to_thread(self._record, run.parent, argv)
        await self._open(run, argv, start, files)
        self.placement = _runs(self.pod, self.name)

    async def join(self) -> None:
        """The same to a Pod that an earlier server has started. Raises StartFailed where that
        server's files are gone."""
        root = run_dir_root(self.name)
        said = await asyncio.to_thread(recall, root / _RECORD)
        try:
            start = json.loads(await asyncio.to_thread((root / "run" / _START).read_bytes))
            argv = [str(word) for word in (said or {})["argv"]]
        except (OSError, ValueError, KeyError, TypeError):
            raise StartFailed(f"What is known of the Pod {self.name} is gone.") from None
        await asyncio.to_thread(_forget_sockets, root)
        await self._open(root / "run", argv, start, None)

    async def _open(
        self,
        run: Path,
        argv: Sequence[str],
        start: Mapping[str, Any],
        files: Mapping[str, bytes] | None,
    ) -> None:
        async def connect() -> Exec:
            return await self._connect(argv)

        grace = max(float(start["grace"]), _PATIENCE)
        self.tunnel = Tunnel(connect, run, tunnel_secret(start["token"]), grace=grace)
        await self.tunnel.open(files)

    async def _connect(self, argv: Sequence[str]) -> Exec:
        """See `tunnel.Connect`: a Pod that is over is never reached again."""
        first, self._first = self._first, None
        if first is not None:
            return first
        try:
            path = self.space.path("pods", self.name)
            return await open_exec(self.space.cluster, path, POD_CONTAINER, argv)
        except (OSError, EngineDown):
            await self.look()
            if (ended := state_of(self.pod).ended) is not None:
                raise StartFailed(*_told(ended, self.name)) from None
            raise

    def _record(self, root: Path, argv: Sequence[str]) -> None:
        place = {"namespace": self.space.name, "context": self.space.cluster.context}
        file = root / _RECORD
        file.touch(mode=0o600)
        file.write_text(json.dumps({**place, "argv": list(argv)}))

    async def close(self) -> None:
        """Hang up; the Pod goes on."""
        tunnel, self.tunnel = self.tunnel, None
        first, self._first = self._first, None
        if tunnel is not None:
            await tunnel.close()
        if first is not None:
            await first.close()

    @property
    def placed(self) -> Placement | None:
        """Where it is, and whether it is reached there."""
        if self.placement is None or self.tunnel is None or not (why := self.tunnel.cut):
            return self.placement
        trouble = (
            f"Pod {self.name} is not reached now: {one_line(why, 300).rstrip('.')}. Its kernel "
            "goes on, and the connection to it is made again."
        )
        return replace(self.placement, trouble=trouble)

    # -- questions ---------------------------------------------------------------------------

    @property
    def lacks_image(self) -> bool:
        """Whether its node has not got its image, as it was seen last."""
        return is_about_images(
            as_text(as_dict(container_of(self.pod).get("waiting")).get("reason"))
        )

    async def look(self) -> State:
        """As it is now. Raises StartFailed where it is gone, EngineDown."""
        now = await self.space.pod(self.name)
        uid = as_dict(self.pod.get("metadata")).get("uid")
        if now is None or uid not in (None, as_dict(now.get("metadata")).get("uid")):
            raise StartFailed(*_told(await self._gone(), self.name))
        self._see(now)
        state = state_of(now)
        self.placement = state.placement
        return state

    async def ended(self) -> Ended | None:
        """How it ended; None where it goes on."""
        now = await self.space.pod(self.name)
        if now is None:
            return await self._gone() if self.pod else None
        self._see(now)
        return state_of(now).ended

    async def lost(self) -> Ended | None:
        """Why it is reached no more, though the cluster takes it for running; None: it is
        reached."""
        if self.tunnel is None or self.tunnel.lost is None:
            return None
        events: Sequence[Mapping[str, Any]] = ()
        with suppress(EngineDown):
            events = await self.space.events(self.pod)
        return unreached(self.pod, events, self.tunnel.lost, self.tunnel.hint)

    async def _gone(self) -> Ended:
        return gone(self.pod, await self.space.events(self.pod) if self.pod else ())


def _runs(pod: Mapping[str, Any], name: str) -> Placement:
    """Where a Pod is that answers, whether or not the cluster has heard of it yet."""
    placement = state_of(pod).placement
    seconds = as_int(as_dict(pod.get("spec")).get("activeDeadlineSeconds"))
    return replace(
        placement,
        state="RUNNING",
        phase=f"Pod {name} runs on {placement.node}",
        ends=placement.ends or (time.time() + seconds if seconds else None),
    )


def _told(ended: Ended, name: str) -> tuple[str, str]:
    """Why it is over, in a sentence with the way out."""
    if any(ended.why):
        return ended.why
    if ended.out_of_memory:
        more = 'Set "memory" in the notebook\'s container settings to more.'
        return f"The container of Pod {name} had no memory left.", more
    return f"The container of Pod {name} has ended (exit code {ended.code}).", ""


def place_of(name: str) -> dict[str, Any]:
    """Where an earlier start has put a Pod, by its run directory; empty where that is gone."""
    return recall(run_dir_root(name) / _RECORD) or {}


def run_dir_root(name: str) -> Path:
    """The run directory of a container by its name (`host/rundir.py`)."""
    return runtime_directory() / Path(name.removeprefix("jupyter-")).name


def _source(spec: ContainerSpec, what: str) -> Path:
    return Path(next(one.source for one in spec.own if one.target == f"{INSIDE}/{what}"))


def _files(run: Path, conf: Path, mounts: Sequence[tuple[str, None, int]]) -> dict[str, bytes]:
    """What goes through the tunnel, `start.json` last: the guest waits for it. `mounts` are what it
    is to compare."""
    start = json.loads((run / _START).read_bytes()) | {"mounts": mounts}
    connection = (conf / "connection.json").read_bytes()
    return {"conf/connection.json": connection, _START: json.dumps(start).encode()}


def _replaceable(spec: ContainerSpec) -> list[tuple[str, None, int]]:
    """The mounts in whose place somebody could have put another thing, with the inodes that were
    approved. A node has a device of its own for the same volume; and clients of some file systems
    do not agree on inodes, so that no other mount is compared."""
    targets = {mount.target for mount in spec.mounts}
    return [
        (one.target, None, one.inode)
        for one in spec.sources
        if one.exposed and one.target in targets
    ]


def _forget_sockets(root: Path) -> None:
    """Those of the server that was killed: nobody listens on them any more."""
    for folder in ("run", "sockets"):
        for name in NAMES:
            (root / folder / name).unlink(missing_ok=True)
