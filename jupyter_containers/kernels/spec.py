"""From settings to a container's spec: what stands between a request and `engine.start`.

`plan_start` is called by the provisioner for every start. It pulls and builds nothing: an image
that is not here ends it. Its pieces are pure but for the probes and looks at paths; the files of
the private directory are `container_files.py`'s.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from ..devices.gpus import granted
from ..dockerfile.render import CA_ARGS
from ..engines.guarded import Guarded
from ..errors import BadSettings, ImageNotHere, MountReplaced, StartFailed
from ..host.mount_sources import find_source
from ..host.rundir import RunDir
from ..images.kit import Kit
from ..images.labextensions import PLOTLY, lacking
from ..images.prepare import OnProgress, Ready, ready
from ..images.probe import ImageFacts, Launch
from ..layout import (
    BYTECODE_TARGET,
    CA_FILE,
    GUEST_PORT,
    INSIDE,
    KIT_TARGET,
    LABEL,
    RESERVED_PORTS,
    STREAMS_PORT,
    TCP_PORTS,
)
from ..models import ContainerSpec, Image, Mount, Source, User, parse_target, refuse_unquotable
from ..policy.approvals import Approvals
from ..policy.policy import Policy
from ..settings.schema import Settings
from .guest_client import new_secret

DEFAULT_SHM = 64 << 20
APPS = {
    "DASH_REQUESTS_PATHNAME_PREFIX": (8050, "{address}"),
    "DASH_ROUTES_PATHNAME_PREFIX": (8050, "/"),
    "GRADIO_ROOT_PATH": (7860, "{address}"),
}
"""Variables of web frameworks: the framework's usual port, and the value. A server that was killed
may have had other addresses; its containers go on."""


@dataclass(frozen=True)
class ContainerFiles:
    """What a container finds in its run directory, besides what its spec says."""

    home: str
    kernel_argv: tuple[str, ...]
    passwd: str
    group: str
    """The image's own; empty where it has none."""
    ca: bytes = b""
    """The certificates that `Policy.kernel_ca` lends; empty where it lends none."""


@dataclass(frozen=True, kw_only=True)
class StartPlan:
    """All a start needs. Two starts with equal `spec` may share a container."""

    spec: ContainerSpec
    guest: bool
    sockets: bool
    token: str
    engine: Guarded
    pem: str = ""
    """The guest's key and certificate, where the container is on another machine."""
    files: ContainerFiles | None = None
    """None where its run directory has them already."""

    @property
    def published(self) -> bool:
        """Whether its channels are TCP ports of ours, which the engine publishes."""
        return not self.sockets and not self.engine.places

    async def with_tls_secret(self) -> StartPlan:
        """The same with a new secret, where it is reached over a network."""
        return replace(self, pem=await new_secret()) if self.engine.shares else self

    def with_sources(self) -> StartPlan:
        """The same with what its mounts' sources are now, by which the policy and the guest know
        later that nobody has swapped them. They were resolved when they were approved. Raises
        StartFailed, MountReplaced."""
        sources = tuple(_source(mount) for mount in self.spec.mounts)
        return replace(self, spec=replace(self.spec, sources=sources))

    async def folder_note(self) -> str:
        """See `TunnelingEngine.folder_note`: of the notebook's own folder."""
        own = [one.source for one in self.spec.mounts if one.target == self.spec.folder]
        return await self.engine.folder_note(own[0]) if own else ""

    def publishing(self, ports: tuple[int, ...]) -> StartPlan:
        """The same with the host's ports for the TCP channels, chosen once per kernel."""
        if not self.published:
            return self
        chosen = dict(zip(TCP_PORTS, ports, strict=True))
        publish = tuple((chosen.get(inside, host), inside) for host, inside in self.spec.publish)
        return replace(self, spec=replace(self.spec, publish=publish))

    def same_container(self, other: StartPlan) -> bool:
        """Whether a restart may stay in the container that `other` started."""
        mine, theirs = (
            replace(
                one.spec,
                publish=_asked(one.spec.publish),
                labels=_labels_that_tell(one.spec.labels),
                env={name: value for name, value in one.spec.env.items() if name not in APPS},
            )
            for one in (self, other)
        )
        return self.guest and other.guest and mine == theirs


def _asked(publish: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """Without the ports of this machine that were chosen for the kernel's channels."""
    return tuple((0 if inside in RESERVED_PORTS else host, inside) for host, inside in publish)


def _source(mount: Mount) -> Source:
    try:
        found = find_source(mount.source)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a path"
        raise StartFailed(
            f"The folder {mount.source} cannot be mounted: {why}.",
            "Create it, or remove the mount from the notebook's settings.",
        ) from None
    if found.path != mount.source:
        raise MountReplaced(mount.target, found.path)
    device, inode = found.status.st_dev, found.status.st_ino
    return Source(target=mount.target, path=found.path, device=device, inode=inode)


def _labels_that_tell(labels: Mapping[str, str]) -> dict[str, str]:
    """Without the process that started the container: the next one may take it up."""
    return {key: value for key, value in labels.items() if key != f"{LABEL}.owner"}


async def ask_image(engine: Guarded, reference: str) -> Image:
    """The image that a name means now. Raises ImageNotHere."""
    image = await engine.image(reference)
    if image is None:
        raise ImageNotHere(reference, engine.name)
    return image


async def plan_start(
    settings: Settings,
    image: Image,
    directory: Path,
    source: str,
    engine: Guarded,
    run_dir: RunDir,
    labels: Mapping[str, str],
    on_progress: OnProgress,
    language: str = "",
    address: Callable[[int], str] | None = None,
) -> StartPlan:
    """Everything up to, but not including, the container. The kernel is the one that the settings
    name, else one that speaks the notebook's `language`. `source` is what the directory's path led
    to: nothing else is mounted there. `address` tells where a browser finds a port.
    Raises ImageUnusable, KitFailed, Unsupported, BadInput, and what engines raise."""
    devices = await granted(engine, settings.devices)
    found = await ready(engine, image, settings.kernel, run_dir.root, on_progress, language)
    facts, kit = found.facts, found.kit
    user = found.me if settings.user == "me" else await engine.user(settings.user, facts.user_ids)
    sockets = _transport(facts, engine, kit)
    published = not sockets and not engine.places
    home = facts.user_home if user.mode == "image" else home_inside()
    mounts, ours, workdir = await folders(settings, directory, source, engine, run_dir, home)
    argv = _kernel_argv(found.launch, kit, connection_file(sockets))
    lent, ca = await asyncio.to_thread(_lent, engine.policy)
    name = f"jupyter-{run_dir.root.name}"
    spec = ContainerSpec(
        name=name,
        image=image.id,
        reference=settings.image,
        argv=_first_argv(facts, argv),
        user=user,
        workdir=workdir,
        mounts=mounts,
        folder=_folder(settings, directory),
        own=(*_own_mounts(run_dir, facts), *_kit_mounts(kit), *ours),
        env=await asyncio.to_thread(_variables, settings, image, found, home, user, address, lent),
        labels={**labels, f"{LABEL}.image": settings.image, f"{LABEL}.name": name},
        devices=devices,
        cpus=settings.cpus,
        memory=settings.memory,
        pids=settings.pids,
        shm=settings.shm,
        network="private" if published else settings.network,
        publish=_publish(settings, published=published),
        hostname=settings.hostname,
        read_only=settings.read_only,
        entrypoint=settings.entrypoint,
        init=facts.guest_python is None,
        slurm=settings.slurm,
    )
    return StartPlan(
        spec=spec,
        guest=not spec.init,
        sockets=sockets,
        token=secrets.token_hex(16),
        engine=engine,
        files=ContainerFiles(home, argv, facts.passwd, facts.group, ca),
    )


def _transport(facts: ImageFacts, engine: Guarded, kit: Kit | None) -> bool:
    """True for sockets; False for TCP. Raises where neither can be."""
    if engine.tunnels or (facts.transport == "sockets" and not engine.places):
        return True
    if facts.transport == "none":
        raise StartFailed(
            f"{engine.name} runs its containers on another machine: {facts.transport_reason}",
            "Folders of this machine cannot be mounted there. Run Jupyter on that machine.",
        )
    if kit is None or not kit.encrypts:
        where = "its containers run on other machines" if engine.places else facts.transport_reason
        raise StartFailed(
            f"{engine.name} shares no sockets with this machine ({where}), and the image's kernel "
            "cannot encrypt its connection.",
            "Add to the Dockerfile: RUN pip install 'ipykernel>=7.3'",
        )
    return False


def _own_mounts(run_dir: RunDir, facts: ImageFacts) -> list[Mount]:
    own = [
        Mount(str(run_dir.guest), f"{INSIDE}/guest"),
        Mount(str(run_dir.run), f"{INSIDE}/run", True),
        Mount(str(run_dir.conf), f"{INSIDE}/conf"),
    ]
    if facts.passwd:
        own += [
            Mount(str(run_dir.conf / "passwd"), "/etc/passwd"),
            Mount(str(run_dir.conf / "group"), "/etc/group"),
        ]
    return own


def _kit_mounts(kit: Kit | None) -> list[Mount]:
    if kit is None or kit.directory is None:
        return []
    bytecode = [Mount(str(kit.bytecode), BYTECODE_TARGET)] if kit.bytecode is not None else []
    return [Mount(str(kit.directory), KIT_TARGET), *bytecode]


def connection_file(sockets: bool) -> str:
    """Where the container finds its connection file: read-only for sockets. Over TCP a kernel
    writes the file anew (ipykernel's `write_connection_file`); nobody reads it back."""
    return f"{INSIDE}/{'conf' if sockets else 'run'}/connection.json"


def _kernel_argv(launch: Launch, kit: Kit | None, file: str) -> tuple[str, ...]:
    if launch.interpreter is None:
        return tuple(word.replace("{connection_file}", file) for word in launch.argv)
    wheels = KIT_TARGET if kit is not None and kit.directory is not None else "-"
    return (launch.interpreter.path, f"{INSIDE}/guest/boot.py", wheels, file)


def _first_argv(facts: ImageFacts, kernel_argv: tuple[str, ...]) -> tuple[str, ...]:
    if facts.guest_python is None:
        return kernel_argv
    return (facts.guest_python, "-I", "-S", "-B", f"{INSIDE}/guest/main.py", f"{INSIDE}/run")


def _lent(policy: Policy) -> tuple[dict[str, str], bytes]:
    """The variables and the certificates that the policy lends: a copy, since a job's node may have
    another file at that path. Raises StartFailed."""
    variables, bundle = policy.kernel_proxy_variables(), policy.kernel_ca_bundle()
    if bundle is None:
        return variables, b""
    try:
        ca = bundle.read_bytes()
    except OSError as error:
        raise StartFailed(
            f"The CA bundle {bundle} cannot be read: {error.strerror}.",
            "Policy.kernel_ca names it: put it there, or leave the trait empty.",
        ) from None
    return variables | dict.fromkeys(CA_ARGS, f"{INSIDE}/conf/{CA_FILE}"), ca


def _variables(
    settings: Settings,
    image: Image,
    found: Ready,
    home: str,
    user: User,
    address: Callable[[int], str] | None,
    lent: Mapping[str, str],
) -> dict[str, str]:
    """Named variables only: nothing of the server's crosses but what the policy has `lent`. What
    the settings say counts more. Reads files."""
    env = _for_apps(settings, image, address) | plotly_environment(found.facts, image)
    env["JUPYTER_CONTAINERS_IMAGE"] = settings.image
    if settings.build is not None and settings.build.cell:
        env["JUPYTER_CONTAINERS_CELL"] = " ".join((settings.build.cell, *settings.build.earlier))
    if user.mode != "image":
        env |= {"HOME": home, "USER": person(user), "LOGNAME": person(user)}
    # CUDA images ask NVIDIA's hook for all GPUs by themselves; `void` is its word for
    # none. Those that are asked for come by CDI names, whose specification says `void` as well.
    # https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/docker-specialized.html
    env["NVIDIA_VISIBLE_DEVICES"] = "void"
    if "LANG" not in image.env and "LC_ALL" not in image.env:
        env["LANG"] = "C.UTF-8"
    return env | dict(lent) | dict(settings.env) | dict(found.launch.env)


def _for_apps(
    settings: Settings, image: Image, address: Callable[[int], str] | None
) -> dict[str, str]:
    """What web frameworks need to know that cannot do with links relative to their page. They are
    told of their usual port, unless that is published: then a browser finds them at `/`."""
    if address is None:
        return {}
    published = {inside for _, inside in settings.ports}
    told = {
        name: value.format(address=address(port))
        for name, (port, value) in APPS.items()
        if port not in published
    }
    return {name: value for name, value in told.items() if name not in image.env}


def plotly_environment(facts: ImageFacts, image: Image) -> dict[str, str]:
    """Where the server lacks the extension that draws the figures of an image's plotly, each brings
    HTML, too, which loads the library from a CDN. https://plotly.com/python/renderers/"""
    there = any(one.extension == PLOTLY for one in lacking(facts))
    if not there or "PLOTLY_RENDERER" in image.env:
        return {}
    return {"PLOTLY_RENDERER": "plotly_mimetype+notebook_connected"}


def person(user: User) -> str:
    """The name of the passwd entry inside."""
    if user.uid == 0:
        return "root"
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "user"


def _publish(settings: Settings, *, published: bool) -> tuple[tuple[int, int], ...]:
    ours = (GUEST_PORT, STREAMS_PORT, *TCP_PORTS) if published else ()
    return (*settings.ports, *((0, port) for port in ours))


def home_inside() -> str:
    """HOME inside is HOME's path outside, so that `~` means the same place; its content is an
    empty directory of ours."""
    home = str(Path.home())
    try:
        return parse_target(home, "HOME")
    except BadSettings:
        return "/home/user"


async def folders(
    settings: Settings, directory: Path, source: str, engine: Guarded, run_dir: RunDir, home: str
) -> tuple[tuple[Mount, ...], list[Mount], str]:
    """The person's mounts, what of ours stands where they have none (at HOME, and at the working
    directory), the working directory. Raises BadSettings, Unsupported."""
    mounts, ours = await asyncio.to_thread(_mounts, settings, directory, source), []
    await engine.check_mounts(mounts)
    if home not in {mount.target for mount in mounts}:
        ours.append(Mount(str(run_dir.home), home, True))
    workdir, is_empty = _workdir(settings, directory, mounts, home)
    if is_empty:
        ours.append(Mount(str(run_dir.empty), workdir, True))
    return mounts, ours, workdir


def _mounts(settings: Settings, directory: Path, source: str) -> tuple[Mount, ...]:
    mounts = []
    asked = {mount.target for mount in settings.mounts}
    here = str(directory)
    if here not in asked and not Approvals().why_not_mounted(Path(source)):
        refuse_unquotable(here, "mounts")
        mounts.append(Mount(source, here, True))
    return (*mounts, *settings.mounts)


def _folder(settings: Settings, directory: Path) -> str:
    asked = {mount.target for mount in settings.mounts}
    return str(directory) if str(directory) not in asked else ""


def _workdir(
    settings: Settings, directory: Path, mounts: tuple[Mount, ...], home: str
) -> tuple[str, bool]:
    """The working directory, and whether an empty one of ours has to stand there."""
    if settings.workdir.startswith("/"):
        return settings.workdir, False
    workdir = str(PurePosixPath(os.path.normpath(directory / settings.workdir)))
    if any(workdir == m.target or workdir.startswith(m.target + "/") for m in mounts):
        return workdir, False
    if workdir == home or workdir in ("/", ""):
        return home, False
    return str(directory), True
