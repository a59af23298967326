"""A container as jupyter_client sees a process.

The provisioner owns one kernel. It decides where the settings come from, asks whether they are
approved, and hands the rest down: `spec.plan_start` makes the spec, `KernelContainer` runs it.
Whatever goes wrong before a kernel runs ends in the fallback kernel, whose every cell says what
happened and what to do.
https://jupyter-client.readthedocs.io/en/stable/provisioning.html
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning import KernelProvisionerBase, LocalProvisioner

from ..errors import ContainersError, KernelDied, NoImageYet, sentence_of
from ..host.paths import moved, replace_file
from ..host.rundir import RunDir, keep_for_reaper, remove_run_dir, run_dir_for
from ..models import Image
from ..notebook.file import read_language_info
from .connection import clients_sockets, connect, use_network, use_plain_tcp
from .container import KernelContainer
from .container_files import bound, host_path, unbind, write_container_files
from .exit_reasons import raise_if_no_restart
from .listing import write_notebook
from .record import AdoptedKernel, record_kernel, take_adopted
from .request import Request, find_notebook, find_request, notebook_name
from .spec import StartPlan, ask_image, plan_start
from .state import KernelState, forget, report, report_before, state_of

ADDRESSES = "jupyter_containers_addresses"
"""The attribute of a server's kernel manager that knows the address of a kernel's port."""


class KernelProcess(KernelProvisionerBase):
    """The half of the provisioner that asks and signals what runs; `provisioner.py` starts it."""

    container: KernelContainer | None = None
    fallback: LocalProvisioner | None = None
    _asked_to_end = False
    _running = False

    @property
    def has_process(self) -> bool:
        """True from a launch until the `wait` after its end."""
        return self._running

    async def poll(self) -> int | None:
        """None while the kernel runs. Called every 3 s by the restarter and every 0.1 s while
        a kernel shuts down; starts nothing."""
        if self.fallback is not None:
            return await self.fallback.poll()
        return self.container.poll() if self.container is not None else 0

    async def wait(self) -> int | None:
        """Wait for the kernel's end; callers put a timeout around it."""
        while (code := await self.poll()) is None:  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(0.02)
        if self.fallback is not None:
            await self.fallback.wait()
        self._running = False
        return code

    async def send_signal(self, signum: int) -> None:
        """Signal the kernel's process group; SIGINT is the interrupt on every engine."""
        if self.fallback is not None:
            await self.fallback.send_signal(signum)
        elif self.container is not None:
            await self.container.signal(signum)

    async def kill(self, restart: bool = False) -> None:
        """End the kernel now; its container follows in `cleanup`."""
        self._asked_to_end = self._asked_to_end or await self.poll() is None
        await self.send_signal(signal.SIGKILL)

    async def terminate(self, restart: bool = False) -> None:
        """Ask the kernel to end."""
        self._asked_to_end = True
        await self.send_signal(signal.SIGTERM)

    async def shutdown_requested(self, restart: bool = False) -> None:
        """The client asked the kernel to end, so that its end is no death."""
        self._asked_to_end = self._asked_to_end or await self.poll() is None


class ContainerProvisioner(KernelProcess):
    """Entry point `container-provisioner`. Has no traits an administrator could set: a kernel
    spec's `config` would beat them. Limits are the policy's."""

    _run_dir: RunDir | None = None
    _plan: StartPlan | None = None
    _request: Request | None = None
    _believed = False
    """Whether `_plan` is of what the image's name meant last, and has to be asked again."""
    _session = ""
    trouble: ContainersError | None = None
    """Why the fallback kernel stands in; None where the container runs."""
    _note = ""
    _ports: tuple[int, ...] = ()
    _inside: Mapping[str, Any] = {}
    _ran = False
    _goes_on = False
    """Whether `container` runs its kernel already, which a server before this one has started."""
    _phase = ""
    _notebook: Path | None = None
    _named: tuple[str, str] | None = None
    """By what `_notebook` was found."""
    _starting: KernelContainer | None = None
    _unreached = ""

    @property
    def kernels(self) -> object:
        """See `kernelstate.Reports`."""
        return getattr(self.parent, "parent", None)

    @property
    def state(self) -> KernelState:
        """See `kernelstate.Reports`."""
        return state_of(
            str(self.kernel_id),
            (self._notebook, self._request, self.container or self._starting),
            self.trouble,
            phase=self._phase,
            again=self._ran,
            fallback=self.fallback is not None,
        )

    def _say(self, phase: str) -> None:
        """What the start is doing now, in a few words; empty: it is over."""
        if phase != self._phase:
            self._phase = phase
            report(self)

    async def poll(self) -> int | None:
        """See `KernelProcess.poll`. Whether a cluster's container is reached changes meanwhile."""
        at = self.container.placement if self.container is not None else None
        if (trouble := at.trouble if at is not None else "") != self._unreached:
            self._unreached = trouble
            report(self)
        return await super().poll()

    # -- end ---------------------------------------------------------------------------------

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the container, unless a restart may go on in it."""
        if self.fallback is not None:
            await self.fallback.cleanup(restart=restart)
            self.fallback = None
        if not restart:
            await self._remove()
            forget(self)

    async def _remove(self, *, run_dir: bool = True) -> None:
        container, self.container = self.container, None
        if container is not None:
            await container.remove()
        elif run_dir and self._run_dir is not None:
            await asyncio.to_thread(remove_run_dir, self._run_dir)

    # -- launch ----------------------------------------------------------------------------

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Prepare the container and the connection files. Called before every (re)start.

        Raises no ContainersError, and no OSError: those become the fallback kernel.
        """
        if (left := take_adopted(str(self.kernel_id))) is not None:
            return await self._go_on(left, **kwargs)
        environment = dict(kwargs.get("env") or os.environ)
        died, self._note, self.trouble = await self._death(), "", None
        self._request = None
        self._say("Reading the settings")
        if died is not None:
            self.log.error("Kernel %s: %s", self.kernel_id, died)
            self._note = str(died)
        try:
            if died is not None and self.container is not None:
                raise_if_no_restart(died, self.container.started)
            await asyncio.to_thread(self._find_notebook, environment)
            request = await find_request(self, self._notebook, kwargs.get("cwd"))
            self._plan = await self._prepare(request)
            if self.container is not None and not self.container.can_host(self._plan):
                await self._remove()
                if self._run_dir is not None and self._run_dir.root.exists():
                    self._plan = await self._prepare(request)  # something stays there: elsewhere
        except (ContainersError, OSError) as trouble:
            self._stand_in(trouble)
            with contextlib.suppress(ContainersError, OSError):  # the reaper tries again
                await self._remove(run_dir=False)
        self._session = str(environment.get("JPY_SESSION_NAME", ""))
        await self._connect()
        argv = list(self._plan.spec.argv) if self._plan is not None else []
        return await super().pre_launch(cmd=argv, **kwargs)

    def _find_notebook(self, environment: Mapping[str, str]) -> None:
        """Look the notebook up, but keep what was found for the same name at an earlier start, and
        followed since: another notebook may have its name by now, or a cell of another one may have
        put a link in its folder's place."""
        named = notebook_name(environment)
        if self._notebook is None or named != self._named:
            self._notebook = find_notebook(self, environment)
        self._named = named

    def follow(self, before: Path, after: Path, environment: Mapping[str, str] | None) -> None:
        """See `state.follow`."""
        if self._notebook is None:
            return
        if environment is not None:
            self._named = notebook_name(environment)
        if (now := moved(self._notebook, before, after)) != self._notebook:
            self._notebook = now
            if self._run_dir is not None:
                write_notebook(self._run_dir.root, now)
            report(self)

    def _stand_in(self, trouble: ContainersError | OSError) -> None:
        """The fallback kernel comes, and says why."""
        told = sentence_of(trouble)
        if not isinstance(told, ContainersError):
            raise trouble
        level = logging.INFO if isinstance(told, NoImageYet) else logging.ERROR
        self.log.log(level, "Kernel %s cannot run in its container: %s", self.kernel_id, told)
        self.trouble, self._plan = told, None

    async def _go_on(self, left: AdoptedKernel, **kwargs: Any) -> dict[str, Any]:
        """With a kernel that runs: a server that was killed has left it to this one."""
        self.container, self._goes_on = left.container, True
        self._run_dir, self._plan = left.container.run_dir, left.container.plan
        self._request, self._notebook = left.request, left.request.notebook
        self._named = notebook_name(kwargs.get("env") or os.environ)
        self._session, self._ports = left.record.session, left.record.ports
        self._say("Going on with its kernel")
        info = left.record.connection_info
        if left.record.sockets:  # an earlier version wrote down what the container can swap
            info["ip"] = str(clients_sockets(self._run_dir))
        self._manager.load_connection_info(info)
        self._manager.write_connection_file(jupyter_session=self._session)
        self.connection_info = self._manager.get_connection_info()
        return await super().pre_launch(cmd=list(self._plan.spec.argv), **kwargs)

    async def _prepare(self, request: Request) -> StartPlan:
        """Of the image that the name meant last, where this process knows one and none queues."""
        self._request = request
        self._say("Looking at the image")
        places = request.engine.places
        last = None if places else request.engine.last_image(request.settings.image)
        self._believed = last is not None
        if last is not None:
            with contextlib.suppress(ContainersError):
                return await self._prepare_with(request, last)
            self._believed = False
        asked = ask_image(request.engine, request.settings.image)
        image, _ = await asyncio.gather(asked, request.engine.info())
        return await self._prepare_with(request, image)

    async def _prepare_with(self, request: Request, image: Image) -> StartPlan:
        return await plan_start(
            request.settings,
            image,
            request.directory,
            request.source,
            request.engine,
            await self._open_run_dir(shared=request.engine.shares),
            request.labels,
            self._say,
            request.language,
            self._address(),
        )

    def _address(self) -> Callable[[int], str] | None:
        """Where a browser finds a port of the container. A server with our extension has put it
        where it starts its kernels; other programs show no pages."""
        prefix = getattr(self.kernels, ADDRESSES, None)
        return partial(prefix, str(self.kernel_id)) if prefix is not None else None

    async def _open_run_dir(self, *, shared: bool) -> RunDir:
        """One run directory per kernel, `shared` with other machines or not. In a thread: such a
        file system may be slow."""
        used = self.container is not None
        self._run_dir = await asyncio.to_thread(
            run_dir_for, self._run_dir, shared=shared, used=used
        )
        return self._run_dir

    async def _death(self) -> KernelDied | None:
        """How the last kernel died, where nobody had asked it to end."""
        container, asked = self.container, self._asked_to_end
        self._asked_to_end = False
        if container is None or asked or container.poll() is None:
            return None
        return await container.why()

    @property
    def _manager(self) -> KernelManager:
        manager = self.parent
        assert manager is not None
        return cast("KernelManager", manager)

    async def _connect(self) -> None:
        """Write both connection files for the transport that this start uses."""
        plan = self._plan
        try:
            run_dir = await self._open_run_dir(shared=plan is not None and plan.engine.shares)
        except (ContainersError, OSError) as trouble:
            if self.trouble is None:
                self._stand_in(trouble)
            use_plain_tcp(self._manager, self._session)
        else:
            write_notebook(run_dir.root, self._notebook)
            self._inside, self._ports = connect(
                self._manager, plan, run_dir, self._session, self._ports
            )
        self.connection_info = self._manager.get_connection_info()

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start what `pre_launch` prepared, or the fallback kernel. `cmd` is for the logs."""
        goes_on, self._goes_on = self._goes_on, False
        if self._plan is not None and not goes_on:
            try:
                await self._launch_container(self._plan)
            except (ContainersError, OSError) as trouble:
                self._stand_in(trouble)
                with contextlib.suppress(OSError):
                    await self._remove()
                await self._connect()
        if self.trouble is not None:
            language = json.dumps(await asyncio.to_thread(read_language_info, self._notebook))
            env = dict(kwargs.get("env") or os.environ)
            env["JUPYTER_CONTAINERS_LANGUAGE_INFO"] = language
            # Where a run directory cannot be made, `_connect` has chosen TCP.
            ipc = self._manager.transport == "ipc"
            run_dir = await self._open_run_dir(shared=False) if ipc else None
            self.fallback = await start_fallback(self, self._manager, run_dir, self.trouble, env)
        if goes_on and self.container is not None and self.container.placement is not None:
            report_before(self, self.container.placement.ends)
        if self.container is not None and self._request is not None:
            await record_kernel(
                self._manager, self._request, self.container, self._session, self._ports
            )
        self._running, self._ran, self._starting = True, True, None
        self._say("")
        return self.connection_info

    async def _launch_container(self, plan: StartPlan) -> None:
        """Start it. What the image's name means now is asked meanwhile: asked before, each
        start would take 30 to 60 ms longer."""
        if not self._believed:
            return await self._start(plan)
        assert self._request is not None
        started, image = await asyncio.gather(
            self._start(plan),
            ask_image(self._request.engine, self._request.settings.image),
            return_exceptions=True,
        )
        if isinstance(image, Image) and image.id != plan.spec.image:
            await self._remove()
            self._plan = await self._prepare_with(self._request, image)
            await self._connect()
            return await self._start(self._plan)
        for result in (image, started):
            if isinstance(result, BaseException):
                await self._remove()
                raise result
        return None

    async def _start(self, plan: StartPlan) -> None:
        if self.container is not None:
            await self.container.restart_kernel(self._note)
        else:
            assert self._request is not None
            grace = self._request.policy.orphan_grace
            run_dir = await self._open_run_dir(shared=plan.engine.shares)
            plan = await asyncio.to_thread((await plan.with_tls_secret()).with_sources)
            note = "\n".join(filter(None, (self._note, await plan.folder_note())))
            await asyncio.to_thread(write_container_files, run_dir, plan, self._inside, grace, note)
            container = self._starting = KernelContainer(plan.publishing(self._ports), run_dir)
            self._say("Starting the container")
            await container.start(self._say)
            self.container = container
        if (placement := self.container.placement) is not None:
            if not plan.sockets:
                channels = self.container.channels
                use_network(self._manager, placement.address, channels, self._session)
                self.connection_info = self._manager.get_connection_info()
            report_before(self, placement.ends)

    # -- paths -----------------------------------------------------------------------------

    def resolve_path(self, path_str: str) -> str | None:
        """A path inside as the host sees it: the notebook's folder is at the same place."""
        mounts = self._plan.spec.mounts if self._plan is not None else ()
        directory = self._request.directory if self._request is not None else None
        return host_path(path_str, directory, mounts)


async def start_fallback(
    provisioner: KernelProvisionerBase,
    manager: KernelManager,
    run_dir: RunDir | None,
    trouble: ContainersError,
    env: Mapping[str, str],
) -> LocalProvisioner:
    """Start it. Called by the provisioner, whose connection file it gets; without a run directory
    where none can be made, on TCP as any kernel of this machine."""
    fallback = LocalProvisioner(
        kernel_id=provisioner.kernel_id, kernel_spec=provisioner.kernel_spec, parent=manager
    )
    fallback.connection_info = provisioner.connection_info
    environment = {
        **env,
        "JUPYTER_CONTAINERS_TROUBLE": trouble.message,
        "JUPYTER_CONTAINERS_HINT": trouble.hint,
        "JUPYTER_CONTAINERS_EMPTY": "1" if isinstance(trouble, NoImageYet) else "",
    }
    own, cwd = Path(manager.connection_file), Path("/")
    if run_dir is not None:
        keep_for_reaper(run_dir)
        unbind(run_dir)
        # A copy: ipykernel writes its file anew while clients read theirs
        # (`write_connection_file`).
        cwd = run_dir.root
        replace_file(cwd / "standin.json", own.read_bytes(), lasting=False)
        own = cwd / "standin.json"
    argv = [sys.executable, "-m", "jupyter_containers.fallback", "-f", str(own)]
    await fallback.launch_kernel(argv, env=environment, cwd=str(cwd))
    try:
        if run_dir is not None and (process := fallback.process) is not None:
            await bound(run_dir, lambda: process.poll() is not None, inside=False)
    except BaseException:  # a start that is given up
        await fallback.kill()
        await fallback.wait()
        raise
    return fallback
