"""`jupyter containers VERB`: the parser, and the one place where its errors become exit codes.

The verbs are in `commands/`, one file per group; only the one that is asked for is imported.
Exit codes: 0 done, 1 failed, 2 misused.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Awaitable, Sequence
from importlib import import_module

from .. import __version__

VERBS = {
    "doctor": ("doctor", "which engines work here, and how to mend what does not"),
    "images": ("images", "list the images that are here"),
    "pull": ("images", "fetch an image from its registry"),
    "convert": ("convert", "copy an image from one engine to another"),
    "bootstrap": ("bootstrap", "get a base image, also where no registry is reachable"),
    "build": ("build", "build a notebook's %%dockerfile cells, or a Dockerfile"),
    "run": ("run", "run a notebook in the images of its %%dockerfile cells"),
    "approve": ("approve", "say yes to what a notebook's settings ask for"),
    "approvals": ("approve", "list what is approved for which notebook, and take it back"),
    "pin": ("pin", "make an image a kernel"),
    "unpin": ("pin", "remove a kernel that `pin` made"),
    "ps": ("containers", "list our containers"),
    "logs": ("containers", "show what a container printed"),
    "stop": ("containers", "stop and remove a container"),
    "exec": ("execute", "run a program, or the image's shell, in a running container"),
    "kubernetes": ("kubernetes", "print what an administrator applies to a cluster"),
    "prune": ("prune", "remove containers and files of ours that nobody owns any more"),
}
"""Verb → (module in `commands/`, what it does)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point `jupyter-containers`; returns the exit code (2 for misuse by SystemExit)."""
    words = list(sys.argv[1:] if argv is None else argv)
    args = _parser(words).parse_args(words)
    if args.verbose:
        _show_commands()
    return _guarded(args)


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jupyter containers",
        description="A notebook's Dockerfile becomes its kernel.",
        epilog="`jupyter containers VERB --help` says more.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, (module, what) in VERBS.items():
        about = what.replace("%", "%%")  # argparse fills in %(prog)s and its like
        one = verbs.add_parser(verb, help=about, description=f"{what[0].upper()}{what[1:]}.")
        one.add_argument("--verbose", action="store_true", help="show every engine command")
        if verb in words:
            found = import_module(f".{module}", __package__)
            getattr(found, f"{verb}_arguments")(one)
            one.set_defaults(command=getattr(found, verb))
    return parser


def _show_commands() -> None:
    """`--verbose`: each command of an engine, as one can repeat it by hand."""
    import logging

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("+ %(message)s"))
    commands = logging.getLogger("jupyter_containers.commands")
    commands.addHandler(handler)
    commands.setLevel(logging.DEBUG)


def _guarded(args: argparse.Namespace) -> int:
    """Run the verb; every ContainersError is a message and a hint, never a traceback."""
    import asyncio

    from ..errors import (
        BadInput,
        ContainersError,
        DockerfileError,
        OtherLanguage,
        system_errors,
    )
    from .terminal import show_error, show_note

    try:
        with system_errors():
            return asyncio.run(_cancellable(args.command(args)))
    except ContainersError as error:
        show_error(error)
        of_the_notebook = isinstance(error, DockerfileError | OtherLanguage)
        return 2 if isinstance(error, BadInput) and not of_the_notebook else 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        show_note("Cancelled.")
        return 1
    except BrokenPipeError:
        # `… | head` has read enough; Python would complain once more when it exits.
        # https://docs.python.org/3/library/signal.html#note-on-sigpipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


async def _cancellable(command: Awaitable[int]) -> int:
    """SIGTERM and SIGHUP cancel as Ctrl-C does, so that everything cleans up behind itself."""
    import asyncio
    import signal

    task = asyncio.current_task()
    assert task is not None
    for signum in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(signum, task.cancel)
    return await command


if __name__ == "__main__":
    sys.exit(main())
