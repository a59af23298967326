"""Charliecloud (0.31 and newer): `ch-run` runs directories, `ch-image` builds and pulls them.

A container is this process's child, in user, PID, mount and, where asked, network namespaces of
its own that `unshare` makes; what is mounted in it, `mounts.py` says.
https://hpc.github.io/charliecloud/ch-run.html
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from pathlib import Path

from ...dockerfile.late import LATE
from ...errors import ContainersError, EngineDown, StartFailed, Unsupported
from ...host.paths import cache_directory
from ...host.process import Completed, run
from ...layout import DEFAULT_PATH
from ...models import BuildSpec, ContainerSpec, EngineInfo, Image, Progress
from ..common import userns
from ..common.errors import last_words
from ..process_engine import hold
from ..process_engine.base import Command, ProcessEngine
from ..process_engine.containers import StateDir
from ..process_engine.image_store import TREE, Stored, on_network
from . import build, images, site
from .mounts import SCRIPT, SHELL, not_in_text, write_files

_SAID = re.compile(r"^ch-run\[\d+\]: error: (.*?)(?: \(ch_\w+\.c:\d+.*\))?$", re.MULTILINE)
_SETUP = re.compile(r"^(?:unshare|mount|hostname|ip|RTNETLINK|\S*ch-start)\b.*: ", re.MULTILINE)
_LINES = "JUPYTER_CONTAINERS_LINES_"


class Charliecloud(ProcessEngine):
    """The `ch-run` of the person who runs this process."""

    name = "charliecloud"
    program = "ch-run"
    holds = True
    starters = ("ch-run", "unshare", "hostname", "ip", SHELL, *hold.PROGRAMS)

    _overlays = True
    """Whether containers can be written to, as far as is known."""

    async def ask_info(self) -> EngineInfo:
        """See `Engine.info`."""
        done = await run(["ch-run", "--version"], timeout=20, env=site.environment())
        found = re.search(r"(\d+\.\d+)\S*", done.stdout + done.stderr)
        if done.code or found is None:
            raise EngineDown(
                f"ch-run does not work: {last_words(done.stderr or done.stdout)}",
                "Run it by hand: ch-run --version",
            )
        version = found[0].partition("~")[0]
        problems = []
        for problem in (site.too_old(version), await userns.closed()):
            if problem is not None:
                problems.append(problem)
        usable = not problems
        features = {"network-none", "root"}
        if usable:
            self._overlays = await userns.overlays()
            if not self._overlays:
                problems.append(userns.READ_ONLY)
            if (missing := await site.no_image_tool()) is not None:
                problems.append(missing)
            else:
                features |= {"build", "pull"}
            problems += [userns.NO_LIMITS, userns.NO_FILTER]
        problems.append(userns.SAME_NETWORK)
        described = self.described(version, features, problems, usable=usable)
        return replace(described, lacks=LATE)

    # -- containers ------------------------------------------------------------------------

    def command(self, spec: ContainerSpec, stored: Stored, state_dir: StateDir) -> Command:
        """See `ProcessEngine.command`."""
        if spec.devices:
            raise Unsupported(
                "charliecloud gives containers no GPUs here.",
                "Use apptainer, Podman or Docker for them.",
            )
        outside = ["--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child"]
        outside += ["--mount-proc", "--ipc"]
        if spec.network == "none":
            outside.append("--net")
        if spec.hostname:
            outside.append("--uts")
        lines = not_in_text(self._environment(spec, stored))
        inside = [
            *_lines_options(lines),
            "--set-env=env",
            "--no-passwd",
            f"--uid={spec.user.uid}",
            f"--gid={spec.user.gid}",
            f"--cd={spec.workdir}",
            *(["--write"] if self._writes and not spec.read_only else []),
        ]
        entrypoint = stored.image.entrypoint if spec.entrypoint == "image" else ()
        shell = (str(state_dir.path / SHELL), "-c", SCRIPT, SHELL, str(state_dir.path))
        words = (spec.hostname or "", spec.network, "init" if spec.init else "")
        ch_run = ("ch-run", *inside, "./root", "--", *entrypoint, *spec.argv)
        env = site.environment()
        return Command(
            argv=("unshare", *outside, *shell, *words, *ch_run),
            env=env | {"TMPDIR": str(state_dir.path / "tmp")} | _renamed(lines),
        )

    def _environment(self, spec: ContainerSpec, stored: Stored) -> Mapping[str, str]:
        path = {"PATH": DEFAULT_PATH}
        return path | dict(stored.image.env) | dict(spec.env)

    @property
    def _writes(self) -> bool:
        return self._overlays and not on_network(cache_directory())

    def shell(self, stored: Stored) -> str:
        """See `ProcessEngine.shell`."""
        return f"ch-run --unset-env='*' {stored.directory / TREE} -- sh"

    def write_files(self, spec: ContainerSpec, stored: Stored, state_dir: StateDir) -> None:
        """See `ProcessEngine.write_files`."""
        env = self._environment(spec, stored)
        write_files(spec, stored.directory / TREE, state_dir.path, env, overlay=self._writes)

    def ran_nothing(self, done: Completed) -> int | None:
        """See `ProcessEngine.ran_nothing`. A program of another machine's is there."""
        if not done.code:
            return None
        last = done.stderr[-4000:]
        if found := _SAID.search(last):
            if not found[1].startswith("can't execve"):
                return 125
            return None if found[1].endswith("Exec format error") else 127
        return 125 if _SETUP.search(last) else None

    def trouble(self, done: Completed) -> ContainersError:
        """See `ProcessEngine.trouble`."""
        found = _SAID.search(done.stderr)
        said = found[1] if found else last_words(done.stderr)
        if re.search(r"unshare failed|user namespace", done.stderr):
            return EngineDown(userns.CLOSED.message, userns.CLOSED.fix)
        return StartFailed(f"charliecloud could not start the container: {said}")

    # -- images ----------------------------------------------------------------------------

    def load(self, archive: Path, image: Image) -> AsyncGenerator[Progress]:
        """See `Engine.load`."""
        return images.load(self.store, archive, image)

    def save(self, reference: str, archive: Path) -> AsyncGenerator[Progress]:
        """See `Engine.save`."""
        return images.save(self.store, reference, archive)

    def pull(self, reference: str) -> AsyncGenerator[Progress]:
        """See `Engine.pull`. Log-ins are `ch-image`'s own; it speaks https only."""
        return images.pull(self.store, reference)

    def build(self, spec: BuildSpec) -> AsyncGenerator[Progress]:
        """See `Engine.build`."""
        return build.build(self.store, spec)


def _renamed(lines: Mapping[str, str]) -> dict[str, str]:
    """Under names that mean nothing to this machine's programs: an image's own might."""
    return {f"{_LINES}{number}": value for number, value in enumerate(lines.values())}


def _lines_options(lines: Mapping[str, str]) -> list[str]:
    """`ch-run` sets a variable to what another one holds where that is all its value says."""
    if not lines:
        return ["--unset-env=*"]
    named = [f"--set-env={name}=${_LINES}{number}" for number, name in enumerate(lines)]
    return [f"--unset-env=!({_LINES}*)", *named, f"--unset-env={_LINES}*"]
