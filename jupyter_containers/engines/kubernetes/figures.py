"""What a Pod uses, by the metrics API. Pure.

https://kubernetes.io/docs/tasks/debug/debug-cluster/resource-metrics-pipeline/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...models import Stats
from ...text import as_dict, as_list, as_text

_QUANTITY = re.compile(
    r"(?P<number>[0-9]{1,18}(?:\.[0-9]{1,9})?)(?P<unit>(?:[KMGTPE]i|[numkMGTPE])?)"
)
_UNITS = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_UNITS |= {"P": 1e15, "E": 1e18}
_UNITS |= {f"{unit}i": float(1 << 10 * power) for power, unit in enumerate("KMGTPE", 1)}


def stats_of(used: Mapping[str, Any], pod: Mapping[str, Any]) -> Stats | None:
    """Figures from `PodMetrics` and the Pod itself; None where there are none."""
    containers = [as_dict(as_dict(one).get("usage")) for one in as_list(used.get("containers"))]
    if not containers:
        return None
    cpus = sum(number_of(as_text(one.get("cpu"))) for one in containers)
    memory = sum(number_of(as_text(one.get("memory"))) for one in containers)
    wanted = as_list(as_dict(pod.get("spec")).get("containers"))
    limits = as_dict(as_dict(as_dict(wanted[0] if wanted else None).get("resources")).get("limits"))
    most = number_of(as_text(limits.get("memory")))
    return Stats(cpu_percent=100 * cpus, memory_bytes=int(memory), memory_limit=int(most) or None)


def number_of(text: str) -> float:
    """A quantity as Kubernetes writes it; 0 where it is none."""
    found = _QUANTITY.fullmatch(text)
    return float(found["number"]) * _UNITS.get(found["unit"], 0.0) if found else 0.0
