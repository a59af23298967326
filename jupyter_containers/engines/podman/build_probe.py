"""Whether podman's builder keeps RUN --mount to the build: tried once per program.

Distributions mend old versions, so versions mislead. One build of nothing, without network and
without any program, tells by what the OCI runtime makes: for a mount within another mount it makes
a directory in that one's source (`made`), wherever that is. A link of a stage leads to a directory
of ours; where `made` turns up there, the builder followed the link on this machine.

    CVE-2024-1753, CVE-2024-11218   links       https://github.com/containers/buildah/pull/5411
                                    and writes  https://github.com/containers/buildah/pull/5918
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from shutil import which

from ...errors import EngineError
from ...host.cache import place, recall, remember
from ...host.process import run
from ...host.reaper import podman_build
from ...host.reaper.client import reaper
from ...models import BuilderFaults
from ..common.versions import at_least
from .buildah import clean_up, make_directory, sweep_argv

_TIMEOUT = 120.0
_MADE = "made"
_DOCKERFILE = f"""\
FROM scratch AS stage
COPY tree /
FROM scratch
RUN --mount=type=cache,id=control,target=/control --mount=type=tmpfs,target=/control/{_MADE} \
--mount=type=bind,from=stage,source=/link,target=/links,rw \
--mount=type=tmpfs,target=/links/{_MADE} \
--mount=type=bind,source=kept,target=/writes,rw --mount=type=tmpfs,target=/writes/{_MADE} \
["/nothing"]
"""


async def faults(command: Sequence[str], version: str) -> BuilderFaults:
    """What the builder of `command` (podman, or what takes its arguments) does wrong. By its
    version only where it cannot be tried, as where podman talks to another machine."""
    kept = await asyncio.to_thread(_place, command[0])
    if (known := _read(await asyncio.to_thread(recall, kept))) is not None:
        return known
    found = await _try(command)
    if found is None:
        old = not at_least(version, 5, 4)
        return BuilderFaults(links=old, writes=old, tried=False)
    await asyncio.to_thread(remember, kept, asdict(found))
    return found


def _place(program: str) -> Path:
    """Where the answer is kept: another program, or another version of it, has another."""
    parts: list[object] = [os.environ.get("CONTAINER_HOST", "")]
    for name in (program, "podman"):
        if (path := which(name)) is not None:
            status = Path(path).stat()
            parts += [Path(path).resolve(), status.st_mtime_ns, status.st_size]
    return place("builders", *parts)


def _read(document: dict[str, object] | None) -> BuilderFaults | None:
    links, writes = ((document or {}).get(name) for name in ("links", "writes"))
    if isinstance(links, bool) and isinstance(writes, bool):
        return BuilderFaults(links=links, writes=writes)
    return None


def probe_argv(command: Sequence[str], directory: str) -> list[str]:
    """The command, pure. No layer is kept: an interrupted probe leaves nothing among images."""
    return [
        *command,
        "build",
        "--layers=false",
        "--force-rm",
        "--network=none",
        f"--secret=id={podman_build.MARKER},src={directory}/{podman_build.MARKER}",
        "--file=-",
        f"{directory}/context",
    ]


async def _try(command: Sequence[str]) -> BuilderFaults | None:
    directory = await asyncio.to_thread(make_directory)
    sweep = sweep_argv(directory, command)
    reaper.add(f"build-{directory}", [sweep], [])
    try:
        await asyncio.to_thread(_prepare, Path(directory))
        argv = probe_argv(command, directory)
        # It fails, since there is no program: what counts was made before that.
        await run(argv, input=_DOCKERFILE.encode(), timeout=_TIMEOUT, env={"TMPDIR": directory})
        return await asyncio.to_thread(_seen, Path(directory))
    except (EngineError, OSError):
        return None
    finally:
        await asyncio.shield(clean_up(directory, sweep, None, clean=False))
        reaper.forget(f"build-{directory}")


def _prepare(directory: Path) -> None:
    """The canary, a link to it, and in the stage a directory of the same path: there a builder
    that stays in the stage comes to."""
    canary = directory / "canary"
    tree = directory / "context" / "tree"
    canary.mkdir()
    for inner in (tree / canary.relative_to("/"), directory / "context" / "kept"):
        inner.mkdir(parents=True)
        (inner / "file").touch()
    (tree / "link").symlink_to(canary)


def _seen(directory: Path) -> BuilderFaults | None:
    """None where the control is missing: then the runtime came to no mount at all."""
    if not any(directory.glob(f"buildah-cache*/**/{_MADE}")):
        return None
    return BuilderFaults(
        links=(directory / "canary" / _MADE).exists(),
        writes=(directory / "context" / "kept" / _MADE).exists(),
    )
