"""One container with one kernel in it, for as long as it lives. Owned by a provisioner.

Two kinds with one interface: with a guest inside (any image with Python) its socket tells all, and
the kernel is started anew in the same container; without one, an attached child of the engine's
tells the end, and a restart needs a new container.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import signal
import time

from ..devices.gpus import with_what_is_here
from ..engines.common.mounts import wrong_mount
from ..engines.guarded import Guarded
from ..engines.placement import Placement
from ..errors import (
    DeviceUnknown,
    EngineDown,
    EngineError,
    KernelDied,
    MountReplaced,
    StartFailed,
    StreamFailed,
)
from ..host.reaper.client import reaper
from ..host.rundir import RunDir, keep_for_reaper, remove_run_dir
from ..images.prepare import OnProgress
from ..layout import GUEST_PORT, STREAMS_PORT
from ..models import Container, Ended
from .container_files import bound, guest_port, guest_socket, streams_socket, unbind
from .exit_reasons import connection_lost, ended_from_outside, exit_error, flooded
from .guest_client import Applied, GuestClient, certificate_of
from .host_ports import explained
from .spec import StartPlan
from .streams import Streams, streams_token, write_streams

_EXIT_CODE = re.compile("[0-9]{1,3}")
_HELLO_SECONDS = 60.0
_JOIN_SECONDS = 10.0
_MOMENTS = 10
"""Tenths of a second between the end of a guest and of its container."""
_UNPACK_SECONDS = 900.0
"""Until a job's guest listens: pyxis unpacks the image on the node first."""
_FAR_SECONDS = 180.0
"""A kernel's packages may come over a network file system, from a disk that many use."""


class KernelContainer:
    """Made by `start`; `poll` may be called from any loop at any time and starts nothing."""

    def __init__(self, plan: StartPlan, run_dir: RunDir) -> None:
        self.plan = plan
        self.run_dir = run_dir
        self.id = plan.spec.name
        self.ports: dict[int, int] = {}
        self.started = 0.0
        self._client: GuestClient | None = None
        self._watched: ExitWatcher | None = None
        self._streams: Streams | None = None

    @property
    def applied(self) -> Applied | None:
        """What really applies inside, by the guest's word; None where there is no guest."""
        return self._client.applied if self._client is not None else None

    @property
    def placement(self) -> Placement | None:
        """Where a scheduler has put it; None: it is on this machine."""
        return self.plan.engine.placement(self.id)

    @property
    def channels(self) -> tuple[int, ...]:
        """The ports of a kernel that has chosen them itself."""
        return self._client.ports if self._client is not None else ()

    async def start(self, on_progress: OnProgress = lambda _: None) -> None:
        """Start the container and wait until its guest answers, or the engine says it runs;
        `on_progress` is told what it waits for.

        Raises StartFailed with the last lines, ImageNotHere, EngineDown; leaves nothing then.
        """
        engine, spec = self.plan.engine, self.plan.spec
        sources = spec.sources if self.plan.sockets and not self.plan.guest else ()
        self._begins()
        try:
            container = await self._engine_start(on_progress)
            if spec.publish:
                self.ports = await engine.ports(container.id)
            if self.plan.guest:
                on_progress("Waiting for the container to answer")
                await self._greet()
            else:
                pid = await engine.pid(self.id) if sources else None  # an ended one has none
                if pid and (target := await asyncio.to_thread(wrong_mount, pid, sources)):
                    raise MountReplaced(target)
                self._watched = ExitWatcher(engine, container.id)
            await self._bound()
        except BaseException:
            await asyncio.shield(self.remove())
            raise

    def _begins(self) -> None:
        reaper.add(self.id, [self.plan.engine.remove_argv(self.id)], self.run_dir.directories)
        self.started = time.monotonic()

    async def adopt(self) -> None:
        """Connect to a running container that an ended process started: its guest takes us as its
        owner. Leaves the container as it is where that fails.

        Raises StartFailed where the kernel is over, or nobody answers, and what an engine raises;
        waits for a scheduler that does not answer."""
        engine, spec = self.plan.engine, self.plan.spec
        while engine.places:
            with contextlib.suppress(EngineDown):
                if await engine.find(self.id) is None:
                    raise StartFailed(f"{self.id} is not running.")
                break
            await asyncio.sleep(1)
        if spec.publish:
            self.ports = await engine.ports(self.id)
        deadline = time.monotonic() + _JOIN_SECONDS
        while not await self._said_hello():
            await asyncio.sleep(0.02)
            if time.monotonic() > deadline or await self._over():
                raise StartFailed(f"The guest of {self.id} does not answer.")
        if self.poll() is not None:
            raise StartFailed(f"The kernel of {self.id} has ended.")
        if self.plan.sockets:
            await bound(self.run_dir, lambda: self.poll() is not None)
        keep_for_reaper(self.run_dir)
        await asyncio.to_thread(self._find_streams)
        self._begins()

    def detach(self) -> None:
        """Detach from an adopted container; it runs on until its guest's grace period ends."""
        if self._client is not None:
            self._client.close()
        for key in (self.id, self.run_dir.root.name):
            reaper.forget(key)

    async def _engine_start(self, on_progress: OnProgress) -> Container:
        """Start it, and tell what a start in a scheduler's queue waits for: that may take hours."""
        engine = self.plan.engine
        starting = asyncio.ensure_future(engine.start(self.plan.spec))
        try:
            while not (await asyncio.wait({starting}, timeout=0.5))[0]:
                if (placement := engine.placement(self.id)) is not None:
                    on_progress(placement.waiting)
            self.started = time.monotonic()
            return starting.result()
        except DeviceUnknown as unknown:
            raise await with_what_is_here(unknown) from None
        except StartFailed as failed:
            raise await explained(engine, self.plan.spec, failed) from None
        finally:
            starting.cancel()
            await asyncio.wait({starting})

    def _make_client(self) -> GuestClient | None:
        """None where the guest does not listen yet, or has not told where."""
        token = self.plan.token
        if self.plan.sockets:
            taken = guest_socket(self.run_dir)
            return GuestClient(str(taken), token) if taken is not None else None
        if self.plan.published:
            return GuestClient(("127.0.0.1", self.ports[GUEST_PORT]), token)
        port = guest_port(self.run_dir)
        if port is None or self.placement is None:
            return None
        certificate = certificate_of(self.plan.pem)
        return GuestClient((self.placement.address, port), token, certificate)

    async def _said_hello(self) -> bool:
        if self.plan.pem:  # a file on a shared file system, a handshake over the network
            return await asyncio.to_thread(self._say_hello)
        return self._say_hello()

    def _say_hello(self) -> bool:
        if self._client is None:
            self._client = self._make_client()
        return self._client is not None and self._client.try_connect()

    async def _greet(self) -> None:
        """Wait for the guest's hello; ask the engine only after it kept us waiting."""
        patience = time.monotonic() + 2.0
        deadline = time.monotonic() + _HELLO_SECONDS
        latest = time.monotonic() + _UNPACK_SECONDS
        while not await self._said_hello():
            await asyncio.sleep(0.005 if not self.plan.pem else 0.02)
            if time.monotonic() > patience:
                patience = time.monotonic() + 2.0
                if self.plan.pem and self._client is None:
                    deadline = min(time.monotonic() + _HELLO_SECONDS, latest)
                over = await self._over()
                if over or time.monotonic() > deadline:
                    raise await self._no_answer(over=over)
        assert self._client is not None
        if self._client.refused:
            raise MountReplaced(self._client.refused)
        await asyncio.to_thread(self._find_streams)

    def _find_streams(self) -> None:
        """Where its forwarder listens; before any cell runs, which might put something else there.
        A guest of an earlier version has none."""
        token = streams_token(self.plan.token)
        if self.plan.sockets:
            if (taken := streams_socket(self.run_dir)) is not None:
                self._streams = Streams(token=token, path=str(taken))
        elif self.plan.published:
            if port := self.ports.get(STREAMS_PORT):
                self._streams = Streams(token=token, host="127.0.0.1", port=port)
        elif self._client is not None and self._client.streams_port and self.placement is not None:
            self._streams = Streams(
                token=token,
                host=self.placement.address,
                port=self._client.streams_port,
                certificate=certificate_of(self.plan.pem),
            )
        if self._streams is not None:
            write_streams(self.run_dir.root, self._streams)

    @property
    def streams(self) -> Streams:
        """Connections and programs in it. Raises StreamFailed where there can be none."""
        if self._streams is None:
            why = (
                "it was started by an earlier version of jupyter-containers"
                if self.plan.guest
                else "its image has no Python"
            )
            raise StreamFailed(
                "none",
                f"This container gives no terminals, programs or connections to ports: {why}.",
                "Shut the kernel down and start it anew; or use an image with Python.",
            )
        return self._streams

    async def _over(self) -> bool:
        """Whether the engine says so. One that does not answer says nothing yet: a job that has
        waited for hours is not given up for that."""
        try:
            return await self.plan.engine.poll(self.id) is not None
        except EngineDown:
            return False

    async def _no_answer(self, *, over: bool) -> StartFailed:
        engine, at = self.plan.engine, self.placement
        if over and (trouble := await engine.trouble(self.plan.spec)) is not None:
            return trouble
        if not over and self._client is not None and at is not None:
            return StartFailed(
                f"The container runs on {at.node}, and this machine does not reach it there "
                f"({at.address}).",
                "Ask the cluster's administrators to let this machine reach the nodes' ports.",
            )
        return StartFailed(
            "The container started but did not come up.\n" + await self._last_lines(),
            f"Look into its image to see why: {engine.by_hand(self.plan.spec.image)}",
        )

    async def _bound(self) -> None:
        """Wait until the kernel listens, or is over."""
        if self.plan.sockets:
            await bound(self.run_dir, lambda: self.poll() is not None)
        if not self.plan.pem or self._client is None:
            return
        deadline = time.monotonic() + _FAR_SECONDS
        while not self._client.ports:
            if self.poll() is not None:
                raise await self.why()
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"The kernel did not listen within {_FAR_SECONDS:g} s.\n"
                    + await self._last_lines()
                )
            await asyncio.sleep(0.005)

    def poll(self) -> int | None:
        """None while the kernel runs; else how it ended, as Popen says."""
        if self._client is not None:
            if self._client.applied is None:
                self._client.try_connect()
            else:
                self._client.read()
            if self._client.ended is None and self._client.closed:
                return -signal.SIGKILL
            return self._client.ended
        return self._watched.poll() if self._watched is not None else None

    def can_host(self, plan: StartPlan) -> bool:
        """Whether a restart with `plan` may stay in this container."""
        return (
            self._client is not None and not self._client.closed and self.plan.same_container(plan)
        )

    async def restart_kernel(self, note: str) -> None:
        """Start the kernel again in this container."""
        assert self._client is not None
        self.started = time.monotonic()
        unbind(self.run_dir)
        self._client.start(note)
        await self._bound()

    async def signal(self, signum: int) -> None:
        """Signal the kernel: its process group with a guest, the first process without."""
        if self._client is not None:
            self._client.signal(signum)
        elif self.poll() is None:
            await self.plan.engine.signal(self.id, signum)

    async def why(self) -> KernelDied:
        """Why the kernel ended by itself. Called once it has."""
        limit = self.plan.spec.memory
        code, memory = self.poll(), False
        if self._client is not None and self._client.flooded:
            return flooded()
        if self._client is not None:
            memory = self._client.out_of_memory
        if not memory and (self._client is None or self._client.closed):
            at = self.placement
            try:
                ended = await self._ended()
                if ended is not None and any(ended.why):
                    return ended_from_outside(ended)
                # A guest's own end without a word to us is 0: it had nobody to speak to.
                if ended is not None and (at is None or ended.code):
                    code, memory = ended.code, ended.out_of_memory
                elif at is None or (ended is None and await self._over()):
                    return KernelDied("The container is gone: somebody removed it.")
                else:
                    return connection_lost(at)
            except EngineError:
                if at is not None:
                    return connection_lost(at)
        return exit_error(code, memory, limit, await self._last_lines())

    async def _ended(self) -> Ended | None:
        """How the container ended. Its guest's end is heard of some moments before."""
        ended = await self.plan.engine.ended(self.id)
        for _ in range(_MOMENTS):
            if ended is not None or self.placement is not None:
                break
            await asyncio.sleep(0.1)
            ended = await self.plan.engine.ended(self.id)
        return ended

    async def _last_lines(self) -> str:
        with contextlib.suppress(EngineError):
            return await self.plan.engine.logs(self.id, 20)
        return ""

    async def remove(self) -> None:
        """End the kernel, remove the container and its directories. Twice is fine.

        An engine that does not answer keeps the entry with the reaper, which tries again."""
        if self._client is not None:
            self._client.stop()
            self._client.close()
        try:
            await self.plan.engine.remove(self.plan.spec.name)
        finally:
            if self._watched is not None:
                self._watched.close()
        await asyncio.to_thread(remove_run_dir, self.run_dir)  # a HOME may have become large
        reaper.forget(self.id)


class ExitWatcher:
    """Owned by a `KernelContainer`; `poll` may be called from any loop at any time."""

    def __init__(self, engine: Guarded, id: str) -> None:
        self._engine, self._id = engine, id
        self._ended: int | None = None
        self._watch = engine.watch(id)
        self._again = -math.inf

    def poll(self) -> int | None:
        """None while it runs; else how it ended, as Popen says."""
        done = self._watch.poll() if self._ended is None else None
        said = done.stdout.strip() if done is not None and done.code == 0 else ""
        if _EXIT_CODE.fullmatch(said):
            code = int(said)
            self._ended = 128 - code if 128 < code < 160 else code
        elif done is not None:
            # Somebody killed the engine's command, not the container: watch again. Where
            # the container is gone, the new child says so at once by failing again.
            now = time.monotonic()
            if now - self._again < 1.0:
                self._ended = -signal.SIGKILL
            else:
                self._watch, self._again = self._engine.watch(self._id), now
        return self._ended

    def close(self) -> None:
        """Watch no more."""
        self._watch.close()
