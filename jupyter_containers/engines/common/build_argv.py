"""What `docker build` and `podman build` are called with alike. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ...models import BuildSpec, Image

FindImage = Callable[[str], Awaitable[Image | None]]


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


def common_env(spec: BuildSpec) -> dict[str, str]:
    """The values of the arguments that `common_argv` only names."""
    return {name: value for name, value in spec.args.items() if _is_proxy(name)}


def _is_proxy(name: str) -> bool:
    return name.lower() in ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
