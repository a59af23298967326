"""NERSC's Shifter, which a site's administrator installs and sets up.

A container is this process's child in a mount namespace of its own, and shares all else with the
machine. Its image lies with the site's gateway, which pulls it for all users; we remember which
names mean which (`_shifter_gateway.py`), and start it by its id, without asking the gateway.
https://github.com/NERSC/shifter/blob/main/doc/command/shifter.rst
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

from ...errors import ContainersError, Unsupported
from ...host.process import Completed
from ...models import Container, ContainerSpec, EngineInfo, Image, Progress
from .._shifter_trouble import STAYED, its_own, trouble
from ..common import cdi, userns
from ..process_engine.base import Command, ProcessEngine
from ..process_engine.containers import Place
from ..process_engine.image_store import Stored
from . import gateway, mounts, site


class Shifter(ProcessEngine):
    """The site's `shifter`, for the person who runs this process."""

    name = "shifter"
    program = "shifter"
    starters = ("shifter",)

    registry = ""
    """Where images are pushed that the gateway is to pull: `Policy.push_registry`."""

    async def ask_info(self) -> EngineInfo:
        """See `Engine.info`. Shifter tells no version."""
        wrong = await asyncio.to_thread(site.unusable)
        if wrong is not None:
            return EngineInfo(name=self.name, problems=(wrong,))
        known = await asyncio.to_thread(site.read)
        problems, features = [], set()
        if missing := await gateway.no_pulls():
            problems.append(missing)
        else:
            features.add("pull")
        if missing := gateway.no_loads(self.registry):
            problems.append(missing)
        if site.GPU in known.modules:
            features.add(cdi.FEATURE)
        problems += [
            site.all_shown(known),
            site.SHARED,
            site.READ_ONLY,
            site.NO_LIMITS,
            userns.NO_FILTER,
        ]
        return replace(self.described("", features, problems, usable=True), rootless=False)

    # -- containers ------------------------------------------------------------------------

    async def start(self, spec: ContainerSpec) -> Container:
        """See `Engine.start`."""
        if spec.network == "none":
            raise Unsupported(
                "Shifter's containers share this machine's network: it cannot be taken away.",
                'Set "network" to private, or "engine" to apptainer, Podman or Docker.',
            )
        container = await super().start(spec)
        if found := STAYED.search(self.contained.head(spec.name)):
            await self.remove(container.id)
            raise trouble(Completed((self.program,), 0, "", found[0]))
        return container

    def command(self, spec: ContainerSpec, stored: Stored, place: Place) -> Command:
        """See `ProcessEngine.command`."""
        here = site.read()
        return Command(
            argv=(
                self.program,
                f"--image=id:{gateway.id_of(stored)}",
                *mounts.options(spec, here, place.path),
                "--",
                *mounts.program(spec, here, stored.image),
            ),
            env=site.environment(),
        )

    def shell(self, stored: Stored) -> str:
        """See `ProcessEngine.shell`."""
        return f"shifter --image=id:{gateway.id_of(stored)} /bin/sh"

    def furnish(self, spec: ContainerSpec, stored: Stored, place: Place) -> None:
        """See `ProcessEngine.furnish`."""
        mounts.furnish(spec, site.read(), place.path, stored.image)

    def ran_nothing(self, done: Completed) -> int | None:
        """See `ProcessEngine.ran_nothing`."""
        return its_own(done)

    def trouble(self, done: Completed) -> ContainersError:
        """See `ProcessEngine.trouble`."""
        return trouble(done)

    # -- images ----------------------------------------------------------------------------

    async def pull(self, reference: str) -> AsyncGenerator[Progress]:
        """See `Engine.pull`. Log-ins are the gateway's own: `shifterimg login`."""
        async with aclosing(gateway.pull(self.store, reference)) as events:
            async for event in events:
                yield event
        yield await self.store.made(reference, reference)

    def check_load(self) -> None:
        """See `FromRegistry.check_load`."""
        gateway.target(self.registry)

    async def load(self, archive: Path, image: Image) -> AsyncGenerator[Progress]:
        """See `Engine.load`. Over the registry that the gateway reads."""
        way = gateway.load(self.store, archive, image, self.registry)
        async with aclosing(way) as events:
            async for event in events:
                yield event
        yield await self.store.made(image.id, image.id)
