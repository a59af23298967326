"""What a Pod and its events mean, in sentences. Pure.

The objects are the API's, as JSON: whoever may change Pods or make events writes what stands in
them. Reasons are those of https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/ and of
https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/events/event.go
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...errors import StartFailed
from ...layout import POD_CONTAINER
from ...models import Ended
from ...text import as_dict, as_int, as_list, as_text, named, one_line
from ..placement import Placement
from . import pulls
from .ends import why_it_ended
from .site import VOLUMES

Events = Sequence[Mapping[str, Any]]
_TRIES_AGAIN = ("context deadline exceeded", "timed out waiting for the condition", "is reserved")
"""In messages of a node that did not make a container, and will make it soon."""
_CANNOT = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_CAUSES = (
    # https://github.com/kubernetes/kubernetes/tree/master/pkg/scheduler/framework/plugins
    (r"\binsufficient (?P<what>[\w./-]*\w)", "not enough {what} is free"),
    (r"too many pods", "the nodes run as many Pods as they may"),
    (r"\btaints?\b", "nodes are kept for others (their taints)"),
    (r"unbound immediate persistentvolumeclaims", "a claim has no volume so far"),
    (r"volume node affinity conflict", "a volume is on another node, or in another zone"),
    (r"max volume count", "the nodes have as many volumes attached as they may"),
    (
        r"(?<!volume )node affinity|node selector",
        "nodes do not have the labels that the policy names",
    ),
    (r"were unschedulable", "nodes are closed for new Pods"),
    (r"no nodes available", "the cluster has no nodes"),
)
_NO_CLAIM = re.compile(r'persistentvolumeclaim "(?P<name>[^"]*)" (?:not found|is being deleted)')


@dataclass(frozen=True, kw_only=True)
class State:
    """A Pod now."""

    placement: Placement
    running: bool = False
    """Its container runs: it can be spoken to."""
    failure: StartFailed | None = None
    """Why it will never run."""
    ended: Ended | None = None


def state_of(pod: Mapping[str, Any], events: Events = ()) -> State:
    """A Pod as the API describes it. `events` are those about it, in any order."""
    status, container = as_dict(pod.get("status")), container_of(pod)
    why = why_it_ended(pod)
    if why is not None:
        failure = None
        if any(why.why) and not _has_run(container):
            failure = StartFailed(*why.why)
        return State(placement=_placement(pod, "has ended"), failure=failure, ended=why)
    if "running" in container:
        going = "is being removed" if _is_going(pod) else "runs"
        return State(placement=_placement(pod, f"{going} on {_node(pod)}"), running=True)
    waiting = as_dict(container.get("waiting"))
    if (failure := _failure(pod, waiting, events)) is not None:
        return State(placement=_placement(pod, "cannot start"), failure=failure)
    if not _node(pod) and not as_text(status.get("nominatedNodeName")):
        return State(placement=_unscheduled(pod, events))
    return State(placement=_being_made(pod, waiting, events))


def container_of(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The state of its container: `waiting`, `running` or `terminated`."""
    statuses = as_dict(pod.get("status")).get("containerStatuses")
    return as_dict(named(statuses, POD_CONTAINER).get("state"))


def _has_run(container: Mapping[str, Any]) -> bool:
    ended = as_dict(container.get("terminated"))
    began = as_text(ended.get("startedAt"))
    # The runtime says 1970 of a program that it could not start.
    return bool(began) and not began.startswith(("0001", "1970"))


def _is_going(pod: Mapping[str, Any]) -> bool:
    return bool(as_dict(pod.get("metadata")).get("deletionTimestamp"))


def _name(pod: Mapping[str, Any]) -> str:
    return one_line(as_text(as_dict(pod.get("metadata")).get("name")), 80)


def _node(pod: Mapping[str, Any]) -> str:
    return one_line(as_text(as_dict(pod.get("spec")).get("nodeName")), 253)


def _placement(pod: Mapping[str, Any], words: str, reason: str = "") -> Placement:
    """`words` follow the Pod's name."""
    status = as_dict(pod.get("status"))
    return Placement(
        job=_name(pod),
        kind="Pod",
        state=one_line(as_text(status.get("phase")), 40).upper() or "PENDING",
        phase=f"Pod {_name(pod)} {words}",
        reason=reason,
        node=_node(pod),
        ends=_deadline(pod),
    )


def _deadline(pod: Mapping[str, Any]) -> float | None:
    seconds = as_int(as_dict(pod.get("spec")).get("activeDeadlineSeconds"))
    began = as_text(as_dict(pod.get("status")).get("startTime"))
    try:
        return datetime.fromisoformat(began).timestamp() + seconds if seconds > 0 else None
    except (ValueError, OverflowError):
        return None


def _failure(
    pod: Mapping[str, Any], waiting: Mapping[str, Any], events: Events
) -> StartFailed | None:
    """Why it will never run, for certain; what may mend itself is waited for."""
    reason, said = as_text(waiting.get("reason")), as_text(waiting.get("message"))
    if pulls.is_about_images(reason):
        return pulls.failure(reason, pulls.registry_said(said, _last(events, "Failed")), pod)
    message = one_line(said, 400).rstrip(".")
    if reason in _CANNOT and not any(one in message for one in _TRIES_AGAIN):
        return StartFailed(
            f"The node {_node(pod)} could not make the container: {message or reason}.",
            "Restart the kernel to try it again; if that does not help, ask the cluster's "
            "administrators.",
        )
    if found := _NO_CLAIM.search(_scheduler_said(pod, events)):
        return StartFailed(
            f"The namespace has no claim {one_line(found['name'], 253)} for a volume.",
            f"The administrator makes it, or changes {VOLUMES}.",
        )
    return None


def _scheduler_said(pod: Mapping[str, Any], events: Events) -> str:
    for one in as_list(as_dict(pod.get("status")).get("conditions")):
        condition = as_dict(one)
        waits = condition.get("type") == "PodScheduled" and condition.get("status") != "True"
        if waits and (said := as_text(condition.get("message"))):
            return said
    return _last(events, "FailedScheduling")


def _unscheduled(pod: Mapping[str, Any], events: Events) -> Placement:
    # What follows is what would come of ending others, which says nothing more.
    said = re.split(r"[.,;]? preemption:", _scheduler_said(pod, events))[0]
    reason = one_line(said, 300).rstrip(".")
    if not reason:
        return _placement(pod, "waits for a node (just submitted)")
    causes = []
    for pattern, words in _CAUSES:
        for found in re.finditer(pattern, said[:2000], re.IGNORECASE):
            causes.append(one_line(words.format(**found.groupdict()), 80))
    because = f": {'; '.join(dict.fromkeys(causes))}" if causes else ""
    more = ". A node is being added" if _last(events, "TriggeredScaleUp") else ""
    return _placement(pod, f"waits for a node{because} ({reason}){more}", reason)


_TROUBLE = {
    "FailedMount": "waits for a volume",
    "FailedAttachVolume": "waits for a volume",
    "FailedCreatePodSandBox": "waits for a network",
    "NetworkNotReady": "waits for a network",
}


def _being_made(pod: Mapping[str, Any], waiting: Mapping[str, Any], events: Events) -> Placement:
    """On its way on a node: its image, its volumes, its network."""
    where = f"on {_node(pod)}" if _node(pod) else "on a node that others leave for it"
    reason = as_text(waiting.get("reason"))
    if pulls.is_about_images(reason):
        message = as_text(waiting.get("message"))
        said = pulls.registry_said(message, _last(events, "Failed"))
        return _placement(pod, f"has no image {where}, which tries again ({said})", said)
    newest = max(events, key=_moment, default={})
    event, said = as_text(newest.get("reason")), one_line(as_text(newest.get("message")), 300)
    if event in _TROUBLE:
        words = _TROUBLE[event]
        if "Multi-Attach" in said or "already exclusively attached" in said:
            words = "waits for a volume that another node has"
        return _placement(pod, f"{words} {where} ({said.rstrip('.')})", said)
    if event == "Pulling":
        return _placement(pod, f"gets its image {where}")
    if reason not in ("", "ContainerCreating", "PodInitializing"):
        more = one_line(as_text(waiting.get("message")), 300) or reason
        return _placement(pod, f"is being made {where} ({one_line(more, 300)})", one_line(reason))
    return _placement(pod, f"is being made {where}")


def _last(events: Iterable[Mapping[str, Any]], reason: str) -> str:
    """The message of the newest event with that reason. Of failed pulls there are two at a time,
    of which one only says that there is another."""
    found = [
        one
        for one in events
        if one.get("reason") == reason and not as_text(one.get("message")).startswith("Error: ")
    ]
    return as_text(max(found, key=_moment, default={}).get("message"))


def _moment(event: Mapping[str, Any]) -> str:
    """When it was seen last: UTC in ISO 8601, which sorts as text. Which field says so depends on
    who wrote it."""
    series = as_text(as_dict(event.get("series")).get("lastObservedTime"))
    times = (series, *(as_text(event.get(key)) for key in ("lastTimestamp", "eventTime")))
    return max(times)
