"""The `%%dockerfile` of a kernel on the host: `%load_ext jupyter_containers`.

It builds what the cell says, with progress in its output, and says how to run in the image; a
kernel cannot move itself into a container. In one, `guest/magic.py` stands in its place.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from IPython.core.getipython import get_ipython
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import no_var_expand
from IPython.display import DisplayHandle

from .builds.consent import BY_HAND
from .builds.manager import BuildRequest, Builds, Built
from .engines.registry import choose_engine
from .errors import ContainersError, system_errors
from .images.convert import builder_for
from .models import Progress
from .notebook.cells import DockerfileCell, cell_of
from .policy.loader import load_policy
from .text import one_line

_HERE = (
    "This kernel runs on this machine and in no container, and so do the cells of this notebook, "
    "also after the build."
)
_PACE = 0.25
"""Seconds between two updates of the output."""
_LINES = 12
"""Of a build's output that are shown while it runs."""


def load(shell: InteractiveShell) -> None:
    """Register with a shell; `%load_ext jupyter_containers` calls it."""
    shell.register_magic_function(dockerfile, "cell", "dockerfile")  # type: ignore[arg-type]


@no_var_expand
def dockerfile(line: str, cell: str) -> None:
    """%%dockerfile [-t TAG] [--engine E] [--build-arg K=V] …: build an image from this cell."""
    shown = _Shown()
    shown.add(Progress(kind="notice", text=_HERE))
    try:
        with system_errors():
            built, engine = _in_thread(_build(cell_of(line, cell), shown), shown)
    except ContainersError as error:
        shown.finish()
        # IPython asks an exception for its traceback; of this one the text is all that helps.
        # https://ipython.readthedocs.io/en/stable/config/integrating.html#custom-exceptions
        text = f"{type(error).__name__}: {error}"
        error._render_traceback_ = text.splitlines  # type: ignore[attr-defined]
        raise
    # The same after each run, so that a saved notebook is.
    shown.finish(
        f"{built.reference} is built ({engine}).\n{_HERE}\n"
        "To run this notebook in it: `jupyter containers run NOTEBOOK.ipynb`. "
        "As a kernel of its own:\n"
        f"  jupyter containers pin --engine {engine} {built.reference} --name NAME"
    )


async def _build(cell: DockerfileCell, shown: _Shown) -> tuple[Built, str]:
    engine = await choose_engine(cell.options.engine, load_policy(None))
    builder = await builder_for(engine)
    builds = Builds()
    try:
        request = BuildRequest(
            cell=cell, directory=Path.cwd(), engine=engine, builder=builder, consent=BY_HAND
        )
        build = builds.start(request)
        async for event in build.events():
            shown.add(event)
        await build.result()
        await builds.settled()
    finally:
        await asyncio.shield(builds.close())
    assert build.built is not None
    return build.built, engine.name


def _in_thread(work: Coroutine[Any, Any, tuple[Built, str]], shown: _Shown) -> tuple[Built, str]:
    """Run it in a loop of its own, since the kernel's is running us; show what comes meanwhile.

    An interrupt of the kernel cancels it, and is raised once all its processes are gone.
    """
    loop = asyncio.new_event_loop()
    task = loop.create_task(work)
    thread = threading.Thread(target=_run, args=(loop, task, shown), daemon=True)
    thread.start()
    try:
        shown.until_done()
    except BaseException:
        loop.call_soon_threadsafe(task.cancel)
        raise
    finally:
        thread.join()
        loop.close()
    return task.result()


def _run(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any], shown: _Shown) -> None:
    loop.run_until_complete(asyncio.wait({task}))
    shown.done()


class _Shown:
    """A build's events from its thread, as text in the cell's output."""

    def __init__(self) -> None:
        self._events: queue.Queue[Progress | None] = queue.Queue()
        self._handle: DisplayHandle | None = None
        self._lines: list[str] = []
        self._text = ""
        # A terminal's outputs cannot be updated: there, lines are printed as they come.
        self._updates = hasattr(get_ipython(), "kernel")

    def add(self, event: Progress) -> None:
        """Called in the build's thread."""
        self._events.put(event)

    def done(self) -> None:
        """Called in the build's thread: nothing more comes."""
        self._events.put(None)

    def until_done(self) -> None:
        """Show events until there are no more."""
        drawn = 0.0
        while True:
            try:
                event = self._events.get(timeout=_PACE)
            except queue.Empty:
                event = Progress(kind="bytes")
            if event is None:
                return
            if line := _line(event):
                self._lines.append(line)
                if not self._updates:
                    print(line)
            if self._updates and time.monotonic() - drawn >= _PACE:
                drawn = time.monotonic()
                self._show("\n".join(self._lines[-_LINES:]))

    def finish(self, text: str = "") -> None:
        """The text that stays; without one the last lines do."""
        if self._updates:
            self._show(text or "\n".join(self._lines[-_LINES:]))
        elif text:
            print(text)

    def _show(self, text: str) -> None:
        if not text or text == self._text:
            return
        self._text = text
        data = {"text/plain": text}
        if self._handle is None:
            self._handle = DisplayHandle()
            self._handle.display(data, raw=True)
        else:
            self._handle.update(data, raw=True)


def _line(event: Progress) -> str:
    if event.kind == "step":
        return f"[{event.step}/{event.steps}] {one_line(event.text)}"
    if event.kind in ("log", "notice"):
        return one_line(event.text)
    return ""
