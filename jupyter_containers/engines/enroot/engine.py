"""NVIDIA's enroot, 3.4 and newer.

A container is this process's child, in user and mount namespaces that enroot makes within PID,
IPC and mount namespaces of ours, as the person it belongs to. An image is a directory where the
disk takes one (an overlay over it is made faster than a SquashFS file is mounted, and nothing of
FUSE is needed), and a SquashFS file on network file systems. Nothing of the person's own enroot
containers, hooks and mounts is used, the administrator's are.
https://github.com/NVIDIA/enroot/blob/master/doc/usage.md
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

from ...errors import ContainersError, EngineDown, StartFailed
from ...host.paths import cache_directory
from ...host.process import Completed, run
from ...models import ContainerSpec, EngineInfo, Image, Progress
from .. import _enroot_site
from .._trouble import last_words
from ..common import cdi, userns
from ..process_engine.base import Command, ProcessEngine
from ..process_engine.containers import Place
from ..process_engine.image_store import Stored, on_network
from . import images, scripts
from .scripts import CONF, FILE, RC, SHELL, SYS, TREE

_ITS_OWN = re.compile(r"^(?:\[ERROR\]|enroot-[a-z]+: |unshare: )", re.MULTILINE)
_NO_PROGRAM = re.compile(r"exec: .*(?:not found|denied|no such file|cannot exec|error)", re.I)


class Enroot(ProcessEngine):
    """The `enroot` of the person who runs this process."""

    name = "enroot"
    program = "enroot"
    starters = ("unshare", SHELL, "enroot-nsenter", "enroot-switchro")

    @property
    def as_file(self) -> bool:
        """Whether images are one file each: where many small ones are slow."""
        return on_network(self.store.root)

    async def ask_info(self) -> EngineInfo:
        """See `Engine.info`."""
        done = await run(["enroot", "version"], timeout=20, env=_enroot_site.environment())
        version = done.stdout.strip()
        if done.code or not re.match(r"\d+\.\d+", version):
            raise EngineDown(
                f"enroot does not work: {last_words(done.stderr or done.stdout)}",
                "Run it by hand: enroot version",
            )
        wrong = [
            _enroot_site.too_old(version),
            await userns.closed() or await _enroot_site.no_namespaces(),
        ]
        if not await userns.overlays():
            wrong.append(userns.READ_ONLY)
        problems = [problem for problem in wrong if problem is not None]
        usable = not problems
        features = {"network-none", "root"}
        if missing := _enroot_site.no_pulls():
            problems.append(missing)
        else:
            features.add("pull")
        if await _enroot_site.gpus():
            features.add(cdi.FEATURE)
        problems += [userns.NO_LIMITS, userns.NO_FILTER, userns.SAME_NETWORK]
        return self.described(version, features, problems, usable=usable)

    # -- containers ------------------------------------------------------------------------

    def command(self, spec: ContainerSpec, stored: Stored, place: Place) -> Command:
        """See `ProcessEngine.command`. Everything that is anybody's business stands in files:
        any user of the machine can read arguments."""
        file = stored.directory / FILE
        outside = [
            *_enroot_site.OUTSIDE,
            *(["--net"] if spec.network == "none" else []),
            *(["--uts"] if spec.hostname else []),
        ]
        options = [
            *(["--root"] if spec.user.mode == "root" else []),
            *([] if spec.read_only else ["--rw"]),
            f"--conf={place.path / CONF}",
            f"--rc={place.path / RC}",
        ]
        own = {
            name: str(place.path / name.lower()) for name in ("RUNTIME", "CACHE", "TEMP", "CONFIG")
        }
        env = {
            **_enroot_site.environment(),
            **{f"ENROOT_{name}_PATH": path for name, path in own.items()},
            "ENROOT_DATA_PATH": str(stored.directory),
            "ENROOT_LOGIN_SHELL": "no",
            "ENROOT_MOUNT_HOME": "no",
            "ENROOT_RESTRICT_DEV": "no",
            "ENROOT_NATIVE_OVERLAYFS": "yes",
            "ENROOT_ROOTFS_WRITABLE": "no",
            "ENROOT_REMAP_ROOT": "no",
        }
        sys = str(place.path / SYS) if spec.network == "none" else ""
        return Command(
            argv=(
                *outside,
                *(str(place.path / SHELL), "-c", scripts.OUTSIDE, SHELL),
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

    def furnish(self, spec: ContainerSpec, stored: Stored, place: Place) -> None:
        """See `ProcessEngine.furnish`."""
        scripts.furnish(place.path)
        upper = str(place.path)
        if on_network(cache_directory()):
            upper = "${ENROOT_RUNTIME_PATH}/overlay"  # enroot's, in memory
        conf = scripts.conf_text(
            spec,
            place.path,
            upper="" if _is_file(stored) else upper,
            devices=visible(spec.devices),
        )
        (place.path / CONF).write_text(conf)
        (place.path / RC).write_text(scripts.rc_text(spec, stored.image))

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
        env = _enroot_site.import_environment()
        made = images.pull(self.store, reference, env, as_file=self.as_file)
        async with aclosing(made) as events:
            async for event in events:
                yield event
        yield await self.store.made(reference, reference)

    async def load(self, archive: Path, image: Image) -> AsyncGenerator[Progress]:
        """See `Engine.load`. enroot itself reads no archives."""
        env = _enroot_site.import_environment()
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
