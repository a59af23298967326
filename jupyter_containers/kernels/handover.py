"""What a server writes down of each kernel, for the one that comes after it has been killed.

    ROOM/kernel.json    the kernel, its container, its connection: written when it has started
    ROOM/sessions.json  which documents use it, under which ids: written as they change

Both lie where no container sees them. The next server reads them back (`adoption.py`), joins the
container's guest and goes on with the kernel under its old id, so that pages which are still open
find it again. A kernel without a guest cannot be joined: it ends with its server.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Self, cast

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.manager import KernelManager

from ..engines.registry import open_engine
from ..errors import ContainersError, KernelError, PolicyRefused
from ..host.owners import owner
from ..host.paths import read_untrusted, replace_file
from ..host.reaper.client import keeper
from ..host.rundir import room_at
from ..models import ContainerSpec, Mount, User
from ..policy.policy import Policy
from ..settings.schema import Settings
from .container import KernelContainer
from .request import Request, container_labels
from .spec import Prepared

RECORD = "kernel.json"
SESSIONS = "sessions.json"
_VERSION = 1
_MOST = 4 << 20
Session = Mapping[str, str]
"""A session of jupyter_server's: its id, path, name and type."""


@dataclass(frozen=True, kw_only=True)
class Handover:
    """One kernel as its server has written it down. Everything that JSON holds, and no more."""

    kernel: str
    spec: str
    """The kernel spec's name."""
    directory: str
    session: str
    """JPY_SESSION_NAME, as its client said it."""
    notebook: str
    engine: str
    asked: dict[str, Any]
    container: dict[str, Any]
    allowed: dict[str, Any]
    """What of `container` the engine got: a policy that would give it another by now counts."""
    shared: bool
    sockets: bool
    token: str
    pem: str
    ports: tuple[int, ...]
    connection: dict[str, Any]

    @classmethod
    async def of(
        cls,
        manager: KernelManager,
        request: Request,
        container: KernelContainer,
        session: str,
        ports: tuple[int, ...],
    ) -> Self:
        """What a provisioner has of a kernel that runs."""
        prepared = container.prepared
        allowed = await request.engine.allowed(prepared.spec)
        return cls(
            kernel=str(manager.kernel_id),
            spec=manager.kernel_name,
            directory=str(request.directory),
            session=session,
            notebook=str(request.notebook or ""),
            engine=request.engine.name,
            asked=request.asked.to_json(),
            container=_plain(prepared.spec),
            allowed=_plain(allowed),
            shared=container.room.shared is not None,
            sockets=prepared.sockets,
            token=prepared.token,
            pem=prepared.pem,
            ports=ports,
            connection=_text(manager.get_connection_info()),
        )

    @property
    def connection_info(self) -> KernelConnectionInfo:
        """As `KernelManager.load_connection_info` takes it."""
        info = {**self.connection, "key": str(self.connection["key"]).encode()}
        return cast("KernelConnectionInfo", info)

    def request(self, policy: Policy) -> Request:
        """What its start asked for, where the policy of today still allows it. Raises
        PolicyRefused, EngineMissing, BadSettings."""
        asked = Settings.parse(self.asked, where=self.notebook)
        notebook = Path(self.notebook) if self.notebook else None
        settings = asked.resolved(Path(self.directory), policy)
        policy.check_asked(settings)
        return Request(
            settings=settings,
            asked=asked,
            directory=Path(self.directory),
            notebook=notebook,
            engine=open_engine(self.engine, policy),
            policy=policy,
            labels=container_labels(self.kernel, notebook),
        )

    async def check(self, request: Request) -> None:
        """Raises PolicyRefused where the container would start otherwise by now, or not at all."""
        if _plain(await request.engine.allowed(_spec(self.container))) != self.allowed:
            raise PolicyRefused("Its container would start with other limits by now", "Policy")

    def rejoin(self, root: Path, request: Request) -> KernelContainer:
        """Its container, which `KernelContainer.join` then goes to."""
        room = room_at(root, shared=self.shared)
        prepared = Prepared(
            spec=_spec(self.container),
            guest=True,
            sockets=self.sockets,
            token=self.token,
            engine=request.engine,
            pem=self.pem,
        )
        return KernelContainer(prepared, room)


async def hand_over(
    manager: KernelManager,
    request: Request,
    container: KernelContainer,
    session: str,
    ports: tuple[int, ...],
) -> None:
    """Write a kernel down that runs, and have the keeper leave it alone for `orphan_grace` when
    this process is killed. Called by the provisioner; does nothing where nobody would come after
    this process, or could join the kernel. A full disk forgets it."""
    seconds = request.policy.orphan_grace
    has_heir = owner().server and manager.parent is not None and seconds
    if not (has_heir and container.prepared.guest):
        return
    with suppress(OSError, ContainersError):
        handover = await Handover.of(manager, request, container, session, ports)
        await asyncio.to_thread(_write, handover, container.room.root)
        claim = container.room.root / "owner"
        keeper.keep((container.id, container.room.root.name), seconds, claim, owner().file)


def _write(handover: Handover, root: Path) -> None:
    data = json.dumps({"version": _VERSION, **_plain(handover)})
    replace_file(root / RECORD, data.encode(), lasting=False)


def read(root: Path) -> Handover | None:
    """What stands in a room; None where nothing does, or what another version has written."""
    try:
        said = json.loads(read_untrusted(root / RECORD, _MOST))
        if said.pop("version") != _VERSION:
            return None
        return Handover(**{**said, "ports": tuple(said["ports"])})
    except (KernelError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write_sessions(root: Path, sessions: list[Session]) -> None:
    """Write down which sessions a kernel has now, where that is news and the kernel is one that is
    handed over. A full disk keeps the last ones. Blocks for two files."""
    if (root / RECORD).exists() and read_sessions(root) != sessions:
        with suppress(OSError):
            replace_file(root / SESSIONS, json.dumps(sessions).encode(), lasting=False)


def read_sessions(root: Path) -> list[Session]:
    """What `write_sessions` wrote last."""
    with suppress(KernelError, ValueError, TypeError):
        said = json.loads(read_untrusted(root / SESSIONS, _MOST))
        return [{str(key): str(value) for key, value in one.items()} for one in said]
    return []


@dataclass(frozen=True, kw_only=True)
class Joined:
    """A kernel that was joined again, on its way to its provisioner."""

    handover: Handover
    request: Request
    container: KernelContainer


_joined: dict[str, Joined] = {}


async def join(root: Path, handover: Handover, policy: Policy) -> None:
    """Join a kernel's container; the next start under the kernel's id goes on with it. Raises
    ContainersError where it cannot be: it has ended, or the policy no longer allows it. The
    container is left alone then."""
    request = await asyncio.to_thread(handover.request, policy)
    await handover.check(request)
    container = handover.rejoin(root, request)
    try:
        await container.join()
    except BaseException:
        container.leave()
        raise
    _joined[handover.kernel] = Joined(handover=handover, request=request, container=container)


def joined(kernel: str) -> Joined | None:
    """Where a kernel of this id was joined, and nobody has asked yet: called by each start."""
    return _joined.pop(kernel, None)


def _plain(one: Any) -> dict[str, Any]:
    """A dataclass of ours with mappings and dataclasses in it, as JSON knows it."""
    said: dict[str, Any] = json.loads(json.dumps(_fields(one), default=_fields))
    return said


def _fields(one: Any) -> dict[str, Any]:
    if is_dataclass(one) and not isinstance(one, type):
        return {field.name: getattr(one, field.name) for field in fields(one)}
    return dict(one)


def _text(connection: Mapping[str, Any]) -> dict[str, Any]:
    return {key: one.decode() if isinstance(one, bytes) else one for key, one in connection.items()}


def _spec(said: Mapping[str, Any]) -> ContainerSpec:
    lists = {name: tuple(said[name]) for name in ("argv", "devices", "tmpfs")}
    mounts = {name: tuple(Mount(**one) for one in said[name]) for name in ("mounts", "own")}
    publish = tuple((host, inside) for host, inside in said["publish"])
    return ContainerSpec(
        **{**said, **lists, **mounts, "publish": publish, "user": User(**said["user"])}
    )
