"""RUN --mount as the engine gets it: each option by a grammar, its variables put in. Pure.

Engines read a mount in different orders. BuildKit splits it at its commas and then expands each
value; buildah expands the whole first, so that a variable (of an ARG, or of the base image) adds
options of its own: `target=$T` with T=`/x,id=../../..`. So nothing of a mount is passed on: what
was read here, without any variable, is written anew (`Mount.flag`).
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .instructions import Instruction, closest, mounts
from .variables import Scope

OURS = "jupyter-containers-"
"""What the cache ids begin with that the engine gets. No Dockerfile names one itself."""

_WORD = "word"
_PATH = re.compile(r"[^,]+")
_ID = re.compile(r"[\w.:@+/-]+", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,10}")
_MODE = re.compile(r"[0-7]{1,5}")
_SIZE = re.compile(r"[0-9]{1,15}(\.[0-9]{1,6})?([kmgtpKMGTP]i?)?[bB]?")
_BOOL = re.compile(r"true|false|1|0", re.IGNORECASE)
_OPTIONS: Mapping[str, re.Pattern[str] | str] = {
    "type": re.compile(r"bind|cache|tmpfs|secret|ssh"),
    "from": re.compile(r".+"),  # a stage or an image: `parser` reads it
    "source": _PATH,
    "target": _PATH,
    "id": re.compile(r".+"),  # of a cache: see `Mount.cache_id`
    "sharing": re.compile(r"shared|private|locked"),
    "mode": _MODE,
    "uid": _NUMBER,
    "gid": _NUMBER,
    "size": _SIZE,
    "tmpfs-size": _SIZE,
    "tmpfs-mode": _MODE,
    "env": re.compile(r"[A-Za-z_]\w*", re.ASCII),
    "required": _BOOL,
    "ro": _BOOL,
    "rw": _BOOL,
    "relabel": re.compile(r"shared|private"),
    "bind-propagation": re.compile(r"r?(private|slave)"),
    "consistency": re.compile(r"consistent|cached|delegated"),
    **dict.fromkeys(("private", "rprivate", "slave", "rslave", "bind-nonrecursive"), _WORD),
    **dict.fromkeys(("nosuid", "nodev", "noexec", "tmpcopyup", "no-dereference"), _WORD),
    **dict.fromkeys(("z", "Z", "U"), _WORD),
}
"""https://docs.docker.com/reference/dockerfile/#run---mount and, for what only podman has,
https://github.com/containers/common/blob/main/docs/Containerfile.5.md (RUN --mount)"""
_ID_TYPES = ("secret", "ssh")
_ENDS = re.compile(r"[\s,\"'`$\\\x00-\x1f\x7f]")
"""What ends an option, or begins another reading of it, in one of the engines."""
KEPT_OUT = ("/proc/", "/sys/")
"""The kernel's own files: what stands there instead misleads the engine's runtime (runc's
CVE-2019-19921, CVE-2025-31133, CVE-2025-52881). https://github.com/opencontainers/runc/security"""


@dataclass(frozen=True, kw_only=True)
class Mount:
    """One RUN --mount. `options` have no variables, no synonyms, and their order; a bare word
    (`ro`, `z`) has the value "". `index` counts the mounts of the RUN that stands at `line`."""

    line: int
    index: int
    options: Mapping[str, str]

    @property
    def kind(self) -> str:
        """bind, cache, tmpfs, secret or ssh."""
        return self.options["type"]

    @property
    def origin(self) -> str:
        """The stage or image that it shows; "" where it is the context, or none of both."""
        return self.options.get("from", "")

    @property
    def source(self) -> str:
        """What it shows of that, from its root on; "" for all."""
        return posixpath.normpath(f"/{self.options.get('source', '')}").strip("/")

    @property
    def writable(self) -> bool:
        """Whether a bind mount asks to be written."""
        return self.kind == "bind" and "rw" in self.options

    @property
    def touched(self) -> bool:
        """Whether the engine changes its files, even if it is only read: podman's `U` gives them
        another owner, `z` and `Z` another label."""
        return self.writable or not {"z", "Z", "U", "relabel"}.isdisjoint(self.options)

    @property
    def cache_id(self) -> str:
        """Which cache is meant: the same on every engine. Without an id, the one of its target.
        https://docs.docker.com/reference/dockerfile/#run---mounttypecache"""
        target = self.options.get("target", "")
        return self.options.get("id") or (posixpath.normpath(target) if target else "")

    def flag(self, origin: str, caches: str, lacks: Collection[str] = ()) -> str:
        """The whole flag, for the engine. `origin` is what stands for its `from`. With `caches`, a
        word of one person's, the id of a cache is a hash of both: no path, whatever it was. What
        its builder `lacks` is said in `late.py`.

        buildah before 1.38 (and what distributions did not mend) joins the id to a directory of
        its own as it is: `..` mounted any directory of the host for writing (CVE-2024-9675).
        """
        options = {**self.options, **({"from": origin} if origin else {})}
        if self.kind == "cache" and caches:
            options.pop("id", None)
            options["id"] = hashed(caches, self.cache_id)
        if options.get("sharing") in lacks:
            del options["sharing"]
        return "--mount=" + ",".join(f"{k}={v}" if v else k for k, v in options.items())


def hashed(caches: str, cache_id: str) -> str:
    """What stands for a cache id."""
    made_of = json.dumps([caches, cache_id])
    return OURS + hashlib.sha256(made_of.encode()).hexdigest()[:32]


def read_mounts(one: Instruction, scope: Scope) -> Iterator[Mount]:
    """The mounts of a RUN. Raises DockerfileError for what is outside the grammar."""
    for index, written in enumerate(mounts(one)):
        options = {"type": written.get("type") or "bind"}
        for key, content in written.items():
            name, value = _option(one, key, content, scope)
            if name in options and name != "type":
                one.fail(f"--mount says {name} twice.")
            if value is not None:
                options[name] = value
        if {"ro", "rw"} <= options.keys():
            one.fail("a mount is ro or rw, and not both.")
        _check_names(one, options)
        yield Mount(line=one.line, index=index, options=options)


def read_kept(one: Instruction, scope: Scope) -> Iterator[Mount]:
    """The mounts of a RUN that ONBUILD kept, which engines read as it is written: nothing can be
    put in its place. Raises DockerfileError for what would have to be."""
    for written in mounts(one):
        if odd := [key for key, value in written.items() if "$" in value]:
            one.fail(
                f"variables do not work in the {odd[0]} of a mount that ONBUILD keeps.",
                "Write the value itself.",
            )
    for mount in read_mounts(one, scope):
        name = mount.cache_id if mount.kind == "cache" else ""
        path = name.startswith("/") and "id" in mount.options
        if path or ".." in name.split("/") or name.startswith(OURS):
            one.fail(
                f"the cache id {name!r} of a mount that ONBUILD keeps cannot be used.",
                "Name the cache with letters, digits, - _ and . alone: id=pip",
            )
        yield mount


def _option(one: Instruction, key: str, written: str, scope: Scope) -> tuple[str, str | None]:
    """One option's name, and its value; None where it says nothing."""
    name = {"readonly": "ro", "readwrite": "rw"}.get(key, key)
    grammar = _OPTIONS.get(name)
    if grammar is None:
        close = closest(name, _OPTIONS)
        one.fail(f"--mount knows no {name or 'empty option'}.", close and f"Did you mean {close}?")
    if name == "from" and "$" in written:
        return name, written  # its reader says so
    value = scope.expand(written, one)
    if _ENDS.search(value) or not value.isprintable():
        one.fail(
            f"{name}={value} of a mount has a character that ends an option "
            "(space, comma, quote, $ or backslash).",
            "Choose a value of letters, digits, / - _ and .",
        )
    if isinstance(grammar, str):
        if value:
            one.fail(f"{name} of a mount takes no value.")
        return name, ""
    if not value:
        return name, "" if written == "" and grammar is _BOOL else None
    if not grammar.fullmatch(value):
        one.fail(f"{name} of a mount cannot be {value!r}.")
    if grammar is _BOOL:
        return _switch(name, value.lower() in ("true", "1"))
    return name, value


def _switch(name: str, on: bool) -> tuple[str, str | None]:
    """One spelling: podman 4.3 takes `rw=false` for rw."""
    if name == "required":
        return name, "true" if on else "false"
    return (name, "") if on else ({"ro": "rw", "rw": "ro"}[name], "")


def _check_names(one: Instruction, options: Mapping[str, str]) -> None:
    """Paths and ids of one mount."""
    target = options.get("target", "")
    whole = "/" + posixpath.normpath(f"/{target}").lstrip("/")
    if ".." in target.split("/"):
        one.fail(f"the target {target!r} of a mount leads upwards.", "Write the whole path.")
    if f"{whole}/".startswith(KEPT_OUT):
        one.fail(f"nothing can be mounted on {target}.", "Choose a directory of the image's own.")
    if options["type"] in _ID_TYPES:
        for name in (options.get("id", ""), options.get("source", "")):
            if name and (not _ID.fullmatch(name) or name[0] == "/" or ".." in name.split("/")):
                one.fail(f"{name!r} names no {options['type']}.", "Use letters, digits, - _ and .")
    if options.get("from") and not {"z", "Z", "U", "relabel"}.isdisjoint(options):
        one.fail(
            "z, Z and U would change the image that the mount shows.",
            "Leave it out, or copy the files: COPY --from",
        )


# -- what a builder may not be given ---------------------------------------------------------


def through_links(found: Sequence[Mount]) -> Mount | None:
    """The first mount whose source may lead through a symbolic link that somebody else made: one
    in a stage or an image, or one that a RUN put into the context. At the root is none.

    buildah before 1.35.1 followed it on the host (CVE-2024-1753), and one before 1.38.1 where it
    was put there meanwhile (CVE-2024-11218).
    """
    written = [one.source for one in _of_context(found) if one.writable]
    for one in found:
        inner = one.kind in ("bind", "cache") and one.origin and one.source
        if inner or (one in _of_context(found) and any(_below(one.source, s) for s in written)):
            return one
    return None


def keeps_writes(found: Sequence[Mount]) -> Mount | None:
    """The first mount that would change an image, or a stage that others see. buildah before
    1.38.1 writes to the files themselves; later ones, as BuildKit, throw away what was written."""
    return next((one for one in found if one.writable and one.origin), None)


def of_caches(found: Sequence[Mount]) -> Mount | None:
    """The first mount of a part of a cache. BuildKit before 0.12.5 followed a link that another
    RUN put there meanwhile (CVE-2024-23651)."""
    return next((one for one in found if one.kind == "cache" and one.source), None)


def _of_context(found: Iterable[Mount]) -> list[Mount]:
    return [one for one in found if one.kind == "bind" and not one.origin]


def _below(path: str, above: str) -> bool:
    return path != above and (not above or path.startswith(f"{above}/"))
