"""Mounts that a process engine is given from a place of ours, and not by their own path.

A source that something could swap, or that has other file systems mounted below it and shall be
read-only, is bound to a directory of the container's own first, in a mount namespace of ours around
the engine: opened, compared with the path that the policy judged, bound from what is open, and made
read-only with all that is below it. The engine binds that in turn. A shell does it, because the
machine may be a cluster's node, which need not have this package.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path

from ...errors import MountReplaced
from ...host.mountinfo import submounts
from ...models import ContainerSpec, Mount, Source
from .containers import StateDir

SCRIPT = "hold"
"""The file in a container's directory; it is not there where nothing is to be held."""
PROGRAMS = ("grep", "mount", "readlink", "sed")
"""What it starts (comm): none of them is a container's first process."""
_HELD = "held"
_SWAPPED = "jupyter-containers: swapped: "
_FUNCTIONS = rf"""
swapped() {{
  printf '%s%s\n%s\n' '{_SWAPPED}' "$1" "$2" >&2
  exit 125
}}
# PLACE SOURCE TARGET: bind what SOURCE leads to, if that is its own path.
hold_folder() {{
  cd -- "$2" || swapped "$3" nothing
  found=$(readlink /proc/self/cwd)
  [ "$found" = "$2" ] || swapped "$3" "$found"
  mount --no-canonicalize --rbind . "$1" || exit 125
}}
hold_file() {{
  [ -f "$2" ] && command exec 9<"$2" || swapped "$3" nothing
  found=$(readlink /proc/self/fd/9)
  [ "$found" = "$2" ] || swapped "$3" "$found"
  mount --no-canonicalize --bind /proc/self/fd/9 "$1" || exit 125
  exec 9<&-
}}
# PLACE: the mounts in it that can be written. Of several at one path the last is seen: begin there.
# In other locales grep keeps back names that are no text.
writable() {{
  mounts=$(LC_ALL=C grep -a -F -- " $1" /proc/self/mountinfo | LC_ALL=C sed '1!G; h; $!d')
  seen=' '
  while read -r _ _ _ _ point options _; do
    case $point in "$1"|"$1"/*) ;; *) continue ;; esac
    case $seen in *" $point "*) continue ;; esac
    seen="$seen$point "
    case ,$options, in *,ro,*) continue ;; esac
    printf '%s %s\n' "$point" "$options"
  done <<END
$mounts
END
}}
# PLACE: make it read-only with all that is below. Flags that are set have to stay
# (mount_namespaces(7), "locked").
hold_readonly() {{
  place=$(readlink -f -- "$1" | LC_ALL=C sed 's/\\/\\134/g; s/ /\\040/g')
  found=$(writable "$place")
  while read -r point options; do
    [ -n "$point" ] || continue
    flags=remount,bind,ro
    for flag in nosuid nodev noexec; do
      case ,$options, in *,$flag,*) flags=$flags,$flag ;; esac
    done
    plain=$(printf '%s' "$point" | LC_ALL=C sed 's/\\\([0-7][0-7][0-7]\)/\\0\1/g')
    mount -o "$flags" "$(printf '%b' "$plain")" || exit 125
  done <<END
$found
END
  found=$(writable "$place")
  [ -z "$found" ] || {{ printf 'mount: not read-only: %s\n' "$found" >&2; exit 125; }}
}}
""".lstrip()


def write(spec: ContainerSpec, state_dir: StateDir) -> None:
    """Make what has to be held for a container: the script, and the places. Raises OSError."""
    sources = {source.target: source for source in spec.sources}
    lines = []
    for mount in (*spec.own, *spec.mounts):
        source = sources.get(mount.target)
        if source is not None and _is_held(mount, source):
            lines += _lines(mount, source, _place(mount, state_dir))
    if lines:
        text = [_FUNCTIONS, *lines, f"cd -- {shlex.quote(str(state_dir.path))}", ""]
        (state_dir.path / SCRIPT).write_text("\n".join(text))


def _is_held(mount: Mount, source: Source) -> bool:
    return source.exposed or (not mount.writable and bool(submounts(source.path)))


def _lines(mount: Mount, source: Source, place: Path) -> list[str]:
    folder = Path(source.path).is_dir()
    place.parent.mkdir(mode=0o700, exist_ok=True)
    if folder:
        place.mkdir(mode=0o700)
    else:
        place.touch()
    words = [str(place), source.path, mount.target]
    lines = [shlex.join(["hold_folder" if folder else "hold_file", *words])]
    return lines if mount.writable else [*lines, shlex.join(["hold_readonly", str(place)])]


def _place(mount: Mount, state_dir: StateDir) -> Path:
    return state_dir.path / _HELD / hashlib.sha256(mount.target.encode()).hexdigest()[:16]


def held(mount: Mount, state_dir: StateDir) -> str | None:
    """From where the engine is to bind a mount that is held, with all that is below it, as it is;
    None: it is not held."""
    place = _place(mount, state_dir)
    return str(place) if place.exists() else None


def script(state_dir: StateDir) -> str:
    """The script's path; empty where there is none."""
    path = state_dir.path / SCRIPT
    return str(path) if path.exists() else ""


def trouble(said: str) -> MountReplaced | None:
    """What the script complained of, by the container's output."""
    found = re.search(rf"^{_SWAPPED}(.*)\n(.*)$", said, re.MULTILINE)
    return MountReplaced(found[1], found[2]) if found else None
