"""What a Charliecloud container is made of before `ch-run` sees it: its own directory.

`ch-run` shows a container all of this machine's /dev, and binds nothing read-only. So the mounts
are ours, in a mount namespace of our own around it: an overlay over the image's tree, the
person's folders in it, a /dev with what every container has. `mount --all` makes them from a
table, in one process and a few milliseconds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from shutil import which

from ...models import ContainerSpec, Mount
from ..process_engine.containers import StateDir
from ..process_engine.hold import held
from ..process_engine.rootfs import DEVICES, PTS, SHM, make_dev, mount_points

SHELL = "ch-start"
"""Our shell's own name: so no container's shell is taken for it (`_contained._first`)."""
SCRIPT = """set -e
cd "$1"
if [ -e hold ]; then . ./hold; fi
elsewhere() {
  count=0
  while read -r _ _ _ _ point _; do
    case $point in "$here"/*|/dev|/dev/*) ;; *) count=$((count + 1)) ;; esac
  done </proc/self/mountinfo
}
if [ -e nested ]; then
  here=$(readlink /proc/self/cwd | sed 's/\\\\/\\\\134/g; s/ /\\\\040/g')
  elsewhere
  before=$count
fi
mount --all --fstab table
if [ -e nested ]; then
  elsewhere
  [ "$count" = "$before" ] || { echo 'mount: led out of the container: by a link' >&2; exit 125; }
fi
if [ -n "$2" ]; then hostname "$2"; fi
if [ "$3" = none ]; then ip link set lo up; fi
init=$4
shift 4
if [ -z "$init" ]; then exec "$@"; fi
"$@" || exit $?
exit 0
"""
"""Arguments: the directory, a host name or nothing, the network, a word where the container needs
an init: the shell stays and reaps then.

Where a mount is to be within a folder that others write, a link may lead it to this machine's
programs: nothing but the shell itself runs until it is clear that none did."""

_LOCKED = {
    os.ST_NOSUID: "nosuid",
    os.ST_NODEV: "nodev",
    os.ST_NOEXEC: "noexec",
}
"""What a mount namespace below may not take away when it makes a mount read-only
(mount_namespaces(7), "locked")."""


def write_files(
    spec: ContainerSpec, tree: Path, state_dir: Path, env: Mapping[str, str], *, overlay: bool
) -> None:
    """Fill a container's directory. Raises OSError."""
    for name in ("root", "tmp", "var-tmp", "upper", "work"):
        (state_dir / name).mkdir()
    (state_dir / "image").symlink_to(tree)
    (state_dir / SHELL).symlink_to(which("sh") or "/bin/sh")
    make_dev(state_dir / "dev")
    (state_dir / "env").write_text(env_text(env))
    mounts = (Mount(str(state_dir / "var-tmp"), "/var/tmp", True), *spec.own, *spec.mounts)
    over = state_dir / "upper" if overlay else tree
    points = list(mount_points(mounts, tree, over, tmp=state_dir / "tmp"))
    shared = [f"{mount.target}/" for mount in spec.mounts if mount.writable]
    if any(mount.target.startswith(one) for mount, _ in points for one in shared):
        (state_dir / "nested").touch()
    (state_dir / "table").write_text(table(spec, state_dir, points, overlay=overlay))


def table(
    spec: ContainerSpec,
    state_dir: Path,
    points: list[tuple[Mount, PurePosixPath]],
    *,
    overlay: bool,
) -> str:
    """What to mount, in fstab(5)'s words. Pure but for the sources' own mount flags."""
    root, dev = state_dir / "root", f"{state_dir}/dev"
    lines: list[tuple[object, Path | str, str, str]] = [
        ("overlay", root, "overlay", "lowerdir=image,upperdir=upper,workdir=work,userxattr")
        if overlay
        else (state_dir / "image", root, "none", "rbind")
    ]
    # What runs a program of its own (mount.TYPE) comes before what others may lead elsewhere.
    lines += [(f"/dev/{name}", f"{dev}/{name}", "none", "bind") for name in DEVICES]
    lines.append(("devpts", f"{dev}/pts", "devpts", PTS))
    size = spec.shm or SHM
    lines.append(("tmpfs", f"{dev}/shm", "tmpfs", f"mode=1777,nosuid,nodev,size={size}"))
    lines.append((dev, "/dev", "none", "rbind"))
    for mount, point in points:
        # `ch-run` binds this directory upon /tmp last, with all that is in it.
        in_tmp = point.is_relative_to("/tmp") and str(point) != "/tmp"
        where = (
            state_dir / "tmp" / point.relative_to("/tmp")
            if in_tmp
            else root / point.relative_to("/")
        )
        options = "rbind" if mount.writable else ",".join(["bind", "ro", *_locked(mount.source)])
        place = held(mount, StateDir(state_dir))
        lines.append((place or mount.source, where, "none", "rbind" if place else options))
    return "".join(
        f"{_escaped(source)} {_escaped(target)} {kind} {options} 0 0\n"
        for source, target, kind, options in lines
    )


def _locked(source: str) -> list[str]:
    flags = os.statvfs(source).f_flag
    return [word for flag, word in _LOCKED.items() if flags & flag]


def _escaped(path: object) -> str:
    """See fstab(5). Other spaces than ASCII's are letters there."""
    return re.sub(r"[\s\\#]", lambda found: f"\\{ord(found[0]):03o}", str(path), flags=re.ASCII)


def env_text(env: Mapping[str, str]) -> str:
    """For `--set-env=FILE`, which takes one pair of single quotes away."""
    apart = not_in_text(env)
    return "".join(f"{name}='{value}'\n" for name, value in env.items() if name not in apart)


def not_in_text(env: Mapping[str, str]) -> dict[str, str]:
    """What `env_text` cannot say: a value ends with its line, and a `$` at its beginning or after
    a colon means another variable (ch-run(1))."""
    return {name: value for name, value in env.items() if re.search(r"\n|(?:^|:)\$", value)}
