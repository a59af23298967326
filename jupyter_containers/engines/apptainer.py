"""Apptainer, also found as Singularity (Apptainer 1.1, SingularityCE 3.10 and newer).

A container is this process's child, in its own user, PID, IPC and mount namespaces, as the person
it belongs to. An image is a directory where the disk takes one (a kernel starts twice as fast
from it), and a SIF file on network file systems.
https://apptainer.org/docs/user/latest/cli/apptainer_exec.html
"""

from __future__ import annotations

import asyncio
import os
import platform
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from shutil import copyfile, which

from ..errors import (
    BaseUnknown,
    ContainersError,
    DiskFull,
    EngineDown,
    StartFailed,
    Unsupported,
)
from ..host.paths import cache_directory
from ..host.process import Completed, run
from ..host.reaper.trees import remove_tree
from ..models import ContainerSpec, EngineInfo, Image, Mount, Problem, Progress
from ..text import one_line, printable, untrusted_json
from .common import cdi, userns
from .common.errors import build_trouble, last_words
from .common.run_argv import limits, mount_option
from .common.transfers import Transfer
from .common.versions import at_least
from .process_engine import hold
from .process_engine.base import Command, ProcessEngine
from .process_engine.containers import StateDir
from .process_engine.image_store import TREE, Stored, on_network, random_id

_KEPT = ("CACHEDIR", "TMPDIR", "CONFIGDIR")
"""Of a person's APPTAINER_* variables, all else would change what a container gets: binds,
overlays, GPUs, privileges."""


_SECCOMP = Path(__file__).with_name("apptainer_seccomp.json")
"""What a container needs no more than its neighbours need it to have. The profile that Apptainer
installs knows no `clone3`: with it, no thread starts (seen with 1.4.5 and glibc 2.36)."""
_NO_PROGRAM = re.compile(
    r"fatal:.*((stat|exec) \S+.*(no such file|permission|not found)|file not found in \$path)"
)
"""The second as 1.4.5 says it of a bare name, which it looks for itself."""
_ELSEWHERE = "', cannot run on '"
"""It reads itself which machine an image's programs are made for."""


class Apptainer(ProcessEngine):
    """The `apptainer` or `singularity` of the person who runs this process."""

    name = "apptainer"
    holds = True
    upper = "overlay/upper"
    starters = (
        "apptainer",
        "singularity",
        "starter",
        "starter-suid",
        "Apptainer runti",
        "Singularity run",
        "appinit",
        "sinit",
    )

    _filters = True
    """Whether the installation can filter system calls, as far as is known."""

    @property
    def program(self) -> str:
        """The one that is there; Apptainer installs both names."""
        return "singularity" if which("apptainer") is None and which("singularity") else "apptainer"

    async def ask_info(self) -> EngineInfo:
        """See `Engine.info`."""
        done = await run([self.program, "--version"], timeout=20)
        found = re.search(r"(apptainer|singularity)\S* version (\S+)", done.stdout)
        if done.code or found is None:
            raise EngineDown(
                f"{self.program} does not work: {last_words(done.stderr or done.stdout)}",
                f"Run it by hand: {self.program} --version",
            )
        version = found[2].partition("-")[0]
        old = too_old(found[1], version)
        problems = [problem for problem in (old, no_fuse()) if problem is not None]
        usable = old is None
        config = (await run([self.program, "buildcfg"], timeout=20)).stdout
        if "SUID_INSTALL=1" not in config and (closed := await userns.closed()):
            problems.append(closed)
            usable = False
        features = {"pull", "network-none", "root", cdi.FEATURE}
        if userns.delegated():
            features.add("limits")
        elif usable:
            problems.append(userns.NO_LIMITS)
        problems.append(userns.SAME_NETWORK)
        return self.described(version, features, problems, usable=usable)

    # -- containers ------------------------------------------------------------------------

    def command(self, spec: ContainerSpec, stored: Stored, state_dir: StateDir) -> Command:
        """See `ProcessEngine.command`. Values travel in the engine's environment, not its
        arguments, which any user of the machine can read."""
        options = [
            # Root of a user namespace keeps its capabilities there, whatever is asked for; the
            # filter takes the calls they would be good for.
            "--fakeroot" if spec.user.mode == "root" else "--no-privs",
            "--containall",
            "--no-home",
            "--cleanenv",
            "--no-eval",
            "--pid",
            f"--pwd={spec.workdir}",
            *(_bind(m, state_dir) for m in spec.own + spec.mounts),
            *(_bind(m, state_dir) for m in _scratch(state_dir)),
        ]
        if self._filters:
            options.append(f"--security=seccomp:{state_dir.path / _SECCOMP.name}")
        if not spec.init:
            options.append("--no-init")
        if spec.network == "none":
            options += ["--net", "--network=none"]
        if spec.hostname:
            options.append(f"--hostname={spec.hostname}")
        if not spec.read_only:
            overlay = state_dir.path / "overlay"
            options.append(f"--overlay={overlay}" if overlay.exists() else "--writable-tmpfs")
        devices, visible = _devices(spec.devices)
        options += devices + (limits(spec) if userns.delegated() else [])
        verb = "run" if spec.entrypoint == "image" else "exec"
        argv = (self.program, "--silent", verb, *options, _payload(stored), *spec.argv)
        if script := hold.script(state_dir):
            argv = (*_namespace(), "sh", "-c", _HOLD, "sh", script, *argv)
        return Command(argv=argv, env=self._environment({**visible, **spec.env}))

    def _environment(self, inside: Mapping[str, str]) -> dict[str, str | None]:
        prefix = self.program.upper()
        theirs: dict[str, str | None] = {
            name: None
            for name in os.environ
            if name.startswith(("APPTAINER", "SINGULARITY")) and name.partition("_")[2] not in _KEPT
        }
        for name in ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"):
            theirs |= {name: None, name.upper(): None}  # `--cleanenv` leaves them
        return theirs | {f"{prefix}ENV_{name}": value for name, value in inside.items()}

    def shell(self, stored: Stored) -> str:
        """See `ProcessEngine.shell`."""
        return f"{self.program} shell --containall {_payload(stored)}"

    def write_files(self, spec: ContainerSpec, stored: Stored, state_dir: StateDir) -> None:  # noqa: ARG002
        """See `ProcessEngine.write_files`. What the engine keeps in memory by itself, 64 MiB of it,
        would be full after the first `pip install`."""
        for name in ("tmp", "var-tmp"):
            (state_dir.path / name).mkdir()
        # Where Slurm places the container, this package need not be.
        copyfile(_SECCOMP, state_dir.path / _SECCOMP.name)
        if not spec.read_only and not on_network(cache_directory()):
            for name in ("upper", "work"):
                (state_dir.path / "overlay" / name).mkdir(parents=True)

    def ran_nothing(self, done: Completed) -> int | None:
        """See `ProcessEngine.ran_nothing`: with `--silent` the engine says only why it failed,
        in lines that begin with FATAL, and ends with 255."""
        if "FATAL" not in done.stderr[-4000:]:
            return None
        lowered = done.stderr.lower()
        if _NO_PROGRAM.search(lowered):
            return 127
        if _ELSEWHERE in lowered:  # a program of another machine's is there
            return None
        return 125 if done.code else None

    def trouble(self, done: Completed) -> ContainersError:
        """See `ProcessEngine.trouble`."""
        said = last_words(done.stderr)
        lowered = done.stderr.lower()
        if "seccomp" in lowered and self._filters:
            self._filters = False
            return StartFailed(
                f"This {self.program} cannot filter system calls: {said}",
                "Start the kernel again: until Jupyter ends, containers run without the filter.",
            )
        if "user namespace" in lowered or "clone_newuser" in lowered:
            return EngineDown(userns.CLOSED.message, userns.CLOSED.fix)
        if "fuse" in lowered:
            return StartFailed(f"{self.name} cannot mount the image: {said}", NO_FUSE.fix)
        return StartFailed(f"{self.name} could not start the container: {said}")

    # -- images ----------------------------------------------------------------------------

    def pull(self, reference: str) -> AsyncGenerator[Progress]:
        """See `Engine.pull`. Log-ins are the engine's own (`apptainer registry login`) and
        Docker's."""
        image = replace(NEW, references=(reference,))
        return self._make(image, f"docker://{_source(reference)}", reference)

    def load(self, archive: Path, image: Image) -> AsyncGenerator[Progress]:
        """See `Engine.load`."""
        return self._make(image, f"docker-archive:{archive}", "")

    async def _make(self, image: Image, source: str, reference: str) -> AsyncGenerator[Progress]:
        """An image of ours from what the engine reads. A pulled one gets a new id: the engine
        tells no digest."""
        if reference:
            image = with_new_id(image)
        directory = not on_network(self.store.root)
        async with self.store.adding(image) as new:
            if new is not None:
                made = make(self.program, new, source, directory=directory, reference=reference)
                async with aclosing(made) as events:
                    async for event in events:
                        yield event
                if reference:
                    image = await described(self.program, new, image)
                    self.store.describe(new, image)
        yield await self.store.made(image.id, reference)


def _payload(stored: Stored) -> str:
    tree = stored.directory / TREE
    return str(tree if tree.is_dir() else stored.directory / SIF)


def _source(reference: str) -> str:
    """What apptainer calls it: without the tag beside a digest, which it refuses."""
    name, at, digest = reference.partition("@")
    if not at:
        return reference
    above, slash, last = name.rpartition("/")
    return f"{above}{slash}{last.partition(':')[0]}@{digest}"


def _bind(mount: Mount, state_dir: StateDir) -> str:
    source = hold.held(mount, state_dir) or mount.source
    return mount_option(str(source), mount.target, mount.writable)


def _scratch(state_dir: StateDir) -> list[Mount]:
    names = {"tmp": "/tmp", "var-tmp": "/var/tmp"}
    return [Mount(str(state_dir.path / name), target, True) for name, target in names.items()]


_HOLD = """. "$1"
shift
cd /
exec setpriv --inh-caps=-all --ambient-caps=-all -- "$@"
"""
"""Arguments: the script of `hold.py`, and the command, which gets no more rights than it had."""


def _namespace() -> tuple[str, ...]:
    """One of ours for mounts."""
    ours = () if os.getuid() == 0 else ("--user", "--map-current-user", "--keep-caps")
    return ("unshare", *ours, "--mount")


def _devices(devices: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The engine gives all GPUs of a vendor or none; which of them programs see, a variable of
    that vendor's says. https://apptainer.org/docs/user/latest/gpu.html"""
    options: list[str] = []
    visible: dict[str, str] = {}
    ways = {
        "nvidia.com/gpu": ("--nv", "CUDA_VISIBLE_DEVICES"),
        "amd.com/gpu": ("--rocm", "ROCR_VISIBLE_DEVICES"),
    }
    for device in devices:
        kind, _, which_one = device.partition("=")
        if kind not in ways:
            raise Unsupported(
                f"apptainer gives containers GPUs of NVIDIA and AMD, and not {device}.",
                "Use Podman or Docker for it.",
            )
        option, variable = ways[kind]
        if option not in options:
            options.append(option)
        if which_one != "all":
            visible[variable] = ",".join([*visible.get(variable, "").split(","), which_one]).strip(
                ","
            )
    return options, visible


SIF = "image.sif"
NEW = Image(id="")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_SAID = re.compile(r"(?:\x1b\[[0-9;]*m)*(?:INFO|WARNING):\s*(?:\x1b\[[0-9;]*m)*\s*(.*)")
_EXPORTED = re.compile(r'^export (\w+)="?(?:\$\{\1:-"?)?(.*?)"?\}?"?$', re.MULTILINE)


def with_new_id(image: Image) -> Image:
    """For one that comes from a registry."""
    machine = platform.machine()
    return replace(image, id=random_id(), architecture=_MACHINES.get(machine, machine))


async def make(
    program: str, new: Path, source: str, *, directory: bool, reference: str
) -> AsyncGenerator[Progress]:
    """Make the image in `new` from what `apptainer build` reads. Raises what fetching raises,
    DiskFull, EngineDown."""
    scratch = new / "scratch"
    await asyncio.to_thread(scratch.mkdir)
    # The fastest to read and write; the default, gzip, takes four times as long.
    fast = ["--mksquashfs-args=-comp zstd -Xcompression-level 1"]
    how = ["--sandbox", "--fix-perms"] if directory else fast
    argv = [program, "build", "--force", *how, str(new / (TREE if directory else SIF)), source]
    env = {"APPTAINER_TMPDIR": str(scratch), "SINGULARITY_TMPDIR": str(scratch)}
    transfer = Transfer(argv, env, str(new), one_line(reference), _SAID)
    async with aclosing(transfer.events()) as events:
        async for event in events:
            yield event
    await asyncio.to_thread(remove_tree, str(scratch))
    if transfer.code:
        raise _trouble(transfer.code, transfer.printed, reference)


def _trouble(code: int, said: str, reference: str) -> ContainersError:
    if code < 0:
        return EngineDown(f"apptainer was killed (signal {-code}).")
    if re.search(r"no space left|quota exceeded", said, re.IGNORECASE):
        return DiskFull("where images are kept; JUPYTER_CONTAINERS_IMAGES names the directory")
    if reference and re.search(r"unauthorized|authentication required", said, re.IGNORECASE):
        refused = BaseUnknown(reference, None, "it wants a log-in, or has none of that name")
        host = reference.partition("/")[0]
        refused.hint = f"Log in: apptainer registry login --username USER docker://{host}"
        return refused
    return build_trouble(
        "apptainer",
        said=said,
        code=code,
        step=None,
        instruction="",
        tail="",
        reference=reference,
    )


async def described(program: str, new: Path, image: Image) -> Image:
    """What a pulled image tells of itself: labels and environment. Both are untrusted."""
    payload = new / TREE if (new / TREE).is_dir() else new / SIF
    done = await run([program, "inspect", "--json", "--labels", "--environment", str(payload)])
    try:
        told = untrusted_json(done.stdout)["data"]["attributes"]
    except (ValueError, KeyError, TypeError):
        return image
    labels = told.get("labels") or {}
    texts = "\n".join(str(text) for text in (told.get("environment") or {}).values())
    return replace(
        image,
        labels={one_line(str(k)): printable(str(v)) for k, v in labels.items()},
        env={name: printable(value) for name, value in _EXPORTED.findall(texts)},
    )


_OLDEST = {"apptainer": (1, 1), "singularity": (3, 10)}

NO_FUSE = Problem(
    "/dev/fuse cannot be opened: images that are one file, and writable containers on older "
    "kernels, do not start.",
    "sudo chmod 666 /dev/fuse",
)


def no_fuse() -> Problem | None:
    """Where it cannot be opened."""
    return None if os.access("/dev/fuse", os.R_OK | os.W_OK) else NO_FUSE


def too_old(program: str, version: str) -> Problem | None:
    """`program` is what it calls itself."""
    oldest = _OLDEST[program]
    if at_least(version, *oldest):
        return None
    needed = ".".join(str(part) for part in oldest)
    return Problem(
        f"This {program} ({version}) is too old: {needed} or newer is needed.",
        "https://apptainer.org/docs/admin/latest/installation.html",
    )
