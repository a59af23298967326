"""Which files a Dockerfile names: patterns, `.dockerignore`, links, and what is left out.

    COPY src *.txt /app/     → what the words name below the context's directory, and no more

Hidden files and keys are copied only where a word names them: `COPY . /app` must not carry
`.env` or `id_rsa` into an image by accident. A symlink that a word leads through is followed
inside the directory only; one found in a folder stays a link.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
import stat
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from e2b_dockerfile_utils import PatternMatcher

from ..errors import BadInput, DockerfileError
from .contents import Source
from .openat import SafeDir

MAX_FILES = 200_000
MAX_LOOKED = 10_000
"""Names that patterns are held against before somebody is asked: beyond, it is for the folder."""
MAX_HOPS = 40
"""Links in a row, as in Linux."""
_MAX_DEPTH = 200
_MAX_PATH = 2000


@contextmanager
def _told(source: Source) -> Iterator[None]:
    """What goes wrong, as a mistake in what a source names."""
    try:
        yield
    except ValueError as error:
        raise error_at(source, f"{source.path!r} is no pattern: {error}.") from error
    except PermissionError as error:
        raise error_at(
            source,
            f"{error.filename or source.path!r} cannot be read: permission denied.",
            "Change its mode, or name it in .dockerignore.",
        ) from error
    except OSError as error:
        raise error_at(source, f"{source.path!r} changed meanwhile: {error}.") from error


class Gatherer:
    """Collects what sources name below one directory, in two steps: `take` each source, which
    looks only where it leads, and `walk`, which goes through folders. Between them somebody may
    be asked. `found` maps paths to their status."""

    def __init__(self, root: SafeDir) -> None:
        self.root = root
        self.ignore: PatternMatcher | None = None
        self.ignored_by = ""
        self.found: dict[str, os.stat_result] = {}
        self.named: dict[str, bool] = {}
        """What sources lead to, and whether that is a folder, of which all is taken."""
        self.targets: dict[str, str] = {}
        """Where the links point that sources lead through. Each is read once: a container can put
        another in its place, of which nobody was asked."""
        self.left_out: set[str] = set()
        self._later: list[tuple[Source, Callable[[], bool]]] = []
        """What `walk` does: each says whether anything was kept."""
        self._links: list[tuple[str, os.stat_result, range]] = []
        """Links that sources lead through, and which of `_later` is behind each."""
        self._asked: Mapping[str, bool] = {}
        self._looked = 0
        self._walking = False

    def take(self, source: Source) -> None:
        """Find what one source names. Raises DockerfileError, with its line, where that is not
        there or leads out of the directory.
        """
        parts = words(source)
        with _told(source):
            if not parts:
                self._whole("", source, allows_hidden=False)
                return
            found = self._reach("", parts, source, allows_hidden=False, hops=0)
            if not found and not any(part.pattern for part in parts):
                raise self._missing(source, parts)

    def walk(self, ignore: PatternMatcher | None, ignored_by: str = ".dockerignore") -> None:
        """Add what was found, with all that is in its folders, but for what `ignored_by` leaves
        out. Raises DockerfileError where that is what a source names."""
        self.ignore, self.ignored_by, self._asked = ignore, ignored_by, dict(self.named)
        self._walking = True
        kept = []
        for source, step in self._later:  # it grows: see `_reach`
            with _told(source):
                kept.append(step())
        for path, status, behind in self._links:
            if any(kept[behind.start : behind.stop]):
                self._add(path, status)
            else:
                self.left_out.add(path)

    @property
    def beside(self) -> dict[str, bool]:
        """Of `named`, what `walk` came upon outside of all that was named before it."""

        def inside(path: str) -> bool:
            above = path.split("/")
            return path in self._asked or any(
                self._asked.get("/".join(above[:n])) for n in range(len(above))
            )

        return {path: folder for path, folder in self.named.items() if not inside(path)}

    def _whole(self, path: str, source: Source, *, allows_hidden: bool) -> None:
        self.named[path] = True
        self._later.append((source, partial(self.folder, path, allows_hidden=allows_hidden)))

    def _reach(
        self, base: str, parts: Sequence[Word], source: Source, *, allows_hidden: bool, hops: int
    ) -> bool:
        """Follow `parts` from the folder `base`, which no symlink leads to."""
        part, rest = parts[0], parts[1:]
        if part.text == "..":  # Of a symlink's target: words() leaves none.
            if not base:
                return self._leads_out(source, base)
            above = base.rpartition("/")[0]
            if rest:
                return self._reach(above, rest, source, allows_hidden=allows_hidden, hops=hops)
            self._whole(above, source, allows_hidden=False)
            return True
        anywhere = part.pattern and part.text == "**" and source.parents
        if not self._walking and part.pattern and (anywhere or self._looked > MAX_LOOKED):
            self.named[base] = True
            step = partial(self._reach, base, parts, source, allows_hidden=allows_hidden, hops=hops)
            self._later.append((source, step))
            return True
        if anywhere:
            return self._anywhere(base, parts, source, allows_hidden=allows_hidden, hops=hops)
        found = False
        for name in self._names(base, part):
            path = f"{base}/{name}" if base else name
            if part.pattern and is_sensitive(name) and not (allows_hidden or part.allows_hidden):
                self.left_out.add(path)
                continue
            inner = allows_hidden or name.startswith(".")
            found |= self._arrive(path, rest, source, allows_hidden=inner, hops=hops)
        return found

    def _names(self, base: str, part: Word) -> list[str]:
        if part.pattern:
            names = [name for name, _ in self.root.names(base)]
            self._looked += len(names)
            return part.among(names)
        return [part.text]

    def _anywhere(
        self, base: str, parts: Sequence[Word], source: Source, *, allows_hidden: bool, hops: int
    ) -> bool:
        """`**` of COPY --parents: here or in any folder below."""
        rest = parts[1:] or [Word("*", pattern=True)]
        found = self._reach(base, rest, source, allows_hidden=allows_hidden, hops=hops)
        for name, status in self.root.names(base):
            if stat.S_ISDIR(status.st_mode) and (allows_hidden or not is_sensitive(name)):
                inner = f"{base}/{name}" if base else name
                found |= self._anywhere(
                    inner, parts, source, allows_hidden=allows_hidden, hops=hops
                )
        return found

    def _arrive(
        self, path: str, rest: Sequence[Word], source: Source, *, allows_hidden: bool, hops: int
    ) -> bool:
        """Take what stands at `path`, or go on below it."""
        try:
            status = self.root.status(path)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
                return False
            raise
        if stat.S_ISLNK(status.st_mode):
            return self._follow(path, status, rest, source, allows_hidden=allows_hidden, hops=hops)
        if rest:
            inside = stat.S_ISDIR(status.st_mode)
            return inside and self._reach(
                path, rest, source, allows_hidden=allows_hidden, hops=hops
            )
        is_folder = stat.S_ISDIR(status.st_mode)
        if not (is_folder or stat.S_ISREG(status.st_mode)):
            raise error_at(source, f"{path!r} is neither a file nor a folder.")
        self.named[path] = is_folder
        step = partial(self._keep, path, status, source, allows_hidden=allows_hidden)
        self._later.append((source, step))
        return True

    def _keep(
        self, path: str, status: os.stat_result, source: Source, *, allows_hidden: bool
    ) -> bool:
        """Add a file or folder that a source names, unless it is left out."""
        ignored = self._ignored(path)
        if not ignored:
            self._add(path, status)
        if stat.S_ISDIR(status.st_mode) and (not ignored or self._may_keep(path)):
            return self.folder(path, allows_hidden=allows_hidden)
        return not ignored or self._is_ignored(path, source)

    def _follow(
        self,
        path: str,
        status: os.stat_result,
        rest: Sequence[Word],
        source: Source,
        *,
        allows_hidden: bool,
        hops: int,
    ) -> bool:
        """Keep a link that a source leads through, and go on where it points."""
        if path not in self.targets:
            self.targets[path] = self.root.link(path)
        target = self.targets[path]
        if target.startswith("/") or hops >= MAX_HOPS:
            return self._leads_out(source, path)
        onward = [Word(part) for part in target.split("/") if part not in ("", ".")]
        base = path.rpartition("/")[0]
        found, before = True, len(self._later)
        if [*onward, *rest]:
            found = self._reach(
                base, [*onward, *rest], source, allows_hidden=allows_hidden, hops=hops + 1
            )
        else:
            self._whole(base, source, allows_hidden=False)
        self._links.append((path, status, range(before, len(self._later))))
        return found

    def folder(self, path: str, *, allows_hidden: bool) -> bool:
        """All below a folder. Links stay links; sockets, pipes and devices are left out."""
        pending = [path]
        while pending:
            above = pending.pop()
            for name, status in self.root.names(above):
                inner = f"{above}/{name}" if above else name
                if is_sensitive(name) and not allows_hidden:
                    self.left_out.add(inner)
                    continue
                ignored = self._ignored(inner)
                is_folder = stat.S_ISDIR(status.st_mode)
                if is_folder and (not ignored or self._may_keep(inner)):
                    pending.append(inner)
                if not ignored:
                    self._add(inner, status)
        return True

    def _add(self, path: str, status: os.stat_result) -> None:
        kind = stat.S_IFMT(status.st_mode)
        if kind not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            self.left_out.add(path)
            return
        if path.count("/") > _MAX_DEPTH or len(path) > _MAX_PATH:
            raise BadInput(f"The folder {path[:60]}… nests too deep for a build.")
        if stat.S_IFMT(self.found.setdefault(path, status).st_mode) != kind:
            raise BadInput(f"{path} was changed just now.", "Run the cell again.")
        if len(self.found) > MAX_FILES:
            raise BadInput(
                f"COPY and ADD name more than {MAX_FILES:,} files.",
                "Name fewer folders, or list what is not needed in .dockerignore.",
            )

    def _ignored(self, path: str) -> bool:
        return self.ignore is not None and self.ignore.matches(path)

    def _may_keep(self, path: str) -> bool:
        return self.ignore is not None and self.ignore.may_match_under(path)

    def _is_ignored(self, path: str, source: Source) -> bool:
        """A pattern may meet ignored files; a plain name of one is a mistake."""
        if any(part.pattern for part in words(source)):
            return False
        raise error_at(
            source,
            f"{path!r} is left out by {self.ignored_by}.",
            f"Add a line !{path} at its end, or take the word out of {source.instruction}.",
        )

    def _leads_out(self, source: Source, path: str) -> bool:
        if any(part.pattern for part in words(source)):
            self.left_out.add(path)
            return False
        raise error_at(
            source,
            f"{source.path!r} is a symlink that leads out of the build's folder.",
            "Copy the file itself there, or choose a folder above with --context.",
        )

    def _missing(self, source: Source, parts: Sequence[Word]) -> DockerfileError:
        names: list[str] = []
        above = "/".join(part.text for part in parts[:-1])
        try:
            names = [name for name, _ in self.root.names(above)]
        except OSError:
            above = ""
        close = difflib.get_close_matches(parts[-1].text, names[:5000], 1)
        hint = "Paths are relative to the notebook's folder, or to --context."
        if close:
            hint = f"Did you mean {f'{above}/' if above else ''}{close[0]}? {hint}"
        return error_at(source, f"{source.path!r} is not there.", hint)


_MAX_PATTERNS = 2_000
_WILDCARD = re.compile(r"(?<!\\)(?:\\\\)*[*?\[]")
_SENSITIVE = re.compile(
    r"\..+|id_(rsa|dsa|ecdsa|ed25519)(_sk)?|.+\.(pem|key|p12|pfx|ppk|jks|keystore|kdbx)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Word:
    """One part of a path: a plain name, or a pattern."""

    text: str
    pattern: bool = False

    def among(self, names: Sequence[str]) -> list[str]:
        """The names of a folder that are meant. Patterns are Go's filepath.Match's."""
        matcher = matcher_of([f"./{self.text}"])  # ./ lets no ! or # be special
        return [name for name in names if matcher.matches(name)]

    @property
    def allows_hidden(self) -> bool:
        """Whether it says itself that hidden files or keys are meant: `.env*`, `*.pem`."""
        text = re.sub(r"\[.*?\]|[*?]+", "x", self.text) if self.pattern else self.text
        return is_sensitive(text)


def matcher_of(patterns: Sequence[str]) -> PatternMatcher:
    """Moby's patterns, of which Python's `re` need not warn. Raises ValueError, also for those
    that would take `re` very long: a stranger may have written them.
    """
    patterns = [re.sub(r"(\*\*/)+", "**/", pattern) for pattern in patterns]
    if len(patterns) > _MAX_PATTERNS:
        raise ValueError(f"over {_MAX_PATTERNS:,} patterns")
    for pattern in patterns:
        stars = max(len(re.findall(r"\*+", part)) for part in pattern.split("/"))
        if stars > 4 or pattern.rstrip().removesuffix("/**").count("**") > 3:
            raise ValueError(f"too many * in {pattern[:100]!r}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return PatternMatcher(patterns)


def is_sensitive(name: str) -> bool:
    """Whether a file or folder of this name goes along only when it is named."""
    return _SENSITIVE.fullmatch(name) is not None


def words(source: Source) -> list[Word]:
    """The parts of a source's path, `.` and `..` resolved as text. Raises DockerfileError."""
    found: list[str] = []
    for part in source.path.split("/"):
        if part == ".." and not found:
            raise error_at(
                source,
                f"{source.path!r} is outside the build's folder.",
                "Copy the file beside the notebook, or choose a folder above with --context.",
            )
        if part == "..":
            found.pop()
        elif part not in ("", "."):
            found.append(part)
    wild = source.wildcards
    return [
        Word(part, pattern=True)
        if wild and _WILDCARD.search(part)
        else Word(re.sub(r"\\(.)", r"\1", part) if wild else part)
        for part in found
    ]


def error_at(source: Source, why: str, hint: str = "") -> DockerfileError:
    """A mistake in what one source names."""
    return DockerfileError(source.line, source.instruction, why, hint)
