"""A notebook's folder, an engine, and the builds of one server; what was run and said."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config

from jupyter_containers import errors
from jupyter_containers.builds.consent import BY_HAND
from jupyter_containers.builds.manager import Build, BuildRequest, Builds, Built
from jupyter_containers.builds.plan import NAMESPACE
from jupyter_containers.engines.registry import open_engine
from jupyter_containers.models import Progress
from jupyter_containers.notebook.cells import cell_of
from jupyter_containers.policy.policy import Policy


class Site:
    """A notebook's folder, an engine, and the builds of one server."""

    def __init__(self, folder: Path, engine: str) -> None:
        self.folder = folder
        self.program = engine
        self.policy: dict[str, Any] = {"build_ca": "", "min_free_disk": None}
        self.builds = Builds()
        self.name = f"nb-{uuid.uuid4().hex[:8]}"

    def request(self, text: str, line: str = "", **more: Any) -> BuildRequest:
        policy = Policy(config=Config(Policy=Config(self.policy)))
        engine = open_engine(self.program, policy)
        given: dict[str, Any] = {
            "cell": cell_of(line, text),
            "directory": self.folder,
            "engine": engine,
            "builder": engine,
            "notebook": f"{self.name}.ipynb",
            "consent": BY_HAND,
        }
        return BuildRequest(**(given | more))

    def start(self, text: str, line: str = "", **more: Any) -> Build:
        return self.builds.start(self.request(text, line, **more))

    async def build(self, text: str, line: str = "", **more: Any) -> Built:
        build = self.start(text, line, **more)
        await build.result()
        assert build.built is not None and build.state == "done"
        return build.built

    async def fail(self, text: str, line: str = "", **more: Any) -> errors.ContainersError:
        build = self.start(text, line, **more)
        with pytest.raises(errors.ContainersError) as caught:
            await build.result()
        assert build.state == "failed"
        return caught.value

    def run(self, *argv: str) -> str:
        done = subprocess.run([self.program, *argv], capture_output=True, text=True, check=True)
        return done.stdout

    def images(self) -> list[str]:
        """Our own names of this notebook's images."""
        listed = self.run("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        return [name for name in listed if name.startswith(f"{NAMESPACE}/{self.name}:")]


class Commands(logging.Handler):
    """What was run, as `--verbose` would print it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextlib.contextmanager
def commands() -> Iterator[list[str]]:
    logger, handler = logging.getLogger("jupyter_containers.commands"), Commands()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def about_this(ran: list[str]) -> list[str]:
    """Without what an engine is asked once a minute, whatever else goes on (`InfoCache`)."""
    return [one for one in ran if one.split()[1] not in ("info", "version")]


async def events(build: Build, first: int = 0) -> list[Progress]:
    return [event async for event in build.events(first)]
