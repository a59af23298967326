"""Values of the settings that are made of several: environment, mounts, base images.

As in `values.py`: any JSON value goes in, BadSettings or what every engine can quote comes out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from .errors import BadReference, BadSettings
from .models import Mount, parse_image, parse_target, refuse_unquotable
from .settings.validators import MANY, flag, list_of, meant, show, text

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}", re.ASCII)

INSIDE = "/opt/jupyter-containers"
"""Where our own mounts stand in a container. Nobody else's may cover them."""
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH in a container whose image says none."""

_RESERVED_ENV = re.compile(
    # Ours and Jupyter's: they would change how the kernel is reached.
    r"JPY_.*|JUPYTER_.*"
    # The dynamic linker takes these into the guest before it has looked at the mounts.
    # LD_LIBRARY_PATH, which CUDA images need, cannot name a file of its own and is allowed.
    r"|LD_PRELOAD|LD_AUDIT"
    # GPU runtimes hand out devices by these, past `devices` and the policy.
    # https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/docker-specialized.html
    r"|(?:NVIDIA|AMD|HABANA|MELLANOX)_VISIBLE_DEVICES|NVIDIA_(?:DRIVER_CAPABILITIES|MIG_.*|IMEX_.*)"
)
_HELD_TARGETS = ("/proc", "/sys", "/dev", INSIDE)
_EXACT_TARGETS = ("/etc", "/etc/passwd", "/etc/group", "/opt")


def env(value: Any, key: str) -> Mapping[str, str]:
    """Variables by name. Names of ours, the linker's and the GPU runtimes' are refused."""
    found: dict[str, str] = {}
    for name, content in _object(value, key).items():
        if not _NAME.fullmatch(name):
            raise BadSettings(key, f"{show(name)} is not the name of a variable.")
        if _RESERVED_ENV.fullmatch(name):
            raise BadSettings(key, f"{name} is reserved.", _reserved_hint(name))
        if not isinstance(content, str):
            raise BadSettings(key, f"{name} must be text, not {show(content)}.")
        if len(content) > 32_000 or set(content) & set("\0\n\r") or not _encodes(content):
            raise BadSettings(key, f"{name} holds a line's end or NUL, or is over 32,000 long.")
        found[name] = content
    return MappingProxyType(found)


def _reserved_hint(name: str) -> str:
    if name.endswith("_VISIBLE_DEVICES"):
        return 'Ask for GPUs by "devices", for example nvidia.com/gpu=all.'
    return "Set it in the Dockerfile with ENV, if the image is to have it."


def _encodes(content: str) -> bool:
    try:
        content.encode()
    except UnicodeEncodeError:
        return False
    return True


def mount(value: Any, key: str) -> Mount:
    """One mount. Its source may be relative to the notebook, or begin with `~/` or `${NAME}`."""
    given = keys(value, key, ("source", "target", "writable"), required=("source", "target"))
    source = text(given["source"], key)
    if not source or (source.startswith("${") and not NAMED_SOURCE.fullmatch(source)):
        raise BadSettings(key, f"{show(source)} is not a path.", "Write ${NAME} or ${NAME}/below.")
    refuse_unquotable(source, key)
    target = parse_target(text(given["target"], key), key)
    if any(target == t or target.startswith(t + "/") for t in _HELD_TARGETS) or (
        target in _EXACT_TARGETS
    ):
        raise BadSettings(key, f"nothing can be mounted at {target}: it is needed as it is.")
    return Mount(source, target, flag(given.get("writable", False), key))


NAMED_SOURCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}((?:/(?!\.\.(?:/|$))[^/]+)*)/?")
"""A source below a place that the policy names; never `..`."""


def mounts(value: Any, key: str) -> tuple[Mount, ...]:
    """Mounts, no two at one place."""
    found: tuple[Mount, ...] = list_of(mount)(value, key)
    targets = [one.target for one in found]
    for target in targets:
        if targets.count(target) > 1:
            raise BadSettings(key, f"two folders cannot be mounted at one place ({target}).")
    return found


def bases(value: Any, key: str) -> Mapping[str, str]:
    """Base images of a build by reference, each with its digest or the engine's id."""
    found = {}
    for name, content in _object(value, key).items():
        try:
            found[parse_image(name)] = parse_image(content) if isinstance(content, str) else ""
        except BadReference as error:
            raise BadSettings(key, error.message) from None
        if not found[parse_image(name)].startswith("sha256:"):
            raise BadSettings(key, f"{show(content)} is not the digest of {name[:200]}.")
    return MappingProxyType(found)


def _object(value: Any, key: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or len(value) > MANY:
        raise BadSettings(key, f"must be an object of at most {MANY}, not {show(value)}.")
    if not all(isinstance(name, str) for name in value):
        raise BadSettings(key, "must have names that are text.")
    return value


def keys(
    value: Any, key: str, known: Sequence[str], required: Sequence[str] = ()
) -> Mapping[str, Any]:
    """An object with only `known` keys and all of `required`."""
    given = _object(value, key)
    for name in given:
        if name not in known:
            raise BadSettings(f"{key}.{name[:80]}", "is not known.", meant(name, known))
    for name in required:
        if name not in given:
            raise BadSettings(f"{key}.{name}", "is missing.")
    return given
