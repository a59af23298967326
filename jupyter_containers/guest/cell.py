"""What a `%%dockerfile` cell is: where it starts, its options, its fingerprint.

The one text that host and container must read alike, so it stands with the guest: standard
library only, Python 3.9 and newer, and it may be `exec`uted without being imported. The host's
`notebook/cells.py` turns a ValueError of it into BadInput.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shlex
from collections.abc import Iterable
from textwrap import dedent
from typing import Any, NoReturn

MAGIC = "%%dockerfile"
MAX_TEXT = 1024 * 1024
_BUILDS = ("--engine", "--target", "--context")
_RUNS = ("--cpus", "--memory", "--shm", "--pids", "--network", "--user", "--kernel")
_LISTS = ("--build-arg", "--secret", "--mount", "--device", "--env", "--port")
_FLAGS = ("--no-cache", "--no-switch", "--read-only")
OPTIONS = frozenset(("-t", "--tag", *_BUILDS, *_RUNS, *_LISTS, *_FLAGS))
"""All that may stand behind the magic's name."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def find(source: str) -> tuple[str, str, int] | None:
    """`(line, text, first_line)` where IPython would run our magic, None otherwise.

    `line` is what stands behind the magic's name, `text` the Dockerfile, `first_line` the
    line of the cell, from 1, where the Dockerfile starts. Leading blank lines and common
    indentation go, in IPython's order and with its idea of a line:
    https://github.com/ipython/ipython/blob/main/IPython/core/inputtransformer2.py
    """
    if MAGIC not in source:
        return None
    lines = source.splitlines(keepends=True)
    start = next((i for i, line in enumerate(lines) if line and not line.isspace()), 0)
    if not lines[start].lstrip().startswith(MAGIC):
        return None
    lines = dedent("".join(lines[start:])).splitlines(keepends=True)
    name, _, line = lines[0][2:].rstrip().partition(" ")
    if not lines[0].startswith("%%") or name != MAGIC[2:]:
        return None
    return line, "".join(lines[1:]), start + 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


class _Once(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        if getattr(namespace, self.dest) is not None:
            parser.error("%s is given twice" % option_string)
        setattr(namespace, self.dest, values)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=MAGIC, add_help=False, allow_abbrev=False)
    parser.add_argument("-t", "--tag", action=_Once)
    for name in (*_BUILDS, *_RUNS):
        parser.add_argument(name, action=_Once)
    for name in _LISTS:
        parser.add_argument(name, action="append", default=[])
    for name in _FLAGS:
        parser.add_argument(name, action="store_true")
    return parser


def parse(line: str) -> argparse.Namespace:
    """The options behind the magic's name, as an argparse namespace: strings or None, lists,
    flags, and `build_args` and `env` as dicts.

    Raises ValueError with a sentence for people. Values are not judged here beyond their form.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise ValueError("%s in %r" % (error, line[:200])) from None
    if any(not word.isprintable() for word in words):
        raise ValueError("an option holds a control character")
    options = _parser().parse_args(words)
    options.build_args = pairs(options.build_arg, "--build-arg")
    options.env = pairs(options.env, "--env")
    return options


def pairs(values: list[str], option: str) -> dict[str, str]:
    """`K=V` values as a dict. Raises ValueError; a bare `K` would take the server's own."""
    found = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise ValueError("%s wants NAME=VALUE, not %r" % (option, value))
        found[name] = text
    return found


def fingerprint(text: str, build_args: dict[str, str], target: str, secrets: Iterable[str]) -> str:
    """sha256, in hex, of what decides a build: the Dockerfile and its arguments.

    Not in it: what runs with the image (mounts, limits), its name, the engine, and the
    context, which has a fingerprint of its own. Line ends and blank lines at both ends of
    the text do not count.
    """
    text = text.lstrip("\ufeff").replace("\r\n", "\n").strip("\n")
    made_of = [1, text, sorted(build_args.items()), target, sorted(set(secrets))]
    data = json.dumps(made_of, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(data.encode()).hexdigest()
