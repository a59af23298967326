"""uv, asked to find and install wheels for another machine's Python. Called by `kit.py` alone.

The image's own packages reach uv as *stub wheels*: name and version without content. So the
resolver knows versions that no index has (a distribution's, a local build's, an sdist's), takes
them as they are, and fits the rest around them.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import os
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from packaging.version import InvalidVersion, Version

from ..errors import KitFailed
from ..host.process import Completed, run
from ..text import one_line
from .facts import Interpreter

_GLIBC = ((2, 17), (2, 28), *((2, minor) for minor in range(31, 41)))
"""The manylinux levels that uv knows for every machine below."""
_MACHINES = ("x86_64", "aarch64")
_SECONDS = 300.0

NETWORK = re.compile(
    r"error sending request|dns error|connection|timed out|tls|certificate|proxy|failed to fetch"
    r"|network was disabled|network connectivity is disabled|could not connect",
    re.IGNORECASE,
)
"""What uv says where an index was not reached or not trusted."""

_UV_INDEX_NAMES = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_NO_INDEX",
    "UV_CONFIG_FILE",
)


def platform(python: Interpreter) -> str:
    """The name uv has for what an interpreter's wheels must fit.

    Raises KitFailed where there are no wheels to be had for it.
    """
    way_out = f"Put ipykernel into the image. Add to the Dockerfile: {install_line(python)}"
    name = f"Python {python.dotted} ({python.path})"
    if python.implementation != "cpython" or python.threaded:
        raise KitFailed(f"{name} is not the usual CPython, for which wheels are made.", way_out)
    if python.machine not in _MACHINES or python.bits != 64:
        kind = f"{python.machine or 'unknown'}, {python.bits} bits"
        raise KitFailed(f"There are no ipykernel wheels for {name} on {kind}.", way_out)
    if python.libc == "musl" and python.libc_version >= (1, 2):
        return f"{python.machine}-unknown-linux-musl"
    fitting = [level for level in _GLIBC if level <= python.libc_version]
    if python.libc == "glibc" and fitting:
        return f"{python.machine}-manylinux_{fitting[-1][0]}_{fitting[-1][1]}"
    libc = " ".join([python.libc, ".".join(str(n) for n in python.libc_version)]).strip()
    raise KitFailed(f"{name} has a C library without wheels ({libc or 'unknown'}).", way_out)


def install_line(python: Interpreter) -> str:
    """The Dockerfile line that puts a fitting ipykernel, and what it needs, into the image."""
    return f"RUN {python.path} -m pip install --upgrade ipykernel"


async def resolve(
    python: Interpreter, requirements: Sequence[str], stubs: Path, *, offline: bool
) -> Completed:
    """Versions of all that `requirements` need, as `name==version` lines on stdout."""
    constraints = await asyncio.to_thread(write_stubs, stubs, python.distributions)
    env = await index_environment()
    env["UV_FIND_LINKS"] = ",".join(filter(None, (str(stubs), env.get("UV_FIND_LINKS"))))
    argv = ["compile", "-", "--no-header", "--no-annotate", f"--constraints={constraints}"]
    return await _uv(argv, python, requirements, env, stubs, offline=offline)


async def install(
    python: Interpreter, pins: Sequence[str], target: Path, *, offline: bool
) -> Completed:
    """Put exactly `pins` into a directory."""
    argv = ["install", "--requirements=-", "--no-deps", f"--target={target}"]
    env = await index_environment()
    return await _uv(argv, python, pins, env, target.parent, offline=offline)


async def newest(python: Interpreter, requirement: str, cwd: Path, seconds: float) -> Completed:
    """The newest version of one package that fits a Python, as a `name==version` line on stdout."""
    argv = ["compile", "-", "--no-header", "--no-annotate", "--no-deps"]
    env = {**await index_environment(), "UV_HTTP_RETRIES": "1"}
    return await _uv(argv, python, [requirement], env, cwd, offline=False, seconds=seconds)


async def _uv(
    argv: list[str],
    python: Interpreter,
    lines: Sequence[str],
    env: Mapping[str, str],
    cwd: Path,
    *,
    offline: bool,
    seconds: float = _SECONDS,
) -> Completed:
    command = [
        *(_program(), "pip", *argv, "--quiet", "--no-progress", "--color=never"),
        *("--only-binary=:all:", f"--python={sys.executable}", "--no-python-downloads"),
        *(f"--python-version={python.dotted}", f"--python-platform={platform(python)}"),
        *(["--offline"] if offline else []),
    ]
    # uv takes settings from the directory it runs in: never from a notebook's.
    return await run(
        command, input="\n".join(lines).encode(), timeout=seconds, env=env, cwd=str(cwd)
    )


def _program() -> str:
    """The uv that came as our dependency, else the one on PATH."""
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = which("uv")
        if found is None:
            raise KitFailed(
                "uv, which fits ipykernel to images, is not installed beside jupyter-containers.",
                f"{sys.executable} -m pip install uv",
            ) from None
        return found


def write_stubs(directory: Path, distributions: Mapping[str, str]) -> Path:
    """A wheel without content for each distribution, and the file that pins them all."""
    directory.mkdir(parents=True, exist_ok=True)
    known = dict(_understood(distributions))
    for name, version in known.items():
        stem = f"{name.replace('-', '_')}-{version}"
        with zipfile.ZipFile(directory / f"{stem}-py3-none-any.whl", "w") as wheel:
            head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            wheel.writestr(f"{stem}.dist-info/METADATA", head)
            tag = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            wheel.writestr(f"{stem}.dist-info/WHEEL", tag)
            wheel.writestr(f"{stem}.dist-info/RECORD", "")
    constraints = directory / "constraints.txt"
    constraints.write_text("".join(f"{n}=={v}\n" for n, v in sorted(known.items())))
    return constraints


def _understood(distributions: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, version in distributions.items():
        with contextlib.suppress(InvalidVersion):  # a version only its maker can read binds nobody
            yield name, str(Version(version))


async def index_environment() -> dict[str, str]:
    """Where uv looks for wheels: where pip would, unless uv's own variables say otherwise.

    uv does not read pip's configuration: https://docs.astral.sh/uv/pip/compatibility/
    """
    # A company's CA stands in the system's store more often than in a variable.
    env = {} if os.environ.get("SSL_CERT_FILE") else {"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}
    if any(os.environ.get(name) for name in _UV_INDEX_NAMES):
        return env | {n: os.environ[n] for n in ("UV_FIND_LINKS",) if n in os.environ}
    return env | uv_environment(await _pip_config())


async def _pip_config() -> dict[str, str]:
    if find_spec("pip") is None:
        program = which("pip") or which("pip3")
        argv = [program] if program else []
    else:
        argv = [sys.executable, "-m", "pip"]
    if not argv:
        return {}
    done = await run([*argv, "--disable-pip-version-check", "config", "list"], timeout=60)
    return pip_settings(done.stdout)


def pip_settings(listed: str) -> dict[str, str]:
    """`pip config list` as option → value; `install`'s beat `global`'s, variables beat both."""
    order = {"global": 0, "install": 1, ":env:": 2}
    found: list[tuple[int, str, str]] = []
    for section, key, literal in re.findall(r"^(\S+?)\.([\w-]+)=(.*)$", listed, re.MULTILINE):
        if section in order:
            try:
                found.append((order[section], key, str(ast.literal_eval(literal))))
            except (ValueError, SyntaxError):
                continue
    return {key: value for _, key, value in sorted(found)}


def uv_environment(pip: Mapping[str, str]) -> dict[str, str]:
    """The settings of pip in uv's words. Nothing that uv's own variables already say is touched."""
    extra = pip.get("extra-index-url", "").split()
    env = {
        "UV_DEFAULT_INDEX": pip.get("index-url", ""),
        "UV_INDEX": " ".join(extra),
        # pip knows no order among indexes: the best version wins.
        "UV_INDEX_STRATEGY": "unsafe-best-match" if extra else "",
        "UV_FIND_LINKS": ",".join(pip.get("find-links", "").split()),
        "UV_NO_INDEX": "1" if pip.get("no-index", "").lower() in ("1", "true", "yes") else "",
        "UV_INSECURE_HOST": " ".join(pip.get("trusted-host", "").split()),
        "SSL_CERT_FILE": pip.get("cert", ""),
        "HTTPS_PROXY": pip.get("proxy", ""),
    }
    return {name: value for name, value in env.items() if value and not os.environ.get(name)}


def trouble(python: Interpreter, done: Completed) -> KitFailed:
    """Why uv found no kit, naming the image's packages that it could not fit."""
    said = one_line(re.sub(r"https?://\S+", "the index", done.stderr), 1200)
    if re.search(r"certificate|tls", said, re.IGNORECASE):
        return KitFailed(
            f"The package index is not trusted: {said}",
            "Behind a proxy with a certificate of its own, set SSL_CERT_FILE to its CA bundle.",
        )
    if NETWORK.search(said):
        return KitFailed(
            f"The image has no ipykernel, and the package index was not reached: {said}",
            "Connect once to let a kit be made (it is kept), set HTTPS_PROXY or PIP_INDEX_URL, "
            f"or add to the Dockerfile: {install_line(python)}",
        )
    own = python.distributions
    named = [f"{n} {v}" for n, v in sorted(own.items()) if re.search(rf"\b{n}\b", said)]
    beside = f" beside the image's {', '.join(named)}" if named else ""
    return KitFailed(
        f"No ipykernel fits Python {python.dotted}{beside}: {said}",
        f"Let pip fit them to each other. Add to the Dockerfile: {install_line(python)}",
    )
