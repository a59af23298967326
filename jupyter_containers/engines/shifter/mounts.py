"""What a Shifter container gets from us besides its image: one directory.

Shifter mounts no files, and directories only where the image has them, or right below `/` and
/opt. So all that is ours stands in one directory, mounted at `INSIDE`: links to what containers
see anyway, copies of what they do not.
https://github.com/NERSC/shifter/blob/main/doc/command/shifter.rst
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ...errors import StartFailed, Unsupported
from ...host.paths import runtime_directory
from ...host.reaper.process_container import INSIDE, SHOWN
from ...layout import DEFAULT_PATH
from ...models import ContainerSpec, Image, Mount
from ..common import cdi
from .site import GPU, Site, is_plain

_ENV = "env"
_START = "start"
_MADE_BY_SHIFTER = ("/etc/passwd", "/etc/group")


def write_files(spec: ContainerSpec, site: Site, state_dir: Path, image: Image) -> None:
    """Fill a container's directory. Raises OSError."""
    shown = state_dir / SHOWN
    shown.mkdir()
    for mount in spec.own:
        target = PurePosixPath(mount.target)
        if target.is_relative_to(INSIDE):
            point = shown / target.relative_to(INSIDE)
            seen = site.seen(mount.source)
            if seen is None or (not mount.writable and _is_of_one(mount.source)):
                shutil.copytree(mount.source, point)
            else:
                point.symlink_to(seen)
    env = environment(spec, site, image)
    (shown / _ENV).write_text(env_text(env))
    if odd := not_in_text(env):
        (shown / _START).write_text(start_text(odd))


def _is_of_one(source: str) -> bool:
    """Whether a directory is a single container's: small, and a copy of it is read-only."""
    return Path(source).is_relative_to(runtime_directory())


def options(spec: ContainerSpec, site: Site, state_dir: Path) -> list[str]:
    """What `shifter` is told besides the image. Pure but for the sources. Raises StartFailed and
    Unsupported where a mount cannot be made."""
    found = [f"--volume={_seen(site, str(state_dir / SHOWN))}:{INSIDE}:ro"]
    ours = (mount for mount in spec.own if not _is_there(mount, spec, site))
    for mount in (*spec.mounts, *ours):
        seen = _seen(site, mount.source)
        if mount.writable and not site.written(mount.source):
            raise StartFailed(
                f"Containers of Shifter cannot write {mount.source}: this site shows it read-only.",
                "Work in another folder, or mount it without `writable`.",
            )
        if seen != mount.target or not mount.writable:
            found.append(_volume(mount, seen, site))
    if spec.devices:
        found.append(f"--module={GPU}")
    return [*found, "--clearenv", f"--env-file={INSIDE}/{_ENV}", f"--workdir={spec.workdir}"]


def program(spec: ContainerSpec, site: Site, image: Image) -> tuple[str, ...]:
    """What runs inside: the image's shell first, where a variable needs it."""
    entrypoint = image.entrypoint if spec.entrypoint == "image" else ()
    words = (*entrypoint, *spec.argv)
    odd = not_in_text(environment(spec, site, image))
    return ("/bin/sh", f"{INSIDE}/{_START}", *words) if odd else words


def _is_there(mount: Mount, spec: ContainerSpec, site: Site) -> bool:
    """Whether a mount of ours is in our directory, or something else stands at its place."""
    return (
        PurePosixPath(mount.target).is_relative_to(INSIDE)
        or mount.target in (*_MADE_BY_SHIFTER, spec.env.get("HOME"))
        or site.shows(mount.target)
    )


def _volume(mount: Mount, seen: str, site: Site) -> str:
    if site.shows(mount.target):
        raise Unsupported(
            f"Nothing can be mounted at {mount.target}: this site shows containers its own there, "
            "which they can write as you can.",
            "Mount it elsewhere, right below /: as /data for example.",
        )
    check_names(mount, seen)
    return f"--volume={seen}:{mount.target}" + ("" if mount.writable else ":ro")


def check_names(mount: Mount, seen: str | None) -> None:
    """Raises Unsupported where `--volume` does not take a path of a mount. What containers see
    anyway at the same place is no `--volume`."""
    if seen == mount.target and mount.writable:
        return
    for path in (seen or mount.source, mount.target):
        if not is_plain(path):
            raise Unsupported(
                f"Shifter cannot mount {path!r}: it takes letters, digits and . _ + - only.",
                "Rename the folder, or choose another target.",
            )


def _seen(site: Site, source: str) -> str:
    seen = site.seen(source)
    if seen is None and not Path(source).exists():
        raise StartFailed(
            f"A folder to mount does not exist: {source}.",
            "Create it, or remove the mount from the notebook's settings.",
        )
    if seen is None:
        raise StartFailed(
            f"Containers of Shifter do not see {source}: at this site they see {site.said()}.",
            "Move it below one of these; or the administrator adds its place to siteFs.",
        )
    return seen


def environment(spec: ContainerSpec, site: Site, image: Image) -> dict[str, str]:
    """The variables inside, but for the image's, which Shifter sets itself. HOME is our
    directory at its own place: the site may show the person's real one where it ought to be."""
    path = {} if "PATH" in image.env else {"PATH": DEFAULT_PATH}
    env = {**path, **spec.env, **_visible(spec)}
    for mount in spec.own:
        if mount.target == spec.env.get("HOME"):
            env["HOME"] = _seen(site, mount.source)
    return env


def _visible(spec: ContainerSpec) -> dict[str, str]:
    """Which of the GPUs programs see: Shifter gives all or none."""
    asked = cdi.nvidia_gpus("Shifter", spec.devices)
    return {"CUDA_VISIBLE_DEVICES": ",".join(asked)} if asked and "all" not in asked else {}


def env_text(env: Mapping[str, str]) -> str:
    """For `--env-file`: arguments could be read by any user of the machine."""
    apart = not_in_text(env)
    return "".join(f"{name}={value}\n" for name, value in env.items() if name not in apart)


def not_in_text(env: Mapping[str, str]) -> dict[str, str]:
    """What `env_text` cannot say: Shifter refuses a variable without a value, trims what it
    reads, and ends a value with its line."""
    return {n: value for n, value in env.items() if not value or re.search(r"\n|\s$", value)}


def start_text(env: Mapping[str, str]) -> str:
    """A script for the image's shell, which becomes the program."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in env.items()]
    return "\n".join([*lines, 'exec "$@"', ""])
