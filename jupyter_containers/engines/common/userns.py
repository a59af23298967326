"""What this machine lets an ordinary user do: namespaces, overlays, limits by delegated cgroups."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from ...errors import EngineError
from ...host.paths import cache_directory
from ...host.process import run
from ...models import Problem

CLOSED = Problem(
    "You may not make user namespaces on this machine.",
    "Ask the administrator: sudo sysctl kernel.unprivileged_userns_clone=1 "
    "user.max_user_namespaces=15000 kernel.apparmor_restrict_unprivileged_userns=0",
)
NO_LIMITS = Problem(
    "Limits on memory and CPUs are not enforced here (they need cgroup v2 with delegation).",
    "Ask the administrator: https://rootlesscontaine.rs/getting-started/common/cgroup2/",
)
NO_FILTER = Problem(
    "Containers run without a filter of system calls (seccomp): what they may do is up to the "
    "kernel's own checks.",
    "Use Podman, Docker or apptainer for code that you trust less.",
)
READ_ONLY = Problem(
    "Containers cannot be written to here, but for mounts and /tmp: this kernel gives ordinary "
    "users no overlays.",
    "Put what programs install into the Dockerfile. Linux 5.11 and newer give them.",
)
SAME_NETWORK = Problem(
    "Containers share this machine's network, unless a notebook asks for none.",
    'For none: "network": "none" in the notebook\'s settings.',
)


CHECKED_INSIDE = Problem(
    "A mount below a folder that containers can write is checked in the container only: an image "
    "that lies may see what was put in its place.",
    "Keep data that you mount beside the notebook's folder and not in it, or use Podman.",
)


async def closed() -> Problem | None:
    """Why no user namespace can be made, or None: tried, because a sysctl, a security module or
    an outer container may forbid it, each in its own way."""
    try:
        done = await run(["unshare", "--user", "true"], timeout=10)
    except EngineError:  # no util-linux: the engine itself will tell
        return None
    return CLOSED if done.code else None


async def overlays() -> bool:
    """Whether an ordinary user can mount one, on the file system where containers are."""
    directory = cache_directory()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryDirectory(dir=directory) as place:
        for name in ("lower", "upper", "work", "root"):
            Path(place, name).mkdir()
        options = "lowerdir=lower,upperdir=upper,workdir=work,userxattr"
        mount = ["mount", "-t", "overlay", "-o", options, "overlay", f"{place}/root"]
        argv = ["unshare", "--user", "--map-root-user", "--mount", *mount]
        return (await run(argv, timeout=20, cwd=place)).code == 0


@cache
def delegated() -> bool:
    """Whether a person's own processes can be limited: cgroup v2, its memory controller handed
    to the user's service manager."""
    if os.getuid() == 0:
        return Path("/sys/fs/cgroup/cgroup.controllers").exists()
    own = f"/sys/fs/cgroup/user.slice/user-{os.getuid()}.slice/user@{os.getuid()}.service"
    try:
        return "memory" in Path(own, "cgroup.controllers").read_text().split()
    except OSError:
        return False
