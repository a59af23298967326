"""What this machine lets an ordinary user do: namespaces, and limits by delegated cgroups."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from ..errors import EngineError
from ..models import Problem
from ._process import run

CLOSED = Problem(
    "You may not make user namespaces on this machine.",
    "Ask the administrator: sudo sysctl kernel.unprivileged_userns_clone=1 "
    "user.max_user_namespaces=15000 kernel.apparmor_restrict_unprivileged_userns=0",
)
NO_LIMITS = Problem(
    "Limits on memory and CPUs are not enforced here (they need cgroup v2 with delegation).",
    "Ask the administrator: https://rootlesscontaine.rs/getting-started/common/cgroup2/",
)
SAME_NETWORK = Problem(
    "Containers share this machine's network, unless a notebook asks for none.",
    'For none: "network": "none" in the notebook\'s settings.',
)


async def closed() -> Problem | None:
    """Why no user namespace can be made, or None: tried, because a sysctl, a security module or
    an outer container may forbid it, each in its own way."""
    try:
        done = await run(["unshare", "--user", "true"], timeout=10)
    except EngineError:  # no util-linux: the engine itself will tell
        return None
    return CLOSED if done.code else None


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
