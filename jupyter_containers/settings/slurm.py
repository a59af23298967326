"""The settings' key `slurm`: what a job asks for, read from JSON that anybody may have written.

What comes out is text by name, each in the one form that `engines/slurm/job.py` renders: nothing
else of a notebook reaches `sbatch`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ..errors import BadSettings
from .validators import count, format_size, keys, show, size_of_at_least, text, word

KEYS = (
    "partition",
    "account",
    "time",
    "gres",
    "gpus",
    "cpus",
    "memory",
    "nodes",
    "ntasks",
    "extra",
)
"""In the order in which they are shown."""
SETUP = "setup"
"""The policy's own beside them: lines of shell that the job runs first. No notebook can set it."""

_GRES = re.compile(
    r"[A-Za-z][A-Za-z0-9_.-]{0,63}(?::[A-Za-z][A-Za-z0-9_.-]{0,63})?(?::[0-9]{1,5})?"
    r"(?:,[A-Za-z][A-Za-z0-9_.-]{0,63}(?::[A-Za-z][A-Za-z0-9_.-]{0,63})?(?::[0-9]{1,5})?){0,9}",
    re.ASCII,
)
_GPUS = re.compile(r"(?:([A-Za-z][A-Za-z0-9_.-]{0,63}):)?([0-9]{1,4})", re.ASCII)
_EXTRA = re.compile(
    r"--([a-z][a-z0-9-]{1,40})(?:=[A-Za-z0-9_.,:@%&|!*()\[\]/+-]{1,200})?", re.ASCII
)
_DAYS = r"(?:(?P<days>[0-9]{1,4})-)"
_TIME = re.compile(
    # https://slurm.schedmd.com/sbatch.html#OPT_time
    rf"{_DAYS}(?P<dh>[0-9]{{1,2}})(?::(?P<dm>[0-9]{{1,2}})(?::(?P<ds>[0-9]{{1,2}}))?)?"
    r"|(?P<h>[0-9]{1,5}):(?P<hm>[0-9]{1,2}):(?P<hs>[0-9]{1,2})"
    r"|(?P<m>[0-9]{1,7})(?::(?P<ms>[0-9]{1,2}))?",
    re.ASCII,
)


def slurm(value: Any, key: str) -> Mapping[str, str]:
    """What a job asks for, by the names of `KEYS`."""
    given = keys(value, key, KEYS)
    return MappingProxyType(
        {name: _READERS[name](given[name], f"{key}.{name}") for name in KEYS if name in given}
    )


def seconds_of(time: str) -> int | None:
    """Seconds of a time as Slurm writes it (`30`, `2:00:00`, `1-12`); None for one without end,
    or that is none."""
    found = _TIME.fullmatch(time)
    if found is None:
        return None
    part = {name: int(digits or 0) for name, digits in found.groupdict().items()}
    hours = part["days"] * 24 + part["dh"] + part["h"]
    minutes = part["dm"] + part["hm"] + part["m"]
    return hours * 3600 + minutes * 60 + part["ds"] + part["hs"] + part["ms"]


def time_of(seconds: int) -> str:
    """The same as text: `1-02:03:04` or `02:03:04`."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    clock = f"{hour:02}:{minute:02}:{second:02}"
    return f"{days}-{clock}" if days else clock


def gpus_of(options: Mapping[str, str]) -> int:
    """How many GPUs a job asks for, by `gpus` and `gres` together."""
    found = _GPUS.fullmatch(options.get("gpus", ""))
    many = int(found[2]) if found else 0
    for name, rest in _resources(options.get("gres", "")):
        if name == "gpu":
            many += int(rest[-1]) if rest and rest[-1].isdigit() else 1
    return many


def _resources(gres: str) -> list[tuple[str, Sequence[str]]]:
    """Name, and type and number, of each."""
    parts = (one.split(":") for one in gres.split(","))
    return [(name.lower(), rest) for name, *rest in parts]


def names_of(extra: str) -> Sequence[str]:
    """The names of the options of `extra`, without their dashes."""
    return [option.partition("=")[0].removeprefix("--") for option in extra.split()]


def _time(value: Any, key: str) -> str:
    whole = isinstance(value, int) and not isinstance(value, bool)
    found = seconds_of(str(value) if whole else text(value, key))
    if not found:
        raise BadSettings(
            key, f"{show(value)} is not a time.", "Write it as 2:00:00, or as minutes: 120."
        )
    return time_of(found)


def _gres(value: Any, key: str) -> str:
    names = {name for name, _ in _resources(text(value, key))}
    if not _GRES.fullmatch(value) or "gres" in names:  # Slurm reads gres:gpu:2 as gpu:2
        raise BadSettings(key, f"{show(value)} names no resources.", "Write it as gpu:2.")
    return str(value)


def _gpus(value: Any, key: str) -> str:
    if isinstance(value, int):
        return str(count(0, 9999)(value, key))
    if not _GPUS.fullmatch(text(value, key)):
        raise BadSettings(key, f"{show(value)} is no number of GPUs.", "Write it as 2 or a100:2.")
    return str(value)


def _counted(least: int, most: int) -> Callable[[Any, str], str]:
    def read(value: Any, key: str) -> str:
        digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 9
        return str(count(least, most)(int(value) if digits else value, key))

    return read


def _memory(value: Any, key: str) -> str:
    return format_size(size_of_at_least(1 << 20)(value, key))


def _nodes(value: Any, key: str) -> str:
    if _counted(1, 100_000)(value, key) != "1":
        raise BadSettings(
            key,
            "a kernel's container runs on one node.",
            'Ask for more tasks there ("ntasks"), or submit what needs several nodes from a '
            "terminal with sbatch.",
        )
    return "1"


def _extra(value: Any, key: str) -> str:
    """Options by their long names, as a list or as one text."""
    words = value if isinstance(value, list | tuple) else text(value, key).split()
    if len(words) > 20:
        raise BadSettings(key, "are more than 20 options.")
    for one in words:
        if not isinstance(one, str) or not _EXTRA.fullmatch(one):
            raise BadSettings(
                key, f"{show(one)} is not an option of sbatch.", "Write it as --qos=high."
            )
    return " ".join(words)


_READERS: dict[str, Callable[[Any, str], str]] = {
    "partition": word,
    "account": word,
    "time": _time,
    "gres": _gres,
    "gpus": _gpus,
    "cpus": _counted(1, 4096),
    "memory": _memory,
    "nodes": _nodes,
    "ntasks": _counted(1, 4096),
    "extra": _extra,
}
