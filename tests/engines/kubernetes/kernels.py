"""A notebook's kernel as a server has it, with a cluster of this machine behind it: provisioner,
container, engine, tunnel and guest as they are. Images and the registry are not."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, cast

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerFactory

import jupyter_containers
from jupyter_containers import serializers
from jupyter_containers.engines.base import Engine
from jupyter_containers.engines.guarded import Guarded
from jupyter_containers.engines.kubernetes import client as clients
from jupyter_containers.engines.kubernetes.engine import Kubernetes
from jupyter_containers.kernels import provisioner as provisioners
from jupyter_containers.kernels.provisioner import ContainerProvisioner
from jupyter_containers.kernels.request import Request
from jupyter_containers.kernels.spec import ContainerFiles, StartPlan
from jupyter_containers.layout import INSIDE, LABEL
from jupyter_containers.models import ContainerSpec, EngineInfo, Mount
from jupyter_containers.settings.schema import Settings
from tests.helpers.fake_cluster import PYTHON, FakeCluster
from tests.helpers.policies import ID, ME, policy
from tests.helpers.private_home import private_home, private_runtime
from tests.unit.guest.test_pod import KERNEL

PACKAGE = Path(jupyter_containers.__file__).parent


class Notebook:
    """A notebook's kernel as a server has it, with a cluster behind it."""

    def __init__(self, cluster: FakeCluster, engine: Kubernetes, kubeconfig: Path) -> None:
        self.cluster, self.engine, self.kubeconfig = cluster, engine, kubeconfig
        specs = KernelSpecManager(kernel_dirs=[str(PACKAGE / "kernelspec")])
        self.manager = AsyncKernelManager(kernel_name="container", kernel_spec_manager=specs)

    @contextlib.asynccontextmanager
    async def up(self, user: dict[str, Any] | None = None) -> AsyncIterator[FakeCluster]:
        """The cluster is there, with this user of the kubeconfig. At the end no Pod is."""
        async with self.cluster.up(self.kubeconfig, user):
            try:
                yield self.cluster
            finally:
                self.cluster.mend()
                if self.manager.has_kernel:
                    await self.manager.shutdown_kernel(now=True)
                self.manager.context.destroy(linger=0)
            assert self.cluster.pods == {}

    @property
    def provisioner(self) -> ContainerProvisioner:
        found = self.manager.provisioner
        assert isinstance(found, ContainerProvisioner)
        return found

    @property
    def status(self) -> dict[str, Any]:
        """What the sidebar gets of it."""
        return serializers.kernel(self.provisioner.state)

    @property
    def pod(self) -> str:
        """The name of the only one."""
        (name,) = self.cluster.pods
        return name

    async def says(self, words: str, where: str = "phase", seconds: float = 15) -> str:
        """Wait until its status has these words."""
        told = ""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while words not in told:
                    await asyncio.sleep(0.02)
                    if self.manager.provisioner is not None:
                        told = str(self.status[where])
        assert words in told
        return told

    async def start(self, grace: float = 20.0) -> None:
        """As a server does."""
        self.engine.policy.orphan_grace = grace
        async with asyncio.timeout(20):
            await self.manager.start_kernel()

    async def restarted(self) -> None:
        """As the server's restarter does with a kernel that has ended."""
        async with asyncio.timeout(20):
            while await self.manager.is_alive():
                await asyncio.sleep(0.02)
            await self.manager.restart_kernel(now=True)

    async def first_cell(self) -> str:
        """What its kernel says there, once it listens."""
        run_dir = self.provisioner._run_dir
        assert run_dir is not None
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(OSError):  # it is being connected again
                    reader, writer = await asyncio.open_unix_connection(run_dir.sockets / "k-1")
                    said = await reader.read()
                    writer.close()
                    if said:
                        return said.decode()
                await asyncio.sleep(0.1)


@contextlib.contextmanager
def made(tmp_path: Path, short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """One with a cluster that is not there yet, in a home of its own."""
    private_home(tmp_path, monkeypatch)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(clients, "_PAUSES", (0.01, 0.01, 0.01))
    cluster = FakeCluster(short_path)
    engine = Kubernetes(cast("Engine", Inner()))
    engine.policy = rules = policy(kubernetes_volumes={"~": "home"})
    monkeypatch.setattr(engine, "_pusher", Pushed())
    guarded = Guarded(engine, rules)

    async def fallback(*_: Any) -> Fallback:
        return Fallback()

    async def find_request(provisioner: Any, *_: Any) -> Request:
        settings = Settings(image="team/x:1", memory=1 << 30)
        return Request(
            settings=settings,
            asked=settings,
            directory=tmp_path,
            source=str(tmp_path),
            notebook=None,
            engine=guarded,
            policy=rules,
            labels={LABEL: "kernel", f"{LABEL}.uid": "0"},
        )

    async def prepare(self: ContainerProvisioner, request: Request) -> StartPlan:
        self._request = request
        run_dir = await self._open_run_dir(shared=False)
        name = f"jupyter-{run_dir.root.name}"
        own = [(run_dir.guest, "guest"), (run_dir.run, "run"), (run_dir.conf, "conf")]
        return StartPlan(
            spec=ContainerSpec(
                name=name,
                image=ID,
                argv=PYTHON,
                user=ME,
                workdir=str(cluster.root / name / "run"),
                own=tuple(Mount(str(source), f"{INSIDE}/{at}", True) for source, at in own),
                labels={**request.labels, f"{LABEL}.name": name},
                memory=1 << 30,
            ),
            guest=True,
            sockets=True,
            token="a" * 32,
            engine=guarded,
            files=ContainerFiles("/home/x", (sys.executable, "-c", KERNEL), "", ""),
        )

    # As where the package is installed.
    ours = EntryPoint("container-provisioner", f"{provisioners.__name__}:ContainerProvisioner", "")
    monkeypatch.setitem(KernelProvisionerFactory.instance().provisioners, ours.name, ours)
    monkeypatch.setattr(provisioners, "start_fallback", fallback)
    monkeypatch.setattr(provisioners, "find_request", find_request)
    monkeypatch.setattr(ContainerProvisioner, "_prepare", prepare)
    with private_runtime(tmp_path, monkeypatch):
        yield Notebook(cluster, engine, tmp_path / "config")


class Inner:
    """Podman, as far as it is asked."""

    name = program = "podman"
    known = EngineInfo(name=name, version="5.4.2", usable=True, features=frozenset({"build"}))

    async def info(self) -> EngineInfo:
        return self.known


class Fallback:
    """The process of the fallback kernel."""

    code: int | None = None

    async def poll(self) -> int | None:
        return self.code

    async def kill(self, *_: Any, **__: Any) -> None:
        self.code = -9

    send_signal = terminate = kill

    async def wait(self) -> None:
        """It has ended."""

    async def cleanup(self, *_: Any, **__: Any) -> None:
        """Nothing is left."""


class Pushed:
    """A registry that has the image."""

    known = False

    async def push(self, *_: Any) -> tuple[str, bool]:
        return f"reg.example.org/team/x@{ID}", self.known

    async def forget(self, *_: Any) -> None:
        self.known = False
