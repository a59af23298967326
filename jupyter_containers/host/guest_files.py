"""Our programs for the inside, of one version, for as long as anybody uses them.

    CACHE/guests/DIGEST/    what containers have mounted read-only

They are not mounted from where this package is installed: an upgrade under running kernels would
put files of the new version beside those that a guest has loaded, and give a server of the old
version guests of the new one. A process reads them once; their digest names the copy.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from ..layout import GUEST_DIR
from .cache import settle
from .paths import cache_directory
from .reaper.trees import remove_tree

_SUFFIXES = (".py", ".sh")
_whole: set[Path] = set()
"""Copies that this process has compared."""


@cache
def guest_files() -> Mapping[str, bytes]:
    """Each by its name, as it was when this process first asked."""
    found = (path for path in sorted(GUEST_DIR.iterdir()) if path.suffix in _SUFFIXES)
    return {path.name: path.read_bytes() for path in found}


def guest_text(name: str) -> str:
    """One of them."""
    return guest_files()[name].decode()


def guest_directory() -> Path:
    """The copy to mount, made where it is not there or not whole. Cheap after the first call.
    Raises OSError."""
    place = cache_directory() / "guests" / _digest()
    if place in _whole and place.is_dir():
        return place
    if not _is_whole(place):
        remove_tree(str(place))
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix="new-", dir=place.parent))
        try:
            copy_guest(new)
            settle(new, place)
        finally:
            remove_tree(str(new))
    _whole.add(place)
    return place


def copy_guest(into: Path) -> None:
    """Write them into a directory, to be read by whoever a container runs as."""
    for name, data in guest_files().items():
        descriptor = os.open(into / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(descriptor, 0o644)


@cache
def _digest() -> str:
    digest = hashlib.sha256()
    for name, data in guest_files().items():
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return digest.hexdigest()[:24]


def _is_whole(place: Path) -> bool:
    try:
        names = {path.name for path in place.iterdir()}
        return names == set(guest_files()) and all(
            (place / name).read_bytes() == data for name, data in guest_files().items()
        )
    except OSError:
        return False
