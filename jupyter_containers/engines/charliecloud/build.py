"""Builds with `ch-image`, whose images are unpacked trees in a storage of its own.

Bases come from our store: `ch-image` gets them by their id, so none is fetched twice or from
elsewhere. It builds one image at a time per storage, so ours wait for each other.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import tempfile
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from ...errors import ContainersError, EngineDown, ImageNotHere
from ...host.paths import temporary_parent
from ...host.process import Stream
from ...host.reaper.client import reaper
from ...host.reaper.trees import remove_tree
from ...models import BuildSpec, BuildStep, Image, Progress
from ...text import one_line
from ..common.build_steps import Steps
from ..common.errors import build_trouble
from ..process_engine.image_store import TREE, Store, random_id
from ..process_engine.rootfs import complete
from . import images
from .dockerfile import SECRETS, Translated, bases, translate
from .images import busy, chimage, storage_lock
from .site import PROGRAMS, builds_environment, chimage_argv, storage

_STEP = re.compile(r" *(\d{1,6})([*. ]) ([A-Z]+)(?:\.[A-Z])? (.*)")
"""`RUN.F` is one with `--force`; from 0.32 on its letter tells of which kind."""
_OF_ITSELF = (
    "error: ",
    "hint: ",
    "grown in ",
    "--force",
    "warning: --force",
    "will use --force",
    "copying image ",
    "HEAD is now at ",
    "something went wrong, rolling back",
)
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
_EXITED = re.compile(r"RUN command exited with (\d{1,9})")


_SCRIPT = """set -e
exec 6<"$1" 7<"$2" 8<"$3" 9<"$4"
mount --bind "$1/tmp" /tmp
fd=6
for path in "$1" "$2" "$3" "$4"; do
  mkdir -p "$path"
  mount --no-canonicalize --bind "/proc/self/fd/$fd" "$path"
  fd=$((fd + 1))
done
exec 6<&- 7<&- 8<&- 9<&-
while read -r _ _ _ _ point options _; do
  point=$(printf %b "$point")
  case $point in "$1" | "$2" | /tmp | /proc | /proc/*) continue ;; esac
  case $options in rw | rw,*) ;; *) continue ;; esac
  mount -o "remount,bind,ro${options#rw}" "$point" 2>/dev/null && continue
  mount -t tmpfs -o ro none "$point" 2>/dev/null && continue
  [ ! -w "$point" ] || { echo "error: $point would stay writable" >&2; exit 1; }
done < /proc/self/mountinfo
shift 4
exec unshare --user --map-root-user --mount "$@"
"""
"""Arguments: the build's directory, `ch-image`'s storage, the context, our programs, the command.

`ch-image` (0.31) works in the image's tree from outside: where COPY or WORKDIR meets a link there,
it writes where that leads on this machine. And its RUN has this machine's /tmp, with the sockets
in it. So nothing is writable but the build's directory and the storage, and /tmp is the build's
own: in a mount namespace, where a flag that is taken away must be named (mount_namespaces(7)).
mount(8) would look up the descriptor's path anew, which is another place by then. In a second
namespace around the command, where no mount of the first can be changed: its root cannot take back
what its root did. It sees and signals no process but the build's.
"""


def build_argv(
    spec: BuildSpec, tag: str, directory: str, images: str, program: Sequence[str]
) -> list[str]:
    """The command for a build whose Dockerfile comes on standard input, pure."""
    empty = f"{directory}/empty"
    return [
        *("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork"),
        *("--kill-child", "--mount-proc"),
        *(["--net"] if spec.network == "none" else []),
        *("sh", "-c", _SCRIPT, "ch-start", directory, images, spec.context or empty),
        str(PROGRAMS),
        *program,
        "build",
        "--force",
        *(["--rebuild"] if spec.no_cache else []),
        *([f"--bind={directory}/secrets:{SECRETS}"] if spec.secrets else []),
        f"--tag={tag}",
        "--file=-",
        # Its cache knows files by the path that it was given, and each build has its own.
        f"./{Path(spec.context).name}" if spec.context is not None else empty,
    ]


async def build(store: Store, spec: BuildSpec) -> AsyncGenerator[Progress]:
    """See `Engine.build`."""
    # The same for each build of one cell: the cache knows files of other stages by their path.
    lineage = hashlib.sha256(spec.tag.rpartition(":")[0].encode()).hexdigest()[:16]
    tag = f"jupyter-containers/build-{lineage}"
    async with storage_lock(store), _workplace(spec) as directory:
        await chimage("delete", tag, check=False)  # one that was killed may have left half of it
        names, variables = {}, {}
        for base in bases(spec):
            yield Progress(kind="notice", text=f"Getting {one_line(base)} ready")
            names[base], variables[base] = await _base(store, base, directory)
        told = translate(spec, names, variables)
        for text in told.notices:
            yield Progress(kind="notice", text=text)
        reader = _Reader(spec, told)
        # It downloads nothing itself, and has its RUNs know these without an ARG.
        own = {name: value for name, value in spec.args.items() if name.lower() in _PROXIES}
        env = {**builds_environment(), **spec.proxies, **own, "TMPDIR": "/tmp"}
        argv = build_argv(spec, tag, str(directory), storage(), chimage_argv())
        try:
            above = str(Path(spec.context).parent) if spec.context is not None else None
            async with Stream(argv, input=told.text.encode(), env=env, cwd=above) as stream:
                async for _, line in stream:
                    for event in reader.read(line):
                        yield event
                code = await stream.wait()
            if code:
                raise reader.trouble(code)
            yield Progress(kind="notice", text="Writing the image")
            image = await _keep(store, spec, told, tag)
        finally:
            await asyncio.shield(chimage("delete", tag, check=False))
    yield Progress(kind="image", text=spec.tag, image=image)


@asynccontextmanager
async def _workplace(spec: BuildSpec) -> AsyncIterator[Path]:
    """An empty context and the secrets, which are read before `ch-image` sees them."""
    parent = temporary_parent()
    directory = Path(tempfile.mkdtemp(prefix="jupyter-containers-build-", dir=parent))
    reaper.add(f"build-{directory}", [], [str(directory)])
    try:
        for name in ("empty", "secrets", "tmp"):
            (directory / name).mkdir()
        for secret in spec.secrets:
            await asyncio.to_thread(
                shutil.copyfile, secret.source, directory / "secrets" / secret.id
            )
        yield directory
    finally:
        await asyncio.to_thread(remove_tree, str(directory))
        reaper.forget(f"build-{directory}")


async def _base(store: Store, reference: str, directory: Path) -> tuple[str, Mapping[str, str]]:
    """What `ch-image` calls an image of ours, and its variables; it is imported where it was not
    yet."""
    env: Mapping[str, str] = {}
    if reference == "scratch":
        name, tree = "jupyter-containers/scratch", directory / "scratch"
        await asyncio.to_thread(tree.mkdir)
        await asyncio.to_thread(complete, tree)
    else:
        stored = await asyncio.to_thread(store.find, reference)
        if stored is None:
            raise ImageNotHere(reference, "charliecloud")
        name = f"jupyter-containers/base-{stored.image.id.removeprefix('sha256:')[:32]}"
        tree, env = stored.directory / TREE, stored.image.env
    if name not in (await chimage("list")).stdout.split():
        await chimage("import", str(tree), name)
    return name, env


async def _keep(store: Store, spec: BuildSpec, told: Translated, tag: str) -> Image:
    """The built tree as an image of the store."""
    base = (
        await asyncio.to_thread(store.find, told.stage.base)
        if told.stage.base != "scratch"
        else None
    )
    before = base.image if base is not None else Image(id="")
    image = replace(
        before,
        id=random_id(),
        references=(spec.tag, *spec.also),
        digests=(),
        created="",
        size=0,
        user="",
        labels={**before.labels, **told.stage.labels, **spec.labels},
        entrypoint=before.entrypoint if told.stage.entrypoint is None else told.stage.entrypoint,
    )
    async with store.adding(image) as new:
        assert new is not None
        image = await images.export(tag, new, image)
        await asyncio.to_thread(_without_secrets, new / TREE)
        store.describe(new, image)
    found = await asyncio.to_thread(store.find, image.id)
    if found is None:
        raise ImageNotHere(spec.tag, "charliecloud")
    return found.image


def _without_secrets(tree: Path) -> None:
    """What `ch-image` made to mount them upon."""
    place = tree.resolve() / SECRETS.removeprefix("/")
    if place.resolve() == place and place.is_dir() and not os.listdir(place):  # noqa: PTH208
        place.rmdir()


class _Reader:
    """What `ch-image` prints, as events."""

    def __init__(self, spec: BuildSpec, told: Translated) -> None:
        self._steps = Steps(spec.steps)
        self._of = told.steps
        self._lines = told.text.split("\n")
        self._at = 0
        self._step: BuildStep | None = None
        self._text = ""
        self._said: deque[str] = deque(maxlen=40)

    def read(self, line: str) -> Iterator[Progress]:
        """Events of one line. It counts in the translated text, and never backwards: what a RUN
        prints may look like it."""
        found = _STEP.fullmatch(line)
        number = int(found[1]) if found else 0
        if found is None or not self._at <= number <= len(self._of) or not self._is(found, number):
            yield from self._other(line)
            return
        step = self._of[number - 1]
        again = number == self._at or (step is not None and step == self._step)
        self._at, self._step = number, step
        self._text = step.text if step is not None else self._lines[number - 1]
        if not again:
            yield from self._steps.events("step", step, self._text)
        if found[2] == "*" and not again:
            yield from self._steps.events("cached", step, self._text)

    def _is(self, found: re.Match[str], number: int) -> bool:
        return self._lines[number - 1].split(" ", 1)[0].upper() == found[3]

    def _other(self, line: str) -> Iterator[Progress]:
        self._said.append(line)
        if not line.startswith(_OF_ITSELF):
            yield from self._steps.events("log", self._step, line)

    def trouble(self, code: int) -> ContainersError:
        """The error this build ends with."""
        if code < 0:
            return EngineDown(
                f"ch-image was killed during the build (signal {-code}).",
                "If the machine ran out of memory, give the build less to do at a time.",
            )
        tail = self._steps.tail(self._step)
        errors = [line for line in self._said if line.startswith("error: ")]
        said = "\n".join(errors or self._said).removeprefix("error: ")
        if (other := busy(said)) is not None:
            return other
        return build_trouble(
            "charliecloud",
            said=_EXITED.sub(r"exit status: \1", said),
            code=code,
            step=self._step,
            instruction=self._text,
            tail=tail if _EXITED.search(said) else "\n".join([*tail.splitlines(), said]).strip(),
        )
