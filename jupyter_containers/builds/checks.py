"""What has to hold before a build is given to the engine."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ..dockerfile.late import external, missing
from ..dockerfile.mounts import keeps_writes, of_caches, through_links
from ..engines.guarded import Guarded
from ..errors import BadInput, DiskFull, DockerfileError
from ..host.paths import cache_directory
from ..layout import BUILD_LABEL
from ..models import Reference
from ..settings.validators import format_size
from .plan import BuildRequest, Plan

_ASK_AGAIN = 0.2
"""Seconds between two looks whether another process has finished the same build."""


@asynccontextmanager
async def build_lock(plan: Plan) -> AsyncIterator[bool]:
    """Alone among this person's processes that build the same; True where we had to wait."""
    directory = cache_directory() / "locks"
    directory.mkdir(parents=True, exist_ok=True)
    # A fixed number of files, so that none has to be removed while another waits for it.
    descriptor = os.open(directory / plan.fingerprint[:3], os.O_RDWR | os.O_CREAT, 0o600)
    waited = False
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waited = True
                await asyncio.sleep(_ASK_AGAIN)
        yield waited
    finally:
        os.close(descriptor)


async def check_tag(plan: Plan) -> None:
    """A cell's `-t` takes a name from no image but its own notebook's: what other notebooks have
    approved under that name would be another image, with their folders. The same build under
    another notebook is the same image."""
    if not plan.tag or plan.request.may_retag:
        return
    engine = plan.request.builder
    image = await engine.image(plan.tag)
    if image is None:
        return
    label = image.labels.get(BUILD_LABEL, "")
    fingerprint, _, rest = label.partition(" ")
    if fingerprint == plan.fingerprint or rest.endswith(f" {plan.origin}"):
        return
    whose = "another notebook's" if label else "one that no %%dockerfile cell built"
    name = Reference.parse(plan.tag).short
    raise BadInput(
        f"%%dockerfile: --tag: there is an image {name} already, {whose}.",
        f"Choose another tag, or remove that image first: {engine.name} image rm {name}",
    )


async def check_heredocs(plan: Plan) -> None:
    """An engine that knows no here-documents reads their bodies as instructions, FROM and all,
    so it must never see one."""
    engine = plan.request.builder
    found, info = plan.dockerfile.heredoc, await engine.info()
    if found is None or "heredocs" in info.features or external(plan.dockerfile, info):
        return
    hint = "Write the lines as RUN … && …, or put them into a file beside the notebook and COPY it."
    if engine.name == "docker":
        hint += " Or let the Dockerfile begin with: # syntax=docker/dockerfile:1"
    found.fail(f"this version of {engine.name} knows no here-documents (<<).", hint)


async def check_mounts(plan: Plan) -> None:
    """An old builder gets no mount that reaches out of the build, or changes an image. What its
    bases do with ONBUILD counts: the builder gets that as it is."""
    found = plan.dockerfile.mounts
    links, writes, caches = through_links(found), keeps_writes(found), of_caches(found)
    if links is None and writes is None and caches is None:
        return
    engine = plan.request.builder
    faults = await engine.builder_faults()
    name = f"{engine.name} {(await engine.info()).version}"
    if faults.links and links is not None:
        where = f"from={links.origin}" if links.origin else "a folder that another RUN writes"
        raise DockerfileError(
            links.line,
            "RUN",
            f"the builder of {name} follows links in the source of a mount out to this machine, so "
            f"--mount=type={links.kind} with source={links.source} and {where} is not given to it.",
            f"Copy instead: COPY --from={links.origin} /{links.source} …"
            if links.origin
            else "Leave out rw, and copy what is to be changed: COPY",
        )
    if faults.writes and writes is not None:
        raise DockerfileError(
            writes.line,
            "RUN",
            f"the builder of {name} would change {writes.origin} itself with "
            f"--mount=type=bind,from={writes.origin},rw.",
            f"Leave out rw, or copy what is to be changed: COPY --from={writes.origin} …",
        )
    if faults.caches and caches is not None:
        raise DockerfileError(
            caches.line,
            "RUN",
            f"a link in a cache can lead the builder of {name} out to this machine, so "
            f"--mount=type=cache with source={caches.source} is not given to it.",
            f"Leave out source, and use {caches.source} within the cache; or update: docker 25.0.2",
        )


async def check_late(plan: Plan) -> None:
    """What the builder is too old for is told before anything is run."""
    info = await plan.request.builder.info()
    for found in missing(plan.dockerfile, info):
        found.at.fail(found.why(info), found.hint)


_stores: dict[tuple[str, ...], str] = {}


async def _store(engine: Guarded) -> str:
    """Where an engine keeps its images; asked once per process, since podman takes its time."""
    told = ("DOCKER_HOST", "DOCKER_CONTEXT", "CONTAINER_HOST", "CONTAINERS_STORAGE_CONF")
    key = (engine.name, *(os.environ.get(name, "") for name in told))
    if key not in _stores:
        _stores[key] = (await engine.info()).endpoint.split(":", 2)[-1]
    return _stores[key]


async def check_disk(request: BuildRequest) -> None:
    """Raise DiskFull below the policy's floor, where the engine or we would write."""
    floor = request.engine.policy.min_free_disk
    if floor is None:
        return
    for path in (Path(await _store(request.builder)), cache_directory()):
        with contextlib.suppress(OSError):  # another machine's, or nothing we may look at
            place = next(one for one in (path, *path.parents) if one.exists())
            free = (await asyncio.to_thread(shutil.disk_usage, place)).free
            if path.is_absolute() and free < floor:
                left = format_size(free >> 20 << 20)
                raise DiskFull(
                    f"{left} are left at {place}, and a build starts with no less than "
                    f"{format_size(floor)}: Policy.min_free_disk"
                )
