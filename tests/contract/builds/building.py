"""Builds and pulls straight on an engine, and what tests ask of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import time
import uuid
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path

from jupyter_containers.engines.base import Engine
from jupyter_containers.models import BuildSpec, BuildStep, Progress


def steps_of(text: str) -> tuple[BuildStep, ...]:
    """The instructions of a plain Dockerfile, one per line (continued lines belong to it)."""
    found: list[BuildStep] = []
    stage, name, going = -1, "", False
    for number, line in enumerate(text.splitlines(), 1):
        continued, going = going, line.endswith("\\")
        if continued or not line.strip():
            continue
        words = line.split()
        if words[0] == "FROM":
            stage, name = stage + 1, words[3] if len(words) == 4 else ""
        if stage >= 0:
            found.append(BuildStep(stage=stage, line=number, text=line, stage_name=name))
    return tuple(found)


def spec_of(text: str, tag: str) -> BuildSpec:
    return BuildSpec(dockerfile=text, tag=tag, steps=steps_of(text))


async def build(program: Engine, spec: BuildSpec) -> list[Progress]:
    return [event async for event in program.build(spec)]


def lines(events: Sequence[Progress]) -> list[str]:
    return [event.text for event in events if event.kind == "log"]


def running(word: str) -> list[str]:
    """Processes of this machine with a word on their command line, not this test's own."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if word.encode() in words and words[0].endswith(b"sleep"):
                found.append(path.parent.name)
    return found


def leftovers(engine: str) -> set[str]:
    """What a build may leave: temporary directories, mounts, podman's working containers.
    (BuildKit's are no containers of docker's: their processes are looked for.)"""
    temporary = os.environ["TMPDIR"]
    found = {str(path) for path in Path(temporary).glob("jupyter-containers-*")}
    if engine == "podman":
        argv = [engine, "ps", "--all", "--external", "--quiet"]
        found |= set(
            subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
        )
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return found | {line.split()[4] for line in mounts if f"{temporary}/" in line}


async def gone(word: str, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while running(word) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    return not running(word)


async def begun(word: str) -> None:
    while not running(word):
        await asyncio.sleep(0.05)


@contextlib.contextmanager
def nothing_left(engine: str) -> Iterator[None]:
    """The build in this block leaves nothing on the engine or the disk."""
    before = leftovers(engine)
    yield
    assert leftovers(engine) - before == set()


def sleeping(base: str) -> tuple[str, str]:
    """A Dockerfile whose RUN sleeps, and the word that finds the sleep."""
    word = str(uuid.uuid4().int % 10**9 + 10**9)
    return f"FROM {base}\nRUN true {word}\nRUN echo asleep; sleep {word}\n", word


async def asleep(program: Engine, spec: BuildSpec) -> AsyncGenerator[Progress]:
    """The events of a build that has come to its sleep."""
    events = program.build(spec)
    async for event in events:
        if event.kind == "log" and event.text == "asleep":
            return events
    raise AssertionError("it never slept")


def children(engine: str) -> list[int]:
    """Our own child processes that are the engine's command."""
    found = []
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        argv = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        if argv[0].decode().rpartition("/")[2] == engine and b"build" in argv:
            found.append(int(child))
    return found


async def pull(program: Engine, reference: str) -> list[Progress]:
    return [event async for event in program.pull(reference)]
