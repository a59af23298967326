"""What `docker build` and `podman build` are called with alike. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ...models import BuildSpec, Image

FindImage = Callable[[str], Awaitable[Image | None]]


def common_argv(spec: BuildSpec) -> list[str]:
    """What docker and podman call alike. Arguments without a value are taken from the environment,
    which is `spec.proxies`."""
    argv = [f"--tag={name}" for name in (spec.tag, *spec.also)]
    argv += [f"--label={key}={value}" for key, value in sorted(spec.labels.items())]
    argv += [f"--build-arg={name}={value}" for name, value in sorted(spec.args.items())]
    argv += [f"--build-arg={name}" for name in sorted(spec.proxies)]
    argv += [f"--secret=id={secret.id},src={secret.source}" for secret in spec.secrets]
    if spec.target:
        argv.append(f"--target={spec.target}")
    if spec.no_cache:
        argv.append("--no-cache")
    if spec.network == "none":
        argv.append("--network=none")
    return argv
