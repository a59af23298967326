"""What an engine is. Four families may implement it; nobody above this package knows which."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from ..errors import StartFailed
from ..host.process import Completed
from ..models import (
    BuilderFaults,
    BuildSpec,
    ChangedPath,
    Container,
    ContainerSpec,
    Ended,
    EngineInfo,
    Image,
    Layer,
    Mount,
    Progress,
    Stats,
    User,
)
from ..policy.traits import PolicyTraits
from .placement import Placement

ISOLATES = "network-isolated"
"""The feature of an engine whose containers with a private network do not reach each other."""
BARS = "network-rules"
"""The feature of an engine whose private networks can be barred from what `Barred` names."""
BARS_RUN = "network-rules-build"
"""The same for RUN of its builds."""
NAMED_NETWORKS = "network-named"
"""The feature of an engine that takes the administrator's network by its name."""


class Output(Protocol):
    """What a finished foreground container printed."""

    @property
    def code(self) -> int:
        """Its exit code; 125 to 127 are the engine's own."""
        ...

    @property
    def stdout(self) -> str:
        """What it printed, which is untrusted."""
        ...

    @property
    def stderr(self) -> str:
        """What it, or the engine, complained of."""
        ...


class Watch(Protocol):
    """Whether a container goes on, asked from any event loop: starts nothing, waits for nothing."""

    def poll(self) -> Completed | None:
        """None while it runs. After: code 0 and the container's own code printed, or another
        code where only this watch ended."""
        ...

    def close(self) -> None:
        """Watch no more; what was watched goes on."""
        ...


@runtime_checkable
class FromRegistry(Protocol):
    """What an engine has besides that takes images from a registry only: where to push what
    others built for it. `open_engine` sets it, from `Policy.push_registry`."""

    registry: str

    def check_load(self) -> None:
        """Raises Unsupported where `Engine.load` cannot push: called before an image is built."""
        ...


@runtime_checkable
class ProbedBuilder(Protocol):
    """What an engine has besides whose builder is tried before it gets what old ones do wrong."""

    async def builder_faults(self) -> BuilderFaults:
        """What its builder does wrong. Tried once per program, which takes a second or two, and
        remembered. Raises EngineDown."""
        ...


@runtime_checkable
class DiagnosedEngine(Protocol):
    """What an engine has besides of which `doctor` can find out more than a start needs."""

    async def diagnose(self, info: EngineInfo) -> EngineInfo:
        """What `info` said, and what is found out besides. Takes longer. Raises EngineDown."""
        ...


@runtime_checkable
class PickyEngine(Protocol):
    """What an engine has besides that cannot mount folders of any name."""

    async def check_mounts(self, mounts: Sequence[Mount]) -> None:
        """Raises Unsupported where it cannot make one: called before an image is built, and before
        a start."""
        ...


@runtime_checkable
class FromPolicy(Protocol):
    """What an engine has besides that is of a cluster which the administrator's policy describes.
    `open_engine` sets it, for every request anew."""

    policy: PolicyTraits


class Engine(Protocol):
    """Runs containers. Ids are strings, so a restarted server can pick a container up again.

    Every method raises EngineMissing or EngineDown where the engine is not there, EngineFailed
    where it tried and failed, Unsupported where it never can.
    """

    name: str

    @property
    def program(self) -> str:
        """Its command: without it on PATH the engine is not installed."""
        ...

    async def info(self) -> EngineInfo:
        """Version, features and problems with their fix. Raises nothing: `usable` says it."""
        ...

    async def images(self) -> list[Image]:
        """All images that have a name here (size and references; not their env)."""
        ...

    async def image(self, reference: str) -> Image | None:
        """One image in full, or None where it is not here. One cheap command: every launch and
        every unchanged build asks this."""
        ...

    async def all_here(self, references: Sequence[str]) -> list[Image] | None:
        """All of these in full, asked at once, or None where one of them is not here."""
        ...

    def pull(self, reference: str) -> AsyncGenerator[Progress]:
        """Fetch an image; the last event carries it. Closing the iterator cancels the pull."""
        ...

    def build(self, spec: BuildSpec) -> AsyncGenerator[Progress]:
        """Build an image; the last event carries it. Closing the iterator ends every process
        of the build. Raises BuildFailed, NetworkFailed, DiskFull."""
        ...

    def save(self, reference: str, archive: Path) -> AsyncGenerator[Progress]:
        """Write an image to a file that `load` reads, in Docker's format; `bytes` events tell
        how much. Closing the iterator ends it. Raises Unsupported, ImageNotHere, DiskFull."""
        ...

    def load(self, archive: Path, image: Image) -> AsyncGenerator[Progress]:
        """Read what another engine saved; it gets the names, id and labels of `image` where
        this engine keeps none of its own. The last event carries it. Raises DiskFull."""
        ...

    async def user(self, mode: Literal["me", "root", "image"], image_ids: tuple[int, int]) -> User:
        """The ids inside for a user mode; `image_ids` are those of the image's own user. Files
        on mounts belong to this process's user in every case; raises Unsupported where they
        would not."""
        ...

    async def run(self, spec: ContainerSpec, timeout: float) -> Output:
        """Run to the end in the foreground and remove. For the probes, never for kernels."""
        ...

    async def start(self, spec: ContainerSpec) -> Container:
        """Start in the background. A failed or cancelled start leaves no container."""
        ...

    async def poll(self, id: str) -> int | None:
        """None while it runs, as Popen says; raises EngineDown where nobody can tell."""
        ...

    async def pid(self, id: str) -> int | None:
        """Its first process as this machine's `/proc` knows it; None where it has ended."""
        ...

    def watch(self, id: str) -> Watch:
        """One attached child that ends when the container does. For kernels without our guest."""
        ...

    async def ended(self, id: str) -> Ended | None:
        """How a container that is over ended; None where it runs or is gone."""
        ...

    async def logs(self, id: str, tail: int) -> str:
        """Its last `tail` lines, stdout and stderr together, printable."""
        ...

    async def signal(self, id: str, signum: int) -> None:
        """Send a signal to its first process."""
        ...

    async def ports(self, id: str) -> dict[int, int]:
        """Container port → host port on 127.0.0.1, for what the spec published."""
        ...

    async def remove(self, id: str) -> None:
        """Stop if needed and remove; twice is fine."""
        ...

    def remove_argv(self, id: str) -> Sequence[str]:
        """The command `remove` runs, for the reaper that outlives a killed owner."""
        ...

    def by_hand(self, image: str) -> str:
        """What a person types to look into an image, for the hints of errors."""
        ...

    async def containers(self, label: str) -> list[Container]:
        """The containers, running or not, that carry `label` (key or key=value)."""
        ...

    async def stats(self, id: str) -> Stats | None:
        """What a container uses now; None where it does not run, or the engine cannot say here.
        Takes a second or two."""
        ...

    async def layers(self, reference: str) -> list[Layer]:
        """An image's layers, the newest first. Raises ImageNotHere."""
        ...

    async def remove_image(self, reference: str) -> None:
        """Remove an image by name or id. An image in use raises EngineFailed."""
        ...


@runtime_checkable
class HasNetworks(Protocol):
    """What an engine has besides in which we make a network."""

    async def unused_networks(self) -> list[str]:
        """The ids of ours that no container is on. Raises nothing: none where it cannot tell."""
        ...

    async def remove_network(self, id: str) -> None:
        """Remove one. Raises EngineFailed where a container has come onto it meanwhile."""
        ...


@runtime_checkable
class HasChanges(Protocol):
    """What an engine has besides that knows what a container has written into its image's tree."""

    async def changes(self, id: str) -> list[ChangedPath]:
        """What is not as in the image, folders above what changed in them among it; what is
        mounted in the container is none of it. Raises Unsupported where nobody keeps it."""
        ...


@runtime_checkable
class ScheduledEngine(Protocol):
    """What an engine has besides whose containers a scheduler places on other machines. Its
    `start` waits in the scheduler's queue; its kernels are reached over the network, unless it
    brings their sockets here (`TunnelingEngine`)."""

    def placement(self, id: str) -> Placement | None:
        """Where a container is, or what its start waits for, as far as is known; None where
        nothing was submitted. Starts nothing, waits for nothing."""
        ...

    async def find(self, id: str) -> Placement | None:
        """Where a container is that another process started, for `placement` from now on; None
        where it does not run. Raises EngineDown."""
        ...

    async def trouble(self, spec: ContainerSpec) -> StartFailed | None:
        """Why a container that was started has ended before it answered; None: nobody knows."""
        ...


@runtime_checkable
class TunnelingEngine(Protocol):
    """What a `ScheduledEngine` has besides whose containers see no directory of this machine, nor
    of one that several share. Its `start` takes the files of the run directory to the container,
    and has the container's sockets appear in that directory for as long as this process lives;
    `find` does so again."""

    brings_sockets: Literal[True]

    async def folder_note(self, source: str) -> str:
        """What people have to know of a notebook's folder before its start, `source` without links:
        that it is empty in the container, or read-only. "" where it is as it is here."""
        ...
