"""What is measured, for people to look at: a container's use, an image's layers, GPUs.

Frozen data like `models.py`; nothing is decided from it. Sizes are bytes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Stats:
    """What a container uses now. `cpu_percent` is 200 for two CPUs; None: nothing limits it."""

    cpu_percent: float
    memory_bytes: int
    memory_limit: int | None = None
    pids: int | None = None


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What one instruction of an image's build made."""

    created_by: str
    size: int = 0
    created: str = ""


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device under its CDI name, such as `nvidia.com/gpu=0`; None: nobody says."""

    name: str
    kind: str
    memory_total: int | None = None
    memory_used: int | None = None
    load_percent: int | None = None
