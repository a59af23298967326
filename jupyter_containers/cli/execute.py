"""`exec`: a program, or the image's shell, in a running kernel's container.

The container's private directory on this machine says how (`kernels/streams.py`), so no server is
asked: a kernel of `run` can be looked into as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import termios
import threading
import tty
from argparse import REMAINDER, ArgumentParser, Namespace
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path

from ..errors import BadInput, KernelDied, StreamFailed, Unknown
from ..host.owners import run_dir_of
from ..kernels.listing import OwnedContainer, find_container, notebook_of, owned_containers
from ..kernels.streams import Program, read_streams
from .options import administered, all_engines, existing_notebook, with_engine
from .terminal import show_error

_CODES = {"not-found": 127, "not-executable": 126}
"""As shells say it."""
_PASSED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
_PIECE = 64 << 10


def exec_arguments(parser: ArgumentParser) -> None:
    """Options of `exec`."""
    parser.usage = "%(prog)s [options] ID|NOTEBOOK [--] [CMD ...]"
    parser.add_argument(
        "-T", "--no-tty", action="store_true", help="no terminal, even where this is one"
    )
    with_engine(parser)
    parser.add_argument(
        "id", metavar="ID|NOTEBOOK", help="a container as `ps` shows it, or its notebook's file"
    )
    parser.add_argument(
        "words", metavar="CMD", nargs=REMAINDER, help="what to run; else the image's shell"
    )


async def exec(args: Namespace) -> int:
    """Run it. Its exit code is ours, 128 and the number for a signal; 127 and 126 where there is no
    such program, as in a shell."""
    administered().check_terminals()
    found = await _container(args)
    run_dir = run_dir_of(found.container.name)
    if run_dir is None:
        raise Unknown(f"{found.container.name} was not started on this machine.", "Run it there.")
    words = args.words[1:] if args.words[:1] == ["--"] else args.words
    here = not args.no_tty and sys.stdin.isatty() and sys.stdout.isatty()
    size = shutil.get_terminal_size()
    env = {"TERM": os.environ["TERM"]} if here and os.environ.get("TERM") else {}
    try:
        program = await read_streams(run_dir).exec(
            words, tty=here, env=env, rows=size.lines, cols=size.columns
        )
    except StreamFailed as error:
        if error.code not in _CODES:
            raise
        show_error(error)
        return _CODES[error.code]
    with _raw() if here else contextlib.nullcontext(), contextlib.closing(program):
        code = await _talk(program, terminal=here)
    if code is None:
        ran = program.argv[0]
        if found.engine.tunnels:
            raise KernelDied(
                f"The connection to the container was lost while {ran} ran: it ended, or the "
                "Jupyter server through which it is reached."
            )
        raise KernelDied(f"The container ended while {ran} ran.")
    return code if code >= 0 else 128 - code


async def _container(args: Namespace) -> OwnedContainer:
    """By its id or name, or its kernel's notebook."""
    engines = await all_engines(args)
    if not args.id.endswith(".ipynb"):
        return await find_container(engines, args.id)
    notebook = existing_notebook(Path(args.id))
    found = [
        one
        for one in await owned_containers(engines)
        if (run_dir := run_dir_of(one.container.name)) is not None
        and notebook_of(run_dir) == notebook
    ]
    hint = "`jupyter containers ps` lists them."
    if not found:
        raise Unknown(f"No kernel of {notebook.name} runs in a container.", hint)
    if len(found) > 1:
        raise BadInput(f"{len(found)} kernels of {notebook.name} run: name one by its id.", hint)
    return found[0]


async def _talk(program: Program, *, terminal: bool) -> int | None:
    """Hand input, output, signals and the terminal's size on; how it ended."""
    loop = asyncio.get_running_loop()

    def pass_on(signum: int) -> None:
        size = shutil.get_terminal_size()
        if signum == signal.SIGWINCH:
            program.resize(size.lines, size.columns)
        else:
            program.signal(signum)

    for name in (*_PASSED, *(("SIGWINCH",) if terminal else ())):
        signum = getattr(signal, name)
        loop.add_signal_handler(signum, pass_on, signum)
    threading.Thread(target=_feed, args=(loop, program), daemon=True).start()
    async for kind, data in program.output():
        # In a thread: who reads our output may stop, and Ctrl-C must go on.
        await asyncio.to_thread(_write, kind, data)
    return program.code


def _feed(loop: asyncio.AbstractEventLoop, program: Program) -> None:
    """Our input is its input, as fast as it reads it. On a thread of its own, which is left behind
    when the program ends: a read of a terminal or a file cannot be cancelled."""
    data = b"."
    while data:
        try:
            data = os.read(0, _PIECE)
        except OSError:  # closed, or we are in the background
            data = b""
        sent = _hand_on(program, data)
        try:
            asyncio.run_coroutine_threadsafe(sent, loop).result()
        except (RuntimeError, CancelledError):  # it has ended
            sent.close()
            return


async def _hand_on(program: Program, data: bytes) -> None:
    await (program.write(data) if data else program.end_input())


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


@contextlib.contextmanager
def _raw() -> Iterator[None]:
    """Each key goes on as it is typed, Ctrl-C too."""
    before = termios.tcgetattr(0)
    try:
        tty.setraw(0, termios.TCSADRAIN)  # what was typed already counts
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
