"""What `stats` and `history` of docker and podman print, as our dataclasses.

Docker prints an object per line, podman an array; the keys differ in their case. All of it may
come from a hostile image or container.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ..errors import ImageNotHere
from ..host.environment import memory
from ..host.process import Completed
from ..measures import Layer, Stats
from ..text import one_line, printable
from ._trouble import daemon_trouble
from .docker.inspect import parse_array, parse_object

Run = Callable[[Sequence[str]], Awaitable[Completed]]

_SIZE = re.compile(r"([0-9.]+)\s*([kKMGT]?)(i?)B")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_MOST_LAYERS = 500


async def stats(engine: str, id: str, run: Run) -> Stats | None:
    """See `Engine.stats`. `run` runs a command of the engine."""
    done = await run(["stats", "--no-stream", "--format", "{{json .}}", id])
    if done.code:
        # The last is what podman says without root on cgroups v1.
        none = r"no such|no container|not running|stats is not supported"
        if re.search(none, done.stderr, re.IGNORECASE):
            return None
        raise daemon_trouble(engine, done.stderr)
    said = next(iter(_objects(done.stdout)), None)
    return read_stats(said) if said is not None else None


def read_stats(said: dict[str, Any]) -> Stats | None:
    """One container's line. Docker shows a container that has ended as one that uses nothing."""
    by = {key.lower().replace("_", ""): str(value) for key, value in said.items()}
    used, _, limit = by.get("memusage", "").partition("/")
    percent = by.get("cpupercent", by.get("cpuperc", "")).strip().removesuffix("%")
    pids = by.get("pids", "").strip()
    if used.strip() in ("", "--") or pids == "0":
        return None
    most = _bytes(limit)
    return Stats(
        cpu_percent=float(percent) if re.fullmatch(r"[0-9]{1,7}(\.[0-9]+)?", percent) else 0.0,
        memory_bytes=_bytes(used),
        # Where nothing limits a container both engines show the memory of the machine.
        memory_limit=most if 0 < most < 0.98 * memory() else None,
        pids=int(pids) if re.fullmatch(r"[0-9]{1,9}", pids) else None,
    )


async def layers(engine: str, reference: str, run: Run) -> list[Layer]:
    """See `Engine.layers`."""
    argv = ["history", "--no-trunc", "--human=false", "--format", "{{json .}}", reference]
    done = await run(argv)
    if done.code:
        if re.search(r"no such image|image not known|not found", done.stderr, re.IGNORECASE):
            raise ImageNotHere(reference, engine)
        raise daemon_trouble(engine, done.stderr)
    return [_layer(one) for one in _objects(done.stdout)[:_MOST_LAYERS]]


def _layer(said: dict[str, Any]) -> Layer:
    size = said.get("Size", said.get("size", 0))
    return Layer(
        created_by=printable(str(said.get("CreatedBy", said.get("createdBy", ""))), 2000),
        size=size if isinstance(size, int) else _bytes(str(size)),
        created=one_line(str(said.get("CreatedAt", said.get("created", "")))),
    )


def _objects(text: str) -> list[dict[str, Any]]:
    """An array's objects (podman), or one per line (docker)."""
    if text.lstrip().startswith("["):
        return parse_array(text)
    return [one for one in map(parse_object, text.splitlines()) if one]


def _bytes(text: str) -> int:
    """`12.3MB`, `1.2GiB`, or a plain number."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return int(text[:18])
    found = _SIZE.match(text)
    if found is None or found[1].count(".") > 1:
        return 0
    base = 1024 if found[3] else 1000
    return int(float(found[1]) * base ** _POWERS[found[2].lower()])
