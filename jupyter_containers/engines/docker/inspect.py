"""What `inspect`, `images`, `stats` and `history` print, as our dataclasses.

Docker and podman print the same shapes; `stats` and `history` differ in the case of their keys.

Everything here came from an engine that may hold hostile images: types are checked, labels and
names made printable. An image's id is the digest of its configuration, so each image is inspected
once; only its names change, and the engine's own table has those.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import ImageNotHere
from ...host.environment import memory
from ...host.process import Completed
from ...models import ChangedPath, ChangeKind, Container, Image, Layer, Stats
from ...text import as_dict, as_int, as_list, as_text, one_line, printable, untrusted_json
from ..common.errors import daemon_trouble


def parse_object(text: str | bytes) -> dict[str, Any]:
    """One JSON object, or an empty one where the engine printed something else."""
    try:
        value = untrusted_json(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def parse_array(text: str) -> list[dict[str, Any]]:
    """The objects of a JSON array. `inspect` prints `[]` before an error."""
    try:
        value = untrusted_json(text)
    except ValueError:
        return []
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


_MOST_CONFIG = 8 << 20
"""Bytes of an image's configuration; engines take 4 MiB at most from a registry."""
_IMAGE_ID = re.compile(r"(?:sha256:)?[0-9a-f]{1,64}")


def images(said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The elements of `image inspect` that have an id, without which nothing is an image."""
    return [one for one in said if _IMAGE_ID.fullmatch(as_text(one.get("Id")))]


def image(said: dict[str, Any]) -> Image:
    """One element of `images`."""
    config = as_dict(said.get("Config"))
    identity = as_text(said.get("Id"))
    return Image(
        id=identity if identity.startswith("sha256:") else f"sha256:{identity}",
        references=tuple(one_line(str(tag)) for tag in as_list(said.get("RepoTags"))),
        digests=tuple(one_line(str(digest)) for digest in as_list(said.get("RepoDigests"))),
        size=max(0, as_int(said.get("Size"))),
        created=one_line(str(said.get("Created", ""))),
        labels=_labels(config.get("Labels") or said.get("Labels")),
        user=one_line(str(config.get("User") or "")),
        env=_env(config.get("Env")),
        entrypoint=tuple(str(word) for word in as_list(config.get("Entrypoint"))),
        layers=tuple(str(one) for one in as_list(as_dict(said.get("RootFS")).get("Layers"))),
        onbuild=tuple(str(line) for line in as_list(config.get("OnBuild"))),
        workdir=str(config.get("WorkingDir") or ""),
        architecture=one_line(str(said.get("Architecture", ""))),
    )


def storage_root(said: dict[str, Any]) -> str | None:
    """Where podman keeps an inspected image, which may be an additional store; None where its
    driver (vfs) does not say."""
    driver = as_dict(said.get("GraphDriver"))
    upper = as_text(as_dict(driver.get("Data")).get("UpperDir"))
    root, found, _ = upper.rpartition(f"/{driver.get('Name')}/")
    return root if found else None


def onbuild(said: dict[str, Any], root: str) -> tuple[str, ...]:
    """The triggers of an image that podman has. Its inspect leaves them out (4.3, 5.4), though
    its builds run them: they stand in the image's configuration, in the storage.
    https://github.com/containers/storage/blob/main/images.go (`makeBigDataBaseName`)
    """
    identity = as_text(said.get("Id")).removeprefix("sha256:")
    name = "=" + base64.b64encode(f"sha256:{identity}".encode()).decode()
    for path in Path(root).glob(f"*-images/{identity}/{name}"):
        try:
            with path.open("rb") as file:
                config = as_dict(parse_object(file.read(_MOST_CONFIG)).get("config"))
        except (OSError, ValueError):
            continue
        return tuple(str(line) for line in as_list(config.get("OnBuild")))
    # Not to be read (another machine's): what the history tells of itself.
    told = (as_dict(one) for one in as_list(said.get("History")))
    history = (as_text(one.get("created_by")) for one in told)
    lines = (line.partition("ONBUILD ") for line in history)
    return tuple(line for _, found, line in lines if found)


def container(said: dict[str, Any]) -> Container:
    """One element of `container inspect`."""
    config, state = as_dict(said.get("Config")), as_dict(said.get("State"))
    return Container(
        id=as_text(said.get("Id")),
        name=one_line(str(said.get("Name", ""))).removeprefix("/"),
        image=one_line(str(config.get("Image") or said.get("ImageName") or "")),
        running=bool(state.get("Running")),
        labels=_labels(config.get("Labels")),
        created=one_line(str(said.get("Created", ""))),
        ports=_ports(as_dict(as_dict(said.get("NetworkSettings")).get("Ports"))),
    )


def _ports(said: dict[str, Any]) -> dict[int, int]:
    """See `Container.ports`: {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}."""
    found = {}
    for inside, bindings in said.items():
        for at in map(as_dict, as_list(bindings)):
            pair = f"{inside} {at.get('HostIp')} {at.get('HostPort')}"
            if numbers := _PUBLISHED.fullmatch(pair):
                found[int(numbers[1])] = int(numbers[2])
    return found


_PUBLISHED = re.compile(r"([0-9]{1,5})/tcp 127\.0\.0\.1 ([0-9]{1,5})")
_PRINTED_ID = re.compile(r"[0-9a-f]{12,64}")


def printed_id(printed: str) -> str | None:
    """The last line of what `run` or `network create` printed, where that is an id."""
    last = printed.strip().rpartition("\n")[2]
    return last if _PRINTED_ID.fullmatch(last) else None


def code(state: dict[str, Any]) -> int:
    """The exit code as Popen says it: 128 + n is signal n, as both engines report one."""
    value = as_int(state.get("ExitCode"))
    return 128 - value if 128 < value < 160 else value


def _labels(said: object) -> dict[str, str]:
    if not isinstance(said, dict):
        return {}
    return {one_line(str(key)): printable(str(value), 1000) for key, value in said.items()}


def _env(said: object) -> dict[str, str]:
    pairs = (str(item).partition("=") for item in said) if isinstance(said, list) else ()
    return {name: value for name, _, value in pairs}


_TABLE = "{{.ID}} {{.Repository}}:{{.Tag}}"
_NONE = "<none>"


class Listing:
    """Of one engine, for the life of this process."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[frozenset[str], Image]] = {}
        self._last: tuple[object, list[Image]] = (None, [])

    async def images(self, checked: Run, run: Run, stamp: object = None) -> list[Image]:
        """See `Engine.images`. `run` runs a command of the engine; `checked` raises where that
        fails. With the `stamp` that it had the last time the engine has the same images."""
        if stamp is not None and stamp == self._last[0]:
            return list(self._last[1])
        listed = await checked(["images", "--no-trunc", "--format", _TABLE])
        names = read_table(listed.stdout)
        new = [id for id in names if self._known.get(id, (None,))[0] != names[id]]
        if new:
            # An image removed in between makes inspect fail but still print all the others.
            done = await run(["image", "inspect", *new])
            found = (image(one) for one in images(parse_array(done.stdout)))
            self._known |= {one.id: (names[one.id], one) for one in found if one.id in names}
        self._known = {id: one for id, one in self._known.items() if id in names}
        known = [self._known[id][1] for id in names if id in self._known]
        self._last = (stamp, known)
        return list(known)


def storage_tables(store: Mapping[str, Any], host: Mapping[str, Any]) -> tuple[Path, ...]:
    """The files in which a podman on this machine keeps the table of its images, from its `info`;
    none where another machine does, or where there are further stores beside its own.
    https://github.com/containers/storage/blob/main/images.go (`imageStore.Save`)"""
    options = str(store.get("graphOptions") or "").lower()
    if host.get("serviceIsRemote") is not False or "store" in options:
        return ()
    root, driver = as_text(store.get("graphRoot")), as_text(store.get("graphDriverName"))
    return (Path(root, f"{driver}-images", "images.json"),) if root and driver else ()


def stamp_of(tables: Sequence[Path]) -> object:
    """Another one after every change: the file is replaced then. None where it cannot be told."""
    try:
        seen = [table.stat() for table in tables]
    except (OSError, ValueError):
        return None
    return tuple((one.st_ino, one.st_mtime_ns, one.st_size) for one in seen) or None


def read_table(text: str) -> dict[str, frozenset[str]]:
    """The names of each id, in the engine's order; an image without any has none."""
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        id, _, name = line.strip().partition(" ")
        if not _IMAGE_ID.fullmatch(id):
            continue
        id = id if id.startswith("sha256:") else f"sha256:{id}"
        found.setdefault(id, set())
        if name and _NONE not in name:
            found[id].add(name)
    return {id: frozenset(names) for id, names in found.items()}


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


_KINDS: Mapping[str, ChangeKind] = {
    "A": "added",
    "C": "changed",
    "D": "removed",
}


def changes(printed: str) -> list[ChangedPath]:
    """What `diff` prints: a letter and a path in each line. A name that holds an end of line looks
    like two of them."""
    lines = (line.partition(" ") for line in printed.split("\n"))
    return [
        ChangedPath(path, _KINDS[kind])
        for kind, _, path in lines
        if kind in _KINDS and path.startswith("/")
    ]


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
        size=_bytes(size) if isinstance(size, str) else as_int(size),
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
