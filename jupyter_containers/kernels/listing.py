"""The containers of this person's kernels, whichever process they belong to.

    RUNDIR/notebook   the path of the kernel's notebook: written as it changes

Labels of a container stay as they are, and a notebook is renamed while its kernel runs.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..engines.guarded import Guarded
from ..errors import BadInput, EngineError, KernelError, Unknown
from ..host.owners import owner_is_gone, run_dir_of
from ..host.paths import life_id, read_untrusted, replace_file
from ..layout import LABEL
from ..models import Container
from ..text import one_line

log = logging.getLogger("jupyter_containers")

_NOTEBOOK = "notebook"
_LONGEST = 1 << 16


def write_notebook(root: Path, notebook: Path | None) -> None:
    """Write into a run directory which notebook its kernel is of; a full disk keeps the last."""
    with suppress(OSError):
        if notebook is not None:
            replace_file(root / _NOTEBOOK, os.fsencode(notebook), lasting=False)
        else:
            (root / _NOTEBOOK).unlink(missing_ok=True)


def notebook_of(root: Path) -> Path | None:
    """What `write_notebook` wrote last; None where there is none."""
    try:
        return Path(os.fsdecode(read_untrusted(root / _NOTEBOOK, _LONGEST)))
    except KernelError:
        return None


@dataclass(frozen=True)
class OwnedContainer:
    """A container that this person's Jupyter started, and the engine that runs it."""

    engine: Guarded
    container: Container

    def label(self, name: str) -> str:
        """One of our labels; empty where it has none."""
        return self.container.labels.get(f"{LABEL}.{name}", "")

    @property
    def image(self) -> str:
        """The image as it was asked for."""
        return self.label("image") or self.container.image

    @property
    def notebook(self) -> str:
        """The name of its kernel's notebook now; empty where there is none, or nobody knows."""
        run_dir = run_dir_of(self.container.name)
        notebook = notebook_of(run_dir) if run_dir is not None else None
        return one_line(notebook.name) if notebook is not None else ""

    @property
    def orphan(self) -> bool:
        """Whether the process that it belonged to has ended, for certain."""
        return is_orphan(self.container)


async def our_containers(engine: Guarded) -> list[Container]:
    """The containers that this person's kernels run in, or ran in. An image that somebody made
    of one (`commit`) hands its labels to containers that are none: they name the first."""
    found = await engine.containers(LABEL)
    return [
        one
        for one in found
        if one.labels.get(f"{LABEL}.uid") == str(os.getuid())
        and one.labels.get(f"{LABEL}.name") == one.name
    ]


async def owned_containers(engines: Iterable[Guarded]) -> list[OwnedContainer]:
    """This person's on several engines, asked at the same time. One that fails just now hides
    no other's."""
    engines = list(engines)
    asked = (our_containers(engine) for engine in engines)
    found = await asyncio.gather(*asked, return_exceptions=True)
    ours = []
    for engine, some in zip(engines, found, strict=True):
        if isinstance(some, EngineError):
            log.warning("%s: %s", engine.name, some.message)
        elif isinstance(some, BaseException):
            raise some
        else:
            ours += [OwnedContainer(engine, one) for one in some]
    return ours


async def find_container(engines: Iterable[Guarded], id: str) -> OwnedContainer:
    """The container of this name or id, or whose id begins so. Raises Unknown for none, and
    BadInput for several."""
    found = [
        one
        for one in await owned_containers(engines)
        if id == one.container.name or (id and one.container.id.startswith(id))
    ]
    hint = "`jupyter containers ps` lists them."
    if not found:
        raise Unknown(f"There is no container {id[:100]!r} of yours.", hint)
    if len(found) > 1:
        raise BadInput(f"{id!r} begins the ids of {len(found)} containers.", hint)
    return found[0]


def is_orphan(container: Container) -> bool:
    """Whether the process that a container of ours belonged to has ended, for certain."""
    owner, host, boot = (
        container.labels.get(f"{LABEL}.{name}", "") for name in ("owner", "host", "boot")
    )
    before = host == socket.gethostname() and boot not in ("", life_id())
    is_job = f"{LABEL}.job" in container.labels  # on another machine, which has not gone down
    gone = owner_is_gone(owner, host, boot, container.name)
    return gone or (before and (is_job or not container.running))
