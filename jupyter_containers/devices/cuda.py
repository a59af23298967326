"""Whether this host's NVIDIA driver is new enough for what an image says of its CUDA. Pure.

NVIDIA's runtime hook compares the same variables and refuses the start; devices that come by
their CDI names are not compared by anybody, and the first call of CUDA fails in a cell.
https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/docker-specialized.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..text import one_line

Version = tuple[int, ...]

_CONDITION = re.compile(r"(?P<name>[a-z]+)(?P<how>>=|<=|!=|==|=|<|>)(?P<value>[\w.+-]+)")
_DRIVER = re.compile(r"^Driver Version\s*:\s*([0-9.]+)\s*$", re.MULTILINE)
_CUDA = re.compile(r"^CUDA Version\s*:\s*([0-9.]+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Driver:
    """This host's driver, and the newest CUDA that it can run."""

    version: Version
    cuda: Version


def read_driver(text: str) -> Driver | None:
    """The head of `nvidia-smi -q`; None where it names no versions."""
    driver, cuda = _DRIVER.search(text), _CUDA.search(text)
    if driver is None or cuda is None:
        return None
    return Driver(_version(driver[1]), _version(cuda[1]))


def too_old(driver: Driver, env: Mapping[str, str]) -> str:
    """In a sentence, where the driver is too old for an image with this environment; else empty,
    also where nobody can tell: a warning that is wrong is worse than none."""
    if env.get("NVIDIA_DISABLE_REQUIRE", "").lower() in ("1", "true"):
        return ""
    required = env.get("NVIDIA_REQUIRE_CUDA", "")
    if required:
        if _holds(required, driver) is not False:
            return ""
        wanted = re.search(r"cuda>=([0-9.]+)", required)
        needs = f"CUDA {wanted[1]}" if wanted else one_line(required, 100)
    else:
        made_for = _version(env.get("CUDA_VERSION", ""))
        # A driver runs all CUDA of its own major version, from 11 on:
        # https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html
        enough = made_for[:1] if made_for >= (11,) else made_for[:2]
        if not made_for or driver.cuda[: len(enough)] >= enough:
            return ""
        needs = f"CUDA {_dotted(made_for[:2])}"
    return (
        f"The image needs {needs}, and this machine's NVIDIA driver ({_dotted(driver.version)}) "
        f"knows CUDA up to {_dotted(driver.cuda)}: update the driver, or take an image with an "
        "older CUDA."
    )


def _holds(required: str, driver: Driver) -> bool | None:
    """Alternatives are separated by spaces, conditions of one by commas; None where that depends
    on what is not known here (a GPU's brand or architecture)."""
    alternatives = [
        [_true(condition, driver) for condition in alternative.split(",") if condition]
        for alternative in required.split()
    ]
    judged = [False if False in one else None if None in one else True for one in alternatives]
    if not judged or True in judged:
        return True
    return None if None in judged else False


def _true(condition: str, driver: Driver) -> bool | None:
    found = _CONDITION.fullmatch(condition)
    have = {"cuda": driver.cuda, "driver": driver.version}.get(found["name"]) if found else None
    wanted = _version(found["value"]) if found else ()
    if found is None or have is None or not wanted:
        return None
    length = max(len(have), len(wanted))
    one, other = (v + (0,) * (length - len(v)) for v in (have, wanted))
    results = {
        ">=": one >= other,
        "<=": one <= other,
        "!=": one != other,
        "<": one < other,
        ">": one > other,
    }
    return results.get(found["how"], one == other)


def _version(text: str) -> Version:
    found = re.match(r"\d{1,6}(?:\.\d{1,6}){0,3}", text.strip())
    return tuple(int(number) for number in found[0].split(".")) if found else ()


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
