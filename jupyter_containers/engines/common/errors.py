"""What an engine's complaint means, in a sentence with the way out.

The patterns are what engines, BuildKit, buildah, pip, apt, curl and Go's net package print, each
seen on the version named beside it.
"""

from __future__ import annotations

import difflib
import getpass
import os
import re
from functools import cache
from pathlib import Path

from ...errors import (
    BaseUnknown,
    BuildFailed,
    ContainersError,
    DeviceUnknown,
    DiskFull,
    DockerfileError,
    EngineDown,
    EngineError,
    EngineFailed,
    ImageNotHere,
    NetworkFailed,
    StartFailed,
)
from ...host.process import Completed
from ...models import BuildStep, ContainerSpec
from ...text import one_line, printable

_DISK = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_DOWN = re.compile(
    r"cannot connect to the docker daemon|is the docker daemon|error during connect|"
    r"permission denied.*\.sock|newuidmap|unable to connect to podman|cannot clone",
    re.IGNORECASE,
)
_LOST = re.compile(
    r"code = Unavailable|error reading from server: EOF|transport is closing|"
    r"unexpected EOF$|connection error: desc",
)
_PARSE = re.compile(r"dockerfile parse error (?:on )?line (\d{1,9}): (.*)", re.IGNORECASE)
_UNKNOWN = re.compile(
    r"manifest unknown|name unknown|: not found|repository does not exist|pull access denied|"
    r"requested access to the resource is denied|unauthorized|did not resolve to an alias|"
    r"no stage or image found|image not known|short-name resolution|403 \(?forbidden|"
    r"returned error code: 40[134] ",
    re.IGNORECASE,
)
_EXIT = re.compile(r"exit (?:code|status):? (\d{1,9})")

_NO_PACKAGE = (
    re.compile(r"No matching distribution found for ([\w.-]+)"),  # pip 23.2
    re.compile(r"Because ([\w.-]+) was not found in the package registry"),  # uv 0.13
    # https://github.com/conda/conda/issues/6837
    re.compile(r"not available from current channels:\s+- (?:[\w.-]+::)?([\w.-]+)"),
    # micromamba 2.1: https://github.com/mamba-org/mamba/issues/3888
    re.compile(r"[─-] ([\w.-]+)[^\n]* does not exist \(perhaps a typo"),
)
_CLOSE = 0.75
"""How alike two names have to be, by difflib's measure: pandsa and pandas have 0.83."""

_PROXIES = "c.Policy.build_proxies in jupyter_containers_config.py."
_ASK = "Ask whoever runs the network, or set it in jupyter_containers_config.py: "
_NETWORK: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (
        re.compile(
            r"x509:|certificate.verify.failed|SSL certificate problem|self.signed certificate|"
            r"unable to get local issuer|certificate verification failed|"
            r"certificate signed by unknown",
            re.IGNORECASE,
        ),
        "a certificate is not trusted",
        (
            f"Your network may sign with a CA of its own. {_ASK}"
            "c.Policy.build_ca = '/etc/ssl/certs/ca-certificates.crt'"
        ),
    ),
    (
        re.compile(
            r"proxyconnect|cannot connect to proxy|ProxyError|407 proxy|tunnel connection failed",
            re.IGNORECASE,
        ),
        "the proxy does not answer or refuses",
        f"Check HTTP_PROXY, HTTPS_PROXY and NO_PROXY. A build takes them from {_PROXIES}",
    ),
    (
        re.compile(r"toomanyrequests|rate limit", re.IGNORECASE),
        "the registry allows no more pulls for now",
        "Log in with the engine, use a mirror, or wait.",
    ),
    (
        re.compile(
            r"no such host|name resolution|could not resolve|name or service not known|"
            r"server misbehaving|bad address",
            re.IGNORECASE,
        ),
        "a host's name was not found",
        f"Check the network and DNS. A build takes its proxy from {_PROXIES}",
    ),
    (
        re.compile(
            r"i/o timeout|TLS handshake timeout|network is unreachable|no route to host|"
            r"connection timed out|failed to establish a new connection|"
            r"context deadline exceeded|dial tcp|curl: \(7\) failed to connect",
            re.IGNORECASE,
        ),
        "a server was not reached",
        f"Check the network. A build takes its proxy from {_PROXIES}",
    ),
)


def build_trouble(
    engine: str,
    *,
    said: str,
    code: int,
    step: BuildStep | None,
    instruction: str,
    tail: str,
    reference: str = "",
) -> ContainersError:
    """Why a build or pull ended. `said` is the engine's own complaint, `code` its exit code,
    `step` the instruction that failed where one did, `tail` the last lines that it printed,
    `reference` the image of a pull."""
    said = printable(said, 20_000).strip()
    line = step.line if step is not None else None
    instruction = one_line(step.text if step is not None else instruction, 120)
    if _DOWN.search(said):
        return daemon_trouble(engine, said)
    if _DISK.search(said) or _DISK.search(tail):
        full = DiskFull(f"where {engine} keeps its images, or in the container that builds")
        full.line, full.instruction, full.tail = line, instruction, tail
        return full
    if found := _PARSE.search(said):
        return DockerfileError(int(found[1]), "", one_line(found[2], 400), _old_buildkit(said))
    keyword = instruction.split(" ", 1)[0].upper()
    if keyword != "RUN" and (trouble := fetch_trouble(said, step, instruction, reference)):
        return trouble
    where = f"Dockerfile line {line}: " if line else ""
    exit_code = _EXIT.search(said)
    ended = int(exit_code[1]) if exit_code else None
    if keyword == "RUN" and (cause := _network(tail)):
        sentence = f"{where}{instruction} failed: {cause[0]}.\n{tail}".rstrip()
        return NetworkFailed(sentence, cause[1], instruction=instruction, line=line, tail=tail)
    if not instruction:
        if _LOST.search(said):
            return EngineDown(f"{engine} stopped during the build: {one_line(said[-400:], 400)}")
        return EngineFailed((engine, "pull" if reference else "build"), code, _last(said))
    return BuildFailed(instruction, line, ended, tail or _last(said), _misspelled(tail))


def _misspelled(tail: str) -> str:
    """The name that was meant, where an installer knows no package of the name it was given. Only
    well-known ones are suggested, so that nobody is led to a package which waits for slips."""
    found = next(filter(None, (pattern.search(tail) for pattern in _NO_PACKAGE)), None)
    if found is None:
        return ""
    known = _packages()
    name = re.sub(r"[-_.]+", "-", found[1]).lower()
    close = difflib.get_close_matches(name, known, 1, _CLOSE)
    if not close or known[close[0]] == name:  # it is the version, or there is none for this Python
        return ""
    return f"Did you mean {known[close[0]]}? No package {found[1]} was found."


@cache
def _packages() -> dict[str, str]:
    """Well-known packages by each name that they are looked for as."""
    lines = (Path(__file__).parent / "packages.txt").read_text().splitlines()
    words = [line.split() for line in lines if not line.startswith("#")]
    return {name.lower(): package for package, *also in words for name in (package, *also)}


def fetch_trouble(
    said: str, step: BuildStep | None, instruction: str, reference: str = ""
) -> ContainersError | None:
    """Why an image or file was not fetched; None where that is not what went wrong."""
    line = step.line if step is not None else None
    if not reference and (
        found := re.search(r"--from=(\S+)|^FROM\s+(?:--\S+\s+)*(\S+)", instruction)
    ):
        reference = found[1] or found[2]
    where = f"Dockerfile line {line}: " if line else ""
    if reference and _UNKNOWN.search(said):
        return BaseUnknown(one_line(reference), line, _last(said))
    if reference.startswith("localhost/") and "dial tcp" in said:
        return BaseUnknown(one_line(reference), line, "names under localhost/ are built here")
    if cause := _network(said):
        what = one_line(reference or instruction or "an image", 200)
        sentence = f"{where}{what} was not fetched: {cause[0]}: {_last(said)}"
        return NetworkFailed(sentence, cause[1], instruction=instruction, line=line)
    return None


def _network(text: str) -> tuple[str, str] | None:
    """What is wrong with the network, and the way out."""
    for pattern, what, hint in _NETWORK:
        if pattern.search(text):
            return what, hint
    return None


def _last(said: str) -> str:
    """The engine's last complaint, without its own marks. (podman-hpc closes with the second.)"""
    marks = ("---", "Pull failed.")
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith(marks)]
    text = one_line(lines[-1] if lines else "no message", 600)
    return re.sub(r"^(ERROR|Error): (failed to build: )?(failed to solve: )?", "", text)


def _old_buildkit(said: str) -> str:
    if "unknown instruction" in said.lower():
        return (
            "An older BuildKit reads here-documents as instructions: write RUN … && …, or let "
            "the Dockerfile begin with: # syntax=docker/dockerfile:1"
        )
    return ""


def daemon_trouble(name: str, stderr: str, verb: str = "info") -> EngineError:
    """Why an engine did not do `verb`: down, not permitted, not set up, or an error of its own."""
    said = one_line(stderr, 400)
    lowered = said.lower()
    if "permission denied" in lowered and ".sock" in lowered:
        return EngineDown(
            f"You may not talk to {name}: {said}",
            f"sudo usermod --append --groups docker {_person()}, then log in again. (That group "
            "is as good as root: rootless Podman needs no such right.)",
        )
    if "cannot connect to the docker daemon" in lowered or "is the docker daemon" in lowered:
        return EngineDown(f"The {name} daemon does not answer.", "sudo systemctl start docker")
    if "connection refused" in lowered or "error during connect" in lowered:
        return EngineDown(f"{name} does not answer: {said}", "Check DOCKER_HOST and the daemon.")
    if "newuidmap" in lowered or "subuid" in lowered or "uid mappings" in lowered:
        return EngineDown(
            f"{name} has no user ids to map for {_person()}.",
            f"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {_person()} "
            "&& podman system migrate",
        )
    if "cannot clone" in lowered or "user namespaces" in lowered:
        return EngineDown(
            f"{name} may not make user namespaces here.",
            "sudo sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000",
        )
    if "unable to connect to podman" in lowered or "podman machine" in lowered:
        return EngineDown("Podman's machine does not answer.", "podman machine start")
    return EngineFailed((name, verb), 1, said)


def container_trouble(name: str, spec: ContainerSpec, done: Completed) -> ContainersError:
    """Why a container did not start. `done` is the failed `run`."""
    said = printable(done.stderr).strip()
    lowered = said.lower()
    if re.search(r"no such image|image not known|unable to find image", lowered):
        return ImageNotHere(spec.image, name)
    if "unresolvable cdi device" in lowered:
        return DeviceUnknown(name, spec.devices)
    if re.search(r"cdi|device driver|nvidia|no such device", lowered) and spec.devices:
        return StartFailed(
            f"{name} cannot give the container {', '.join(spec.devices)}: {one_line(said, 400)}",
            "`jupyter containers doctor` lists the devices of this machine.",
        )
    lacking = r"(?i).*(bind source path does not exist|statfs .*no such file).*"
    if found := re.search(lacking, said):
        gone = [m.source for m in spec.mounts if not Path(m.source).exists()]
        # One that is there again by now: the engine's words, without its warnings before them.
        return StartFailed(
            f"A folder to mount does not exist: {', '.join(gone) or one_line(found[0], 400)}.",
            "Create it, or remove the mount from the notebook's settings.",
        )
    # Docker 20.10 and 28.5, of what only its owner may look into
    if re.search(r"mount (source|config).*permission denied", lowered, re.DOTALL):
        return StartFailed(
            f"{name} may not look into a file system that is to be mounted, or is mounted below a "
            f"folder that is: {one_line(said, 400)}",
            "Where it is one of FUSE, mount it with the option allow_other; or leave it out, and "
            "mount the folders beside it.",
        )
    if re.search(r"no space left|disk quota", lowered):
        return StartFailed(
            f"The disk is full where {name} keeps its containers.",
            "Free some with: jupyter containers prune --images",
        )
    if done.code in (126, 127):
        return StartFailed(
            f"The image cannot run {spec.argv[0]}: {one_line(said, 400)}",
            "The image changed since it was probed; run: jupyter containers pull, or rebuild it.",
        )
    trouble = daemon_trouble(name, done.stderr)
    if isinstance(trouble, EngineDown):
        return trouble
    return StartFailed(f"{name} could not start the container: {one_line(said, 600)}")


def trouble_of_ours(name: str, spec: ContainerSpec, done: Completed) -> StartFailed | None:
    """Why a container did not start, where that has nothing to do with the engine."""
    gone = [mount.source for mount in spec.mounts if not Path(mount.source).exists()]
    if gone:
        return StartFailed(
            f"A folder to mount does not exist: {', '.join(gone)}.",
            "Create it, or remove the mount from the notebook's settings.",
        )
    if re.search(r"no space left|quota exceeded", done.stderr, re.IGNORECASE):
        return StartFailed(
            f"The disk is full where {name} keeps its containers.",
            "Free some with: jupyter containers prune --images",
        )
    return None


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def last_words(said: str) -> str:
    """The engine's complaint in one line: its last that is no mere information."""
    lines = [line for line in said.splitlines() if line.strip() and "INFO" not in line[:12]]
    return one_line(" ".join(lines[-3:]), 500)
