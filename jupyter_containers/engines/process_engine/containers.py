"""Containers that are our child processes, for engines without a daemon that remembers them.

Each has a directory, which names the process by number and start time, so that any process of
this person finds it, and none takes another for it:

    CACHE/containers/ENGINE/NAME/container.json   name, image, labels, pid, start, host, boot
                                 output           what it printed (`output.py`)
                                 …                whatever the engine keeps for it
"""

from __future__ import annotations

import asyncio
import json
import os
import signal as signals
import socket
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import psutil

from ...host.paths import boot_id, cache_directory
from ...host.process import Child, Completed, Environment, detach, ends, forget, logged
from ...host.reaper import process_container
from ...host.reaper.trees import remove_tree
from ...models import Container, ContainerSpec, Stats
from ...text import untrusted_json
from . import output

_T = TypeVar("_T")
_UNUSED = 600.0
"""Seconds that a directory may be without a container: it is started at once."""
_MOST_OUTPUT = 256 * 1024
"""Bytes of a container's output that are looked at, from its end."""
_WRITTEN = 1.0
"""Seconds that the last of it may take to be written."""


@dataclass(frozen=True)
class StateDir:
    """The directory of one container."""

    path: Path

    @property
    def output(self) -> Path:
        """What it printed, both streams together."""
        return self.path / "output"

    def record(self) -> dict[str, Any]:
        """What is known of it; empty for one that is gone, or not there yet."""
        try:
            found = untrusted_json((self.path / process_container.RECORD).read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, record: dict[str, Any]) -> None:
        """Readers see all of it or nothing."""
        new = self.path / "container.new"
        new.write_text(json.dumps(record))
        new.replace(self.path / process_container.RECORD)


class ProcessContainers:
    """The containers of one engine. `starters` are the names of its own processes, as the kernel
    tells them (comm): whatever else appears below them runs in the container."""

    def __init__(self, engine: str, starters: Collection[str]) -> None:
        self._engine = engine
        self._starters = frozenset(starters)
        self._children: dict[str, Child] = {}
        self._loggers: dict[str, Child] = {}
        self._codes: dict[str, int] = {}

    @property
    def _above(self) -> Path:
        return cache_directory() / "containers" / self._engine

    def state_dir(self, name: str) -> StateDir:
        """Where a container of this name is, or would be."""
        return StateDir(self._above / name)

    def make(self, spec: ContainerSpec) -> StateDir:
        """A directory for a container to be. Raises FileExistsError."""
        self._above.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()
        state_dir = self.state_dir(spec.name)
        state_dir.path.mkdir(mode=0o700)
        return state_dir

    async def create(self, spec: ContainerSpec, work: Callable[[ContainerSpec], _T]) -> _T:
        """What fills the directory, in a thread. It goes where that fails, or is cancelled."""
        working = asyncio.ensure_future(asyncio.to_thread(work, spec))
        try:
            return await asyncio.shield(working)
        except BaseException:
            await asyncio.wait({working})
            await asyncio.to_thread(self.remove, spec.name)
            raise

    def _sweep(self) -> None:
        """Delete directories whose maker was killed before it had started anything."""
        for path in self._above.iterdir():
            with suppress(FileNotFoundError):
                if not StateDir(path).record() and time.time() - path.stat().st_mtime > _UNUSED:
                    remove_tree(str(path))

    def start(
        self, spec: ContainerSpec, state_dir: StateDir, argv: list[str], env: Environment
    ) -> Child:
        """Start the engine's command. Raises EngineMissing.

        Who calls it has entered `remove_argv` with the reaper, which finds it by its record."""
        log = [sys.executable, "-I", "-S", output.__file__, str(state_dir.output)]
        with logged(log) as (logger, printed):
            process = detach(argv, printed, env)
        self._loggers[spec.name] = logger
        self._children[spec.name] = process
        record = {
            "name": spec.name,
            "image": spec.image,
            "labels": dict(spec.labels),
            "pid": process.pid,
            "start": process_container.start_of(process.pid) or 0,
            "host": socket.gethostname(),
            "boot": boot_id(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        try:
            state_dir.write(record)
        finally:
            forget(process)
        return process

    def poll(self, name: str) -> int | None:
        """None while it runs; else its code as Popen says it, or SIGKILL where nobody knows."""
        if (child := self._children.get(name)) is not None:
            return _code(child.poll())
        if name in self._codes:
            return self._codes[name]
        return None if self._is_running(self.state_dir(name).record()) else -signals.SIGKILL

    def init_pid(self, name: str) -> int | None:
        """The container's first process, as this machine's /proc knows it; None before it is
        there and after its end."""
        pid = self._pid(name)
        state_dir = str(self.state_dir(name).path)
        if pid and (Path(state_dir) / process_container.SHOWN).is_dir():
            return pid if process_container.belongs(pid, state_dir) else None
        return _first(pid, self._starters) if pid else None

    def _pid(self, name: str) -> int:
        if (child := self._children.get(name)) is not None:
            return child.pid if child.poll() is None else 0
        record = self.state_dir(name).record()
        return int(record["pid"]) if self._is_running(record) else 0

    def _is_running(self, record: dict[str, Any]) -> bool:
        if (record.get("host"), record.get("boot")) != (socket.gethostname(), boot_id()):
            return False
        pid, start = record.get("pid"), record.get("start")
        return isinstance(pid, int) and pid > 1 and process_container.start_of(pid) == start

    def tail(self, name: str, lines: int) -> str:
        """The last lines of what it printed."""
        self._wait_for_output(name)
        path = str(self.state_dir(name).output)
        said = _last_bytes(path, _MOST_OUTPUT)
        if len(said) < _MOST_OUTPUT:
            said = _last_bytes(output.before(path), _MOST_OUTPUT - len(said)) + said
        return "\n".join(said.decode(errors="replace").splitlines()[-lines:])

    def _wait_for_output(self, name: str) -> None:
        """Until all is written that one which has ended had printed."""
        child, logger = self._children.get(name), self._loggers.get(name)
        if child is not None and logger is not None and child.poll() is not None:
            ends(logger, _WRITTEN)

    def head(self, name: str) -> str:
        """The first lines of what it printed."""
        self._wait_for_output(name)
        with suppress(OSError), self.state_dir(name).output.open("rb") as file:
            return file.read(4096).decode(errors="replace")
        return ""

    def all(self) -> Iterator[Container]:
        """Those of this host, running or not; of another host nobody here can tell."""
        for name, record in self.records():
            if record.get("host") == socket.gethostname():
                yield container_of(record, running=self.poll(name) is None)

    def records(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Names and records of all, on whichever host."""
        with suppress(FileNotFoundError):
            for path in sorted(self._above.iterdir()):
                yield path.name, StateDir(path).record()

    def uses(self, image: str) -> str:
        """The name of a container that runs an image, on whichever host; empty: none."""
        for name, record in self.records():
            elsewhere = record.get("host") != socket.gethostname()
            if record.get("image") == image and (elsewhere or self.poll(name) is None):
                return name
        return ""

    def remove(self, name: str) -> None:
        """End it and delete its directory. Blocks until it is gone; twice is fine."""
        child = self._children.get(name)
        process_container.end(str(self.state_dir(name).path))
        if child is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signals.SIGKILL)
            self._codes[name] = _code(child.wait()) or 0
            self._children.pop(name, None)
        logger = self._loggers.pop(name, None)
        if logger is not None and not ends(logger, _WRITTEN):  # something else holds the pipe
            logger.kill()
            logger.wait()

    def remove_argv(self, name: str) -> list[str]:
        """The same as a command."""
        return [
            sys.executable,
            "-I",
            "-S",
            process_container.__file__,
            str(self.state_dir(name).path),
        ]

    def watch(self, name: str) -> ProcessWatch:
        """See `Engine.watch`: no child is needed, it is one."""
        return ProcessWatch(self, name)


def container_of(record: dict[str, Any], *, running: bool) -> Container:
    """What a record tells."""
    return Container(
        id=str(record.get("name")),
        name=str(record.get("name")),
        image=str(record.get("image")),
        running=running,
        labels={str(key): str(value) for key, value in dict(record.get("labels", {})).items()},
        created=str(record.get("created", "")),
    )


def _last_bytes(path: str, most: int) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - most))
            return file.read()
    except OSError:
        return b""


class ProcessWatch:
    """See `base.Watch`."""

    def __init__(self, process_containers: ProcessContainers, name: str) -> None:
        self._contained, self._name = process_containers, name

    def poll(self) -> Completed | None:
        """See `base.Watch`."""
        code = self._contained.poll(self._name)
        if code is None:
            return None
        return Completed(("watch",), 0, str(128 - code if code < 0 else code), "")

    def close(self) -> None:
        """See `base.Watch`."""


def _code(code: int | None) -> int | None:
    """Engines pass a signal on as 128 and its number, as shells do."""
    return 128 - code if code is not None and 128 < code < 160 else code


def _first(pid: int, starters: frozenset[str]) -> int | None:
    """The first process below `pid`, itself included, that is in a container: not one of the
    engine's own, and not a helper of its outside (a FUSE server)."""
    pending = [pid]
    while pending:
        one = pending.pop(0)
        try:
            name = Path(f"/proc/{one}/comm").read_text().strip()
            status = Path(f"/proc/{one}/status").read_text()
            tasks = [entry.name for entry in os.scandir(f"/proc/{one}/task")]
            texts = [Path(f"/proc/{one}/task/{task}/children").read_text() for task in tasks]
        except OSError:  # it may end meanwhile
            continue
        own = next(line for line in status.splitlines() if line.startswith("NSpid:"))
        if name not in starters and len(own.split()) > 2:
            if _has_own_root(one):
                return one
            continue  # on its way into the container, or a helper; below it are hooks
        pending += [int(child) for text in texts for child in text.split()]
    return None


def _has_own_root(pid: int) -> bool:
    """Those of an engine that are not in its container yet have this process's."""
    try:
        theirs, ours = os.stat(f"/proc/{pid}/root/"), os.stat("/")  # noqa: PTH116
    except PermissionError:  # not ours to ask, so not a hook
        return True
    except OSError:  # it may end meanwhile
        return False
    return (theirs.st_dev, theirs.st_ino) != (ours.st_dev, ours.st_ino)


def wait_for_init(
    process_containers: ProcessContainers, name: str, seconds: float
) -> Iterator[float]:
    """Pauses until the container's first process runs, or it has ended, or `seconds` are over.
    The caller sleeps through each."""
    deadline = time.monotonic() + seconds
    while process_containers.poll(name) is None and process_containers.init_pid(name) is None:
        if time.monotonic() > deadline:
            return
        yield 0.005


_BETWEEN = 0.5
"""Seconds between two looks at the processors' time."""


async def usage_of(pid: int) -> Stats | None:
    """The use of a process and all below it; None where it has ended. Memory that processes
    share counts once for each, as `ps` shows it."""
    first, began = await asyncio.to_thread(_look, pid), time.monotonic()
    await asyncio.sleep(_BETWEEN)
    second, ended = await asyncio.to_thread(_look, pid), time.monotonic()
    if not first or not second:
        return None
    used = sum(cpu - first.get(one, (cpu, 0))[0] for one, (cpu, _) in second.items())
    return Stats(
        cpu_percent=round(100 * max(0.0, used) / (ended - began), 1),
        memory_bytes=sum(memory for _, memory in second.values()),
        pids=len(second),
    )


def _look(pid: int) -> dict[int, tuple[float, int]]:
    """Process → seconds of CPU, bytes of memory."""
    found = {}
    with suppress(psutil.Error):
        first = psutil.Process(pid)
        for one in (first, *first.children(recursive=True)):
            with suppress(psutil.Error):
                cpu = one.cpu_times()
                found[one.pid] = (cpu.user + cpu.system, one.memory_info().rss)
    return found
