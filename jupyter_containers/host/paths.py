"""Where we keep things on the host, and how to read what a container wrote.

    RUNTIME          $XDG_RUNTIME_DIR/jc, else /tmp/jc-UID, private: directories of containers
      RUNDIR/        one container's; whose it is: `owners.py`
      empty          stands over what a container must not see
    CACHE            $XDG_CACHE_HOME/jupyter-containers: may be deleted at any time
      runtimes/      links to each RUNTIME that containers were started from
    DATA             Jupyter's data directory/jupyter_containers: approvals

No function here waits for anybody; each touches a file or two.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import tempfile
from functools import cache
from pathlib import Path
from shutil import which

from jupyter_core.paths import jupyter_config_dir, jupyter_data_dir, jupyter_runtime_dir

from ..errors import KernelError, StartFailed
from ..models import is_plain

_LONGEST = 64
"""Bytes of the runtime directory's path. A socket's holds 104 (macOS) to 108 (Linux) with its
NUL, on either side, and `/8 characters/run/guest` and a little room follow."""


def runtime_directory() -> Path:
    """A private directory with a short path for sockets; made where it is not there.

    Raises StartFailed where something else stands in its place: in /tmp anybody may have put it.
    """
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    places = [Path(given) / "jc"] if _is_ours(given) else []
    if not places or _is_shifter_here(os.environ.get("PATH", os.defpath)):
        places.insert(0, Path(f"/tmp/jc-{os.getuid()}"))
    with contextlib.suppress(StartFailed):  # anybody can take a name in /tmp
        make_private(places[0])
        return places[0]
    make_private(places[-1])
    return places[-1]


@cache
def _is_shifter_here(path: str) -> bool:
    """Its containers see this machine's /tmp, and nothing of /run (shifter.c, its mounts)."""
    return which("shifter", path=path) is not None


def _is_ours(runtime: str) -> bool:
    """Whether $XDG_RUNTIME_DIR can be used: sudo, su and containers hand on another user's."""
    try:
        found = os.stat(runtime)  # noqa: PTH116 - os.access has no pathlib form either
        return (
            os.path.isabs(runtime)  # noqa: PTH117
            and is_plain(runtime)
            and stat.S_ISDIR(found.st_mode)
            and found.st_uid == os.getuid()
            and not found.st_mode & 0o022
            and os.access(runtime, os.W_OK | os.X_OK)
            and len(os.fsencode(runtime)) + len("/jc") <= _LONGEST
        )
    except (OSError, ValueError):
        return False


def make_private(path: Path) -> None:
    """Make a directory for us alone, or make sure that it is one. Its parents are not made.

    Raises StartFailed where it is a symlink, belongs to somebody else or is open to others.
    """
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise _not_private(path, f"it is no directory of ours ({error.strerror})") from None
    try:
        found = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if found.st_uid != os.getuid():
        raise _not_private(path, f"it belongs to user {found.st_uid}")
    if found.st_mode & 0o077:
        raise _not_private(path, "other users can enter it")


def _not_private(path: Path, why: str) -> StartFailed:
    return StartFailed(
        f"The private directory {path} cannot be used: {why}.",
        "Remove it, or set XDG_RUNTIME_DIR to a short path of a directory that is yours alone.",
    )


def empty_directory() -> Path:
    """An empty directory of ours, to stand read-only over what a container must not see. Not a
    tmpfs: that belongs to root inside, and podman fills it with a copy of what it stands over
    (https://docs.podman.io/en/stable/markdown/podman-run.1.html#tmpfs-fs)."""
    empty = runtime_directory() / "empty"
    make_private(empty)
    return empty


def empty_file() -> Path:
    """The same for a file."""
    empty = runtime_directory() / "empty-file"
    os.close(os.open(empty, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o400))
    return empty


def cache_directory() -> Path:
    """What may be deleted at any time: kits, probes, homes of containers. May not exist yet."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    # Relative paths are invalid: https://specifications.freedesktop.org/basedir-spec/latest/
    base = Path(given) if given.startswith("/") else Path.home() / ".cache"
    return base / "jupyter-containers"


def temporary_parent(usual: str = "/tmp") -> str:
    """Where a temporary directory is made whose path engines get: the person's TMPDIR, or `usual`
    where none is set or programs would not take it as it is."""
    given = os.environ.get("TMPDIR", "")
    return given if given.startswith("/") and is_plain(given) else usual


def data_directory() -> Path:
    """What this person decided. Never mounted into a container. May not exist yet."""
    return Path(jupyter_data_dir()) / "jupyter_containers"


def moved(path: Path, before: Path, after: Path) -> Path:
    """Where `path` is once `before`, which is it or a folder above it, has become `after`."""
    return after / path.relative_to(before) if path.is_relative_to(before) else path


def named_jupyter_directories() -> tuple[str, ...]:
    """Jupyter's config, data and runtime directories (tokens, approvals), as they are named: links
    on the way are not followed."""
    return jupyter_config_dir(), jupyter_data_dir(), jupyter_runtime_dir()


@cache
def boot_id() -> str:
    """Which boot of this machine's kernel: two that name the same share its sockets."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


_POD = re.compile(r" /(?:\S+/)?pods/([0-9a-f-]{32,36})/etc-hosts /etc/hosts ")
"""Of mountinfo: kubelet mounts a file of each Pod there, from a directory by the Pod's uid."""


@cache
def life_id() -> str:
    """Which boot of this machine; in a Pod, which Pod: the next one may have its name and its node.
    A container that is started again in its Pod goes on with the same."""
    with contextlib.suppress(OSError):
        if uid := pod_uid(Path("/proc/self/mountinfo").read_text(errors="replace")):
            return uid
    return boot_id()


def pod_uid(mounts: str) -> str:
    """The uid of the Pod whose mountinfo this is; empty: it is no Pod's."""
    found = _POD.search(mounts)
    return found[1] if found is not None else ""


def read_untrusted(path: Path, max_bytes: int) -> bytes:
    """A file's bytes from a directory that a container can write: a regular file of ours, no
    symlink, no FIFO to hang on, of at most `max_bytes`.

    `path.parent` itself must be a directory that the container cannot replace, such as the
    one it has mounted. Raises KernelError, whose sentence says what stands there instead.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        why = "it is a symlink" if error.errno == errno.ELOOP else error.strerror
        raise _untrusted(path, str(why)) from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _untrusted(path, "it is no regular file")
        if found.st_uid != os.getuid():
            raise _untrusted(path, f"it belongs to user {found.st_uid}")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(max_bytes + 1)
    finally:
        os.close(descriptor)
    if len(data) > max_bytes:
        raise _untrusted(path, f"it is larger than {max_bytes} bytes")
    return data


def _untrusted(path: Path, why: str) -> KernelError:
    return KernelError(
        f"{path.name!r} in a container's private directory was not read: {why}.",
        "Something in the container put it there. Restart the kernel.",
    )


def replace_file(path: Path, data: bytes, *, lasting: bool = True) -> None:
    """Write a file, 0600, so that readers see the old one or the new one, whole; also after a
    power cut, where it is `lasting`."""
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(data)
            file.flush()
            if lasting:
                os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
