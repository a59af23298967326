"""Packages and folders among the paths that changed in a container. Pure.

Package managers write down what they installed, each package in a file or folder whose name says
which: what was rolled back has none, and whoever installed it in which way makes no difference.

    …/site-packages/NAME-VERSION.dist-info/   pip, uv; REQUESTED in it: somebody named it
    …/conda-meta/NAME-VERSION-BUILD.json      conda, mamba
    /var/lib/dpkg/info/NAME.list              apt
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from packaging.utils import canonicalize_name

from ..dockerfile.installs import APT, CONDA, PIP, Install, Package
from ..layout import INSIDE
from ..models import ChangedPath, ChangeKind
from ..text import escaped

_DIST = re.compile(r"(.*/(?:site|dist)-packages)/([^/]+)-([^/-]+)\.(?:dist|egg)-info(/[^/]+)?")
_CONDA_META = re.compile(r"(.*)/conda-meta/([^/]+)-([^/-]+)-[^/-]+\.json")
_DEB = re.compile(r"/var/lib/dpkg/info/([a-z0-9][a-z0-9+.-]+)(?::[a-z0-9]+)?\.list")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+!-]{0,99}")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")

_NOISE = re.compile(
    r"/(?:tmp|var/tmp|run|var/run|dev|proc|sys|var/cache|var/log|var/lib/apt|var/lib/dpkg)(?:/|$)"
    rf"|{INSIDE}(?:/|$)"
    r"|/etc/(?:mtab|hosts|hostname|resolv\.conf|ld\.so\.cache|passwd|group)(?:-|$)|/\.dockerenv$"
    r"|.*/(?:__pycache__|\.ipynb_checkpoints|\.ipython|\.jupyter|\.conda|conda-meta)(?:/|$)"
    r"|.*/\.cache/(?:pip|uv|conda|matplotlib|fontconfig)(?:/|$)|.*/\.config/matplotlib(?:/|$)"
    r"|.*/\.(?:bash_history|python_history|wget-hsts|lesshst|node_repl_history)$"
    r"|.*/(?:conda|mambaforge|miniforge3|miniconda3|anaconda3|micromamba)/pkgs(?:/|$)"
)
"""What changes by itself, by looking at it, or with what was installed."""
_DEEP = 3
"""Names in the path of a folder that changes are shown by."""
_MOST_FOLDERS = 100
_MOST_ENTRIES = 100
_MOST_PACKAGES = 1000


@dataclass(frozen=True, kw_only=True)
class ChangedPackage:
    """A package that is not in the image, or not at this version. Without a `version` it was
    removed, without `was` it is new; of apt's neither is known."""

    tool: str
    name: str
    version: str
    was: str
    kind: ChangeKind
    asked: bool
    """Whether somebody named it: all others came because these need them."""


@dataclass(frozen=True, kw_only=True)
class ChangedEntry:
    """A file that changed, or all of a folder that is new or gone; `path` begins at its folder."""

    path: str
    kind: ChangeKind
    files: int
    size: int | None


@dataclass(frozen=True, kw_only=True)
class ChangedFolder:
    """Entries that lie near each other. `more` of them are left out."""

    path: str
    files: int
    size: int | None
    entries: tuple[ChangedEntry, ...]
    more: int


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What files in the container say besides; each empty where it could not be read."""

    points: Collection[str] = ()
    """Where something is mounted."""
    extended_states: str = ""
    """apt's: which packages came because another needs them."""
    history: str = ""
    """conda's: what was asked for."""
    managed: bool = False
    """Whether pip needs `--break-system-packages`."""


def packages(paths: Sequence[ChangedPath], seen: Seen) -> list[ChangedPackage]:
    """Those that were installed, removed or changed, named ones first."""
    by_conda = _by_conda(paths, seen)
    names = {canonicalize_name(one.name) for one in by_conda}
    by_pip = [one for one in _by_pip(paths, bool(by_conda)) if one.name not in names]
    found = [*by_pip, *by_conda, *_by_apt(paths, seen)]
    return sorted(found, key=lambda one: (not one.asked, one.tool, one.name))[:_MOST_PACKAGES]


def _by_pip(paths: Sequence[ChangedPath], conda: bool) -> list[ChangedPackage]:
    environments = _environments(paths)
    there: dict[str, str] = {}
    gone: dict[str, str] = {}
    named: set[str] = set()
    unnamed: set[str] = set()
    for one in paths:
        if (found := _DIST.fullmatch(one.path)) is None or one.path.startswith(environments):
            continue
        name, version, file = canonicalize_name(found[2]), found[3], found[4]
        if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
            continue
        if file == "/REQUESTED" and one.kind == "added":
            named.add(name)
        elif file == "/direct_url.json" and one.kind == "added":
            unnamed.add(name)  # from an address or a folder: no index need have it
        elif file is None and one.kind != "changed":
            (there if one.kind == "added" else gone)[name] = version
    if conda:  # its packages are made from folders
        there = {name: version for name, version in there.items() if name not in unnamed}
    # Before pip 20.3 nothing told.
    asked = named - unnamed if named else set(there) - unnamed
    return _compared(PIP, there, gone, asked)


def _environments(paths: Iterable[ChangedPath]) -> tuple[str, ...]:
    """Where the virtual environments are that somebody made: what is installed in them is none of
    the kernel's."""
    ends = "/pyvenv.cfg"
    return tuple(
        one.path.removesuffix("pyvenv.cfg")
        for one in paths
        if one.kind == "added" and one.path.endswith(ends)
    )


def _by_conda(paths: Sequence[ChangedPath], seen: Seen) -> list[ChangedPackage]:
    """Of the outermost environment: another one's is none of the kernel's."""
    matches = [(one, _CONDA_META.fullmatch(one.path)) for one in paths]
    found = [(one, match) for one, match in matches if match is not None]
    prefix = min((match[1] for _, match in found), key=len, default="")
    there: dict[str, str] = {}
    gone: dict[str, str] = {}
    for one, match in found:
        if match[1] == prefix and _NAME.fullmatch(match[2]) and one.kind != "changed":
            (there if one.kind == "added" else gone)[match[2]] = match[3]
    specs = re.findall(r"^# update specs: \[(.*)\]", seen.history, re.MULTILINE)
    words = re.findall(r"""["']([^"']+)["']""", " ".join(specs))
    asked = {re.split(r"[\s=<>!~\[]", word.rpartition("::")[2])[0] for word in words}
    return _compared(CONDA, there, gone, asked & set(there) if asked else set(there))


def _compared(
    tool: str, there: Mapping[str, str], gone: Mapping[str, str], asked: Collection[str]
) -> list[ChangedPackage]:
    return [
        ChangedPackage(
            tool=tool,
            name=name,
            version=there.get(name, ""),
            was=gone.get(name, ""),
            kind="removed" if name not in there else "changed" if name in gone else "added",
            asked=name in asked,
        )
        for name in sorted({**there, **gone})
    ]


def _by_apt(paths: Iterable[ChangedPath], seen: Seen) -> list[ChangedPackage]:
    automatic = {
        block.partition("\n")[0].strip()
        for block in re.split(r"^Package:", seen.extended_states, flags=re.MULTILINE)
        if "Auto-Installed: 1" in block
    }
    kinds = {match[1]: one.kind for one in paths if (match := _DEB.fullmatch(one.path)) is not None}
    return [
        ChangedPackage(
            tool=APT,
            name=name,
            version="",
            was="",
            kind=kind,
            asked=kind == "added" and name not in automatic,
        )
        for name, kind in sorted(kinds.items())
    ]


def installs_of(found: Iterable[ChangedPackage], seen: Seen) -> list[Install]:
    """The commands that install what was asked for: the others come with it. apt's first, since
    the others may need them to be built."""
    made = []
    for tool, program in ((APT, "apt-get"), (CONDA, "conda"), (PIP, "pip")):
        named = [
            Package(tool=tool, name=one.name, version=one.version)
            for one in found
            if one.tool == tool and one.asked and one.kind != "removed"
        ]
        options = ("--break-system-packages",) if tool == PIP and seen.managed else ()
        if named:
            made.append(Install(tool=tool, program=program, packages=tuple(named), options=options))
    return made


def folders(
    paths: Sequence[ChangedPath], points: Collection[str]
) -> tuple[list[ChangedFolder], int]:
    """What changed besides noise and what is mounted at `points`, by folder; how many folders are
    left out."""
    # Folders above a mount are changed by it alone.
    inner = {str(above) for point in points for above in PurePosixPath(point).parents}
    inner |= {one.path.rpartition("/")[0] for one in paths}
    kept = [
        one
        for one in paths
        if not _NOISE.match(one.path)
        and not one.path.endswith(".pyc")
        and one.path not in points
        # A folder's own change is that something in it did, or that it was made anew.
        and not (one.kind != "added" and one.path in inner)
    ]
    entries = _entries(kept, inner)
    found: dict[str, list[ChangedEntry]] = {}
    for one in entries:
        folder = "/".join(one.path.split("/")[:-1][: _DEEP + 1]) or "/"
        relative = one.path.removeprefix(folder).lstrip("/")
        found.setdefault(folder, []).append(
            ChangedEntry(path=escaped(relative), kind=one.kind, files=one.files, size=one.size)
        )
    made = [
        ChangedFolder(
            path=escaped(path),
            files=sum(one.files for one in some),
            size=_sum(one.size for one in some),
            entries=tuple(some[:_MOST_ENTRIES]),
            more=max(0, len(some) - _MOST_ENTRIES),
        )
        for path, some in sorted(found.items())
    ]
    return made[:_MOST_FOLDERS], max(0, len(made) - _MOST_FOLDERS)


def _entries(paths: Sequence[ChangedPath], inner: Collection[str]) -> list[ChangedEntry]:
    """Each outermost path that is new or gone, with how many files it holds; each file that
    changed. Folders of which only noise is left are none."""
    tops: dict[str, ChangedPath] = {}
    counts: dict[str, int] = {}
    sizes: dict[str, int | None] = {}
    top = "/"
    for one in sorted(paths, key=lambda one: one.path.split("/")):
        if not one.path.startswith(f"{top}/"):
            top = one.path
        tops.setdefault(top, one)
        if one.path not in inner:
            counts[top] = counts.get(top, 0) + 1
            if one.size is not None:
                sizes[top] = (sizes.get(top) or 0) + one.size
    return [
        ChangedEntry(path=path, kind=one.kind, files=counts[path], size=sizes.get(path))
        for path, one in tops.items()
        if path in counts
    ]


def _sum(sizes: Iterable[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if known else None
