"""What a kernel of ours is doing, for whoever shows it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol
from weakref import WeakSet

from ..engines.placement import WARNING, Placement
from ..errors import ContainersError, NoImageYet
from ..events import Change, publish
from ..layout import RESERVED_PORTS
from ..settings.schema import Settings
from .container import KernelContainer
from .guest_client import Applied
from .request import Request

State = Literal["starting", "running", "restarting", "empty", "failed", "dead"]


@dataclass(frozen=True, kw_only=True)
class KernelState:
    """One kernel now. `failed`: the fallback kernel stands in, and `trouble` says why; `empty`: the
    same where the notebook has no image so far."""

    id: str
    state: State
    notebook: Path | None = None
    directory: Path | None = None
    """The folder that its container was started for: the notebook's then."""
    phase: str = ""
    """What its start is busy with; empty where it is not starting."""
    trouble: ContainersError | None = None
    container: str = ""
    """The container's name; empty where none runs."""
    engine: str = ""
    image: str = ""
    applied: Applied | None = None
    settings: Settings | None = None
    """What was asked when it started, as it was written."""
    placement: Placement | None = None
    """Where a cluster's scheduler has put it; None: it runs on this machine."""
    published: Mapping[int, int] = field(default_factory=dict)
    """The ports that its settings publish on 127.0.0.1, and where."""


def state_of(
    id: str,
    start: tuple[Path | None, Request | None, KernelContainer | None],
    trouble: ContainersError | None,
    *,
    phase: str,
    again: bool,
    fallback: bool,
) -> KernelState:
    """A provisioner's state from what it has of its last start; `again`: it ran before."""
    notebook, request, container = start
    state: State = "restarting" if again else "starting"
    if not phase:
        up = fallback or (container is not None and container.poll() is None)
        stands_in: State = "empty" if isinstance(trouble, NoImageYet) else "failed"
        state = stands_in if up and trouble else "running" if up else "dead"
    return KernelState(
        id=id,
        state=state,
        notebook=notebook,
        phase=phase,
        trouble=trouble,
        container=container.id if container is not None else "",
        engine=request.engine.name if request is not None else "",
        image=request.settings.image if request is not None else "",
        applied=container.applied if container is not None else None,
        directory=request.directory if request is not None else None,
        settings=request.asked if request and container and (again or not phase) else None,
        placement=container.placement if container is not None else None,
        published=_published(container) if container is not None else {},
    )


def _published(container: KernelContainer) -> dict[int, int]:
    """As the engine said when the container was started."""
    return {port: at for port, at in container.ports.items() if port not in RESERVED_PORTS}


class Reports(Protocol):
    """A provisioner, as far as this module knows."""

    @property
    def state(self) -> KernelState:
        """The kernel now. Starts nothing and waits for nothing."""
        ...

    @property
    def kernels(self) -> object:
        """Whose kernel it is: the server's kernel manager, where one has started it."""
        ...

    def follow(self, before: Path, after: Path, environment: Mapping[str, str] | None) -> None:
        """See `follow`."""
        ...


_all: WeakSet[Reports] = WeakSet()


def report(kernel: Reports) -> None:
    """Tell that a kernel's state has changed; from now on it is among `kernels_of`."""
    _all.add(kernel)
    now = kernel.state
    state = now.phase or now.state
    publish(Change(what="container", id=now.id, notebook=now.notebook, state=state))


def report_before(kernel: Reports, ends: float | None) -> None:
    """Tell it again shortly before its time is over, if it is still there then: people are warned
    by what its state says then. Called in the event loop of who owns it."""

    def again() -> None:
        if kernel in _all:
            report(kernel)

    if ends is None:
        return
    delay = max(0.0, ends - WARNING - time.time()) + 0.5
    asyncio.get_running_loop().call_later(delay, again)


def forget(kernel: Reports) -> None:
    """A kernel has ended and nobody will start it again."""
    if kernel in _all:
        _all.discard(kernel)
        now = kernel.state
        publish(Change(what="container", id=now.id, notebook=now.notebook, state="ended"))


def follow(
    manager: object, before: Path, after: Path, environments: Mapping[str, Mapping[str, str]]
) -> None:
    """This person has moved a notebook, or a folder above some: the kernels of a server's manager
    stay theirs. `environments`, by the kernels' ids, name the notebook at the next start."""
    for kernel in tuple(_all):
        if kernel.kernels is manager:
            kernel.follow(before, after, environments.get(kernel.state.id))


def kernels_of(manager: object) -> Iterator[KernelState]:
    """The kernels of ours that a server's kernel manager has started or is starting: one that
    is starting is not among the manager's own yet."""
    for kernel in tuple(_all):
        if kernel.kernels is manager:
            yield kernel.state
