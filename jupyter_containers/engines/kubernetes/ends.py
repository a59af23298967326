"""How a Pod ended, and who ended it, in sentences. Pure.

https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...layout import POD_CONTAINER
from ...models import Ended
from ...text import as_dict, as_int, as_list, as_text, named, one_line

_AGAIN = "Restart the kernel to run it in a new Pod."
_KILLED = -9
_BY_REASON = {
    "DeadlineExceeded": (
        "Pod {pod} reached its time limit of {deadline} seconds, and the cluster ended it.",
        f"{_AGAIN} The administrator sets the limit (Policy.kubernetes_deadline).",
    ),
    "Evicted": (
        "The node {node} ran short, and put out Pod {pod}: {said}.",
        f'{_AGAIN} Ask for what it needs by "memory" in the notebook\'s container settings.',
    ),
    "Preempted": ("The cluster ended Pod {pod} for another of higher priority.", _AGAIN),
    "NodeLost": ("The node {node}, on which Pod {pod} ran, was lost.", _AGAIN),
    "Shutdown": ("The node {node}, on which Pod {pod} ran, was shut down.", _AGAIN),
    "Drained": ("Pod {pod} was put out of {node}: the node is being emptied.", _AGAIN),
    "Deleted": ("Pod {pod} was deleted: by somebody, or by the administrator.", _AGAIN),
    "NotAdmitted": (
        "The node {node} did not take Pod {pod}: {said}.",
        "Restart the kernel: another node may be chosen.",
    ),
    "NotStarted": (
        "The node {node} could not start the container's program: {said}.",
        "The image has to have the Python that it had when it was looked at: build it again.",
    ),
}
_SAME = {
    # `status.reason` of a Pod
    "Preempting": "Preempted",
    "NodeShutdown": "Shutdown",
    "Terminated": "Shutdown",
    "Shutdown": "Shutdown",
    "NodeLost": "NodeLost",
    "Evicted": "Evicted",
    "DeadlineExceeded": "DeadlineExceeded",
    "UnexpectedAdmissionError": "NotAdmitted",
    "NodeAffinity": "NotAdmitted",
    # reasons of the condition DisruptionTarget
    "PreemptionByScheduler": "Preempted",
    "PreemptionByKubeScheduler": "Preempted",
    "DeletionByTaintManager": "NodeLost",
    "DeletionByPodGC": "NodeLost",
    "EvictionByEvictionAPI": "Drained",
    "TerminationByKubelet": "Evicted",
    # reasons of a container's end
    "ContainerStatusUnknown": "NodeLost",
    "ContainerCannotRun": "NotStarted",
    "StartError": "NotStarted",
    # reasons of events
    "Preempted": "Preempted",
    "TaintManagerEviction": "NodeLost",
    "NodeNotReady": "NodeLost",
}
_BY_EVENT = ("Preempted", "Evicted", "TaintManagerEviction", "NodeNotReady")
_OVER = ("Succeeded", "Failed")
_LOST = ("NodeLost", "DeletionByTaintManager", "DeletionByPodGC")


def why_it_ended(pod: Mapping[str, Any]) -> Ended | None:
    """How a Pod that is over ended; None where it goes on. One on a node that does not answer is
    over once the cluster gave it up: nobody is left there to say so."""
    status, metadata = as_dict(pod.get("status")), as_dict(pod.get("metadata"))
    reason, disruption = as_text(status.get("reason")), _disruption(status)
    terminated = _terminated(status)
    lost = metadata.get("deletionTimestamp") and (reason in _LOST or disruption in _LOST)
    if not (lost or terminated or status.get("phase") in _OVER):
        return None
    code, how = as_int(terminated.get("exitCode")), as_text(terminated.get("reason"))
    if how == "OOMKilled":
        return Ended(code=_KILLED, out_of_memory=True)
    said = as_text(status.get("message")) or as_text(terminated.get("message"))
    kinds = [_kind(one) for one in (reason, disruption, how)]
    kind = next((one for one in kinds if one), "")
    if not kind and metadata.get("deletionTimestamp"):
        kind = "Deleted"
    if kind:
        return Ended(code=_KILLED, why=_sentence(kind, pod, said))
    if not terminated:  # it is over, and its container was never heard of
        failed = status.get("phase") == "Failed"
        return Ended(
            code=int(failed), why=_sentence("NotAdmitted", pod, said) if failed else ("", "")
        )
    return Ended(code=128 - code if 128 < code < 160 else code)


def gone(pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]] = ()) -> Ended:
    """How a Pod ended that the API no longer knows: `pod` as it was seen last, `events` about
    it."""
    if (ended := why_it_ended(pod)) is not None:
        return ended
    kind, said = _who(pod, events)
    return Ended(code=_KILLED, why=_sentence(kind or "Deleted", pod, said))


def unreached(
    pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]], why: str, hint: str
) -> Ended:
    """The end, for us, of a Pod that the cluster does not take for ended: `why` it is not reached
    any more and what to do, unless the cluster knows better."""
    kind, said = _who(pod, events)
    if not kind and as_dict(pod.get("metadata")).get("deletionTimestamp"):
        kind = "Deleted"
    return Ended(code=_KILLED, why=_sentence(kind, pod, said) if kind else (why, hint or _AGAIN))


def _who(pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The kind of its end by what the cluster does to it, and what was reported of that."""
    told = {as_text(one.get("reason")): as_text(one.get("message")) for one in events}
    event = next((one for one in _BY_EVENT if one in told), "")
    disruption = _kind(_disruption(as_dict(pod.get("status"))))
    return disruption or _kind(event), told.get(event, "")


def _kind(reason: str) -> str:
    # `OutOfcpu`, `OutOfmemory`, `OutOfnvidia.com/gpu`: what the node had no more of.
    return "NotAdmitted" if reason.startswith("OutOf") else _SAME.get(reason, "")


def _disruption(status: Mapping[str, Any]) -> str:
    for one in as_list(status.get("conditions")):
        condition = as_dict(one)
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            return as_text(condition.get("reason"))
    return ""


def _terminated(status: Mapping[str, Any]) -> dict[str, Any]:
    state = as_dict(named(status.get("containerStatuses"), POD_CONTAINER).get("state"))
    return as_dict(state.get("terminated"))


def _sentence(kind: str, pod: Mapping[str, Any], said: str) -> tuple[str, str]:
    spec, metadata = as_dict(pod.get("spec")), as_dict(pod.get("metadata"))
    words = {
        "pod": one_line(as_text(metadata.get("name")), 80),
        "node": one_line(as_text(spec.get("nodeName")), 253) or "(unknown)",
        "deadline": as_int(spec.get("activeDeadlineSeconds")) or "?",
        "said": one_line(said, 400).rstrip(". ") or "it does not say why",
    }
    message, hint = _BY_REASON[kind]
    return message.format_map(words), hint
