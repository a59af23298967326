"""What a site's Shifter is set up to do: udiRoot.conf, which every user may read.

https://github.com/NERSC/shifter/blob/main/doc/config/udiRoot.conf.rst
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from shutil import which

from ...errors import EngineDown
from ...host.paths import cache_directory
from ...models import Problem

_USUAL = "/etc/shifter/udiRoot.conf"
_COMPILED_IN = re.compile(rb"(/[\w./+-]*/udiRoot\.conf)[\0\n]")
_ALWAYS = ("/tmp", "/var/tmp")
GPU = "gpu"
"""Shifter's module of that name: https://github.com/NERSC/shifter/blob/main/doc/modules.rst"""
SHARED = Problem(
    "Containers share this machine's network, processes, /tmp and /dev with all else that runs "
    'here; "network": "none" is refused.',
    "Use apptainer, Podman or Docker for code that you trust less.",
)
NO_LIMITS = Problem(
    "Nothing limits the memory and CPUs of a container: Shifter knows no limits.",
    "Ask the batch system for them, and start Jupyter in its job.",
)
READ_ONLY = Problem(
    "Containers cannot be written to, but for mounts, HOME and /tmp: Shifter has no overlays.",
    "Put what programs install into the Dockerfile.",
)


@dataclass(frozen=True)
class Shown:
    """A directory of this machine that containers see: where it is inside, whether with what is
    mounted below it, and whether to read only."""

    outside: str
    inside: str
    below: bool = False
    read_only: bool = False


@dataclass(frozen=True)
class Site:
    """What the administrator configured, as far as it concerns us."""

    shown: tuple[Shown, ...]
    modules: frozenset[str] = frozenset()
    images: str = ""
    """Where the gateway puts images, which need not be a place that users can read."""

    def seen(self, path: str | Path) -> str | None:
        """Where a container finds a path of this machine; None: nowhere."""
        found = self._find(path)
        return found[1] if found is not None else None

    def written(self, path: str | Path) -> bool:
        """Whether containers can write there, as far as it is up to the site."""
        found = self._find(path)
        return found is not None and not found[0].read_only

    def _find(self, path: str | Path) -> tuple[Shown, str] | None:
        real = os.path.realpath(path)
        for one in sorted(self.shown, key=lambda one: len(one.outside), reverse=True):
            base = os.path.realpath(one.outside)
            rest = "" if real == base else real.removeprefix(base.rstrip("/"))
            if rest == real or (rest and not rest.startswith("/")):
                continue
            if one.below or _same_file_system(real, base):
                return one, (one.inside.rstrip("/") + rest) or "/"
        return None

    def shows(self, target: str) -> bool:
        """Whether something of this machine is at a place inside without being mounted."""
        places = [PurePosixPath(one.inside) for one in self.shown]
        return any(PurePosixPath(target).is_relative_to(place) for place in places)

    def said(self) -> str:
        """What containers see, in words."""
        names = [
            one.inside if one.inside == one.outside else f"{one.outside} (as {one.inside})"
            for one in self.shown
        ]
        return ", ".join(names)


def _same_file_system(path: str, above: str) -> bool:
    """What is mounted below a mount's source does not come with it (mount(2), MS_REC)."""
    try:
        return os.stat(path).st_dev == os.stat(above).st_dev  # noqa: PTH116 - of text
    except OSError:
        return False


def config_file() -> Path:
    """Where the configuration is: a path that was compiled into the program."""
    program = which("shifter")
    if program is not None:
        try:
            if found := _COMPILED_IN.search(Path(program).read_bytes()):
                return Path(os.fsdecode(found[1]))
        except OSError:  # a setuid program that only root may read
            pass
    return Path(_USUAL)


def read() -> Site:
    """The site as it is now. Raises EngineDown where its configuration cannot be read."""
    file = config_file()
    try:
        return parse(file.read_text(errors="replace"))
    except OSError as error:
        raise EngineDown(
            f"Shifter's configuration {file} cannot be read: {error.strerror}.",
            f"Every user has to be able to: sudo chmod a+r {file}",
        ) from None


def parse(text: str) -> Site:
    """From the text of udiRoot.conf. Pure."""
    told = _keys(text)
    shown = [Shown(name, name) for name in _ALWAYS]
    for entry in told.get("siteFs", "").split(";"):
        outside, _, rest = entry.strip().partition(":")
        inside, *flags = rest.split(":")
        kinds = {flag.partition("=")[0].strip().lower() for flag in flags}
        if outside.startswith("/") and inside.startswith("/") and "pernodecache" not in kinds:
            shown.append(Shown(_plain(outside), _plain(inside), "rec" in kinds, "ro" in kinds))
    modules = {found[1] for key in told if (found := re.match(r"module_([^_]+)_", key))}
    return Site(tuple(shown), frozenset(modules), told.get("imagePath", ""))


def _plain(path: str) -> str:
    return os.path.normpath(path.strip())


def _keys(text: str) -> Mapping[str, str]:
    """Lines of `key=value`; a backslash at a line's end goes on with the next one."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    told: dict[str, str] = {}
    for line in re.sub(r"\\[ \t]*\n", " ", "\n".join(lines)).splitlines():
        key, equals, value = line.partition("=")
        if equals:
            told[key.strip()] = value.strip()
    return told


def unusable() -> Problem | None:
    """Why no container of Shifter's can start here; None where nothing is known to be wrong.
    Raises EngineDown."""
    if os.getuid() == 0:
        return Problem("Shifter refuses to run containers for root.", "Run Jupyter as yourself.")
    program = which("shifter")
    if program is not None and not _is_setuid(program):
        return Problem(
            f"{program} lacks the right to start containers: it is not setuid root.",
            f"Ask the administrator: sudo chown root {program} && sudo chmod u+s {program}",
        )
    site, ours = read(), cache_directory()
    ours.mkdir(mode=0o700, parents=True, exist_ok=True)
    if is_plain(str(ours)) and site.written(ours):
        return None
    return Problem(
        f"Containers cannot be given {ours}, where we keep what they need.",
        "Set XDG_CACHE_HOME to a directory of yours that they see, its path of letters, digits and "
        f". _ + - only: below {site.said()}.",
    )


def _is_setuid(program: str) -> bool:
    found = os.stat(program)  # noqa: PTH116 - of text
    return found.st_uid == 0 and bool(found.st_mode & stat.S_ISUID)


def is_plain(path: str) -> bool:
    """Whether Shifter takes a path as it is: it drops all other characters silently
    (`userInputPathFilter`)."""
    return re.fullmatch(r"[A-Za-z0-9_.+/-]*", path) is not None


def environment() -> dict[str, str | None]:
    """Without what would name another image, other mounts and other modules."""
    return {
        name: None for name in os.environ if name.startswith(("SHIFTER", "SLURM_SPANK_SHIFTER"))
    }


def all_shown(site: Site) -> Problem:
    """What no container is without, and no setting hides."""
    return Problem(
        f"Containers see what this site shows in every one: {site.said()}. They can read and "
        "write there what you can.",
        "Use apptainer, Podman or Docker for code that must not.",
    )
