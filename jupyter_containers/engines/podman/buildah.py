"""Podman builds. `podman build` prints `STEP n/m: …` for people; we read that.

Each build gets a private TMPDIR. Everything that a killed build leaves mentions it, which is how
`host/reaper/podman_build.py` finds and removes it.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import tempfile
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from pathlib import Path

from ...errors import ContainersError, EngineDown, ImageNotHere
from ...host.paths import temporary_parent
from ...host.process import Stream, run
from ...host.reaper import podman_build
from ...host.reaper.client import reaper
from ...models import BuildSpec, BuildStep, Progress
from ..common.build_argv import FindImage, common_argv
from ..common.build_steps import Steps
from ..common.errors import build_trouble
from . import network

_STEP = re.compile(
    r"(?:\[(?P<stage>\d{1,6})/\d{1,6}\] )?STEP (?P<n>\d{1,6})/(?P<m>\d{1,6}): (?P<text>.*)"
)
_CACHE = re.compile(r"--> Using cache [0-9a-f]{12,64}")
_LAYER = re.compile(r"--> [0-9a-f]{11,64}|[0-9a-f]{64}|Successfully tagged .*")
_UNUSED = re.compile(r"\[Warning\] one or more build args were not consumed: \[(.*)\]")
"""Said of all but the first name of one ARG instruction, though they are (4.3.1)."""
_BROKEN = re.compile(r"build container \"([0-9a-f]{64})\"")
"""A working container whose removal failed half-way, as on a full disk."""
_COMMIT = re.compile(r"(?:\[\d+/\d+\] )?COMMIT( .*)?")

_MOST_IID = 200
_IID = "image-id"
"""The file podman writes at the very end. Ended by SIGTERM it exits with 0 too (4.3.1)."""
_ENDS_ITSELF = 5.0
"""Seconds that podman gets to clean up after the RUN of a cancelled build was killed."""


def build_argv(
    command: Sequence[str], spec: BuildSpec, directory: str, options: Sequence[str] = ()
) -> list[str]:
    """The command for a build whose Dockerfile comes on standard input, pure.

    `--format=docker`, because an OCI image drops SHELL, HEALTHCHECK and ONBUILD with a warning.
    """
    return [
        *command,
        "build",
        *options,
        "--layers",
        "--format=docker",
        *common_argv(spec),
        f"--iidfile={directory}/{_IID}",
        f"--secret=id={podman_build.MARKER},src={directory}/{podman_build.MARKER}",
        "--file=-",
        spec.context if spec.context is not None else f"{directory}/empty",
    ]


async def build(
    command: Sequence[str],
    env: Mapping[str, str] | None,
    spec: BuildSpec,
    find_image: FindImage,
    options: Sequence[str] = (),
    *,
    own_network: bool = False,
) -> AsyncGenerator[Progress]:
    """See `Engine.build`. Called by `Podman.build`; `command` is the program and its options,
    `options` are further ones that it takes after `build` only. `own_network`: a private one is
    made by us, see `network.leads_to_loopback`."""
    directory = make_directory()
    sweep = sweep_argv(directory, command)
    reaper.add(f"build-{directory}", [sweep], [])
    reader = _Reader(spec)
    clean = False
    try:
        argv = build_argv(command, spec, directory, options)
        if spec.barred or (own_network and spec.network == "private"):
            argv = network.own_for_build(argv, spec.barred, directory, rootless=os.getuid() != 0)
        environment = {**(env or {}), **spec.proxies, "TMPDIR": directory}
        async with Stream(argv, input=spec.dockerfile.encode(), env=environment) as stream:
            try:
                async for source, line in stream:
                    for event in reader.read(source, line):
                        yield event
                code = await stream.wait()
            except BaseException:
                await asyncio.shield(_stop(stream, directory))
                raise
        built = await asyncio.to_thread(_image_id, directory)
        if code or not built:
            raise reader.trouble(command[-1], code or -signal.SIGTERM)
        clean = True
    finally:
        if reader.broken:
            await asyncio.to_thread(reader.name_broken, directory)
        await asyncio.shield(clean_up(directory, sweep, env, clean=clean))
        reaper.forget(f"build-{directory}")
    image = await find_image(built)
    if image is None:
        raise ImageNotHere(spec.tag, "podman")
    yield Progress(kind="image", text=spec.tag, image=image)


def make_directory() -> str:
    """A private TMPDIR where podman's own would be: blobs of gigabytes go there."""
    parent = temporary_parent("/var/tmp")
    directory = tempfile.mkdtemp(prefix="jupyter-containers-build-", dir=parent)
    Path(directory, "empty").mkdir()
    Path(directory, podman_build.MARKER).touch(mode=0o600)
    return directory


def sweep_argv(directory: str, command: Sequence[str]) -> list[str]:
    """The command that removes what a killed build left that owned `directory`."""
    return [sys.executable, "-I", "-S", podman_build.__file__, directory, *command]


def _image_id(directory: str) -> str:
    try:
        with Path(directory, _IID).open("rb") as file:
            said = file.read(_MOST_IID).decode("ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return ""
    return said if re.fullmatch("(sha256:)?[0-9a-f]{64}", said) else ""


async def _stop(stream: Stream, directory: str) -> None:
    """A build whose RUN is killed ends by itself and cleans up better than we can."""
    if await asyncio.to_thread(podman_build.end_processes, directory):
        try:
            async with asyncio.timeout(_ENDS_ITSELF):
                await stream.wait()
        except TimeoutError:
            pass  # leaving the stream's block ends it


async def clean_up(
    directory: str, sweep: Sequence[str], env: Mapping[str, str] | None, *, clean: bool
) -> None:
    """Remove a build's directory, and of one that did not end well all that mentions it."""
    if clean:
        await asyncio.to_thread(podman_build.remove_directory, directory, list(sweep[5:]))
    else:
        await run(sweep, timeout=120, env=env)


class _Reader:
    """What podman prints, as events."""

    def __init__(self, spec: BuildSpec) -> None:
        self._steps = Steps(spec.steps)
        self._known = bool(spec.steps)
        self._labels = len(spec.labels)
        self._ours = {word for step in spec.steps if step.ours for word in step.text.split()}
        self._step: BuildStep | None = None
        self._text = ""
        self._held = ""
        self.broken: set[str] = set()
        self._said: deque[str] = deque(maxlen=60)

    def read(self, source: str, line: str) -> Iterator[Progress]:
        """Events of one line. An `Error:` is held back: if it stays the last, it is podman's."""
        if (warned := _UNUSED.fullmatch(line)) and self._ours.issuperset(warned[1].split()):
            return
        if source == "stderr":
            self.broken |= set(_BROKEN.findall(line))
            self._said.append(line)
            if self._held:
                yield from self._steps.events("log", self._step, self._held)
            self._held = line if line.startswith("Error: ") else ""
            if not self._held:
                yield from self._steps.events("log", self._step, line)
        elif found := _STEP.fullmatch(line):
            yield from self._started(found)
        elif _CACHE.fullmatch(line):
            if self._text:
                yield from self._steps.events("cached", self._step, self._text)
        elif _COMMIT.fullmatch(line):
            yield from self._steps.events("notice", None, "Writing the image")
        elif not _LAYER.fullmatch(line):
            yield from self._steps.events("log", self._step, line)

    def _started(self, found: re.Match[str]) -> Iterator[Progress]:
        """A new step; none for the labels that we add, and a line of output where a RUN prints
        what only looks like one."""
        text, n, m = found["text"], int(found["n"]), int(found["m"])
        step = self._steps.of_buildah(int(found["stage"] or 1), n, m, self._labels, text)
        keyword = text.split(" ", 1)[0].upper()
        if step is None and self._known and keyword == "LABEL" and n > m - self._labels:
            self._step, self._text = None, ""
        elif self._known and (step is None or step.keyword not in (keyword, "ONBUILD")):
            yield from self._steps.events("log", self._step, found[0])
        else:
            self._step, self._text = step, step.text if step else text
            yield from self._steps.events("step", step, self._text)

    def name_broken(self, directory: str) -> None:
        """Tell the sweep which containers podman could not remove."""
        Path(directory, podman_build.BROKEN).write_text("\n".join(self.broken))

    def trouble(self, engine: str, code: int) -> ContainersError:
        """The error this build ends with."""
        if code < 0:
            return EngineDown(
                f"{engine} was killed during the build (signal {-code}).",
                "If the machine ran out of memory, give the build less to do at a time.",
            )
        said = self._held or "\n".join(self._said)
        return build_trouble(
            engine,
            said=said,
            code=code,
            step=self._step,
            instruction=self._text,
            tail=self._steps.tail(self._step),
        )
