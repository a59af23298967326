"""What the routes share: one server's builds, its root, its policy, its notebooks' kernels."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import ensure_async

from ..builds.jobs import Job
from ..builds.manager import Builds
from ..engines.guarded import Guarded
from ..engines.registry import working_engines
from ..errors import StreamFailed, Unknown
from ..kernels.listing import OwnedContainer, find_container
from ..kernels.provisioner import KernelProcess
from ..kernels.state import KernelState, kernels_of
from ..kernels.streams import Streams
from ..notebook.file import resolve_notebook
from ..policy.loader import load_policy
from ..policy.policy import Policy
from ..serializers import contents_path
from .ports import Ports
from .provenance import Provenance
from .terminals import Terminals

SETTING = "jupyter_containers_server"
"""Where the web application's settings hold it."""


class Server:
    """Made once per Jupyter server, by `app`."""

    def __init__(self, app: ServerApp) -> None:
        self._app = app
        self.builds = Builds()
        self.provenance = Provenance(app)
        self.terminals = Terminals()
        self.ports = Ports(app, self.streams)

    @property
    def root(self) -> Path:
        """What notebooks' paths are relative to."""
        return Path(self._app.root_dir)

    async def policy(self) -> Policy:
        """The administrator's, read anew. Raises PolicyRefused where it cannot be."""
        return await asyncio.to_thread(load_policy, self._app.config)

    async def engines(self, name: str = "") -> list[Guarded]:
        """All that work, or the one that is named. Raises EngineMissing, Unsupported."""
        return await working_engines(name, await self.policy())

    async def notebook(self, path: str) -> Path:
        """The file of a notebook's path in the contents API. Raises Unknown for all else, and
        for what lies outside the server's root."""
        found = await asyncio.to_thread(resolve_notebook, path, self.root)
        if found is None:
            raise Unknown(
                f"There is no notebook {path[:200]!r} below this server's root.", "Save it first."
            )
        return found

    def job(self, id: str) -> Job:
        """A build or pull. Raises Unknown for one that is not remembered."""
        if (job := self.builds.get(id)) is None:
            raise Unknown(
                f"This server knows no build, pull or conversion {id[:40]!r}.",
                "The server was restarted, or many others ended since. Run the cell again.",
            )
        return job

    def building(self, notebook: Path) -> bool:
        """Whether a cell of that notebook is being built, or waits for its turn."""
        return any(
            job.kind == "build" and job.notebook == notebook and job.ended is None
            for job in self.builds.all()
        )

    async def container(self, name: str) -> OwnedContainer:
        """One of this person's containers, by its whole name or the id that a list shows: no
        slip may end another. Raises Unknown."""
        found = await find_container(await self.engines(), name)
        if name not in (found.container.name, found.container.id[:12], found.container.id):
            raise Unknown(f"There is no container {name[:100]!r} of yours.")
        return found

    # -- kernels ---------------------------------------------------------------------------

    def kernels(self) -> Mapping[str, KernelState]:
        """The kernels of ours that this server runs or starts, by id."""
        return {one.id: one for one in kernels_of(self._app.kernel_manager)}

    async def kernel_of(self, path: str, notebook: Path) -> KernelState | None:
        """A notebook's kernel, where it is one of ours: the one that is being started for it,
        else its session's."""
        kernels = self.kernels()
        for kernel in kernels.values():
            if kernel.notebook == notebook and kernel.state in ("starting", "restarting"):
                return kernel
        for kernel_id, named, _ in await self._sessions():
            if named == path and kernel_id in kernels:
                return kernels[kernel_id]
        return None

    async def paths(self) -> Mapping[str, str]:
        """Where the notebook of each kernel of ours lies, in the contents API: where its session
        says, which follows a file that is renamed, else where it was started for."""
        kernels = self.kernels()
        found = {id: contents_path(one.notebook, self.root) for id, one in kernels.items()}
        sessions = await self._sessions()
        found |= {id: path for id, path, kind in sessions if id in found and kind == "notebook"}
        return found

    async def _sessions(self) -> list[tuple[str, str, str]]:
        """The kernel's id, the path and the type of each."""
        sessions: list[dict[str, Any]] = await ensure_async(
            self._app.session_manager.list_sessions()
        )
        return [
            (
                str((one.get("kernel") or {}).get("id")),
                # Real-time collaboration names its documents with a drive in front.
                str(one.get("path", "")).removeprefix("RTC:"),
                str(one.get("type")),
            )
            for one in sessions
        ]

    def streams(self, kernel_id: str) -> Streams:
        """Connections and programs in a kernel's container. Raises Unknown, StreamFailed."""
        manager: Any = self._app.kernel_manager
        kernel = manager.get_kernel(kernel_id) if kernel_id in manager else None
        provisioner = getattr(kernel, "provisioner", None)
        if not isinstance(provisioner, KernelProcess):
            raise Unknown(f"This server runs no kernel {kernel_id[:40]!r} in a container.")
        if provisioner.container is None:
            raise StreamFailed("none", "This kernel has no container.", "Restart the kernel.")
        return provisioner.container.streams

    async def shut_down(self, kernel_id: str) -> None:
        """End a kernel of this server; its container goes with it."""
        manager: Any = self._app.kernel_manager
        await ensure_async(manager.shutdown_kernel(kernel_id))
