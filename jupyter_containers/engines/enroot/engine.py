"""NVIDIA's enroot, 3.4 and newer.

A container is this process's child, in user and mount namespaces that enroot makes within PID,
IPC and mount namespaces of ours, as the person it belongs to. An image is a directory where the
disk takes one (an overlay over it is made faster than a SquashFS file is mounted, and nothing of
FUSE is needed), and a SquashFS file on network file systems. Nothing of the person's own enroot
containers, hooks and mounts is used, the administrator's are.
https://github.com/NVIDIA/enroot/blob/master/doc/usage.md
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from shutil import which

from ...errors import ContainersError, EngineDown, StartFailed
from ...host.paths import cache_directory
from ...host.process import Completed, run
from ...models import ContainerSpec, EngineInfo, Image, Problem, Progress
from ..common import cdi, userns
from ..common.errors import last_words
from ..common.versions import at_least
from ..process_engine import hold
from ..process_engine.base import Command, ProcessEngine
from ..process_engine.containers import StateDir
from ..process_engine.image_store import Stored, on_network
from . import images, scripts
from .scripts import CONF, FILE, RC, SHELL, SYS, TREE

_ITS_OWN = re.compile(r"^(?:\[ERROR\]|enroot-[a-z]+: |unshare: )", re.MULTILINE)
_NO_PROGRAM = re.compile(r"exec: .*(?:not found|denied|no such file|cannot exec|error)", re.I)


class Enroot(ProcessEngine):
    """The `enroot` of the person who runs this process."""

    name = "enroot"
    program = "enroot"
    holds = True
    starters = ("unshare", SHELL, "enroot-nsenter", "enroot-switchro", *hold.PROGRAMS)

    @property
    def as_file(self) -> bool:
        """Whether images are one file each: where many small ones are slow."""
        return on_network(self.store.root)

    async def ask_info(self) -> EngineInfo:
        """See `Engine.info`."""
        done = await run(["enroot", "version"], timeout=20, env=environment())
        version = done.stdout.strip()
        if done.code or not re.match(r"\d+\.\d+", version):
            raise EngineDown(
                f"enroot does not work: {last_words(done.stderr or done.stdout)}",
                "Run it by hand: enroot version",
            )
        wrong = [
            too_old(version),
            await userns.closed() or await no_namespaces(),
        ]
        if not await userns.overlays():
            wrong.append(userns.READ_ONLY)
        problems = [problem for problem in wrong if problem is not None]
        usable = not problems
        features = {"network-none", "root"}
        if missing := no_pulls():
            problems.append(missing)
        else:
            features.add("pull")
        if await gpus():
            features.add(cdi.FEATURE)
        problems += [userns.NO_LIMITS, userns.NO_FILTER, userns.SAME_NETWORK]
        return self.described(version, features, problems, usable=usable)

    # -- containers ------------------------------------------------------------------------

    def command(self, spec: ContainerSpec, stored: Stored, state_dir: StateDir) -> Command:
        """See `ProcessEngine.command`. Everything that is anybody's business stands in files:
        any user of the machine can read arguments."""
        file = stored.directory / FILE
        outside = [
            *OUTSIDE,
            *(["--net"] if spec.network == "none" else []),
            *(["--uts"] if spec.hostname else []),
        ]
        options = [
            *(["--root"] if spec.user.mode == "root" else []),
            *([] if spec.read_only else ["--rw"]),
            f"--conf={state_dir.path / CONF}",
            f"--rc={state_dir.path / RC}",
        ]
        own = {
            name: str(state_dir.path / name.lower())
            for name in ("RUNTIME", "CACHE", "TEMP", "CONFIG")
        }
        env = {
            **environment(),
            **{f"ENROOT_{name}_PATH": path for name, path in own.items()},
            "ENROOT_DATA_PATH": str(stored.directory),
            "ENROOT_LOGIN_SHELL": "no",
            "ENROOT_MOUNT_HOME": "no",
            "ENROOT_RESTRICT_DEV": "no",
            "ENROOT_NATIVE_OVERLAYFS": "yes",
            "ENROOT_ROOTFS_WRITABLE": "no",
            "ENROOT_REMAP_ROOT": "no",
        }
        sys = str(state_dir.path / SYS) if spec.network == "none" else ""
        return Command(
            argv=(
                *outside,
                *(str(state_dir.path / SHELL), "-c", *scripts.outside(hold.script(state_dir))),
                *(spec.hostname or "", sys, "init" if spec.init else ""),
                *("enroot", "start", *options, "--", str(file) if _is_file(stored) else TREE),
                *spec.argv,
            ),
            env=env,
        )

    def shell(self, stored: Stored) -> str:
        """See `ProcessEngine.shell`."""
        if _is_file(stored):
            return f"enroot start {stored.directory / FILE}"
        return f"ENROOT_DATA_PATH={stored.directory} enroot start {TREE}"

    def write_files(self, spec: ContainerSpec, stored: Stored, state_dir: StateDir) -> None:
        """See `ProcessEngine.write_files`."""
        scripts.write_files(state_dir.path)
        upper = str(state_dir.path)
        if on_network(cache_directory()):
            upper = "${ENROOT_RUNTIME_PATH}/overlay"  # enroot's, in memory
        conf = scripts.conf_text(
            spec,
            state_dir.path,
            upper="" if _is_file(stored) else upper,
            devices=visible(spec.devices),
        )
        (state_dir.path / CONF).write_text(conf)
        (state_dir.path / RC).write_text(scripts.rc_text(spec, stored.image))

    def ran_nothing(self, done: Completed) -> int | None:
        """See `ProcessEngine.ran_nothing`: enroot ends with 1 where it failed itself, the shell
        in the container as shells do."""
        said = done.stderr[-4000:]
        if done.code in (126, 127) and _NO_PROGRAM.search(said):
            return done.code
        return 125 if done.code and _ITS_OWN.search(said) else None

    def trouble(self, done: Completed) -> ContainersError:
        """See `ProcessEngine.trouble`."""
        said = last_words(done.stderr)
        lowered = done.stderr.lower()
        if "failed to execute: /bin/sh" in lowered:
            return StartFailed(
                "enroot needs a shell in the image, and this one has no /bin/sh.",
                "Use an image that has one, or Podman, Docker or apptainer.",
            )
        if "unshare failed" in lowered or "user namespace" in lowered:
            return EngineDown(userns.CLOSED.message, userns.CLOSED.fix)
        return StartFailed(f"enroot could not start the container: {said}")

    # -- images ----------------------------------------------------------------------------

    async def pull(self, reference: str) -> AsyncGenerator[Progress]:
        """See `Engine.pull`. Log-ins are enroot's own (~/.config/enroot/.credentials)."""
        env = import_environment()
        made = images.pull(self.store, reference, env, as_file=self.as_file)
        async with aclosing(made) as events:
            async for event in events:
                yield event
        yield await self.store.made(reference, reference)

    async def load(self, archive: Path, image: Image) -> AsyncGenerator[Progress]:
        """See `Engine.load`. enroot itself reads no archives."""
        env = import_environment()
        made = images.load(self.store, archive, image, env, as_file=self.as_file)
        async with aclosing(made) as events:
            async for event in events:
                yield event
        yield await self.store.made(image.id, image.id)


def _is_file(stored: Stored) -> bool:
    return (stored.directory / FILE).is_file()


def visible(devices: Sequence[str]) -> dict[str, str]:
    """What tells the administrator's hook which GPUs to give."""
    asked = cdi.nvidia_gpus("enroot", devices)
    if not asked:
        return {}
    seen = "all" if "all" in asked else ",".join(asked)
    return {"NVIDIA_VISIBLE_DEVICES": seen, "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}


_OLDEST = (3, 4)
_TOOLS = {
    "unsquashfs": "squashfs-tools",
    "mksquashfs": "squashfs-tools",
    "parallel": "parallel",
    "jq": "jq",
    "curl": "curl",
    "zstd": "zstd",
}
_PRIVILEGED = ("enroot-aufs2ovlfs", "enroot-mksquashovlfs")
NO_CAPABILITIES = Problem(
    "enroot cannot pull images: its programs that unpack layers have no capabilities.",
    "Ask the administrator to install the package enroot+caps: "
    "https://github.com/NVIDIA/enroot/blob/master/doc/installation.md. Until then, pull with "
    "Podman or Docker and run: jupyter containers convert REF --from podman --to enroot",
)
OUTSIDE = (
    *("unshare", "--user", "--map-current-user", "--keep-caps", "--mount", "--pid", "--fork"),
    *("--kill-child", "--mount-proc", "--ipc"),
)
"""The namespaces around a container: enroot has none but for users and mounts of its own before
4.2. One kill ends everything in them."""
_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR")


def environment() -> dict[str, str | None]:
    """For containers: nothing of this process's own but what programs need to run at all. An
    image's /etc/environment, and hooks, could read it."""
    return {name: None for name in os.environ if name not in _KEPT}


def import_environment() -> dict[str, str | None]:
    """For pulls: the person's own settings of transfers, log-ins and caches, not of roots."""
    ours = ("ENROOT_DATA_PATH", "ENROOT_RUNTIME_PATH", "ENROOT_FORCE_OVERRIDE")
    return {name: None for name in os.environ if name in ours}


def too_old(version: str) -> Problem | None:
    """Older ones were not tried."""
    if at_least(version, *_OLDEST):
        return None
    needed = ".".join(str(part) for part in _OLDEST)
    return Problem(
        f"This enroot ({version}) is too old: {needed} or newer is needed.",
        "https://github.com/NVIDIA/enroot/releases",
    )


def no_pulls() -> Problem | None:
    """Why `enroot import` does not work: a program is missing, or the right to write what says
    that a layer deletes files."""
    if not (missing := [name for name in _TOOLS if which(name) is None]):
        return None if os.getuid() == 0 or all(map(_privileged, _PRIVILEGED)) else NO_CAPABILITIES
    packages = " ".join(dict.fromkeys(_TOOLS[name] for name in missing))
    return Problem(
        f"enroot cannot pull images: {', '.join(missing)} is missing.",
        f"sudo apt install {packages}, or your system's packages of these names",
    )


def _privileged(name: str) -> bool:
    """See capabilities(7), "File capabilities"."""
    path = which(name)
    try:
        return path is not None and bool(os.getxattr(path, "security.capability"))
    except OSError:
        return False


async def no_namespaces() -> Problem | None:
    """Why the namespaces around a container cannot be made; None where they can."""
    done = await run([*OUTSIDE, "true"], timeout=20)
    if not done.code:
        return None
    if re.search(r"unrecognized option|invalid option", done.stderr):
        return Problem(
            "This machine's `unshare` is too old: util-linux 2.36 or newer is needed.",
            "Ask the administrator to update util-linux.",
        )
    return Problem(
        f"Namespaces around a container cannot be made: {done.stderr.strip()[-300:]}",
        f"Run it by hand: {' '.join(OUTSIDE)} true",
    )


async def gpus() -> bool:
    """Whether enroot gives GPUs: by a hook of the administrator's and NVIDIA's tool.
    https://github.com/NVIDIA/enroot/blob/master/doc/standard-hooks.md"""
    said = (await run(["enroot", "info"], timeout=20, env=environment())).stdout
    found = re.search(r"ENROOT_SYSCONF_PATH=(.+)", said)
    hooks = Path(found[1] if found else "/etc/enroot", "hooks.d")
    return os.access(hooks / "98-nvidia.sh", os.X_OK) and which("nvidia-container-cli") is not None
