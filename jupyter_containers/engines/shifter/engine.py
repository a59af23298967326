"""NERSC's Shifter, which a site's administrator installs and sets up.

A container is this process's child in a mount namespace of its own, and shares all else with the
machine. Its image lies with the site's gateway, which pulls it for all users; `gateway.py`
remembers which names mean which, and a container is started by its id, without asking the
gateway. Shifter's complaints are its own words, seen with 22.02.1.
https://github.com/NERSC/shifter/blob/main/doc/command/shifter.rst
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ...errors import ContainersError, EngineDown, StartFailed, Unsupported
from ...host.process import Completed
from ...models import Container, ContainerSpec, EngineInfo, Image, Mount, Progress
from ...text import one_line
from ..common import cdi, userns
from ..common.errors import last_words
from ..process_engine.base import Command, ProcessEngine
from ..process_engine.containers import StateDir
from ..process_engine.image_store import Stored
from . import gateway, mounts, site
from .mounts import check_names


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
        await asyncio.sleep(_SAID)
        if found := STAYED.search(self.process_containers.head(spec.name)):
            await self.remove(container.id)
            raise trouble(Completed((self.program,), 0, "", found[0]))
        return container

    async def check_mounts(self, mounts: Sequence[Mount]) -> None:
        """See `PickyEngine.check_mounts`."""
        here = await asyncio.to_thread(site.read)
        for mount in mounts:
            check_names(mount, here.seen(mount.source))

    def command(self, spec: ContainerSpec, stored: Stored, state_dir: StateDir) -> Command:
        """See `ProcessEngine.command`."""
        here = site.read()
        return Command(
            argv=(
                self.program,
                f"--image=id:{gateway.id_of(stored)}",
                *mounts.options(spec, here, state_dir.path),
                "--",
                *mounts.program(spec, here, stored.image),
            ),
            env=site.environment(),
        )

    def shell(self, stored: Stored) -> str:
        """See `ProcessEngine.shell`."""
        return f"shifter --image=id:{gateway.id_of(stored)} /bin/sh"

    def write_files(self, spec: ContainerSpec, stored: Stored, state_dir: StateDir) -> None:
        """See `ProcessEngine.write_files`."""
        mounts.write_files(spec, site.read(), state_dir.path, stored.image)

    def ran_nothing(self, done: Completed) -> int | None:
        """See `ProcessEngine.ran_nothing`."""
        return own_message(done)

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


_SAID = 0.05
"""Seconds until what it printed before the container began stands in the log."""
STAYED = re.compile(r"(?m)^Failed to switch to working dir: (.*), staying in /$")
"""It goes on after this."""
_REMARKS = re.compile(r"\A(?:WARNING: .*\n)+")
"""On what a newer gateway wrote of an image; it goes on after these, too."""
_NOT_THERE = re.compile(r"^\S*shifter: .*: (?:No such file or directory|Permission denied)$", re.M)
_SETUP = re.compile(
    r"^(?:FAILED\b|Failed to |ERROR: |Invalid |Unknown shifter module|Not running with root|"
    r"Specified \"|\"\w+\" is not defined|Improperly formatted|Couldn't |shifter_realpath: )",
    re.MULTILINE,
)
_TO = re.compile(r"\"to\"(?: location is not directory)?: (\S*?)(?:,|$)", re.MULTILINE)


def own_message(done: Completed) -> int | None:
    """See `ProcessEngine.ran_nothing`."""
    first = _REMARKS.sub("", done.stderr[:4000])
    if STAYED.match(first):
        return 125
    if done.code in (126, 127) and _NOT_THERE.search(first):
        return 127
    return 125 if done.code and _SETUP.match(first) else None


def trouble(done: Completed) -> ContainersError:
    """Why a container did not start."""
    text = done.stderr[:4000]
    if found := STAYED.search(text):
        return StartFailed(
            f"The working directory {found[1]} is not there in the container.",
            'Set "workdir" to a folder that the image has, or that this site shows containers.',
        )
    if "find requested image" in text or "loop mount image" in text:
        return StartFailed(
            "The site's image gateway has this image no more.",
            "Sites remove images that nobody used for long. Remove it in the sidebar, and pull it "
            "or run its %%dockerfile cell again.",
        )
    if "permission denied to image" in text:
        return StartFailed(
            "The image belongs to others: whoever pulled it gave you no right to it.",
            "Log in to its registry (shifterimg login) and pull it yourself.",
        )
    if found := re.search(r"Unknown shifter module: (\S+)", text):
        return StartFailed(
            f"This site's Shifter has no module {found[1]}, by which it gives GPUs.",
            "Ask the administrator: https://github.com/NERSC/shifter/blob/main/doc/modules.rst",
        )
    if "attempted to run as root" in text:
        return EngineDown("Shifter refuses to run containers for root.", "Run Jupyter as yourself.")
    if "parse udiRoot configuration" in text or "Not running with root privileges" in text:
        return EngineDown(
            f"Shifter is not set up: {one_line(text, 300)}",
            "Ask the administrator to look at udiRoot.conf and at the program's setuid bit.",
        )
    return _of_mounts(text) or StartFailed(
        f"Shifter could not start the container: {last_words(text)}"
    )


def _of_mounts(text: str) -> StartFailed | None:
    if found := re.search(r"Invalid Volume Map: [^:]*:([^:,]*)", text):
        return _nowhere(found[1])
    if re.search(r"not on an approved device|Invalid mount request|Invalid destination", text):
        return StartFailed(
            f"Shifter mounts nothing there: {last_words(text)}",
            "Mount it right below /: as /data for example.",
        )
    if found := _TO.search(text):
        return _nowhere(_inside(found[1]))
    if '"from"' in text:
        return StartFailed(
            f"Shifter cannot mount a folder: {one_line(text.splitlines()[0], 300)}",
            "See that it is there, that you can enter it, and that it is a directory.",
        )
    return None


def _nowhere(target: str) -> StartFailed:
    return StartFailed(
        f"Shifter cannot mount at {target}: the image has no such directory, or the place is "
        "Shifter's own.",
        "Mount it right below /: as /data for example. Or make the directory in the Dockerfile.",
    )


def _inside(path: str) -> str:
    """Shifter names the place as it is outside, with two slashes where the inside begins."""
    return str(PurePosixPath("/" + path.rpartition("//")[2]))
