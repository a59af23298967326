"""Values of the settings: read from JSON that anybody may have written, or refused.

Every reader takes any JSON value and returns a value that every engine can quote, or raises
BadSettings (BadReference for an image). `schema.FIELDS` says which reader a key has.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from ..errors import BadReference, BadSettings
from ..layout import INSIDE, RESERVED_PORTS
from ..models import Mount, parse_image, parse_target, refuse_unquotable

Reader = Callable[[Any, str], Any]
"""Takes the value and the key to blame."""

_SIZE = re.compile(r"([0-9]{1,16}(?:\.[0-9]{1,6})?) ?([bkmgt]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_MAX_SIZE = 1 << 50
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,127}", re.ASCII)
KERNEL = re.compile(r"(?!-|\.+$)[A-Za-z0-9._-]{1,128}")
"""Names of kernel specs that Jupyter takes, such as .net-csharp, but for options and folders:
https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernel-specs"""
# https://datatracker.ietf.org/doc/html/rfc1123#page-13, and Linux's limit of 64 bytes
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOSTNAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE | re.ASCII)
# https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md (kind, device names)
_DEVICE = re.compile(
    r"[A-Za-z](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
    r"/[A-Za-z](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
    r"=[A-Za-z0-9](?:[A-Za-z0-9_.:-]{0,125}[A-Za-z0-9])?",
    re.ASCII,
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HEX = re.compile(r"[0-9a-f]{64}")


MANY = 200
"""More mounts, ports or variables than that nobody types."""


def show(value: Any) -> str:
    """A value for an error message: short, whatever it is."""
    if isinstance(value, str):
        return repr(value if len(value) <= 80 else value[:79] + "…")
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return f"{value:g}" if abs(value) < 1e15 else "a number that large"
    return "an object" if isinstance(value, Mapping) else "a list"


def meant(key: str, known: Sequence[str]) -> str:
    """A hint for a misspelt key."""
    close = get_close_matches(key[:80], known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known are: {', '.join(known)}."


def text(value: Any, key: str) -> str:
    """Printable text of one line; the base of all that is text."""
    if not isinstance(value, str):
        raise BadSettings(key, f"must be text, not {show(value)}.")
    if not value.isprintable() or len(value) > 4000:
        raise BadSettings(key, f"{show(value)} is too long or holds a control character.")
    return value


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[Any, str], str]:
    def read(value: Any, key: str) -> str:
        if not pattern.fullmatch(text(value, key)):
            raise BadSettings(key, f"{show(value)} is not {what}.")
        return str(value)

    return read


word = _matching(_WORD, "a name (letters, digits, '.', '_', '+', '-')")
kernel = _matching(KERNEL, "a kernel's name (letters, digits, '.', '_', '-')")
hostname = _matching(_HOSTNAME, "a host name (letters, digits, '-')")
device = _matching(_DEVICE, "a device's CDI name, such as nvidia.com/gpu=0 or nvidia.com/gpu=all")
digest = _matching(_DIGEST, "a digest (sha256: and 64 hexadecimal digits)")
fingerprint = _matching(_HEX, "a sha256 in hexadecimal")


def engine(value: Any, key: str) -> str:
    """An engine's name; `auto` is as good as none."""
    return "" if value == "auto" else word(value, key)


def image(value: Any, key: str) -> str:
    """An image's full reference or id."""
    if not isinstance(value, str):
        raise BadSettings(key, f"must be an image's name, not {show(value)}.")
    return parse_image(value)


def choice(*choices: str) -> Reader:
    """One of a few words."""

    def read(value: Any, key: str) -> str:
        if not isinstance(value, str) or value not in choices:
            raise BadSettings(key, f"must be {' or '.join(choices)}, not {show(value)}.")
        return value

    return read


def flag(value: Any, key: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise BadSettings(key, f"must be true or false, not {show(value)}.")
    return value


def number(least: float, most: float) -> Reader:
    """A number in a range; neither true nor NaN is one."""

    def read(value: Any, key: str) -> float:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not good or not (abs(value) < 1e15 and math.isfinite(value) and least <= value <= most):
            wanted = f"must be a number from {least:g} to {most:g}"
            raise BadSettings(key, f"{wanted}, not {show(value)}.")
        return float(value)

    return read


def count(least: int, most: int) -> Reader:
    """A whole number in a range."""
    read_number = number(least, most)

    def read(value: Any, key: str) -> int:
        found: float = read_number(value, key)
        if found != int(found):
            raise BadSettings(key, f"must be a whole number, not {show(value)}.")
        return int(found)

    return read


def parse_size(value: Any, key: str = "size") -> int:
    """Bytes of `"8g"`, `"1.5 GiB"`, `"512m"` or a plain number of bytes; 1k is 1024, as every
    engine has it. Raises BadSettings."""
    size: float = -1
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    elif isinstance(value, str) and (found := _SIZE.fullmatch(value)):
        size = float(found[1]) * _UNITS[found[2].lower()]
    if not 0 < size <= _MAX_SIZE:
        raise BadSettings(key, f"{show(value)} is not a size.", "Write it as 8g or 512m.")
    return int(size)


def format_size(size: int) -> str:
    """The shortest text that `parse_size` reads back as exactly this."""
    for unit in ("t", "g", "m", "k"):
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return str(size) + "b"


def size_of_at_least(least: int) -> Reader:
    """A size that engines do not refuse as too small."""

    def read(value: Any, key: str) -> int:
        found = parse_size(value, key)
        if found < least:
            raise BadSettings(key, f"{show(value)} is below the least of {format_size(least)}.")
        return found

    return read


def list_of(read_one: Reader) -> Reader:
    """A list without duplicates, as a tuple."""

    def read(value: Any, key: str) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or len(value) > MANY:
            raise BadSettings(key, f"must be a list of at most {MANY}, not {show(value)}.")
        return tuple(dict.fromkeys(read_one(one, key) for one in value))

    return read


def port(value: Any, key: str) -> tuple[int, int]:
    """`80` or `"8080:80"`: the port of this machine (0: any that is free) that leads to one inside,
    which is not ours."""
    pair = _PORT_PAIR.fullmatch(value) if isinstance(value, str) else None
    if isinstance(value, str) and pair is None:
        raise BadSettings(key, f"{show(value)} is not a port.", _PORT_HINT)
    is_port = count(1, 65535)
    host = is_port(int(pair[1]), key) if pair else 0
    inside: int = is_port(int(pair[2]) if pair else value, key)
    if inside in RESERVED_PORTS:
        raise BadSettings(key, f"port {inside} is used for the kernel itself.", "Take another.")
    return host, inside


_PORT_PAIR = re.compile(r"([0-9]{1,5}):([0-9]{1,5})")
_PORT_HINT = 'Write 80, or "8080:80" where it is to be port 8080 of this machine.'


def ports(value: Any, key: str) -> tuple[tuple[int, int], ...]:
    """Ports: one of this machine for each one inside."""
    found: tuple[tuple[int, int], ...] = list_of(port)(value, key)
    hosts, insides = [host for host, _ in found if host], [inside for _, inside in found]
    for numbers, where in ((insides, "the container"), (hosts, "this machine")):
        for number in numbers:
            if numbers.count(number) > 1:
                raise BadSettings(key, f"port {number} of {where} cannot be published twice.")
    return found


def port_option(text: str) -> int | str:
    """What `--port` is given, in the shape of the metadata."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text


def write_ports(published: Sequence[tuple[int, int]]) -> list[int | str]:
    """As `ports` reads them."""
    return [f"{host}:{inside}" if host else inside for host, inside in published]


def workdir(value: Any, key: str) -> str:
    """A path inside, or one relative to the notebook."""
    if not text(value, key):
        raise BadSettings(key, "must be a path; '.' is the notebook's folder.")
    refuse_unquotable(value, key)
    if value.startswith("-"):
        value = f"./{value}"
    return parse_target(value, key) if value.startswith("/") and value != "/" else str(value)


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}", re.ASCII)


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
_OF_THE_LINKER = ("/etc/ld.so.", "/etc/ld-musl-")
"""How targets begin that name files to the dynamic linker, as LD_PRELOAD does: ld.so.preload,
ld.so.cache, and what ldconfig makes that from; musl's ld-musl-ARCH.path."""


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
    if (
        any(target == t or target.startswith(t + "/") for t in _HELD_TARGETS)
        or target in _EXACT_TARGETS
        or target.startswith(_OF_THE_LINKER)
    ):
        raise BadSettings(key, f"nothing can be mounted at {target}: it is needed as it is.")
    return Mount(source, target, flag(given.get("writable", False), key))


def mount_option(text: str) -> dict[str, Any] | None:
    """`SOURCE:TARGET[:ro|rw]`, as `--mount` takes it here, in the shape of the metadata; writable
    where nothing is said. A source may hold colons. None where it is none."""
    found = _MOUNT_OPTION.fullmatch(text)
    if found is None:
        return None
    source, target, mode = found.groups()
    return {"source": source, "target": target, "writable": mode != "ro"}


_MOUNT_OPTION = re.compile(r"(.+?):(/[^:]*|[^:/]+)(?::(ro|rw))?")


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
