"""What a container has that its image has not: asked of the engine, and of the container itself."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ..engines.process_engine import upper
from ..errors import StreamFailed
from ..host.mountinfo import points_in
from ..host.owners import run_dir_of
from ..host.rundir import run_dir_at
from ..models import ChangedPath
from .changed_paths import ChangedFolder, ChangedPackage, Seen, folders, packages
from .listing import OwnedContainer
from .spec import home_inside
from .streams import read_streams

_SECONDS = 20.0
_MOST_TEXT = 8 << 20
_READ = """cat /proc/self/mountinfo
printf '\\0'
cat /var/lib/apt/extended_states
printf '\\0'
for file in "$CONDA_PREFIX" /opt/conda /opt/miniforge3 /opt/miniconda3; do
  if [ -e "$file/conda-meta/history" ]; then tail -c 1000000 "$file/conda-meta/history"; break; fi
done
printf '\\0'
ls -d /usr/lib/python3*/EXTERNALLY-MANAGED /usr/local/lib/python3*/EXTERNALLY-MANAGED
"""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """`more` folders are left out."""

    packages: tuple[ChangedPackage, ...]
    folders: tuple[ChangedFolder, ...]
    more: int
    seen: Seen


async def find_changes(one: OwnedContainer) -> Changes:
    """Raises Unsupported where the engine keeps none, EngineError."""
    paths, home, seen = await asyncio.gather(
        one.engine.changes(one.container.id),
        asyncio.to_thread(_written_at_home, one.container.name),
        _look(one.container.name),
    )
    return await asyncio.to_thread(_found, [*paths, *home], seen)


def _found(paths: list[ChangedPath], seen: Seen) -> Changes:
    found, more = folders(paths, seen.points)
    return Changes(
        packages=tuple(packages(paths, seen)), folders=tuple(found), more=more, seen=seen
    )


def _written_at_home(name: str) -> list[ChangedPath]:
    """HOME is a directory of ours, which no engine compares with anything."""
    root = run_dir_of(name)
    if root is None:
        return []
    home = home_inside()
    there = upper.changes(run_dir_at(root).home, None)
    return [ChangedPath(home + one.path, one.kind, one.size) for one in there]


async def _look(name: str) -> Seen:
    """What the container's own files say. All of it is its word; nothing where it has no shell."""
    root = run_dir_of(name)
    said = b""
    try:
        if root is not None:
            async with asyncio.timeout(_SECONDS):
                streams = await asyncio.to_thread(read_streams, root)
                program = await streams.exec(["sh", "-c", _READ])
                try:
                    async for kind, data in program.output():
                        said += data if kind == 1 and len(said) < _MOST_TEXT else b""
                finally:
                    program.close()
    except (StreamFailed, TimeoutError):
        pass
    mountinfo, states, history, managed = [*said.split(b"\0"), b"", b"", b"", b""][:4]
    return Seen(
        points=frozenset(points_in(mountinfo)),
        extended_states=states.decode(errors="replace"),
        history=history.decode(errors="replace"),
        managed=bool(managed.strip()),
    )
