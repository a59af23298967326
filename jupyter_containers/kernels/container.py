"""One container with one kernel in it, for as long as it lives. Owned by a provisioner.

Two kinds with one interface: with a guest inside (any image with Python) its socket tells all, and
the kernel is started anew in the same container; without one, an attached child of the engine's
tells the end, and a restart needs a new container.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
import time

from ..devices.gpus import with_what_is_here
from ..engines.guarded import Guarded
from ..engines.placement import Placement
from ..errors import DeviceUnknown, EngineDown, EngineError, KernelDied, StartFailed
from ..host.reaper.client import keeper
from ..host.rundir import Room, enter, remove_room
from ..images.prepare import Say
from ..layout import GUEST_PORT
from ..models import Container
from .container_files import bound, guest_port, identity, unbind, wrong_mount
from .exit_reasons import connection_lost, died_by, ended_from_outside, replaced
from .guest_client import Applied, GuestClient, certificate_of
from .spec import Prepared

_HELLO_SECONDS = 60.0
_JOIN_SECONDS = 10.0
_UNPACK_SECONDS = 900.0
"""Until a job's guest listens: pyxis unpacks the image on the node first."""
_FAR_SECONDS = 180.0
"""A kernel's packages may come over a network file system, from a disk that many use."""


class KernelContainer:
    """Made by `start`; `poll` may be called from any loop at any time and starts nothing."""

    def __init__(self, prepared: Prepared, room: Room) -> None:
        self.prepared = prepared
        self.room = room
        self.id = prepared.spec.name
        self.ports: dict[int, int] = {}
        self.started = 0.0
        self._client: GuestClient | None = None
        self._watched: Watched | None = None

    @property
    def applied(self) -> Applied | None:
        """What really applies inside, by the guest's word; None where there is no guest."""
        return self._client.applied if self._client is not None else None

    @property
    def placement(self) -> Placement | None:
        """Where a scheduler has put it; None: it is on this machine."""
        return self.prepared.engine.placement(self.id)

    @property
    def channels(self) -> tuple[int, ...]:
        """The ports of a kernel that has chosen them itself."""
        return self._client.ports if self._client is not None else ()

    async def start(self, say: Say = lambda _: None) -> None:
        """Start the container and wait until its guest answers, or the engine says it runs;
        `say` is told what it waits for.

        Raises StartFailed with the last lines, ImageNotHere, EngineDown; leaves nothing then.
        """
        engine, spec = self.prepared.engine, self.prepared.spec
        alone = self.prepared.sockets and not self.prepared.guest
        mounts = [identity(mount) for mount in spec.mounts] if alone else []
        self._begins()
        try:
            container = await self._engine_start(say)
            if spec.publish:
                self.ports = await engine.ports(container.id)
            if self.prepared.guest:
                say("Waiting for the container to answer")
                await self._greet()
            else:
                pid = await engine.pid(self.id) if mounts else None  # an ended one has none
                if pid and (target := await asyncio.to_thread(wrong_mount, pid, mounts)):
                    raise replaced(target)
                self._watched = Watched(engine, container.id)
            await self._bound()
        except BaseException:
            await asyncio.shield(self.remove())
            raise

    def _begins(self) -> None:
        keeper.add(self.id, [self.prepared.engine.remove_argv(self.id)], self.room.directories)
        self.started = time.monotonic()

    async def join(self) -> None:
        """Go on with a container that a process started which has ended since: its guest takes
        us as its owner. Leaves the container alone where that fails.

        Raises StartFailed where the kernel is over, or nobody answers, and what an engine raises;
        waits for a scheduler that does not answer."""
        engine, spec = self.prepared.engine, self.prepared.spec
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
        enter(self.room)
        self._begins()

    def leave(self) -> None:
        """What `join` has joined goes on without us, for as long as its guest waits."""
        if self._client is not None:
            self._client.close()
        for key in (self.id, self.room.root.name):
            keeper.forget(key)

    async def _engine_start(self, say: Say) -> Container:
        """Start it, and tell what a start in a scheduler's queue waits for: that may take hours."""
        engine = self.prepared.engine
        starting = asyncio.ensure_future(engine.start(self.prepared.spec))
        try:
            while not (await asyncio.wait({starting}, timeout=0.5))[0]:
                if (placement := engine.placement(self.id)) is not None:
                    say(placement.waiting)
            self.started = time.monotonic()
            return starting.result()
        except DeviceUnknown as unknown:
            raise await with_what_is_here(unknown) from None
        finally:
            starting.cancel()
            await asyncio.wait({starting})

    def _make_client(self) -> GuestClient | None:
        """None where the guest has not told yet where it listens."""
        token = self.prepared.token
        if self.prepared.sockets:
            return GuestClient(str(self.room.run / "guest"), token)
        if self.prepared.published:
            return GuestClient(("127.0.0.1", self.ports[GUEST_PORT]), token)
        port = guest_port(self.room)
        if port is None or self.placement is None:
            return None
        certificate = certificate_of(self.prepared.pem)
        return GuestClient((self.placement.address, port), token, certificate)

    async def _said_hello(self) -> bool:
        if self.prepared.pem:  # a file on a shared file system, a handshake over the network
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
            await asyncio.sleep(0.005 if not self.prepared.pem else 0.02)
            if time.monotonic() > patience:
                patience = time.monotonic() + 2.0
                if self.prepared.pem and self._client is None:
                    deadline = min(time.monotonic() + _HELLO_SECONDS, latest)
                over = await self._over()
                if over or time.monotonic() > deadline:
                    raise await self._no_answer(over=over)
        assert self._client is not None
        if self._client.refused:
            raise replaced(self._client.refused)

    async def _over(self) -> bool:
        """Whether the engine says so. One that does not answer says nothing yet: a job that has
        waited for hours is not given up for that."""
        try:
            return await self.prepared.engine.poll(self.id) is not None
        except EngineDown:
            return False

    async def _no_answer(self, *, over: bool) -> StartFailed:
        engine, at = self.prepared.engine, self.placement
        if over and (trouble := await engine.trouble(self.prepared.spec)) is not None:
            return trouble
        if not over and self._client is not None and at is not None:
            return StartFailed(
                f"The container runs on {at.node}, and this machine does not reach it there "
                f"({at.address}).",
                "Ask the cluster's administrators to let this machine reach the nodes' ports.",
            )
        return StartFailed(
            "The container started but did not come up.\n" + await self._last_lines(),
            f"Look into its image to see why: {engine.by_hand(self.prepared.spec.image)}",
        )

    async def _bound(self) -> None:
        """Wait until the kernel listens, or is over."""
        if self.prepared.sockets:
            await bound(self.room, lambda: self.poll() is not None)
        if not self.prepared.pem or self._client is None:
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

    def can_host(self, prepared: Prepared) -> bool:
        """Whether a restart with `prepared` may stay in this container."""
        return (
            self._client is not None
            and not self._client.closed
            and self.prepared.same_container(prepared)
        )

    async def restart_kernel(self, note: str) -> None:
        """Start the kernel again in this container."""
        assert self._client is not None
        self.started = time.monotonic()
        unbind(self.room)
        self._client.start(note)
        await self._bound()

    async def signal(self, signum: int) -> None:
        """Signal the kernel: its process group with a guest, the first process without."""
        if self._client is not None:
            self._client.signal(signum)
        elif self.poll() is None:
            await self.prepared.engine.signal(self.id, signum)

    async def why(self) -> KernelDied:
        """Why the kernel ended by itself. Called once it has."""
        limit = self.prepared.spec.memory
        code, memory = self.poll(), False
        if self._client is not None:
            memory = self._client.out_of_memory
        if not memory and (self._client is None or self._client.closed):
            at = self.placement
            try:
                ended = await self.prepared.engine.ended(self.id)
                if ended is not None and any(ended.why):
                    return ended_from_outside(ended)
                # A guest's own end without a word to us is 0: it had nobody to speak to.
                if ended is not None and (at is None or ended.code):
                    code, memory = ended.code, ended.out_of_memory
                elif at is None or (ended is None and await self._over()):
                    return KernelDied("The container is gone: somebody removed it.")
                else:
                    return connection_lost(at.node)
            except EngineError:
                if at is not None:
                    return connection_lost(at.node)
        return died_by(code, memory, limit, await self._last_lines())

    async def _last_lines(self) -> str:
        with contextlib.suppress(EngineError):
            return await self.prepared.engine.logs(self.id, 20)
        return ""

    async def remove(self) -> None:
        """End the kernel, remove the container and its directories. Twice is fine.

        An engine that does not answer keeps the entry with the keeper, which tries again."""
        if self._client is not None:
            self._client.stop()
            self._client.close()
        try:
            await self.prepared.engine.remove(self.prepared.spec.name)
        finally:
            if self._watched is not None:
                self._watched.close()
        await asyncio.to_thread(remove_room, self.room)  # a HOME may have become large
        keeper.forget(self.id)


class Watched:
    """Owned by a `KernelContainer`; `poll` may be called from any loop at any time."""

    def __init__(self, engine: Guarded, id: str) -> None:
        self._engine, self._id = engine, id
        self._ended: int | None = None
        self._watch = engine.watch(id)
        self._again = -math.inf

    def poll(self) -> int | None:
        """None while it runs; else how it ended, as Popen says."""
        done = self._watch.poll() if self._ended is None else None
        if done is not None and done.code == 0 and done.stdout.strip().isdigit():
            code = int(done.stdout.strip())
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
