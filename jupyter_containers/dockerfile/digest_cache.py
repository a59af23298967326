"""sha256 of files, remembered, so that a large file is read once and not for every build.

A file is known by its path, device, inode, size and both times, to the nanosecond, as git
knows it. Everything can be deleted at any time; without a writable cache nothing is remembered.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
from pathlib import Path

_DAYS = 60
_SETTLED = 1_000_000_000
"""Nanoseconds after which a change would show in the times: a file written and hashed within
one tick of the file system's clock could be written again unseen ("racy git")."""
_TABLE = (
    "CREATE TABLE IF NOT EXISTS digests (path BLOB PRIMARY KEY, known TEXT, sha256 TEXT, day INT)"
)


def _make_private(file: Path) -> None:
    """Names of a person's files are nobody else's business. Raises OSError."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


class Digests:
    """The table, open for one collection of files. Not for use in several threads."""

    def __init__(self, file: Path) -> None:
        self._fresh: dict[bytes, tuple[str, str]] = {}
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_private(file)
            self._table = self._open(str(file))
        except (OSError, sqlite3.Error):
            self._table = self._open(":memory:")

    def _open(self, name: str) -> sqlite3.Connection:
        table = sqlite3.connect(name, timeout=1.0)
        try:
            table.execute(_TABLE)
        except sqlite3.Error:
            table.close()
            raise
        return table

    def known(self, path: str, status: os.stat_result) -> str | None:
        """What is remembered of a file with this status, without touching it."""
        return self._recall(os.fsencode(path), status)

    def of(self, descriptor: int, path: str) -> str:
        """sha256, in hex, of an open regular file, whose name is `path`. Raises OSError."""
        key, status = os.fsencode(path), os.fstat(descriptor)
        now = time.time_ns()
        with open(descriptor, "rb", closefd=False) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        unchanged = _known(os.fstat(descriptor)) == _known(status)
        if unchanged and now - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED:
            self._fresh[key] = (_known(status), digest)
        return digest

    def _recall(self, key: bytes, status: os.stat_result) -> str | None:
        try:
            row = self._table.execute(
                "SELECT known, sha256 FROM digests WHERE path = ?", (key,)
            ).fetchone()
        except sqlite3.Error:
            return None
        return str(row[1]) if row is not None and row[0] == _known(status) else None

    def renew(self, path: str, before: os.stat_result, after: os.stat_result) -> None:
        """A hard link was made or removed, which changes the inode's ctime and no content:
        keep what was known of the file `before`, if the rest of it is the same `after`.
        """
        key = os.fsencode(path)
        digest = self._recall(key, before)
        if digest is not None and _content(before) == _content(after):
            self._fresh[key] = (_known(after), digest)

    def close(self) -> None:
        """Write what is new; forget what nobody asked for in two months."""
        day = int(time.time() // 86400)
        rows = [(key, known, digest, day) for key, (known, digest) in self._fresh.items()]
        with contextlib.suppress(sqlite3.Error):
            if rows:
                with self._table:
                    self._table.execute("DELETE FROM digests WHERE day < ?", (day - _DAYS,))
                    self._table.executemany("REPLACE INTO digests VALUES (?, ?, ?, ?)", rows)
        self._table.close()


def _content(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _known(status: os.stat_result) -> str:
    return " ".join(map(str, (*_content(status), status.st_ctime_ns)))
