"""Bubblewrap (`bwrap`, 0.8 and newer) as an engine of jupyter-containers.

A container is this process's child, in user, mount, PID, IPC and, where asked, network namespaces
of its own. Its image is a directory, which another engine built and `convert` unpacked.
https://github.com/containers/bubblewrap/blob/main/bwrap.xml
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterable, Iterator
from pathlib import Path, PurePosixPath

from jupyter_containers.engines.common import userns
from jupyter_containers.engines.common.errors import last_words
from jupyter_containers.engines.common.versions import at_least
from jupyter_containers.engines.process_engine.base import Command, ProcessEngine
from jupyter_containers.engines.process_engine.containers import StateDir
from jupyter_containers.engines.process_engine.image_archive import load_tree
from jupyter_containers.engines.process_engine.image_store import TREE, Stored
from jupyter_containers.engines.process_engine.rootfs import mount_points
from jupyter_containers.errors import ContainersError, EngineDown, StartFailed, Unsupported
from jupyter_containers.host.process import Completed, run
from jupyter_containers.layout import DEFAULT_PATH
from jupyter_containers.models import ContainerSpec, EngineInfo, Image, Mount, Problem, Progress

READ_ONLY = Problem(
    "Containers cannot be written to, but for mounts, HOME and /tmp.",
    "Put what programs install into the Dockerfile.",
)
TOO_OLD = Problem("This bubblewrap is too old: 0.8 or newer is needed.", "sudo apt upgrade")
NAMES = ("/etc/hosts", "/etc/resolv.conf")
"""By which names of hosts are looked up; an image's own are empty."""
START = 'exec bwrap --args 3 -- "$@" 3<"$0"'
"""Options come from a file, because any user of the machine can read a command line."""
ERROR = re.compile(r"\Abwrap: (.*)$", re.MULTILINE)


class Bubblewrap(ProcessEngine):
    """The `bwrap` of the person who runs this process."""

    name = "bubblewrap"
    program = "bwrap"
    install = "sudo apt install bubblewrap"
    starters = ("bwrap",)

    async def ask_info(self) -> EngineInfo:
        """See `Engine.info`."""
        done = await run([self.program, "--version"], timeout=20)
        version = done.stdout.strip().removeprefix("bubblewrap ")
        if done.code or not version:
            said = last_words(done.stderr or done.stdout)
            raise EngineDown(f"bwrap does not work: {said}", "Run it by hand: bwrap --version")
        wrong = [] if at_least(version, 0, 8) else [TOO_OLD]
        if (closed := await userns.closed()) is not None:
            wrong.append(closed)
        limits = [userns.NO_LIMITS, userns.NO_FILTER, userns.SAME_NETWORK, READ_ONLY]
        return self.described(version, {"network-none"}, [*wrong, *limits], usable=not wrong)

    # -- containers ------------------------------------------------------------------------

    def command(self, spec: ContainerSpec, stored: Stored, state_dir: StateDir) -> Command:
        """See `ProcessEngine.command`."""
        if spec.devices:
            raise Unsupported("bubblewrap gives containers no GPUs.", "Use Podman for them.")
        entrypoint = stored.image.entrypoint if spec.entrypoint == "image" else ()
        shell = ("sh", "-c", START, str(state_dir.path / "options"))
        return Command(argv=(*shell, *entrypoint, *spec.argv), env={})

    def write_files(self, spec: ContainerSpec, stored: Stored, state_dir: StateDir) -> None:
        """See `ProcessEngine.write_files`. Nothing is ever written to the image but places to
        mount at."""
        tree, tmp = stored.directory / TREE, state_dir.path / "tmp"
        tmp.mkdir()
        (state_dir.path / "var-tmp").mkdir()
        mounts = [
            Mount(str(tmp), "/tmp", True),
            Mount(str(state_dir.path / "var-tmp"), "/var/tmp", True),
            *(Mount(name, name) for name in NAMES if Path(name).exists()),
        ]
        points = mount_points([*mounts, *spec.own, *spec.mounts], tree, tree, tmp=tmp)
        words = options(spec, stored.image, tree, points)
        (state_dir.path / "options").write_text("".join(f"{word}\0" for word in words))

    def shell(self, stored: Stored) -> str:
        """See `ProcessEngine.shell`."""
        return f"bwrap --unshare-all --ro-bind {stored.directory / TREE} / --dev /dev sh"

    def ran_nothing(self, done: Completed) -> int | None:
        """See `ProcessEngine.ran_nothing`: bwrap says one line, and ends with 1. A program of
        another kind of machine is there, but cannot run."""
        found = ERROR.search(done.stderr) if done.code else None
        if found is None or "Exec format error" in found[1]:
            return None
        return 127 if found[1].startswith("execvp") else 125

    def trouble(self, done: Completed) -> ContainersError:
        """See `ProcessEngine.trouble`."""
        said = last_words(done.stderr)
        if "namespace" in said:
            return EngineDown(userns.CLOSED.message, userns.CLOSED.fix)
        return StartFailed(f"bubblewrap could not start the container: {said}")

    # -- images ----------------------------------------------------------------------------

    def load(self, archive: Path, image: Image) -> AsyncGenerator[Progress]:
        """See `Engine.load`."""
        return load_tree(self.store, archive, image)

    def pull(self, reference: str) -> AsyncGenerator[Progress]:
        """See `Engine.pull`."""
        raise Unsupported(
            "bubblewrap cannot pull images.",
            f"jupyter containers pull {reference} --engine podman; then jupyter containers "
            f"convert {reference} --from podman --to bubblewrap",
        )


def options(
    spec: ContainerSpec, image: Image, tree: Path, points: Iterable[tuple[Mount, PurePosixPath]]
) -> Iterator[str]:
    """The options of `bwrap` for a spec. Pure."""
    yield from ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-cgroup-try")
    yield from ("--uid", str(spec.user.uid), "--gid", str(spec.user.gid))
    if spec.network == "none":
        yield "--unshare-net"
    if spec.hostname:
        yield from ("--unshare-uts", "--hostname", spec.hostname)
    if not spec.init:
        yield "--as-pid-1"
    yield from ("--ro-bind", str(tree), "/", "--proc", "/proc", "--dev", "/dev")
    if spec.shm:
        yield from ("--perms", "1777", "--size", str(spec.shm), "--tmpfs", "/dev/shm")
    for mount, point in points:
        yield from ("--bind" if mount.writable else "--ro-bind", mount.source, str(point))
    yield from ("--chdir", spec.workdir, "--clearenv")
    for name, value in ({"PATH": DEFAULT_PATH} | dict(image.env) | dict(spec.env)).items():
        yield from ("--setenv", name, value)
