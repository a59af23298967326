"""What an image has, as data, and which of it runs a kernel.

The text comes out of a container (`guest/probe_inside.*`), so it may be anything: every value is
checked for type and size here and nowhere else, and what is shown to people is made printable.
Pure; `probe.py` runs the container and keeps the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from ..errors import ImageUnusable
from ..layout import DEFAULT_PATH
from ..models import NO_ENV
from ..text import one_line

OLDEST_PYTHON = (3, 9)
CURVE_IPYKERNEL = (7, 3)
"""The first ipykernel whose sockets speak CurveZMQ; it needs Python 3.10."""

Transport = Literal["sockets", "tcp", "none"]

_INSTALL = {
    "debian": "RUN apt-get update && apt-get install -y python3",
    "ubuntu": "RUN apt-get update && apt-get install -y python3",
    "alpine": "RUN apk add --no-cache python3",
    "fedora": "RUN dnf install -y python3",
    "rhel": "RUN dnf install -y python3.11",
    "rocky": "RUN dnf install -y python3.11",
    "almalinux": "RUN dnf install -y python3.11",
    "opensuse-leap": "RUN zypper --non-interactive install python311",
    "arch": "RUN pacman -Sy --noconfirm python",
}


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """One Python of an image, as it described itself."""

    path: str
    version: tuple[int, ...]
    implementation: str = ""
    machine: str = ""
    bits: int = 64
    prefix: str = ""
    libc: str = ""
    """`glibc`, `musl`, or empty where neither was recognised."""
    libc_version: tuple[int, ...] = ()
    threaded: bool = False
    """A free-threaded build: other wheels than the usual ones."""
    distributions: Mapping[str, str] = field(default_factory=lambda: NO_ENV)
    """Normalised name → version of all that `importlib.metadata` sees on its full sys.path."""
    missing: tuple[str, ...] = ()
    """Modules of the standard library that a kernel needs and this Python lacks."""
    trouble: str = ""
    """Why it could not be asked: it says its version and runs nothing."""
    owners: Mapping[str, str] = field(default_factory=lambda: NO_ENV)
    """JupyterLab extension → name of the distribution that has brought it."""
    ipykernel_error: str = ""
    """Why the image's own ipykernel cannot be imported."""

    @property
    def ipykernel(self) -> str:
        """The version of the image's own ipykernel, or an empty string."""
        return self.distributions.get("ipykernel", "")

    @property
    def dotted(self) -> str:
        """3.11.2"""
        return ".".join(str(part) for part in self.version)

    @property
    def problem(self) -> str:
        """Why no kernel can run on it, in a sentence; empty where one can."""
        if self.version < OLDEST_PYTHON:
            return f"Python {self.dotted} ({self.path}) is too old: a kernel needs 3.9 or newer."
        if self.trouble:
            return f"Python {self.dotted} ({self.path}) does not run: {self.trouble}"
        if self.missing:
            names = ", ".join(self.missing)
            return f"Python {self.dotted} ({self.path}) lacks parts of its library: {names}."
        if self.implementation != "cpython" and not self.ipykernel:
            return f"{self.path} is {self.implementation or 'an unknown Python'} without ipykernel."
        return ""


@dataclass(frozen=True, kw_only=True)
class FoundKernel:
    """A kernel spec of an image: only these five things are ever taken from one."""

    name: str
    argv: tuple[str, ...]
    language: str
    display_name: str
    interrupt_mode: Literal["signal", "message"] = "signal"


@dataclass(frozen=True, kw_only=True)
class LabExtension:
    """An extension of JupyterLab in an image that draws outputs: a server that lacks it shows
    their text or nothing. Files of it are served to nobody."""

    name: str
    package: str = ""
    """The Python distribution that brings it; empty where none says so."""
    version: str = ""
    """The distribution's, in the image."""


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What an image has. `interpreters` stand in the order in which they are preferred."""

    interpreters: tuple[Interpreter, ...] = ()
    kernels: tuple[FoundKernel, ...] = ()
    labextensions: tuple[LabExtension, ...] = ()
    passwd: str = ""
    group: str = ""
    shell: str = ""
    os: str = ""
    """The ID of its /etc/os-release: debian, alpine, …"""
    path: str = DEFAULT_PATH
    user_ids: tuple[int, int] = (0, 0)
    user_home: str = "/"
    transport: Transport = "sockets"
    """How host and container of this engine reach each other: Unix sockets in a mounted
    directory, TCP, or `none` where not even a mounted directory crosses."""
    transport_reason: str = ""
    odd: tuple[str, ...] = ()
    """Where programs look users up, and there is something else than a file."""
    why: str = ""
    """What the engine complained of, where nothing of the image could be run."""

    @property
    def guest_python(self) -> str | None:
        """A Python that can run the guest, whatever language the kernel speaks."""
        able = (i.path for i in self.interpreters if i.version >= OLDEST_PYTHON)
        return next(able, None)

    @property
    def other_kernels(self) -> tuple[FoundKernel, ...]:
        """The image's kernels that are not just ipykernel: what is offered beside its Python."""
        return tuple(k for k in self.kernels if not _is_ipykernel(k))


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What to start in an image: a Python with ipykernel by our `boot.py`, or an argv."""

    display_name: str
    language: str
    interpreter: Interpreter | None = None
    argv: tuple[str, ...] = ()
    """With `{connection_file}` in it; empty where `boot.py` starts the kernel."""
    interrupt_mode: Literal["signal", "message"] = "signal"
    encrypts: bool = False
    """Whether the kernel can speak CurveZMQ; with a kit, `Kit.encrypts` has the last word."""
    env: Mapping[str, str] = field(default_factory=lambda: NO_ENV)
    """What makes `!python` and `!pip` in a cell mean the kernel's own Python: PATH, where the
    interpreter is not the one that the image's PATH finds."""

    @property
    def own_ipykernel(self) -> bool:
        """Whether we start ipykernel ourselves, with a kit where the image has none."""
        return self.interpreter is not None


PYTHON = "python3"
"""What ipykernel's kernel spec is named everywhere: the image's Python, also where it has none."""


def choose(facts: ImageFacts, kernel: str = "") -> Launch:
    """What runs in an image: its first usable Python, or what `kernel` names.

    `kernel` is the name of one of the image's kernel specs, the path of one of its interpreters, or
    `PYTHON` for the first. Raises ImageUnusable, with the line to add to the Dockerfile.
    """
    if facts.odd:
        raise ImageUnusable(
            f"In the image {' and '.join(facts.odd)} is no regular file: a program that looks a "
            "user up there may wait for ever.",
            "Make it a file in the Dockerfile, or start from another image.",
        )
    if kernel:
        for found in facts.kernels:
            if found.name == kernel:
                return _spec_launch(facts, found)
        for one in facts.interpreters:
            if one.path == kernel and not one.problem:
                return _python_launch(facts, one)
        if kernel == PYTHON and (usable := _usable(facts)):
            return _python_launch(facts, usable[0])
        names = [f.name for f in facts.kernels] + [i.path for i in _usable(facts)]
        raise ImageUnusable(
            f"The image has no kernel named {one_line(kernel)!r}.",
            f"It has: {', '.join(names)}." if names else _way_out(facts),
        )
    for one in _usable(facts):
        return _python_launch(facts, one)
    for found in facts.kernels:
        return _spec_launch(facts, found)
    problems = " ".join(i.problem for i in facts.interpreters)
    if facts.why:
        problems = f"None could be started: {facts.why}"
    raise ImageUnusable(
        f"The image has no Python that can run a kernel. {problems}".strip(), _way_out(facts)
    )


def _usable(facts: ImageFacts) -> list[Interpreter]:
    return [one for one in facts.interpreters if not one.problem]


def _way_out(facts: ImageFacts) -> str:
    if any(one.trouble and one.version >= OLDEST_PYTHON for one in facts.interpreters):
        return (
            "See what the Dockerfile sets in the environment (PYTHONHOME, PYTHONPATH, …), and try "
            "there: RUN python3 -c 'print(1)'"
        )
    line = _INSTALL.get(facts.os)
    system_is_old = any(
        one.version < OLDEST_PYTHON and one.path.startswith("/usr/bin/python3")
        for one in facts.interpreters
    )
    if line and not system_is_old:  # else the distribution has no newer one
        return f"Add to the Dockerfile: {line}"
    return (
        "Start from an image with Python 3.9 or newer, for example: FROM python:3.12-slim, or "
        "add such a Python (or another language's Jupyter kernel) in the Dockerfile."
    )


def _python_launch(facts: ImageFacts, one: Interpreter) -> Launch:
    own = version_tuple(one.ipykernel)
    folder = one.path.rpartition("/")[0]
    env: Mapping[str, str] = NO_ENV
    if one != facts.interpreters[0] and folder != facts.path.split(":")[0]:
        env = MappingProxyType({"PATH": f"{folder}:{facts.path}"})
    return Launch(
        display_name=f"Python {one.version[0]}.{one.version[1]}",
        language="python",
        interpreter=one,
        encrypts=own >= CURVE_IPYKERNEL if own else one.version >= (3, 10),
        env=env,
    )


def _spec_launch(facts: ImageFacts, found: FoundKernel) -> Launch:
    if _is_ipykernel(found):
        program = found.argv[0]
        for one in _usable(facts):
            if one.path == program or (
                "/" not in program and one == facts.interpreters[0] and program.startswith("python")
            ):
                return _python_launch(facts, one)
    return Launch(
        display_name=found.display_name,
        language=found.language,
        argv=found.argv,
        interrupt_mode=found.interrupt_mode,
    )


def _is_ipykernel(kernel: FoundKernel) -> bool:
    return kernel.language == "python" and "ipykernel_launcher" in kernel.argv


def version_tuple(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: 6.29.5rc1 → (6, 29, 5). Empty for none."""
    found = re.match(r"\d{1,9}(?:\.\d{1,9}){0,4}", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()
