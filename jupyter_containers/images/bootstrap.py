"""A base image for the first Dockerfile: from the hub, or where none is reachable from packages.

Sites without a way to a hub (air-gapped, behind a strict proxy) still have their distribution's
package mirror: `mmdebstrap` makes a root file system from it, and the engine loads that.
Called by `jupyter containers bootstrap`; base images of the tests are made here too.
"""

from __future__ import annotations

import asyncio
import os
import platform
import re
import shutil
import tarfile
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

from ..dockerfile.variables import platform_args
from ..engines.guarded import Guarded
from ..engines.process_engine.image_archive import wrap
from ..errors import ContainersError, DiskFull, EngineFailed, ImageError, NetworkFailed
from ..host.process import Stream, run
from ..models import Image, Progress
from ..text import one_line

BASE = "localhost/jupyter-containers/python"
"""What `FROM` names in our notebooks: with its Python's version as the tag, and as `latest`."""

HUB = "docker.io/library/python:3.12-slim"
_HUB_PATIENCE = 20.0
"""Seconds without a first word from the hub before the packages are taken instead."""
_LONGEST = 600.0

_PACKAGES = ("ca-certificates", "python-is-python3", "python3", "python3-pip", "python3-venv")
_MERGED = Path("/usr/share/mmdebstrap/hooks/maybe-merged-usr")
"""Merges /usr before the first package: Debian 12 would install `usrmerge` to do it, and all of
perl with that (48 MB). From mmdebstrap 1.3; its manual page, "--hook-directory"."""
_MIRROR = "http://deb.debian.org/debian"
_CONFIG = {
    "architecture": platform_args()["TARGETARCH"],
    "config": {"Env": ["LANG=C.UTF-8"], "Cmd": ["python3"]},
}
_TAGGING = ("docker", "podman", "podman-hpc")
"""Engines with a command that names an image; the others keep their images here."""
_SUITE = "trixie"
"""The Debian release for hosts that are neither Debian nor Ubuntu."""

OnProgress = Callable[[str], None]


async def get_base_image(engine: Guarded, on_progress: OnProgress, *, hub: bool = True) -> str:
    """Get `BASE` onto the engine and return its reference; at once where it is there already.

    `on_progress` gets a line for each thing that takes time. `hub=False` goes to the packages
    directly. Raises ImageError where neither way works.
    """
    if await engine.image(BASE) is not None:
        on_progress(f"{BASE} is here already.")
        return f"{BASE}:latest"
    if hub:
        try:
            return await _from_hub(engine, on_progress)
        except ContainersError as error:
            on_progress(f"Without the hub: {error.message}")
    return await _from_packages(engine, on_progress)


async def _from_hub(engine: Guarded, on_progress: OnProgress) -> str:
    on_progress(f"Pulling {HUB}")
    image = None
    async with aclosing(engine.pull(HUB)) as events:
        async for event in _within(events, _HUB_PATIENCE):
            image = event.image
            if event.kind == "notice":
                on_progress(event.text)
    assert image is not None
    named = replace(image, references=_names(HUB.rpartition(":")[2].partition("-")[0]))
    if engine.name in _TAGGING:
        for name in named.references:
            await _checked([engine.program, "tag", HUB, name])
    else:
        await _load(engine, Path(os.devnull), named)  # it is there already, and gets the names
    return named.references[0]


async def _within(events: AsyncGenerator[Progress], seconds: float) -> AsyncGenerator[Progress]:
    """The same events; raises NetworkFailed when none comes for so long. Once something came, an
    engine may work on it without a word."""
    patience = seconds
    while True:
        try:
            event = await asyncio.wait_for(anext(events), patience)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise NetworkFailed(f"the hub said nothing for {patience:g} s.") from None
        yield event
        if event.done:
            patience = _LONGEST


async def _from_packages(engine: Guarded, on_progress: OnProgress) -> str:
    engine.check_load()
    with tempfile.TemporaryDirectory(prefix="jupyter-containers-") as directory:
        tar, archive = Path(directory) / "root.tar", Path(directory) / "image.tar"
        await root_filesystem(host_suite(), tar, on_progress)
        version = await asyncio.to_thread(python_version, tar)
        on_progress(f"Importing it into {engine.name}")
        id = await asyncio.to_thread(wrap, tar, archive, _CONFIG)
        image = Image(id=id, references=_names(version), env={"LANG": "C.UTF-8"})
        await _load(engine, archive, image)
    return image.references[0]


def _names(version: str) -> tuple[str, str]:
    return f"{BASE}:{version}", f"{BASE}:latest"


async def _load(engine: Guarded, archive: Path, image: Image) -> None:
    async with aclosing(engine.load(archive, image)) as events:
        async for _ in events:
            pass


async def _checked(argv: Sequence[str]) -> str:
    done = await run(argv, timeout=600)
    if done.code != 0:
        if "no space left" in done.stderr:
            raise DiskFull(argv[0])
        raise EngineFailed(argv, done.code, done.stderr)
    return done.stdout


async def root_filesystem(suite: str, tar: Path, on_progress: OnProgress) -> None:
    """Write a slim root file system with Python as a tar, from packages alone.

    Works as root and, where user namespaces are allowed, as an ordinary user. `suite` is a
    release of Debian, or this host's own. Raises ImageError, NetworkFailed, DiskFull.
    """
    if shutil.which("mmdebstrap") is None:
        raise ImageError(
            "No hub is reachable, and `mmdebstrap`, which makes an image from the "
            "distribution's packages, is not installed.",
            "Install it: sudo apt install mmdebstrap uidmap. Or bring an image along: "
            f"`podman save {HUB}` where there is a network, `podman load` here, and "
            f"`podman tag {HUB} {BASE}`.",
        )
    on_progress(f"Making a base image from the packages of {suite} (about half a minute)")
    said: list[str] = []
    async with Stream(_mmdebstrap(suite, tar, await _sources(suite))) as stream:
        async for _, line in stream:
            said.append(line)
            if line.startswith("I: ") and line.endswith("..."):
                on_progress(one_line(line[3:]))
        code = await stream.wait()
    if code != 0:
        tar.unlink(missing_ok=True)
        raise _trouble(suite, said)


def _mmdebstrap(suite: str, tar: Path, sources: Sequence[str]) -> list[str]:
    unneeded = ("man", "doc", "info", "locale")
    leftovers = (
        "var/lib/apt/lists/*",
        "var/cache/apt/*.bin",
        "var/log/*.log",
        # Debian keeps pip from its hosts' Python; an image is nobody's host.
        # https://peps.python.org/pep-0668/#use-cases
        "usr/lib/python3*/EXTERNALLY-MANAGED",
    )
    return [
        "mmdebstrap",
        "--variant=apt",
        "--format=tar",
        *([f"--hook-directory={_MERGED}"] if _MERGED.is_dir() else []),
        f"--include={','.join(_PACKAGES)}",
        '--aptopt=Apt::Install-Recommends "false"',
        # A mirror that is a snapshot has an old date.
        '--aptopt=Acquire::Check-Valid-Until "false"',
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in unneeded),
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        "--customize-hook=" + "; ".join(f'rm -rf "$1"/{path}' for path in leftovers),
        suite,
        str(tar),
        *sources,
    ]


async def _sources(suite: str) -> list[str]:
    """Lines for the suite, through the mirror this host's apt is set up for (also a site's own)."""
    if shutil.which("apt-get") is None:
        return [f"deb {_MIRROR} {suite} main"]
    wanted = "$(ORIGIN)|$(LABEL)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
    done = await run(["apt-get", "indextargets", "--format", wanted, "Created-By: Packages"])
    rows = [line.split("|") for line in done.stdout.splitlines() if line.count("|") == 4]
    own = [
        f"deb {uri} {release} {component}"
        for origin, _, uri, release, component in rows
        if origin in ("Debian", "Ubuntu") and release.split("-")[0] == suite
    ]
    if own:
        return list(dict.fromkeys(own))
    mirrors = [uri for origin, label, uri, *_ in rows if origin == label == "Debian"]
    return [f"deb {mirrors[0] if mirrors else _MIRROR} {suite} main"]


def host_suite() -> str:
    """The host's release where it is Debian or Ubuntu, else a fixed one of Debian's."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return _SUITE
    own = release.get("ID") in ("debian", "ubuntu")
    return release.get("VERSION_CODENAME", _SUITE) if own else _SUITE


def python_version(tar: Path) -> str:
    """The version (3.11) of the Python in a root file system's tar."""
    with tarfile.open(tar) as members:
        for member in members:
            if found := re.fullmatch(r"(?:\./)?usr/bin/python(3\.\d+)", member.name):
                return found[1]
    raise ImageError(f"There is no Python in {tar.name}.", f"Check that {_PACKAGES[2]} exists.")


def _trouble(suite: str, said: Sequence[str]) -> ContainersError:
    last = [line for line in said if re.match(r"(E|W|Err)[: ]", line)][-4:]
    text = one_line(" ".join(last or said[-4:]), 600)
    lowered = " ".join(said).lower()
    if "no space left" in lowered:
        return DiskFull(tempfile.gettempdir())
    if re.search(r"could not (resolve|connect)|unable to connect|connection (fail|time)", lowered):
        return NetworkFailed(
            f"The package mirror was not reached: {text}",
            "Check /etc/apt/sources.list and the proxy (http_proxy): `apt update` must work.",
        )
    if re.search(r"newuidmap|unshare|/etc/subuid|user namespace", lowered):
        return ImageError(
            f"mmdebstrap may not make a user namespace: {text}",
            "sudo apt install uidmap, and give this user ids: "
            "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER",
        )
    return ImageError(f"No base image of {suite} could be made: {text}")
