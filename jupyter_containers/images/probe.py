"""What an image has, asked in one short container, and how its engine's containers reach us.

`probe` is called by every start; the answer is kept on disk by image, the transport's by engine.
The container runs `guest/probe_inside.sh` (or, in an image without a shell, `.py` alone), whose
texts travel in its command: nothing but the directory of the transport's trial is mounted.
"""

from __future__ import annotations

import asyncio
import hashlib
import platform
import re
import secrets
from pathlib import Path
from typing import Any, Self

from ..engines.base import Engine, Output
from ..errors import EngineFailed, ImageUnusable, KernelError
from ..host import sockets
from ..host.cache import make_directory, place, recall, remember
from ..host.guest_files import guest_files, guest_text
from ..host.paths import boot_id, read_untrusted
from ..host.reaper.client import reaper
from ..host.reaper.trees import remove_tree
from ..layout import INSIDE
from ..models import ContainerSpec, Image, Mount, User
from ..text import one_line
from .facts import FoundKernel, ImageFacts, Interpreter, Launch, Transport, choose
from .probe_output import document, parse_facts

__all__ = ["FoundKernel", "ImageFacts", "Interpreter", "Launch", "choose", "probe", "recalled"]

_TARGET = f"{INSIDE}/probe"
_SECONDS = 45.0
_PYTHONS = ("python3", "/usr/bin/python3", "/usr/local/bin/python3", "python")
"""Tried one by one in images without a shell."""

_CANNOT_RUN = (126, 127)
"""Exit codes of `docker run` and `podman run` where the program is not there; 125 is the
engine's own failure. https://docs.docker.com/engine/containers/run/#exit-status"""


async def probe(engine: Engine, image: Image, user: User, scratch: Path) -> ImageFacts:
    """What an image has, and how to reach a kernel in it. Called by every start.

    `user` is the one a kernel will have, so that what podman prepares for it is ready then;
    `scratch` a private, short directory of ours. Raises ImageUnusable where the image answers
    nothing sensible, and what a failing engine raises.
    """
    about_image = place("probes", _version(), image.id, user.mode)
    about_engine = place("transports", _version(), (await engine.info()).endpoint)
    said, way = await asyncio.to_thread(lambda: (recall(about_image), recall(about_engine)))
    if said is None or way is None or not _still_true(way):
        said, way = await _ask(engine, image, user, scratch)
        await asyncio.to_thread(remember, about_image, said)
        if way:
            await asyncio.to_thread(remember, about_engine, way)
    return parse_facts(said, image, _transport(way), one_line(str(way.get("reason", "")), 500))


async def recalled(image: Image, user: User) -> ImageFacts | None:
    """What an earlier `probe` found out about an image; None where nobody has looked yet."""
    said = await asyncio.to_thread(recall, place("probes", _version(), image.id, user.mode))
    return parse_facts(said, image, "sockets", "") if said is not None else None


def _version() -> str:
    """Old answers are no answers to new questions."""
    texts = (guest_files()[name] for name in ("probe_inside.sh", "probe_inside.py"))
    return hashlib.sha256(b"".join(texts)).hexdigest()


def _transport(way: dict[str, Any]) -> Transport:
    known: dict[object, Transport] = {"sockets": "sockets", "tcp": "tcp"}
    return known.get(way.get("transport"), "none")


def _still_true(way: dict[str, Any]) -> bool:
    """That sockets cross stays true; that they do not may have had a passing cause."""
    return way.get("transport") == "sockets" or way.get("boot") == boot_id()


async def _ask(
    engine: Engine, image: Image, user: User, scratch: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The image's answer (a document) and the way to reach it."""
    async with _Trial(scratch) as trial:
        done = await _run(engine, image, user, trial)
        said = document(done.stdout, trial.nonce)
        if said is not None:
            return said, trial.verdict(said)
        if done.code == 125:  # a directory of ours cannot be mounted on another machine
            alone = await _run(engine, image, user, trial, mount=False)
            said = document(alone.stdout, trial.nonce)
            if said is not None:
                return said, trial.none(done.stderr)
            raise EngineFailed((engine.name, "run"), done.code, done.stderr)
    if re.search("exec format error|image targets .* cannot run on", done.stderr.lower()):
        raise ImageUnusable(
            f"The image is made for {image.architecture or 'another machine'}, "
            f"and this is {platform.machine()}.",
            f"Build or pull it for this machine: --platform linux/{platform.machine()}",
        )
    last = one_line((done.stderr or done.stdout)[-3000:], 300)
    if done.code in _CANNOT_RUN:  # neither a shell nor a Python: `choose` says what to do
        return {"why": last}, {}
    raise ImageUnusable(
        f"The image could not be looked into: {last}",
        f"See for yourself: {engine.by_hand(image.id)}",
    )


async def _run(
    engine: Engine, image: Image, user: User, trial: _Trial, *, mount: bool = True
) -> Output:
    """Run the probe by the image's shell, else by one of its Pythons."""
    sh, py = (guest_text(f"probe_inside.{end}") for end in ("sh", "py"))
    words = (trial.nonce, _TARGET if mount else "", py)
    done = await _run_one(engine, image, user, trial, ("/bin/sh", "-c", sh, "sh", *words), mount)
    for program in _PYTHONS:
        if done.code not in _CANNOT_RUN or trial.nonce in done.stdout:
            break
        argv = (program, "-I", "-S", "-c", py, *words)
        done = await _run_one(engine, image, user, trial, argv, mount)
    return done


async def _run_one(
    engine: Engine, image: Image, user: User, trial: _Trial, argv: tuple[str, ...], mount: bool
) -> Output:
    spec = ContainerSpec(
        name=f"jupyter-probe-{secrets.token_hex(4)}",
        image=image.id,
        argv=argv,
        user=user,
        own=(Mount(str(trial.directory), _TARGET, writable=True),) if mount else (),
        env={"HOME": "/nonexistent"} if user.mode != "image" else {},
        network="none",
        read_only=True,
    )
    reaper.add(spec.name, [engine.remove_argv(spec.name)], [str(trial.root)])
    try:
        async with asyncio.timeout(_SECONDS):
            return await engine.run(spec, 2 * _SECONDS)
    except TimeoutError:
        raise ImageUnusable(
            f"The image did not answer within {_SECONDS:g} s.",
            f"See what hangs: {engine.by_hand(image.id)}",
        ) from None
    finally:
        reaper.forget(spec.name)


class _Trial:
    """A socket of ours, one of the container's and a file, in a directory both can see.

    The container connects to ours, we then connect to the container's, as kernels need it. It
    may be hostile: we read a line from each, and nothing of what it says leads anywhere.
    """

    def __init__(self, scratch: Path) -> None:
        self.nonce = secrets.token_hex(16)
        self.root = scratch
        self._scratch = scratch
        self._server: asyncio.Server | None = None
        self._crossed = False
        self._trouble = ""

    @property
    def directory(self) -> Path:
        """What the container sees."""
        return self.root / "t"

    async def __aenter__(self) -> Self:
        self.root = await make_directory(self._scratch, "p")
        await asyncio.to_thread(self.directory.mkdir, 0o700)
        try:
            self._server = await asyncio.start_unix_server(
                self._heard, path=str(self.directory / "s"), limit=256
            )
        except OSError as error:  # the path is too long, or the file system knows no sockets
            self._trouble = str(error)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        await asyncio.to_thread(remove_tree, str(self.root))

    async def _heard(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = self.nonce.encode() + b"\n"
        try:
            async with asyncio.timeout(5):
                if await reader.readline() == line:
                    found = sockets.connect(str(self.directory / "c"))
                    answer, back = await asyncio.open_unix_connection(sock=found, limit=256)
                    self._crossed |= await answer.readline() == line
                    back.close()
        except (OSError, ValueError) as error:
            self._trouble = str(error)
        finally:
            writer.close()

    def verdict(self, said: dict[str, Any]) -> dict[str, Any]:
        """How containers of this engine reach us, and why not better."""
        boot = boot_id()
        shared = self._read() == self.nonce
        asked = "trouble" in said  # only Python can try a socket
        if self._crossed or (shared and not asked and said.get("boot") == boot):
            return {"transport": "sockets", "boot": boot}
        trouble = one_line(self._trouble or str(said.get("trouble") or ""), 200)
        if not shared:
            return self.none(trouble or "what it writes into a mounted directory does not arrive")
        reason = "a Unix socket in a mounted directory does not reach the other side"
        reason += f" ({trouble})" if trouble else ""
        return {"transport": "tcp", "boot": boot, "reason": reason}

    def none(self, why: str) -> dict[str, Any]:
        """Not even a directory crosses."""
        return {"transport": "none", "boot": boot_id(), "reason": one_line(why, 400)}

    def _read(self) -> str:
        try:
            return read_untrusted(self.directory / "file", 100).decode(errors="replace")
        except KernelError:
            return ""
