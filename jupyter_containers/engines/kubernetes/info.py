"""What `doctor` says of a cluster: which one, what this server may do there, what is missing."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...layout import POD_CONTAINER
from ...models import EngineInfo, Problem, Stats
from ...policy.traits import PolicyTraits
from ...text import as_dict, as_text, named, one_line
from ..base import Engine
from ..common import cdi
from .client import gathered
from .namespace import Namespace
from .push import NO_REGISTRY
from .rbac import NEEDS, Need
from .site import VOLUMES, Site

_OF_INNER = ("build", "secrets", "pull", "heredocs")
"""What is done on this machine, by the engine that is here."""
_OWN = ("limits", "jobs", cdi.FEATURE)
_CANNOT = Problem(
    "A Pod's network is the cluster's: ports are not published on this machine, and `pids` is "
    "the nodes' to limit.",
    "Open a port of a kernel in Jupyter. NetworkPolicies say what Pods reach.",
)
_NO_VOLUMES = Problem(
    f"No volume of the cluster is named ({VOLUMES}): notebooks' folders are empty in their Pods.",
    'The administrator names them: c.Policy.kubernetes_volumes = {"~": "claim-{username}"}',
)


async def info_of(space: Namespace, site: Site, policy: PolicyTraits, inner: Engine) -> EngineInfo:
    """See `Engine.info`. Raises EngineDown, EngineMissing."""
    async with space.cluster.use():
        _, version = await space.cluster.ask("GET", "/version")
        told, may = await asyncio.gather(inner.info(), gathered(space.may(need) for need in NEEDS))
        missing = [need for need, is_given in zip(NEEDS, may, strict=True) if not is_given]
        problems = [_rights(space.name, await space.who(), missing)] if missing else []
    access = await space.cluster.access()
    if not policy.push_registry:
        problems.append(Problem(*NO_REGISTRY))
    if not told.usable:
        problems += told.problems
    problems += [_CANNOT] if site.volumes else [_CANNOT, _NO_VOLUMES]
    needed = [need for need in missing if need.required]
    where = f"context {one_line(access.context)}" if access.context else "the server's own cluster"
    where += f" at {access.host}, namespace {space.name}"
    if policy.push_registry:
        where += f", images by {policy.push_registry}"
    return replace(
        told,
        name="kubernetes",
        version=f"{one_line(as_text(version.get('gitVersion')), 40)} ({where})"
        f" with {inner.name} {told.version}",
        usable=told.usable and not needed and bool(policy.push_registry),
        rootless=True,
        features=frozenset((*(told.features & {*_OF_INNER}), *_OWN)),
        problems=tuple(problems),
        endpoint=f"kubernetes:{access.host}:{space.name}",
    )


def _rights(namespace: str, who: str, missing: list[Need]) -> Problem:
    needed = [need for need in missing if need.required]
    what = ", ".join(str(need) for need in needed or missing)
    why = "; ".join(dict.fromkeys(need.why for need in needed or missing))
    without = "what needs them" if needed else "which is not needed, but of use"
    return Problem(
        f"In the namespace {namespace} this server may not: {what} ({without}: {why}).",
        f"An administrator of the cluster applies: jupyter containers kubernetes rbac "
        f"--namespace {namespace}{_subject(namespace, who)} | kubectl apply -f -",
    )


def _subject(namespace: str, who: str) -> str:
    """Whose role it is to be, as options of `kubernetes rbac`; empty where nobody knows."""
    account = who.removeprefix(f"system:serviceaccount:{namespace}:")
    if account != who:
        return f" --service-account {shlex.quote(one_line(account))}"
    return f" --user {shlex.quote(one_line(who))}" if who else ""


# -- what a Pod uses, by the metrics API -------------------------------------------------------
# https://kubernetes.io/docs/tasks/debug/debug-cluster/resource-metrics-pipeline/

_QUANTITY = re.compile(
    r"(?P<number>[0-9]{1,18}(?:\.[0-9]{1,9})?)(?P<unit>(?:[KMGTPE]i|[numkMGTPE])?)"
)
_UNITS = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_UNITS |= {"P": 1e15, "E": 1e18}
_UNITS |= {f"{unit}i": float(1 << 10 * power) for power, unit in enumerate("KMGTPE", 1)}


def stats_of(used: Mapping[str, Any], pod: Mapping[str, Any]) -> Stats | None:
    """Figures of our container from `PodMetrics` and the Pod itself; None where there are none."""
    found = named(used.get("containers"), POD_CONTAINER)
    if not found:
        return None
    usage = as_dict(found.get("usage"))
    cpus, memory = (number_of(as_text(usage.get(one))) for one in ("cpu", "memory"))
    wanted = named(as_dict(pod.get("spec")).get("containers"), POD_CONTAINER)
    limits = as_dict(as_dict(wanted.get("resources")).get("limits"))
    most = number_of(as_text(limits.get("memory")))
    return Stats(cpu_percent=100 * cpus, memory_bytes=int(memory), memory_limit=int(most) or None)


def number_of(text: str) -> float:
    """A quantity as Kubernetes writes it; 0 where it is none."""
    found = _QUANTITY.fullmatch(text)
    return float(found["number"]) * _UNITS.get(found["unit"], 0.0) if found else 0.0
