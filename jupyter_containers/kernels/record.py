"""The record of each running kernel, for the server that starts after this one was killed.

    RUNDIR/kernel.json    the kernel, its container, its connection: written when it has started
    RUNDIR/sessions.json  which documents use it, under which ids: written as they change
    RUNDIR/notebook       its notebook's path (listing.py)

They lie where no container sees them. The next server reads them back (`server/adoption.py`),
connects to the container's guest and goes on with the kernel under its old id, so that open pages
find it again. A kernel without a guest cannot be adopted: it ends with its server.
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
from ..host.reaper.client import reaper
from ..host.rundir import run_dir_at
from ..models import ContainerSpec, Mount, User
from ..policy.policy import Policy
from ..settings.schema import Settings
from ..text import untrusted_json
from .container import KernelContainer
from .listing import notebook_of
from .request import Request, container_labels
from .spec import StartPlan

RECORD = "kernel.json"
SESSIONS = "sessions.json"
_VERSION = 1
_MOST = 4 << 20
Session = Mapping[str, str]
"""A session of jupyter_server's: its id, path, name and type."""


@dataclass(frozen=True, kw_only=True)
class KernelRecord:
    """A kernel's state on disk: what the next server needs to adopt it."""

    kernel: str
    spec: str
    """The kernel spec's name."""
    directory: str
    session: str
    """JPY_SESSION_NAME, as its client said it."""
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
        plan = container.plan
        allowed = await request.engine.allowed(plan.spec)
        return cls(
            kernel=str(manager.kernel_id),
            spec=manager.kernel_name,
            directory=str(request.directory),
            session=session,
            engine=request.engine.name,
            asked=request.asked.to_json(),
            container=_plain(plan.spec),
            allowed=_plain(allowed),
            shared=container.run_dir.shared is not None,
            sockets=plan.sockets,
            token=plan.token,
            pem=plan.pem,
            ports=ports,
            connection=_text(manager.get_connection_info()),
        )

    @property
    def connection_info(self) -> KernelConnectionInfo:
        """As `KernelManager.load_connection_info` takes it."""
        info = {**self.connection, "key": str(self.connection["key"]).encode()}
        return cast("KernelConnectionInfo", info)

    def request(self, policy: Policy, notebook: Path | None) -> Request:
        """What its start asked for, where the policy of today still allows it. Raises
        PolicyRefused, EngineMissing, BadSettings."""
        asked = Settings.parse(self.asked, where=str(notebook or ""))
        settings = asked.resolved(Path(self.directory), policy)
        policy.check_asked(settings)
        return Request(
            settings=settings,
            asked=asked,
            directory=Path(self.directory),
            source=self.directory,
            notebook=notebook,
            engine=open_engine(self.engine, policy),
            policy=policy,
            labels=container_labels(self.kernel),
        )

    async def check(self, request: Request) -> None:
        """Raises PolicyRefused where the container would start otherwise by now, or not at all."""
        allowed = await request.engine.allowed(_spec(self.container))
        if _plain(allowed) != _plain(_spec(self.allowed)):  # an older version knew fewer fields
            raise PolicyRefused("Its container would start with other limits by now", "Policy")

    def rejoin(self, root: Path, request: Request) -> KernelContainer:
        """Its container, which `KernelContainer.adopt` then goes to."""
        run_dir = run_dir_at(root, shared=self.shared)
        plan = StartPlan(
            spec=_spec(self.container),
            guest=True,
            sockets=self.sockets,
            token=self.token,
            engine=request.engine,
            pem=self.pem,
        )
        return KernelContainer(plan, run_dir)


async def record_kernel(
    manager: KernelManager,
    request: Request,
    container: KernelContainer,
    session: str,
    ports: tuple[int, ...],
) -> None:
    """Write a kernel down that runs, and have the reaper leave it alone for `orphan_grace` when
    this process is killed. Called by the provisioner; does nothing where nobody would come after
    this process, or could join the kernel. A full disk forgets it."""
    seconds = request.policy.orphan_grace
    has_successor = owner().server and manager.parent is not None and seconds
    if not (has_successor and container.plan.guest):
        return
    with suppress(OSError, ContainersError):
        record = await KernelRecord.of(manager, request, container, session, ports)
        await asyncio.to_thread(_write, record, container.run_dir.root)
        claim = container.run_dir.root / "owner"
        reaper.keep((container.id, container.run_dir.root.name), seconds, claim, owner().file)


def _write(record: KernelRecord, root: Path) -> None:
    data = json.dumps({"version": _VERSION, **_plain(record)})
    replace_file(root / RECORD, data.encode(), lasting=False)


def read_record(root: Path) -> KernelRecord | None:
    """The record in a run directory; None where there is none, or one of another version."""
    try:
        said = untrusted_json(read_untrusted(root / RECORD, _MOST))
        if said.pop("version") != _VERSION:
            return None
        return KernelRecord(**{**said, "ports": tuple(said["ports"])})
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
        said = untrusted_json(read_untrusted(root / SESSIONS, _MOST))
        return [{str(key): str(value) for key, value in one.items()} for one in said]
    return []


@dataclass(frozen=True, kw_only=True)
class AdoptedKernel:
    """A kernel of a killed server that we have connected to, on its way to its provisioner."""

    record: KernelRecord
    request: Request
    container: KernelContainer


_adopted: dict[str, AdoptedKernel] = {}


async def adopt(root: Path, record: KernelRecord, policy: Policy) -> None:
    """Connect to a running kernel's container; the next start under its id uses it. Raises
    ContainersError where it has ended or the policy no longer allows it; the container is left
    as it is then."""
    request = await asyncio.to_thread(record.request, policy, notebook_of(root))
    await record.check(request)
    container = record.rejoin(root, request)
    try:
        await container.adopt()
    except BaseException:
        container.detach()
        raise
    _adopted[record.kernel] = AdoptedKernel(record=record, request=request, container=container)


def take_adopted(kernel: str) -> AdoptedKernel | None:
    """The adopted kernel of this id, once: called by each start."""
    return _adopted.pop(kernel, None)


def _plain(one: Any) -> dict[str, Any]:
    """A dataclass of ours with mappings and dataclasses in it, as JSON knows it."""
    said: dict[str, Any] = json.loads(json.dumps(_fields(one), default=_fields))
    return said


def _fields(one: Any) -> dict[str, Any]:
    if is_dataclass(one) and not isinstance(one, type):
        return {field.name: getattr(one, field.name) for field in fields(one) if field.compare}
    return dict(one)


def _text(connection: Mapping[str, Any]) -> dict[str, Any]:
    return {key: one.decode() if isinstance(one, bytes) else one for key, one in connection.items()}


def _spec(said: Mapping[str, Any]) -> ContainerSpec:
    lists = {name: tuple(said.get(name, ())) for name in ("argv", "barred", "devices", "tmpfs")}
    mounts = {name: tuple(Mount(**one) for one in said[name]) for name in ("mounts", "own")}
    publish = tuple((host, inside) for host, inside in said["publish"])
    return ContainerSpec(
        **{**said, **lists, **mounts, "publish": publish, "user": User(**said["user"])}
    )
