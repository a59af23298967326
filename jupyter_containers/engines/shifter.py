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

from ..errors import ContainersError, Unsupported
from ..models import Container, ContainerSpec, EngineInfo, Image, Progress
from . import _cdi, _namespaces, _shifter_gateway, _shifter_place, _shifter_site
from ._contained import Place
from ._process import Completed
from ._shifter_trouble import STAYED, its_own, trouble
from ._store import Stored
from .process_engine import Command, ProcessEngine


class Shifter(ProcessEngine):
    """The site's `shifter`, for the person who runs this process."""

    name = "shifter"
    program = "shifter"
    starters = ("shifter",)

    registry = ""
    """Where images are pushed that the gateway is to pull: `Policy.push_registry`."""

    async def ask_info(self) -> EngineInfo:
        """See `Engine.info`. Shifter tells no version."""
        wrong = await asyncio.to_thread(_shifter_site.unusable)
        if wrong is not None:
            return EngineInfo(name=self.name, problems=(wrong,))
        site = await asyncio.to_thread(_shifter_site.read)
        problems, features = [], set()
        if missing := await _shifter_gateway.no_pulls():
            problems.append(missing)
        else:
            features.add("pull")
        if missing := _shifter_gateway.no_loads(self.registry):
            problems.append(missing)
        if _shifter_site.GPU in site.modules:
            features.add(_cdi.FEATURE)
        problems += [
            _shifter_site.all_shown(site),
            _shifter_site.SHARED,
            _shifter_site.READ_ONLY,
            _shifter_site.NO_LIMITS,
            _namespaces.NO_FILTER,
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
        site = _shifter_site.read()
        return Command(
            argv=(
                self.program,
                f"--image=id:{_shifter_gateway.id_of(stored)}",
                *_shifter_place.options(spec, site, place.path),
                "--",
                *_shifter_place.program(spec, site, stored.image),
            ),
            env=_shifter_site.environment(),
        )

    def shell(self, stored: Stored) -> str:
        """See `ProcessEngine.shell`."""
        return f"shifter --image=id:{_shifter_gateway.id_of(stored)} /bin/sh"

    def furnish(self, spec: ContainerSpec, stored: Stored, place: Place) -> None:
        """See `ProcessEngine.furnish`."""
        _shifter_place.furnish(spec, _shifter_site.read(), place.path, stored.image)

    def ran_nothing(self, done: Completed) -> int | None:
        """See `ProcessEngine.ran_nothing`."""
        return its_own(done)

    def trouble(self, done: Completed) -> ContainersError:
        """See `ProcessEngine.trouble`."""
        return trouble(done)

    # -- images ----------------------------------------------------------------------------

    async def pull(self, reference: str) -> AsyncGenerator[Progress]:
        """See `Engine.pull`. Log-ins are the gateway's own: `shifterimg login`."""
        async with aclosing(_shifter_gateway.pull(self.store, reference)) as events:
            async for event in events:
                yield event
        yield await self.store.made(reference, reference)

    def check_load(self) -> None:
        """See `FromRegistry.check_load`."""
        _shifter_gateway.target(self.registry)

    async def load(self, archive: Path, image: Image) -> AsyncGenerator[Progress]:
        """See `Engine.load`. Over the registry that the gateway reads."""
        way = _shifter_gateway.load(self.store, archive, image, self.registry)
        async with aclosing(way) as events:
            async for event in events:
                yield event
        yield await self.store.made(image.id, image.id)
