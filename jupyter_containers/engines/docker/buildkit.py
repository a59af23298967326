"""Docker builds, by BuildKit always.

With buildx 0.13 and newer its machine-readable progress is read (`--progress=rawjson`); without
(Docker 20.10 has none) `docker build --progress=plain`. Both become the same few facts about
vertices, and those our `Progress`. Ending the client ends the build: the daemon cancels what a
closed session asked for.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

from ...errors import ImageNotHere
from ...host.process import Stream
from ...models import BuildSpec, Image, Progress
from .._buildkit_progress import Plain, RawJson, Track
from ..common.build_steps import Steps

FindImage = Callable[[str], Awaitable[Image | None]]

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


def common_argv(spec: BuildSpec) -> list[str]:
    """What docker and podman call alike. A proxy's address may hold a password, so arguments
    without a value are taken from the environment (`common_env`)."""
    argv = [f"--tag={name}" for name in (spec.tag, *spec.also)]
    argv += [f"--label={key}={value}" for key, value in sorted(spec.labels.items())]
    for name, value in sorted(spec.args.items()):
        argv.append(f"--build-arg={name}" if _is_proxy(name) else f"--build-arg={name}={value}")
    argv += [f"--secret=id={secret.id},src={secret.source}" for secret in spec.secrets]
    if spec.target:
        argv.append(f"--target={spec.target}")
    if spec.no_cache:
        argv.append("--no-cache")
    if spec.network == "none":
        argv.append("--network=none")
    return argv


def context_argv(spec: BuildSpec) -> list[str]:
    """Where Dockerfile and context are: without a context, both are standard input."""
    return ["--file=-", spec.context] if spec.context is not None else ["-"]


def common_env(spec: BuildSpec) -> dict[str, str]:
    """The values of the arguments that `common_argv` only names."""
    return {name: value for name, value in spec.args.items() if _is_proxy(name)}


def _is_proxy(name: str) -> bool:
    return name.lower() in ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")


async def build(
    command: Sequence[str],
    env: Mapping[str, str] | None,
    spec: BuildSpec,
    find_image: FindImage,
) -> AsyncGenerator[Progress]:
    """See `Engine.build`. Called by `Docker.build`; `command` is the program and its options."""
    known = tuple(command)
    modes = [False] if known in _without_rawjson else [True, False]
    environment = {**(env or {}), **_ENV, **common_env(spec)}
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
