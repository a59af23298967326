"""Docker builds, always by BuildKit.

With buildx 0.13 and newer its machine-readable progress is read (`--progress=rawjson`); without
(Docker 20.10 has none) `docker build --progress=plain`. A build is a graph of vertices:
instructions, transfers, lookups. `Track` holds what is known of them and makes our `Progress`;
`RawJson` and `Plain` read the two formats into it. Ending the client ends the build: the daemon
cancels what a closed session asked for.
"""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import EngineDown, EngineFailed, ImageNotHere
from ...host.process import Stream
from ...models import BuildSpec, BuildStep, Progress
from ...text import as_dict, as_int, as_list, as_text, untrusted_json
from ..common.build_argv import FindImage, common_argv
from ..common.build_steps import Steps
from ..common.errors import build_trouble, fetch_trouble

_ENV = {
    "DOCKER_BUILDKIT": "1",
    "DOCKER_CLI_HINTS": "false",
    "NO_COLOR": "1",
}
_NO_RAWJSON = re.compile(
    r"unknown command: docker buildx|'buildx' is not a docker command|unknown flag|"
    r"invalid progress mode|unknown progress type|unknown shorthand",
)

_without_rawjson: set[tuple[str, ...]] = set()
"""Commands that were seen not to know buildx, so that they are asked once."""


def build_argv(command: Sequence[str], spec: BuildSpec, *, rawjson: bool) -> list[str]:
    """The command for a build whose Dockerfile comes on standard input, pure.

    The builder `default` is the daemon itself: another would not see the images it holds, so
    `FROM` an earlier cell's image would fail.
    """
    head = ["build", "--progress=plain"]
    if rawjson:
        head = ["buildx", "build", "--progress=rawjson", "--builder=default", "--load"]
        head.append("--provenance=false")
    return [*command, *head, *common_argv(spec), *context_argv(spec)]


def context_argv(spec: BuildSpec) -> list[str]:
    """Where Dockerfile and context are: without a context, both are standard input."""
    return ["--file=-", spec.context] if spec.context is not None else ["-"]


async def build(
    command: Sequence[str],
    env: Mapping[str, str] | None,
    spec: BuildSpec,
    find_image: FindImage,
) -> AsyncGenerator[Progress]:
    """See `Engine.build`. Called by `Docker.build`; `command` is the program and its options."""
    known = tuple(command)
    modes = [False] if known in _without_rawjson else [True, False]
    environment = {**(env or {}), **_ENV, **spec.proxies}
    for rawjson in modes:
        track = Track(Steps(spec.steps))
        reader = RawJson(track) if rawjson else Plain(track)
        argv = build_argv(command, spec, rawjson=rawjson)
        async with Stream(argv, input=spec.dockerfile.encode(), env=environment) as stream:
            async for _, line in stream:
                for event in reader.read(line):
                    yield event
            code = await stream.wait()
        if code and rawjson and not track.vertices and _NO_RAWJSON.search(track.complaint):
            _without_rawjson.add(known)
            continue
        if code:
            raise track.trouble(command[-1], argv, code)
        break
    image = await find_image(spec.tag)
    if image is None:
        raise ImageNotHere(spec.tag, "docker")
    yield Progress(kind="image", text=spec.tag, image=image)


_MAX_SAID = 400
"""Lines of the client's own that are kept for an error."""
_MAX_JSON = 8 * 1024 * 1024
_NO_BUILDX = re.compile(r"buildx component is missing|buildx: not found")
_LOOKUP = re.compile(
    r"(?:\[internal\] load metadata for|resolve image config for|FROM)"
    r" (?:docker-image://)?(?P<reference>[^\s@]+)"
)
_PLAIN = re.compile(r"#(?P<number>\d+) (?P<rest>.*)")
_SIZE = r"(\d{1,9}(?:\.\d{1,9})?)([kMGT]?B)"
_LAYER = re.compile(rf"(sha256:[0-9a-f]{{64}}) {_SIZE} / {_SIZE}")
_TRANSFERS = ("downloading", "done", "transferring")
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


@dataclass
class _Vertex:
    """One node of BuildKit's graph, as far as we heard of it."""

    name: str
    step: BuildStep | None
    shown: bool = False
    cached: bool = False
    error: str = ""
    rest: str = ""
    layers: dict[str, tuple[int, int]] = field(default_factory=dict)


class Track:
    """What is known of a running build, and the events it gives."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.vertices: dict[str, _Vertex] = {}
        self.failed: _Vertex | None = None
        self._said: list[str] = []

    @property
    def complaint(self) -> str:
        """What the client said beside the progress: its error stands there."""
        return "\n".join(self._said)

    def hear(self, line: str) -> None:
        """A line of the client's own."""
        self._said.append(line)
        del self._said[:-_MAX_SAID]

    def vertex(self, key: str, name: str) -> _Vertex:
        """The vertex `key`, made when first named."""
        known = self.vertices.get(key)
        if known is None:
            known = self.vertices[key] = _Vertex(name, self.steps.of_buildkit(name)[0])
        return known

    def started(self, vertex: _Vertex) -> Iterator[Progress]:
        """It runs, or was found in the cache."""
        if vertex.shown:
            return
        vertex.shown = True
        text = vertex.step.text if vertex.step else self.steps.of_buildkit(vertex.name)[1]
        if text:
            yield from self.steps.events("step", vertex.step, text)
        elif vertex.name.startswith("exporting"):
            yield from self.steps.events("notice", None, vertex.name)

    def cached(self, vertex: _Vertex) -> Iterator[Progress]:
        """It was not run again."""
        yield from self.started(vertex)
        if not vertex.cached and self.steps.of_buildkit(vertex.name)[1]:
            vertex.cached = True
            yield from self.steps.events("cached", vertex.step, vertex.name.partition("] ")[2])

    def output(self, vertex: _Vertex, text: str) -> Iterator[Progress]:
        """A piece of its output; whole lines go on."""
        *lines, vertex.rest = (vertex.rest + text).split("\n")
        if len(vertex.rest) > 64_000:
            lines, vertex.rest = [*lines, vertex.rest], ""
        for line in lines:
            yield from self.steps.events("log", vertex.step, line)

    def ended(self, vertex: _Vertex, error: str) -> Iterator[Progress]:
        """It is done, or failed with `error`."""
        if vertex.rest:
            yield from self.steps.events("log", vertex.step, vertex.rest)
            vertex.rest = ""
        if error and not vertex.error and not error.lower().endswith("canceled"):
            vertex.error = error
            self.failed = self.failed or vertex

    def transfer(self, vertex: _Vertex, id: str, done: int, total: int) -> Iterator[Progress]:
        """Bytes of a layer that is pulled, or of the context that is sent."""
        if vertex.layers.get(id) == (done, total):
            return
        vertex.layers[id] = (done, total)
        sent = vertex.layers.values()
        what = "context" if "build context" in vertex.name else vertex.name.partition("] ")[2]
        sums = sum(done for done, _ in sent), sum(total for _, total in sent)
        yield from self.steps.events("bytes", vertex.step, what, *sums)

    def trouble(self, engine: str, argv: Sequence[str], code: int) -> Exception:
        """The error this build ends with."""
        said = self.complaint
        if code < 0:
            return EngineDown(f"{engine} was killed during the build (signal {-code}).")
        if _NO_BUILDX.search(said):
            return EngineFailed(
                argv, code, said, "Docker builds with buildx: sudo apt install docker-buildx"
            )
        vertex = self.failed
        if vertex is None:
            return build_trouble(engine, said=said, code=code, step=None, instruction="", tail="")
        said = f"{said}\n{vertex.error}"
        line = _marked_line(said)
        if lookup := _LOOKUP.fullmatch(vertex.name.partition("@")[0]):
            reference = lookup["reference"]
            step = self.steps.naming(reference, line)
            text = step.text if step else f"FROM {reference}"
            if trouble := fetch_trouble(said, step, text, reference):
                return trouble
        else:
            step = vertex.step or self.steps.at(line)
            text = self.steps.of_buildkit(vertex.name)[1] or vertex.name
        tail = self.steps.tail(vertex.step) if vertex.step is not None else ""
        return build_trouble(engine, said=said, code=code, step=step, instruction=text, tail=tail)


def _marked_line(said: str) -> int:
    """The line buildx marks in its excerpt of the Dockerfile; 0 where it marks none."""
    found = re.search(r"^ *(\d{1,9}) \| >>> ", said, re.MULTILINE)
    return int(found[1]) if found else 0


class RawJson:
    """Reads `--progress=rawjson`: one SolveStatus per line, then the client's own words.
    https://github.com/moby/buildkit/blob/master/client/graph.go"""

    def __init__(self, track: Track) -> None:
        self._track = track
        self._part = ""

    def read(self, line: str) -> Iterator[Progress]:
        """Events of one line. A long status arrives cut into pieces."""
        line = self._part + line
        self._part = ""
        if not line.startswith("{"):
            self._track.hear(line)
            return
        try:
            # What is cut ends otherwise: a status of megabytes is not read once per piece.
            status = untrusted_json(line) if line.endswith("}") else None
        except ValueError:
            status = None
        if status is None:
            self._part = line if len(line) < _MAX_JSON else ""
            return
        yield from self._status(as_dict(status))

    def _status(self, status: dict[str, Any]) -> Iterator[Progress]:
        track = self._track
        for said in map(as_dict, as_list(status.get("vertexes"))):
            vertex = track.vertex(as_text(said.get("digest")), as_text(said.get("name")))
            if said.get("cached"):
                yield from track.cached(vertex)
            elif said.get("started"):
                yield from track.started(vertex)
            if said.get("completed"):
                yield from track.ended(vertex, as_text(said.get("error")))
        for said in map(as_dict, as_list(status.get("logs"))):
            if (owner := track.vertices.get(as_text(said.get("vertex")))) is not None:
                yield from track.output(owner, _decoded(as_text(said.get("data"))))
        for said in map(as_dict, as_list(status.get("statuses"))):
            owner, id = track.vertices.get(as_text(said.get("vertex"))), as_text(said.get("id"))
            if owner is None or as_text(said.get("name")) not in _TRANSFERS:
                continue
            if id.startswith("sha256:") or owner.name.endswith("load build context"):
                done, total = as_int(said.get("current")), as_int(said.get("total"))
                yield from track.transfer(owner, id, done, total)


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data).decode(errors="replace")
    except ValueError:
        return ""


class Plain:
    """Reads `--progress=plain`, for people by BuildKit, but stable since 20.10.
    https://github.com/moby/buildkit/blob/master/util/progress/progressui/printer.go"""

    def __init__(self, track: Track) -> None:
        self._track = track

    def read(self, line: str) -> Iterator[Progress]:
        """Events of one line."""
        found = _PLAIN.fullmatch(line)
        if found is None:
            self._track.hear(line)
            return
        track, key, rest = self._track, found["number"], found["rest"]
        if key not in track.vertices:
            track.vertex(key, re.sub(r"\[ +", "[", rest))
            if rest.startswith(("[", "FROM ", "exporting")):
                yield from track.started(track.vertices[key])
            return
        vertex = track.vertices[key]
        if log := re.fullmatch(r"\d+\.\d+ (.*)", rest):
            yield from track.output(vertex, log[1] + "\n")
        elif rest == "CACHED":
            yield from track.cached(vertex)
        elif rest.startswith("ERROR: "):
            yield from track.ended(vertex, rest.removeprefix("ERROR: "))
        elif layer := _LAYER.match(rest):
            done, total = _bytes(layer[2], layer[3]), _bytes(layer[4], layer[5])
            yield from track.transfer(vertex, layer[1], done, total)


def _bytes(number: str, unit: str) -> int:
    return int(float(number) * _UNITS.get(unit, 1))
