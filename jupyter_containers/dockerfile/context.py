"""A build's context: the files that COPY and ADD name, their fingerprint, a folder of just them.

Nothing else is read, hashed or sent: a large data set beside the notebook costs nothing. All
functions here touch many files and block; `builds` calls them in a thread.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import itertools
import json
import os
import posixpath
import re
import shutil
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from e2b_dockerfile_utils import PatternMatcher

from ..errors import BadInput, DiskFull, PolicyRefused
from ..host.paths import cache_directory
from ..text import one_line
from .collect import MAX_HOPS, MAX_LOOKED, Gatherer, is_sensitive, matcher_of
from .contents import Dockerfile
from .digest_cache import Digests
from .openat import SafeDir

_READABLE = stat.S_ISUID | stat.S_ISGID | 0o555
"""The mode bits that count. Who may write a file depends on the umask of whoever checked it
out, and two people's contexts of one commit shall have one fingerprint."""
_FICLONE = 0x40049409  # linux/fs.h: share the blocks of another file (btrfs, xfs)


@dataclass(frozen=True)
class File:
    """One entry. `content` is the sha256 of a file, the target of a link, "" of a folder;
    `identity` its device, inode and time of change, so that `stage` takes no other.
    """

    path: str
    kind: Literal["file", "link", "folder"]
    size: int
    mode: int
    content: str
    identity: tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Context:
    """`files` are in order of their path. `left_out` are hidden files, keys, sockets and links
    that lead out, met below a folder or by a pattern: a notice for whoever expected them.
    """

    directory: Path
    files: tuple[File, ...] = ()
    left_out: tuple[str, ...] = ()
    written: bool = False
    """A RUN mounts it for writing, which podman does with the files themselves: no hard links."""

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def fingerprint(self) -> str:
        """sha256, in hex, of names, contents and modes; of no directory and of no times."""
        digest = hashlib.sha256()
        for file in self.files:
            mode = file.mode & _READABLE if file.kind != "link" else 0
            line = [file.path, file.kind, mode, file.content]
            digest.update(json.dumps(line).encode() + b"\n")
        return digest.hexdigest()


Allow = Callable[[Path, Mapping[str, bool]], None]
"""Gets the context's directory, resolved, and paths below it with whether each is a folder."""


def _opened(base: Path, option: str) -> SafeDir:
    """The directory that `--context` names, relative to the notebook's.

    Raises BadInput where there is none. Whether it may be used is the caller's to decide: it
    may be anywhere.
    """
    try:
        return SafeDir(base / option, through_links=True)
    except (OSError, ValueError) as error:
        closed = isinstance(error, PermissionError)
        raise BadInput(
            f"The build's folder {option or base.name!r} "
            + ("cannot be read: permission denied." if closed else "is not there."),
            f"--context is a folder, relative to {base}.",
        ) from None


def collect(
    dockerfile: Dockerfile,
    base: Path,
    option: str = "",
    *,
    max_bytes: int | None = None,
    file: Path | None = None,
    allow: Allow = lambda *_: None,
) -> Context:
    """The files that the Dockerfile names, each hashed at most once in its life. They lie below
    `base`, the notebook's directory, or the one that `--context` names (`option`). `file` is
    where the Dockerfile is, if it is no cell: what to leave out may be said beside it. `allow`
    gets what the sources lead to, and raises where that may not be read. No folder is walked and
    no file is opened before.

    The directory is opened once, and `allow` is told where it really is: code in a container
    can put a link in its place at any time.

    Raises DockerfileError for what is missing or leads out, with its line, PolicyRefused where
    it is over `max_bytes` (Policy.max_context; nothing is hashed then), BadInput for the rest.
    """
    sources = dockerfile.sources
    with contextlib.closing(_opened(base, option)) as root:
        directory = root.path
        gatherer = Gatherer(root)
        for source in sources:
            gatherer.take(source)
        allow(directory, gatherer.named)
        if not sources:
            return Context(directory=directory)
        gatherer.walk(*_ignore(root, file))
        if gatherer.beside:
            allow(directory, gatherer.beside)
        _limit(gatherer, max_bytes)
        with contextlib.closing(_digests()) as digests:
            files = [
                _file(root, digests, directory, path, status, gatherer.targets.get(path))
                for path, status in sorted(gatherer.found.items())
            ]
    return Context(
        directory=directory,
        files=tuple(files),
        left_out=tuple(sorted(gatherer.left_out)),
        written=any(source.writable for source in sources),
    )


def _digests() -> Digests:
    return Digests(cache_directory() / "digests.sqlite")


def continuations(base: Path, option: str, typed: str) -> tuple[Path, list[tuple[str, bool]]]:
    """What a word of COPY that begins with `typed` may name, for an editor: the context's
    directory, and paths below it in order, each with whether it is a folder.

    Only where a build reads without a question: nothing where `--context` (`option`) leads out of
    `base`, the notebook's resolved directory. No link is followed. Hidden files are there where the
    word's last part begins with a dot, keys and what .dockerignore leaves out never. Raises
    BadInput as `collect` does.
    """
    above, _, begun = typed.rpartition("/")
    parts = [part for part in above.split("/") if part not in ("", ".")]
    with contextlib.closing(_opened(base, option)) as root:
        directory = root.path
        if ".." in parts or not directory.is_relative_to(base):
            return directory, []
        ignore, _ = _ignore(root, None)
        found: dict[str, bool] = {}
        try:
            with root.folder("/".join(parts)) as folder, os.scandir(folder) as entries:
                for entry in itertools.islice(entries, MAX_LOOKED):
                    hidden = is_sensitive(entry.name) and not begun.startswith(".")
                    if entry.name.startswith(begun) and _PLAIN.fullmatch(entry.name) and not hidden:
                        path = "/".join([*parts, entry.name])
                        found[path] = entry.is_dir(follow_symlinks=False)
        except (OSError, ValueError):  # as yet, what was typed is no folder
            return directory, []
    for path, is_folder in list(found.items()):
        left_out = ignore is not None and ignore.matches(path)
        if left_out and not (is_folder and ignore is not None and ignore.may_match_under(path)):
            del found[path]
    return directory, sorted(found.items())[:_MOST_OFFERED]


_MOST_OFFERED = 200
_PLAIN = re.compile(r"""[^\s"'\\$*?\[\]<]+""")
"""Names that COPY takes as they are."""
_IGNORE = (".containerignore", ".dockerignore")


def _ignore(root: SafeDir, file: Path | None) -> tuple[PatternMatcher | None, str]:
    """What is left out, and the file that says so: the first of those beside the Dockerfile and
    those in the folder. Alike on all engines, so that a file which a person left out is in no
    image. Raises BadInput where it cannot be read.

    https://docs.docker.com/build/concepts/context/#dockerignore-files
    https://github.com/containers/common/blob/main/docs/containerignore.5.md
    """
    if file is not None:
        with contextlib.closing(SafeDir(file.parent)) as beside:
            for end in reversed(_IGNORE):
                if (found := _matcher(beside, file.name + end)) is not None:
                    return found, file.name + end
    for name in _IGNORE:
        if (found := _matcher(root, name)) is not None:
            return found, name
    return None, _IGNORE[-1]


def _matcher(root: SafeDir, name: str) -> PatternMatcher | None:
    """The patterns of a file, as moby reads them; None where it is not there."""
    try:
        path = _linked(root, name)
        with root.file(path) as descriptor, open(descriptor, "rb", closefd=False) as f:
            text = f.read(1024 * 1024).decode("utf-8-sig", "surrogateescape")
        if "\0" in text:
            raise ValueError("it is no text in UTF-8")
        lines = (line for line in text.split("\n") if line.strip() and line[0] != "#")
        return matcher_of(list(lines))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        why = one_line(getattr(error, "strerror", None) or str(error), 300)
        raise BadInput(f"{name} cannot be read: {why}.", "Mend or remove it.") from error


def _linked(root: SafeDir, name: str) -> str:
    """What a file's name leads to through links within its folder, such as to .gitignore."""
    for _ in range(MAX_HOPS):
        if not stat.S_ISLNK(root.status(name).st_mode):
            return name
        name = posixpath.normpath(posixpath.join(posixpath.dirname(name), root.link(name)))
        if f"{name}/".startswith(("/", "../")):
            break
    raise OSError("it is a link that leads out of its folder")


def _limit(gatherer: Gatherer, max_bytes: int | None) -> None:
    sizes = {
        path: status.st_size
        for path, status in gatherer.found.items()
        if stat.S_ISREG(status.st_mode)
    }
    total = sum(sizes.values())
    if max_bytes is not None and total > max_bytes:
        largest = sorted(sizes, key=lambda path: -sizes[path])[:3]
        listed = ", ".join(f"{path} ({_human(sizes[path])})" for path in largest)
        raise PolicyRefused(
            f"COPY and ADD name {_human(total)} in {len(sizes):,} files, and at most "
            f"{_human(max_bytes)} may go into a build. The largest: {listed}",
            "Policy.max_context",
            "Mount data instead of copying it (--mount), or list it in .dockerignore.",
        )


def _human(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def _file(
    root: SafeDir,
    digests: Digests,
    directory: Path,
    path: str,
    status: os.stat_result,
    target: str | None,
) -> File:
    """`target` is where a link points that was followed."""
    mode, identity = stat.S_IMODE(status.st_mode), _identity(status)
    try:
        if stat.S_ISDIR(status.st_mode):
            return File(path, "folder", 0, mode, "", identity)
        if stat.S_ISLNK(status.st_mode):
            target = root.link(path) if target is None else target
            return File(path, "link", 0, mode, target, identity)
        if (content := digests.known(f"{directory}/{path}", status)) is not None:
            return File(path, "file", status.st_size, mode, content, identity)
        with root.file(path) as descriptor:
            now = os.fstat(descriptor)
            if _identity(now) != identity:
                raise OSError("it was changed just now")
            content = digests.of(descriptor, f"{directory}/{path}")
            return File(path, "file", now.st_size, mode, content, identity)
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read for the build: {error.strerror or error}.",
            "Change its mode, or name it in .dockerignore."
            if isinstance(error, PermissionError)
            else "Run the cell again, or name the file in .dockerignore.",
        ) from error


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_dev, status.st_ino, status.st_mtime_ns


def stage(context: Context, into: Path) -> None:
    """Make the folder `into` (its parent is there) with just these files, for the engine.

    Files are hard links where both lie on one file system, else copies that share blocks where
    it can; so let `into` be near. Raises BadInput where a file is not the one collected, and
    DiskFull. Undo it with `unstage`, which keeps the digests valid.
    """
    into.mkdir(mode=0o700)
    try:
        _fill(context, into)
    except BaseException:
        unstage(context, into)
        raise


def _fill(context: Context, into: Path) -> None:
    folders = []
    with (
        contextlib.closing(SafeDir(context.directory)) as root,
        contextlib.closing(SafeDir(into)) as below,
        contextlib.closing(_digests()) as digests,
    ):
        for file in context.files:
            above, _, name = file.path.rpartition("/")
            (into / above).mkdir(parents=True, exist_ok=True)
            with below.folder(above) as folder:
                if file.kind == "folder":
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(name, dir_fd=folder)
                    folders.append(file)
                elif file.kind == "link":
                    os.symlink(file.content, name, dir_fd=folder)
                else:
                    _place(root, digests, context, file, folder, name)
        for file in reversed(folders):
            (into / file.path).chmod(file.mode | stat.S_IRWXU)


def _place(
    root: SafeDir, digests: Digests, context: Context, file: File, folder: int, name: str
) -> None:
    try:
        with root.file(file.path) as descriptor:
            before = os.fstat(descriptor)
            if _identity(before) != file.identity or before.st_size != file.size:
                raise OSError("it was changed just now")
            try:
                if context.written:
                    raise OSError
                # Through /proc, so that the inode that was checked is the one that is linked.
                os.link(f"/proc/self/fd/{descriptor}", name, dst_dir_fd=folder)
            except OSError:  # another file system, or somebody else's file
                _copy(descriptor, folder, name, file.mode)
            digests.renew(f"{context.directory}/{file.path}", before, os.fstat(descriptor))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull("the copy of the build's files") from error
        raise BadInput(
            f"{file.path} cannot be read for the build: {error.strerror or error}.",
            "Run the cell again.",
        ) from error


def _copy(descriptor: int, folder: int, name: str, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    target = os.open(name, flags, 0o600, dir_fd=folder)
    with open(descriptor, "rb", closefd=False) as source, os.fdopen(target, "wb") as copy:
        try:
            fcntl.ioctl(target, _FICLONE, descriptor)
        except OSError:
            shutil.copyfileobj(source, copy, 1024 * 1024)
        os.fchmod(target, mode)


def unstage(context: Context, into: Path) -> None:
    """Remove the folder that `stage` made, or what there is of it. Twice is fine."""
    with (
        contextlib.suppress(OSError),
        contextlib.closing(_digests()) as digests,
        contextlib.closing(SafeDir(context.directory)) as root,
    ):
        for file in context.files:
            if file.kind == "file":
                _unlink(root, digests, context.directory, file, into / file.path)
    shutil.rmtree(into, ignore_errors=True)


def _unlink(root: SafeDir, digests: Digests, directory: Path, file: File, staged: Path) -> None:
    """Removing a hard link changes the other one's ctime, by which its digest is known."""
    with contextlib.suppress(OSError), root.file(file.path) as descriptor:
        before = os.fstat(descriptor)
        if os.path.samestat(before, staged.lstat()):
            staged.unlink()
            digests.renew(f"{directory}/{file.path}", before, os.fstat(descriptor))
