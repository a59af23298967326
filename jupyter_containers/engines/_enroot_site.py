"""What is to be known of an enroot installation before it is used."""

from __future__ import annotations

import os
import re
from pathlib import Path
from shutil import which

from ..host.process import run
from ..models import Problem
from .docker.inspect import at_least

_OLDEST = (3, 4)
_TOOLS = {
    "unsquashfs": "squashfs-tools",
    "mksquashfs": "squashfs-tools",
    "parallel": "parallel",
    "jq": "jq",
    "curl": "curl",
    "zstd": "zstd",
}
_PRIVILEGED = ("enroot-aufs2ovlfs", "enroot-mksquashovlfs")
NO_CAPABILITIES = Problem(
    "enroot cannot pull images: its programs that unpack layers have no capabilities.",
    "Ask the administrator to install the package enroot+caps: "
    "https://github.com/NVIDIA/enroot/blob/master/doc/installation.md. Until then, pull with "
    "Podman or Docker and run: jupyter containers convert REF --from podman --to enroot",
)
OUTSIDE = (
    *("unshare", "--user", "--map-current-user", "--keep-caps", "--mount", "--pid", "--fork"),
    *("--kill-child", "--mount-proc", "--ipc"),
)
"""The namespaces around a container: enroot has none but for users and mounts of its own before
4.2. One kill ends everything in them."""
_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR")


def environment() -> dict[str, str | None]:
    """For containers: nothing of this process's own but what programs need to run at all. An
    image's /etc/environment, and hooks, could read it."""
    return {name: None for name in os.environ if name not in _KEPT}


def import_environment() -> dict[str, str | None]:
    """For pulls: the person's own settings of transfers, log-ins and caches, not of roots."""
    ours = ("ENROOT_DATA_PATH", "ENROOT_RUNTIME_PATH", "ENROOT_FORCE_OVERRIDE")
    return {name: None for name in os.environ if name in ours}


def too_old(version: str) -> Problem | None:
    """Older ones were not tried."""
    if at_least(version, *_OLDEST):
        return None
    needed = ".".join(str(part) for part in _OLDEST)
    return Problem(
        f"This enroot ({version}) is too old: {needed} or newer is needed.",
        "https://github.com/NVIDIA/enroot/releases",
    )


def no_pulls() -> Problem | None:
    """Why `enroot import` does not work: a program is missing, or the right to write what says
    that a layer deletes files."""
    if not (missing := [name for name in _TOOLS if which(name) is None]):
        return None if os.getuid() == 0 or all(map(_privileged, _PRIVILEGED)) else NO_CAPABILITIES
    packages = " ".join(dict.fromkeys(_TOOLS[name] for name in missing))
    return Problem(
        f"enroot cannot pull images: {', '.join(missing)} is missing.",
        f"sudo apt install {packages}, or your system's packages of these names",
    )


def _privileged(name: str) -> bool:
    """See capabilities(7), "File capabilities"."""
    path = which(name)
    try:
        return path is not None and bool(os.getxattr(path, "security.capability"))
    except OSError:
        return False


async def no_namespaces() -> Problem | None:
    """Why the namespaces around a container cannot be made; None where they can."""
    done = await run([*OUTSIDE, "true"], timeout=20)
    if not done.code:
        return None
    if re.search(r"unrecognized option|invalid option", done.stderr):
        return Problem(
            "This machine's `unshare` is too old: util-linux 2.36 or newer is needed.",
            "Ask the administrator to update util-linux.",
        )
    return Problem(
        f"Namespaces around a container cannot be made: {done.stderr.strip()[-300:]}",
        f"Run it by hand: {' '.join(OUTSIDE)} true",
    )


async def gpus() -> bool:
    """Whether enroot gives GPUs: by a hook of the administrator's and NVIDIA's tool.
    https://github.com/NVIDIA/enroot/blob/master/doc/standard-hooks.md"""
    said = (await run(["enroot", "info"], timeout=20, env=environment())).stdout
    found = re.search(r"ENROOT_SYSCONF_PATH=(.+)", said)
    hooks = Path(found[1] if found else "/etc/enroot", "hooks.d")
    return os.access(hooks / "98-nvidia.sh", os.X_OK) and which("nvidia-container-cli") is not None
