"""Slurm *places* another engine's containers: `slurm+apptainer` runs each as a job of its own.

The job runs the very command that the inner engine would run here. What it needs (the container's
directory, the image, the notebook's folder) lies on the file system that this machine shares with
the nodes. A job is known by its name, which is the container's, and marked by its comment; the
container's directory remembers its number. Images, users and probes stay the inner engine's, on
this machine, where pulls, builds and conversions happen before any job.
https://slurm.schedmd.com/sbatch.html
"""

from __future__ import annotations

import asyncio
import os
import signal as signals
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from shutil import which

from ...errors import EngineDown, EngineError, StartFailed, Unsupported
from ...host.process import Completed, run
from ...host.reaper import slurm_job
from ...models import (
    ChangedPath,
    Container,
    ContainerSpec,
    Ended,
    EngineInfo,
    Stats,
)
from ...settings.slurm import gpus_of
from ...text import one_line, printable
from ..base import Watch
from ..common import cdi
from ..common.info_cache import InfoCache
from ..inner import InnerEngine
from ..placement import Placement
from ..process_engine.base import ProcessEngine
from ..process_engine.containers import StateDir, container_of
from ..process_engine.image_store import Stored
from . import errors, site
from .job import BEGAN, JOB, OUTSIDE, labels_of, sbatch_argv, sbatch_environment, script_of
from .queue import Job, Queue, ask, silent

_REMOVAL_SECONDS = 60.0
_POLL_AGE = 5.0
_LATE = 30.0
"""Seconds after which a running job that has written nothing where we look never will."""
_queue = Queue()


class Slurm(InnerEngine[ProcessEngine]):
    """See `base.Engine` and `base.ScheduledEngine`."""

    def __init__(self, inner: ProcessEngine) -> None:
        super().__init__(inner)
        self.name = f"slurm+{inner.name}"
        self._info = InfoCache(self.name, partial(site.info, self.name, inner))
        self._placements: dict[str, Placement] = {}

    @property
    def program(self) -> str:
        """The one that is missing, if one is."""
        return "sbatch" if which("sbatch") is None else self.inner.program

    async def info(self) -> EngineInfo:
        """See `Engine.info`."""
        return await self._info.get()

    # -- a container's life ------------------------------------------------------------------

    async def start(self, spec: ContainerSpec) -> Container:
        """See `Engine.start`. Waits in the queue as long as it takes; cancelling it, or
        `remove` from elsewhere, ends that."""
        if spec.network == "none":
            raise Unsupported(
                f"{self.name} reaches its kernels over the cluster's network: they cannot be "
                "without any.",
                'Set "network" to private, or "engine" to one of this machine.',
            )
        spec = await asyncio.to_thread(site.on_nodes, spec)
        if gpus_of(spec.slurm) and cdi.FEATURE in (await self.inner.info()).features:
            spec = replace(spec, devices=("nvidia.com/gpu=all",))
        stored, state_dir = await self.inner.prepare(spec)
        try:
            await self._run_job(spec, stored, state_dir)
        except BaseException:
            await asyncio.shield(self.remove(spec.name))
            raise
        return Container(
            id=spec.name, name=spec.name, image=spec.image, running=True, labels=spec.labels
        )

    async def _run_job(self, spec: ContainerSpec, stored: Stored, state_dir: StateDir) -> None:
        text = await asyncio.to_thread(script_of, self.inner, spec, stored, state_dir)
        await asyncio.to_thread((state_dir.path / BEGAN).touch)
        done = await run(
            sbatch_argv(spec, state_dir, self.inner.name),
            input=text.encode(),
            env=sbatch_environment(os.environ),
        )
        job = done.stdout.strip().partition(";")[0]
        if done.code or not job.isdigit():
            trouble = errors.refused(done.stderr or done.stdout, spec)
            if not errors.perhaps_taken(done.stderr):  # else `remove` looks for the job
                await asyncio.to_thread(self.inner.process_containers.remove, spec.name)
            raise trouble
        self._placements[spec.name] = Placement(job=job, state="PENDING")
        record = {
            "name": spec.name,
            "image": spec.image,
            "labels": {**spec.labels, JOB: job},
            "job": job,
            "host": self.name,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        await asyncio.to_thread(state_dir.write, record)
        node = await self._begun(spec, state_dir, job)
        row, address = await asyncio.gather(self._row(job), site.address(node))
        self._placements[spec.name] = _running(job, node, address, row)

    async def _begun(self, spec: ContainerSpec, state_dir: StateDir, job: str) -> str:
        """Wait until the job has begun; the name of its node. Raises StartFailed where it ends
        before, or never will begin."""
        submitted = time.monotonic()
        running: float | None = None
        while not (node := await _node_of(state_dir)):
            waited = time.monotonic() - submitted
            await asyncio.sleep(0.02 if waited < 3 else min(0.5, waited / 100))
            try:
                jobs = await _queue.jobs(min(_POLL_AGE, max(0.5, waited / 10)))
            except EngineDown as down:  # it keeps the job: wait for its return
                self._placements[spec.name] = Placement(
                    job=job, state="PENDING", reason=down.message
                )
                continue
            row = jobs.get(job)
            if row is None:
                if _queue.asked > submitted:
                    raise errors.cancelled(job)
                continue
            self._see(spec.name, row)
            if row.state == "RUNNING":
                running = running or time.monotonic()
                if time.monotonic() - running > _LATE:
                    raise errors.not_shared(job, row.node, str(state_dir.path))
            await self._no_end_yet(spec, state_dir, row)
        return node

    def _see(self, name: str, row: Job) -> None:
        self._placements[name] = Placement(
            job=row.id, state=row.state, reason=row.reason, node=row.node, begins=row.begins
        )

    async def _no_end_yet(self, spec: ContainerSpec, state_dir: StateDir, row: Job) -> None:
        """Raises StartFailed where a job that has not begun here is over."""
        if row.state == "PENDING" and row.reason in errors.NEVER:
            raise errors.never(row.id, row.reason)
        if row.alive or await _node_of(state_dir):
            return
        if row.state == "CANCELLED":
            raise errors.cancelled(row.id)
        if row.state == "FAILED" and not row.node:
            raise errors.never(row.id, row.reason)
        if row.state in ("FAILED", "COMPLETED"):
            raise errors.not_shared(row.id, row.node, str(state_dir.path))
        ended = await self.ended(spec.name)
        raise StartFailed(*(ended.why if ended is not None else (f"Job {row.id} is {row.state}.",)))

    async def _row(self, job: str) -> Job | None:
        with suppress(EngineError):
            return (await _queue.jobs(0)).get(job)
        return None

    def placement(self, id: str) -> Placement | None:
        """See `ScheduledEngine.placement`."""
        return self._placements.get(id)

    async def find(self, id: str) -> Placement | None:
        """See `ScheduledEngine.find`."""
        row, node = (
            await self._seen(id, 0),
            await _node_of(self.inner.process_containers.state_dir(id)),
        )
        if row is None or not row.alive or not node:
            return None
        found = _running(row.id, node, await site.address(node), row)
        self._placements[id] = found
        return found

    async def poll(self, id: str) -> int | None:
        """See `Engine.poll`: what Slurm said within the last seconds."""
        row = await self._seen(id, _POLL_AGE)
        return None if row is not None and row.alive else -signals.SIGKILL

    async def _seen(self, id: str, age: float) -> Job | None:
        job = await asyncio.to_thread(self._job, id)
        return (await _queue.jobs(age)).get(job) if job else None

    def _job(self, id: str) -> str:
        placement = self._placements.get(id)
        record = self.inner.process_containers.state_dir(id).record() if placement is None else {}
        return placement.job if placement is not None else str(record.get("job", ""))

    def watch(self, id: str) -> Watch:  # noqa: ARG002
        """See `Engine.watch`: a kernel in a job speaks for itself, by our guest."""
        raise Unsupported(f"{self.name} runs kernels of images with Python only.")

    async def ended(self, id: str) -> Ended | None:
        """See `Engine.ended`, with Slurm's reason. Slurm remembers an ended job for some minutes
        (MinJobAge)."""
        job = await asyncio.to_thread(self._job, id)
        if not job:
            return None
        for _ in range(20):  # a killed container is noticed before Slurm has written down why
            done = await ask("scontrol", "show", "job", "--oneliner", job)
            ended = errors.how_it_ended(done.stdout)
            if ended is not None or done.code:
                return ended
            await asyncio.sleep(0.5)
        return None

    async def trouble(self, spec: ContainerSpec) -> StartFailed | None:
        """See `ScheduledEngine.trouble`: the engine's own complaint in the job's output."""
        said = await asyncio.to_thread(self.inner.process_containers.tail, spec.name, 40)
        ended = await self.ended(spec.name)
        if ended is not None and any(ended.why):
            return StartFailed(*ended.why)
        if ended is not None and ended.code == OUTSIDE:
            state_dir = self.inner.process_containers.state_dir(spec.name)
            return errors.not_shared(self._job(spec.name), "", str(state_dir.path))
        done = Completed((self.name,), ended.code if ended else 1, "", said)
        found = self.inner.not_started(spec, done)
        return StartFailed(found.message, found.hint) if found is not None else None

    async def stats(self, id: str) -> Stats | None:
        """See `Engine.stats`: nobody on this machine can tell. Who looks gets to see how much time
        is left now, which Slurm may have changed."""
        with suppress(EngineError):
            row, at = await self._seen(id, _LATE), self._placements.get(id)
            if row is not None and row.left is not None and at is not None:
                self._placements[id] = replace(at, ends=_queue.told + row.left)
        return None

    async def changes(self, id: str) -> list[ChangedPath]:
        """See `base.HasChanges`: what the inner engine keeps where this machine sees it."""
        return await self.inner.changes(id)

    async def logs(self, id: str, tail: int) -> str:
        """See `Engine.logs`."""
        return printable(
            await asyncio.to_thread(self.inner.process_containers.tail, id, tail), 20_000
        )

    async def signal(self, id: str, signum: int) -> None:
        """See `Engine.signal`: to the job's first process, which the container's command is."""
        if job := await asyncio.to_thread(self._job, id):
            name = signals.Signals(signum).name.removeprefix("SIG")
            await ask("scancel", "--batch", f"--signal={name}", job)

    async def remove(self, id: str) -> None:
        """See `Engine.remove`. By the job's name, so that one whose submission was cancelled goes
        too. Waits until no such job is left; while Slurm does not answer, raises EngineDown."""
        known = any(job.name == id and job.alive for job in _queue.known.values())
        state_dir = self.inner.process_containers.state_dir(id).path
        if not known and not await asyncio.to_thread(state_dir.exists):
            return
        removal = slurm_job.Removal(id, time.monotonic())
        deadline = time.monotonic() + _REMOVAL_SECONDS
        while True:
            if removal.due(now := time.monotonic()):
                await ask(*removal.cancel)
            left = await ask(*removal.look)
            if left.code:
                raise silent(left.stderr)
            if removal.over(left.stdout, now):
                break
            if now > deadline:
                raise EngineDown(
                    f"Slurm does not end the job {id}.", f"See what it does: squeue --name={id}"
                )
            await asyncio.sleep(removal.pause)
        self._placements.pop(id, None)
        await asyncio.to_thread(self.inner.process_containers.remove, id)

    def remove_argv(self, id: str) -> Sequence[str]:
        """See `Engine.remove_argv`."""
        state_dir = self.inner.process_containers.state_dir(id)
        return [sys.executable, "-I", "-S", slurm_job.__file__, id, str(state_dir.path)]

    async def containers(self, label: str) -> list[Container]:
        """See `Engine.containers`."""
        jobs = await _queue.jobs(1.0)
        found = await asyncio.to_thread(listed, self.inner, self.name, jobs)
        key, _, value = label.partition("=")
        return [one for one in found if key in one.labels and value in ("", one.labels[key])]


def _running(job: str, node: str, address: str, row: Job | None) -> Placement:
    ends = _queue.told + row.left if row is not None and row.left is not None else None
    return Placement(job=job, state="RUNNING", node=node, address=address, ends=ends)


async def _node_of(state_dir: StateDir) -> str:
    """The node on which a container's job has begun; empty before. Opened anew each time: NFS asks
    its server only then (nfs(5), "close-to-open")."""
    with suppress(OSError):
        return one_line(await asyncio.to_thread((state_dir.path / BEGAN).read_text))
    return ""


def listed(inner: ProcessEngine, name: str, jobs: Mapping[str, Job]) -> list[Container]:
    """Those of the engine `name` whose directories are here, and jobs of ours that have lost
    theirs, by their comment."""
    found = {}
    for _, record in inner.process_containers.records():
        if record.get("host") == name:
            row = jobs.get(str(record.get("job")))
            one = container_of(record, running=row is not None and row.alive)
            found[one.name] = one
    for row in jobs.values():
        labels = labels_of(row.comment, row.name, inner.name)
        goes_on = row.alive and row.state != "COMPLETING"
        if goes_on and labels and row.name not in found:
            found[row.name] = Container(
                id=row.name, name=row.name, image="", running=True, labels=labels
            )
    return list(found.values())
