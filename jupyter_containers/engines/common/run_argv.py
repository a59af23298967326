"""Pieces of `docker run`'s command line, which is also podman's."""

from __future__ import annotations

from collections.abc import Mapping

from ...models import ContainerSpec

PACKAGE_MANAGER_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETGID", "SETUID")
"""What apt and dpkg need of root; given back only to a root that is remapped."""


def env_file(env: Mapping[str, str]) -> bytes:
    """Docker's env-file text. Settings refuse names and values that a line cannot carry."""
    return "".join(f"{name}={value}\n" for name, value in sorted(env.items())).encode()


def mount_option(source: str, target: str, writable: bool) -> str:
    """A bind mount: a line of CSV, for docker, podman and apptainer alike.
    https://docs.docker.com/engine/storage/bind-mounts/#options-for---mount"""
    fields = ["type=bind", *map(quoted, (f"src={source}", f"dst={target}"))]
    return f"--mount={','.join([*fields, *([] if writable else ['readonly'])])}"


def needs_quotes(path: str) -> bool:
    """Whether a path is no field of CSV as it is."""
    return "," in path or '"' in path


def quoted(field: str) -> str:
    """A field of such a line."""
    doubled = field.replace('"', '""')
    return f'"{doubled}"' if needs_quotes(field) else field


def limits(spec: ContainerSpec) -> list[str]:
    """What a container may use at most, in words that apptainer knows too. Without swap: a kernel
    that swaps is as good as dead."""
    argv = []
    if spec.cpus is not None:
        argv.append(f"--cpus={spec.cpus:g}")
    if spec.memory is not None:
        argv += [f"--memory={spec.memory}", f"--memory-swap={spec.memory}"]
    if spec.pids is not None:
        argv.append(f"--pids-limit={spec.pids}")
    return argv
