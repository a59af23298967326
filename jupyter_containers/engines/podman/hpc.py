"""NERSC's podman-hpc: podman with what a cluster needs around it. Its grammar is podman's.

What it adds to a `run` is the site's: where images are, hooks, and for `--gpu` the host's driver.
`podman-hpc migrate` writes an image as one file into a store that all hosts share (the squash
store). It lets `run`, `images` and its own verbs see that store, and no others: so we name it.
https://github.com/NERSC/podman-hpc
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

from ...errors import EngineDown, EngineFailed, ImageError, StartFailed, Unsupported
from ...host.process import Completed, run
from ...models import BuildSpec, Container, ContainerSpec, EngineInfo, Problem, Progress, User
from ...text import one_line
from ..common import cdi, userns
from . import buildah
from .engine import Podman

_FILTER = Path("/usr/share/containers/seccomp.json")
"""Podman's own, which the wrapper switches off."""
_ONE_HOST = Problem(
    "Images that are built here are on this host only.",
    "For the jobs of a cluster: podman-hpc migrate NAME",
)
_NO_ACLS = re.compile(r"/etc/mtab symlink: operation not supported")
_STORES = re.compile(r"^additional_stores .*\n((?: - .*\n)*)", re.MULTILINE)


class PodmanHpc(Podman):
    """Talks to the podman-hpc of the person who runs this process."""

    name = "podman-hpc"
    program = "podman-hpc"
    _has_init = False  # what the wrapper adds for a site it adds to `run`
    _site = ""
    """What `infohpc` said."""

    async def _ask_info(self) -> EngineInfo:
        self._site = ""
        site = await self._asked_site()
        info = await super()._ask_info()
        features = set(info.features) - {cdi.FEATURE}
        if "/gpu.yaml" in site:
            features.add(cdi.FEATURE)
        foreign = await asyncio.to_thread(_foreign_store)
        unfiltered = [] if _FILTER.exists() else [userns.NO_FILTER]
        return replace(
            info,
            usable=info.usable and not foreign,
            features=frozenset(features),
            problems=(*info.problems, *foreign, *unfiltered, _ONE_HOST),
            endpoint=info.endpoint.replace("podman:", "podman-hpc:", 1),
        )

    async def _asked_site(self) -> str:
        if not self._site:
            done = await run([self.program, "infohpc"], timeout=30)
            if done.code:
                last = (done.stderr.strip() or "it said nothing").splitlines()[-1]
                raise EngineDown(
                    f"podman-hpc does not work: {one_line(last, 400)}",
                    "Run it by hand: podman-hpc infohpc",
                )
            self._site = done.stdout
        return self._site

    async def _stores(self) -> list[str]:
        """Options that show every verb the images that were migrated."""
        said = _STORES.search(await self._asked_site())
        further = re.findall(r"^ - (.*)$", said[1] if said else "", re.MULTILINE)
        return ["--storage-opt", f"additionalimagestore={','.join([squash_store(), *further])}"]

    async def _run(self, argv: Sequence[str], timeout: float = 60.0) -> Completed:
        return await super()._run([argv[0], *await self._stores(), *argv[1:]], timeout)

    async def pull(self, reference: str) -> AsyncGenerator[Progress]:
        """See `Engine.pull`: podman-hpc goes on to migrate what it fetched."""
        try:
            async with aclosing(super().pull(reference)) as events:
                async for event in events:
                    yield event
        except EngineFailed as error:
            if await self.image(reference) is None:
                raise
            raise ImageError(
                f"{reference} is on this host now, but was not migrated to {squash_store()}, for "
                f"all hosts: {one_line(error.stderr, 400)}",
                f"Make that directory yours, or set SQUASH_DIR to one; then: "
                f"podman-hpc migrate {reference}",
            ) from None

    async def save(self, reference: str, archive: Path) -> AsyncGenerator[Progress]:
        """See `Engine.save`. The squash store keeps no layers."""
        try:
            async with aclosing(super().save(reference, archive)) as events:
                async for event in events:
                    yield event
        except EngineFailed as error:
            if "image not known" not in error.stderr:
                raise
            raise Unsupported(
                f"{reference} was migrated on another host: podman-hpc cannot write it as an "
                "image that other engines read.",
                f"Copy it on that host; or here, after: podman-hpc pull {reference}",
            ) from None

    async def remove_image(self, reference: str) -> None:
        """See `Engine.remove_image`. Other hosts may be using what was migrated."""
        try:
            await super().remove_image(reference)
        except EngineFailed as error:
            if "read-only" not in error.stderr:
                raise
        if await self.image(reference) is not None:
            raise ImageError(
                f"{reference} is still in {squash_store()}, for all hosts.",
                f"To remove it there, too: podman-hpc rmsqi {reference}",
            )

    async def build(self, spec: BuildSpec) -> AsyncGenerator[Progress]:
        """See `Engine.build`."""
        options = await self._stores()
        made = buildah.build((self.program,), None, spec, self.image, options)
        async with aclosing(made) as events:
            async for event in events:
                yield event

    async def run(self, spec: ContainerSpec, timeout: float) -> Completed:
        """See `Engine.run`."""
        done = await super().run(spec, timeout)
        if done.code and _NO_ACLS.search(done.stderr):
            raise _too_old(spec)
        return done

    async def start(self, spec: ContainerSpec) -> Container:
        """See `Engine.start`."""
        try:
            return await super().start(spec)
        except StartFailed as error:
            raise _too_old(spec) if _NO_ACLS.search(error.message) else error from None

    def _user_argv(self, user: User) -> list[str]:
        argv = super()._user_argv(user)
        return [*argv, f"--security-opt=seccomp={_FILTER}"] if _FILTER.exists() else argv

    def _devices_argv(self, devices: Sequence[str]) -> list[str]:
        for device in devices:
            if device != "nvidia.com/gpu=all":
                raise Unsupported(
                    f"podman-hpc gives containers all GPUs of a host or none, and not {device}.",
                    "Ask for nvidia.com/gpu=all; which are seen is up to the job.",
                )
        return ["--gpu"] if devices else []


def _foreign_store() -> list[Problem]:
    """Where neither SQUASH_DIR nor SCRATCH is set the store is below /tmp: anybody may have made
    it, with images that have the names of ours."""
    store = squash_store()
    try:
        link, found = os.lstat(store), os.stat(store)  # noqa: PTH116
    except OSError:
        return []
    if {link.st_uid, found.st_uid} <= {0, os.getuid()} and not found.st_mode & 0o022:
        return []
    return [
        Problem(
            f"Others can write to the squash store {store}: an image in it may be anybody's.",
            "Set SQUASH_DIR to a directory that is yours alone, and start Jupyter again.",
        )
    ]


def _too_old(spec: ContainerSpec) -> StartFailed:
    """https://github.com/containers/fuse-overlayfs/blob/main/NEWS (1.11)"""
    return StartFailed(
        f"The image {spec.reference or spec.image} was migrated on another host, and this one's "
        "fuse-overlayfs, which is older than 1.11, cannot run it.",
        "Ask the administrator to update fuse-overlayfs; until then, build or pull the image here.",
    )


def squash_store() -> str:
    """Where migrated images are; no file of the site says so.
    https://github.com/NERSC/podman-hpc/blob/main/podman_hpc/siteconfig.py (`squash_dir`)"""
    return os.environ.get("SQUASH_DIR", f"{os.environ.get('SCRATCH', '/tmp')}/storage")
