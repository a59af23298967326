"""What we remember on disk: small JSON documents, and directories that appear whole or not at all.

Everything lies below `paths.cache_directory()` and can be deleted at any time. Used by `probe`
and `kit`. The functions block for a file or two: call them in a thread.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ..text import untrusted_json
from .paths import cache_directory
from .reaper.client import reaper
from .reaper.trees import remove_tree


def place(kind: str, *parts: object) -> Path:
    """Where what `parts` lead to is kept; their order and number count."""
    text = json.dumps([str(part) for part in parts])
    return cache_directory() / kind / hashlib.sha256(text.encode()).hexdigest()[:24]


def recall(path: Path) -> dict[str, Any] | None:
    """A remembered document, or None where there is none that can be read."""
    try:
        value = untrusted_json(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def remember(path: Path, document: dict[str, Any]) -> None:
    """Write a document; readers see the old or the new one. A full disk forgets it."""
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.touch(mode=0o600)
        new.write_text(json.dumps(document))
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)


def personal_word() -> str:
    """A word that nobody else knows, of this person on this machine; the same every time. It
    tells apart what several people keep in one place, such as a daemon's caches of builds.

    Where none can be kept, the word is weaker: their number."""
    path = cache_directory() / "personal-word"
    word = (recall(path) or {}).get("word")
    if not isinstance(word, str) or len(word) < 32:
        remember(path, {"word": secrets.token_hex(16)})
        word = (recall(path) or {}).get("word")
    return word if isinstance(word, str) else str(os.getuid())


def settle(new: Path, final: Path) -> None:
    """Move a finished directory to its place. Somebody else's that is there already stays."""
    new.chmod(0o755)
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        new.rename(final)
    except OSError:
        if not final.is_dir():
            raise


async def make_directory(above: Path, prefix: str = "new-") -> Path:
    """A new private directory. Cancelling leaves none behind: the thread that makes it goes on
    when nobody waits for it any more."""
    making = asyncio.ensure_future(asyncio.to_thread(tempfile.mkdtemp, prefix=prefix, dir=above))
    try:
        return Path(await asyncio.shield(making))
    except asyncio.CancelledError:
        await asyncio.wait({making})
        if making.exception() is None:
            Path(making.result()).rmdir()
        raise


@asynccontextmanager
async def workplace(kind: str) -> AsyncIterator[Path]:
    """A private directory beside the finished ones; removed after, even from a killed owner."""
    above = cache_directory() / kind
    await asyncio.to_thread(os.makedirs, above, exist_ok=True)
    work = await make_directory(above)
    reaper.add(work.name, [], [str(work)])
    try:
        yield work
    finally:
        await asyncio.to_thread(remove_tree, str(work))
        reaper.forget(work.name)
