"""Frozen data that travels between packages, and the parsing that refuses what cannot be quoted.

Nothing here starts a process, reads a file or knows an engine. Sizes are bytes, times seconds,
paths absolute strings on the host (`source`) or in the container (`target`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Literal

from .errors import BadReference, BadSettings

NO_ENV: Mapping[str, str] = MappingProxyType({})
Barred = Literal["host", "metadata"]
"""This machine; the addresses at which a cloud tells a machine its credentials."""

# https://github.com/distribution/reference/blob/main/reference.go (the grammar in its head)
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*(?::[0-9]{{1,5}})?)"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?P<host>{_HOST})/)?(?P<path>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_IMAGE_ID = re.compile(r"(?:sha256:)?[0-9a-f]{12,64}")


@dataclass(frozen=True)
class Reference:
    """How an image is named. `str()` of it is safe on a command line: it never begins with '-'."""

    registry: str
    path: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse what a person wrote; short names get docker.io (and library/), as Docker does, so
        that one image has one name. Raises BadReference. A name without tag and digest means the
        tag `latest`.
        https://github.com/distribution/reference/blob/main/normalize.go (splitDockerDomain)
        """
        found = _REFERENCE.fullmatch(text) if isinstance(text, str) and len(text) < 512 else None
        if found is None:
            raise BadReference(str(text))
        host, path = found["host"] or "", found["path"]
        if host and not ("." in host or ":" in host or host == "localhost"):
            if host != host.lower():
                raise BadReference(text)
            host, path = "", f"{host}/{path}"
        if host in ("", "docker.io", "index.docker.io"):
            host, path = "docker.io", path if "/" in path else f"library/{path}"
        digest = found["digest"] or ""
        return cls(host, path, found["tag"] or ("" if digest else "latest"), digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.registry}/{self.path}{tag}" + (f"@{self.digest}" if self.digest else "")

    @property
    def short(self) -> str:
        """As people write it: docker.io/library/python:3 is python:3. Never as another image is
        written: docker.io/localhost/x stays what it is."""
        whole = str(self)
        path = whole.removeprefix("docker.io/")
        return next(
            name
            for name in (path.removeprefix("library/"), path, whole)
            if str(Reference.parse(name)) == whole
        )

    @property
    def spellings(self) -> tuple[str, ...]:
        """All that an administrator's glob may mean by it; `str()` is the first."""
        full = str(self)
        if self.registry != "docker.io":
            return (full,)
        rest = full.removeprefix("docker.io/")
        official = [rest.removeprefix("library/")] if rest.startswith("library/") else []
        hosts = ("docker.io", "index.docker.io")
        return tuple(f"{host}/{name}" for host in hosts for name in (rest, *official))


def parse_image(text: str) -> str:
    """A reference in full, or an image id (`sha256:…`), as a string safe on a command line."""
    if isinstance(text, str) and text.startswith("sha256:") and _IMAGE_ID.fullmatch(text):
        return text
    return str(Reference.parse(text))


def parse_target(text: str, key: str = "mounts") -> str:
    """An absolute, normal path in the container. Raises BadSettings."""
    path = PurePosixPath(text)
    # POSIX lets two leading slashes mean another place, so pathlib keeps them; engines do not.
    normal = str(path) == text and not text.startswith("//")
    if not text.startswith("/") or not normal or ".." in path.parts or text == "/":
        raise BadSettings(key, f"{text!r} is not an absolute path in the container.")
    refuse_unquotable(text, key)
    return text


def refuse_unquotable(text: str, key: str) -> None:
    """Refuse a path with control characters, which no question to a person can show. All else
    engines quote, or refuse in their own words (`base.PickyEngine`)."""
    # Spaces of all kinds are fine, and so are the joiners that Persian and emoji are written with.
    odd = (c for c in text if unicodedata.category(c) in _CONTROL and c not in "\u200c\u200d")
    if any(odd) or len(text) > 4000:
        raise BadSettings(
            key,
            f"the path {text!r} has a control character, or is too long to be mounted.",
            "Rename the folder, or mount its parent.",
        )


_CONTROL = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")


def is_plain(path: str) -> bool:
    """Whether programs take this path as it is, wherever it stands in an option, a table of mounts
    or a script. For directories of our own, which can lie elsewhere."""
    return path.isprintable() and not re.search(r"""[\s,:"'\\$`#%]""", path)


@dataclass(frozen=True)
class Mount:
    """A host path in the container, at the same or another place."""

    source: str
    target: str
    writable: bool = False


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a mount's source was when the policy judged it: the thing itself, not its name."""

    target: str
    """The mount it belongs to."""
    path: str
    """Its own path, without links."""
    device: int
    inode: int
    exposed: bool = False
    """Whether a container or another person can make `path` lead elsewhere until the engine
    mounts it: the engine has to make sure that it mounts this very thing."""


@dataclass(frozen=True, kw_only=True)
class User:
    """Who the container's process is.

    `mode` is what was asked. `uid`/`gid` are the ids inside; `name` and `home` belong to the
    passwd entry we give it. Files on mounts belong to `host_uid` in every case.
    """

    mode: Literal["me", "root", "image"]
    uid: int
    gid: int
    host_uid: int
    host_gid: int


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """All an engine needs to run one container. Made by the provisioner, checked by Guarded."""

    name: str
    image: str
    argv: tuple[str, ...]
    user: User
    reference: str = ""
    """What the image was asked for as; the policy looks at it where `image` is an id."""
    workdir: str = "/"
    mounts: tuple[Mount, ...] = ()
    """What the notebook, spec or person asks for; the policy looks at these."""
    folder: str = field(default="", compare=False)
    """The target of the notebook's own folder, where it is mounted without having been asked for.
    Not compared, and not recorded: it says nothing that `mounts` does not."""
    own: tuple[Mount, ...] = ()
    """What we mount ourselves (guest, kit, sockets, HOME); never from outside, not checked."""
    env: Mapping[str, str] = field(default_factory=lambda: NO_ENV)
    labels: Mapping[str, str] = field(default_factory=lambda: NO_ENV)
    devices: tuple[str, ...] = ()
    cpus: float | None = None
    memory: int | None = None
    pids: int | None = None
    shm: int | None = None
    network: Literal["private", "none"] = "private"
    network_name: str = ""
    """Which of the engine's networks a private one is; empty: the engine chooses."""
    barred: tuple[Barred, ...] = ()
    """What a private network does not lead to. Set by the policy."""
    publish: tuple[tuple[int, int], ...] = ()
    """(host port or 0 for any, container port), always on 127.0.0.1."""
    hostname: str | None = None
    read_only: bool = False
    tmpfs: tuple[str, ...] = ()
    entrypoint: Literal["none", "image"] = "none"
    init: bool = False
    """An init of the engine's own, only where our guest is not the first process."""
    slurm: Mapping[str, str] = field(default_factory=lambda: NO_ENV)
    """What a job asks for, where Slurm places the container (`settings/slurm.py`)."""
    sources: tuple[Source, ...] = field(default=(), compare=False)
    """What the sources of mounts were found to be. Not compared, and not recorded: a folder that
    was replaced since does not make another container of this one."""


@dataclass(frozen=True, kw_only=True)
class Container:
    """One run of an image, as an engine lists it."""

    id: str
    name: str
    image: str
    running: bool
    labels: Mapping[str, str] = field(default_factory=lambda: NO_ENV)
    created: str = ""
    ports: Mapping[int, int] = field(default_factory=dict)
    """Container port → host port on 127.0.0.1, as far as the engine's list tells."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a container ended: `code` as Popen says it (negative for a signal); `why` says what
    happened and what to do, where the engine knows more than that."""

    code: int
    out_of_memory: bool = False
    why: tuple[str, str] = ("", "")


@dataclass(frozen=True, kw_only=True)
class Image:
    """What a container is made from. `id` is the engine's, `digests` the registries'."""

    id: str
    references: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size: int = 0
    created: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: NO_ENV)
    user: str = ""
    env: Mapping[str, str] = field(default_factory=lambda: NO_ENV)
    entrypoint: tuple[str, ...] = ()
    onbuild: tuple[str, ...] = ()
    """As the engine has it, control characters and all: its builds run it so."""
    workdir: str = ""
    layers: tuple[str, ...] = ()
    """Digests of its layers, lowest first: an image built on another begins with that one's."""
    architecture: str = ""


@dataclass(frozen=True, kw_only=True)
class BuildSecret:
    """A secret a RUN may mount: `id` as the Dockerfile names it, `source` a file on the host."""

    id: str
    source: str


@dataclass(frozen=True, kw_only=True)
class BuildStep:
    """One instruction of a Dockerfile, for an engine to say what it is doing. `stage` counts
    from 0 (ARGs before the first FROM belong to none and are left out), `line` from 1."""

    stage: int
    line: int
    text: str
    stage_name: str = ""
    ours: bool = False
    """Put in by us: the engine counts it, nobody is shown it."""

    @property
    def keyword(self) -> str:
        """RUN, COPY, …"""
        return self.text.split(None, 1)[0].upper() if self.text else ""


@dataclass(frozen=True, kw_only=True)
class BuildSpec:
    """One build. `dockerfile` is the text the engine gets; `context` a directory that holds
    nothing but what its COPY and ADD name (made by `builds`), or None for an empty one."""

    dockerfile: str
    tag: str
    also: tuple[str, ...] = ()
    """More names for the image."""
    steps: tuple[BuildStep, ...] = ()
    """Its instructions in order, so that progress and errors name lines; may be empty."""
    context: str | None = None
    args: Mapping[str, str] = field(default_factory=lambda: NO_ENV)
    proxies: Mapping[str, str] = field(default_factory=lambda: NO_ENV)
    """More arguments: this machine's own proxies, which may hold a password. The builder gets them
    as its environment and may use them itself, unlike those that a cell names."""
    target: str = ""
    secrets: tuple[BuildSecret, ...] = ()
    labels: Mapping[str, str] = field(default_factory=lambda: NO_ENV)
    no_cache: bool = False
    network: Literal["private", "none"] = "private"
    barred: tuple[Barred, ...] = ()
    """What RUN does not reach over a private network. Set by the policy."""


@dataclass(frozen=True, kw_only=True)
class BuilderFaults:
    """What an old builder does wrong with RUN --mount."""

    links: bool = False
    """It follows a symbolic link of a stage, an image or the context out to this machine."""
    writes: bool = False
    """What a RUN writes into a stage or an image that it mounts stays there."""
    caches: bool = False
    """A link in a cache leads what mounts a part of it out to this machine."""
    tried: bool = True
    """Seen in a build; else it is only known of its version."""


@dataclass(frozen=True, kw_only=True)
class Demands:
    """What a Dockerfile makes the engine fetch or grant. Made by `dockerfile.demands`, judged
    by `Policy.check_build`; `lines` says where each stands (from 1)."""

    images: tuple[str, ...] = ()
    """Full references: FROM, COPY --from, RUN --mount=from=, # syntax=; never a stage's name."""
    urls: tuple[str, ...] = ()
    """What ADD downloads: http, https and git addresses."""
    entitlements: tuple[str, ...] = ()
    """`RUN --security=insecure`, `RUN --network=host`, `RUN --device=…`, as written."""
    lines: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One event of a pull or build.

    `step` starts an instruction (`step` of `steps`, `line` in the Dockerfile, `text` the
    instruction), `log` is one line of its output, `bytes` counts a transfer (`done`, `total`),
    `cached` says the step was not run again, `notice` is ours, and `image` is the last one.
    """

    kind: Literal["step", "log", "bytes", "cached", "notice", "image"]
    text: str = ""
    step: int = 0
    steps: int = 0
    line: int = 0
    stage: str = ""
    done: int = 0
    total: int = 0
    image: Image | None = None


@dataclass(frozen=True)
class Problem:
    """Something wrong with an engine, and the command or act that fixes it."""

    message: str
    fix: str = ""


@dataclass(frozen=True, kw_only=True)
class EngineInfo:
    """What an engine says of itself; `features` is data for the UI, `problems` for `doctor`."""

    name: str
    version: str = ""
    installed: bool = True
    usable: bool = False
    rootless: bool = False
    features: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()
    """What its builder does not know of a Dockerfile, by the names of `dockerfile/late.py`."""
    problems: tuple[Problem, ...] = ()
    endpoint: str = ""
    """Which daemon or storage answers: two endpoints of one engine never share what is
    remembered about them."""


@dataclass(frozen=True, kw_only=True)
class Stats:
    """What a container uses now. `cpu_percent` is 200 for two CPUs; None: nothing limits it."""

    cpu_percent: float
    memory_bytes: int
    memory_limit: int | None = None
    pids: int | None = None


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What one instruction of an image's build made."""

    created_by: str
    size: int = 0
    created: str = ""


ChangeKind = Literal["added", "changed", "removed"]


@dataclass(frozen=True)
class ChangedPath:
    """A path in a container that is not as its image has it. The names in it are anybody's."""

    path: str
    kind: ChangeKind
    size: int | None = None
    """Bytes of a file; None where the engine does not tell."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device under its CDI name, such as `nvidia.com/gpu=0`; None: nobody says."""

    name: str
    kind: str
    memory_total: int | None = None
    memory_used: int | None = None
    load_percent: int | None = None
