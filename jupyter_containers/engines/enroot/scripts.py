"""What an enroot container gets from us besides its image: two scripts in its own directory.

enroot reads the first (`--conf`) in the new mount namespace, before it mounts anything: it lays
an overlay over the image, so that all that enroot, its hooks and the container write goes to the
container's directory, and names the mounts. The second (`--rc`) is what runs in the container,
in place of the image's own /etc/rc: it sets the environment, which enroot would cut at the ends
of lines, and becomes the program.
https://github.com/NVIDIA/enroot/blob/master/doc/cmd/start.md
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from shutil import which

from ...layout import DEFAULT_PATH
from ...models import ContainerSpec, Image, Mount
from ..process_engine.containers import StateDir
from ..process_engine.hold import held
from ..process_engine.rootfs import DEVICES, PTS, SHM, make_dev

TREE = "tree"
"""The image, within its directory of the store, where that is on a disk."""
FILE = "image.sqsh"
"""The image as one file, on network file systems."""
CONF = "conf"
RC = "rc"
SYS = "sys"
SHELL = "enroot-start"
"""Our shell's own name: so no container's shell is taken for it (`_contained._first`)."""
OUTSIDE = """if [ -n "$1" ]; then hostname "$1"; fi
if [ -n "$2" ]; then ip link set lo up && mount -t sysfs sysfs "$2"; fi
init=$3
shift 3
if [ -z "$init" ]; then exec "$@"; fi
"$@" || exit $?
exit 0
"""
"""Arguments: a host name or nothing; where a /sys that shows a network of its own is made, or
nothing; a word where the container needs an init: the shell stays and reaps then; and the
command."""


def outside(hold: str) -> tuple[str, ...]:
    """`OUTSIDE` and the shell's name; before it the script of `hold.py`, where there is one."""
    if not hold:
        return (OUTSIDE, SHELL)
    return (f'. "$1"\ncd /\nshift\n{OUTSIDE}', SHELL, hold)


def conf_text(
    spec: ContainerSpec, state_dir: Path, *, upper: str, devices: Mapping[str, str]
) -> str:
    """The script for `--conf`. `upper` is where the overlay's directories `upper` and `work`
    are; empty: enroot lays one itself. Pure."""
    lines = []
    if upper:
        options = f"upperdir={upper}/upper,workdir={upper}/work,userxattr"
        what = f"overlay ${{ENROOT_ROOTFS}} overlay lowerdir=${{ENROOT_ROOTFS}},{options}"
        lines.append(f'enroot-mount - <<< "{what}"')
    heredoc = "cat << 'END'"
    lines += ["mounts() {", heredoc, *mounts(spec, state_dir), "END", "}"]
    if devices:
        told = [f"{name}={value}" for name, value in devices.items()]
        lines += ["environ() {", heredoc, *told, "END", "}"]
    return "\n".join([*lines, ""])


def mounts(spec: ContainerSpec, state_dir: Path) -> list[str]:
    """Lines of fstab(5), the outer before the inner. Pure but for the sources."""
    asked = [
        Mount(str(state_dir / "tmp"), "/tmp", True),
        Mount(str(state_dir / "var-tmp"), "/var/tmp", True),
        *spec.own,
        *spec.mounts,
    ]
    asked.sort(key=lambda one: len(PurePosixPath(one.target).parts))
    sys = f"{_escaped(str(state_dir / SYS))} /sys none rbind,ro,nosuid,nodev,noexec,private"
    return [
        *([sys] if spec.network == "none" else []),
        *_devices(spec, state_dir),
        *(_bind(mount, held(mount, StateDir(state_dir))) for mount in asked),
    ]


def write_files(state_dir: Path) -> None:
    """What the scripts and the command name in a container's directory. Raises OSError."""
    for name in ("tmp", "var-tmp", "upper", "work", "temp", "runtime", SYS):
        (state_dir / name).mkdir()
    (state_dir / SHELL).symlink_to(which("sh") or "/bin/sh")
    make_dev(state_dir / "dev")


def _devices(spec: ContainerSpec, state_dir: Path) -> list[str]:
    """A /dev with what every container has. That of this machine, which enroot mounts, stays
    where GPUs are asked for: the hook put them into it. (enroot's own way,
    ENROOT_RESTRICT_DEV, fails where a machine has no /dev/mqueue or no /dev/log.)"""
    size = spec.shm or SHM
    shm = f"tmpfs /dev/shm tmpfs x-create=dir,rw,nosuid,nodev,mode=1777,size={size}"
    if spec.devices:
        return [shm]
    return [
        f"{_escaped(str(state_dir / 'dev'))} /dev none bind,rw,nosuid,private",
        *(f"/dev/{name} /dev/{name} none bind,rw,nosuid,noexec,private" for name in DEVICES),
        f"devpts /dev/pts devpts rw,{PTS}",
        shm,
    ]


def _bind(mount: Mount, place: str | None) -> str:
    """What has something mounted below it and is read-only is held, and is so already."""
    kind = "dir" if Path(mount.source).is_dir() else "file"
    how = "rbind,rw" if mount.writable else "rbind,ro" if place else "bind,ro"
    options = f"x-create={kind},{how},nosuid,nodev,private"
    return f"{_escaped(place or mount.source)} {_escaped(mount.target)} none {options}"


def _escaped(path: str) -> str:
    """See fstab(5). Other spaces than ASCII's are letters there."""
    return re.sub(r"[\s\\]", lambda found: f"\\{ord(found[0]):03o}", path, flags=re.ASCII)


def rc_text(spec: ContainerSpec, image: Image) -> str:
    """The script for `--rc`, which the image's `sh` runs. Pure."""
    env = {"PATH": DEFAULT_PATH, **image.env, **spec.env}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in env.items() if _name(name)]
    entrypoint = image.entrypoint if spec.entrypoint == "image" else ()
    program = " ".join([*(shlex.quote(word) for word in entrypoint), '"$@"'])
    lines += [f"cd {shlex.quote(spec.workdir)} || exit 125", "unset OLDPWD", f"exec {program}"]
    return "\n".join([*lines, ""])


def _name(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is not None
