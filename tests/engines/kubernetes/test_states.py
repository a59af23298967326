"""What is told of a Pod: why it waits, why it will not run, how it ended. The messages are those of
clusters, containerd and registries."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containers.engines.kubernetes.ends import gone, why_it_ended
from jupyter_containers.engines.kubernetes.states import state_of
from jupyter_containers.models import Ended

IMAGE = "reg.example.org/team/x@sha256:0123456789ab" + "0" * 52


def pod(status: dict[str, Any], *, node: str = "n1", **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "jupyter-1", **more},
        "spec": {
            **({"nodeName": node} if node else {}),
            "activeDeadlineSeconds": 3600,
            "containers": [{"name": "kernel", "image": IMAGE}],
        },
        "status": {"phase": "Pending", **status},
    }


def container(**state: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"name": "kernel", "state": state}]}


def waits(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return pod(container(waiting={"reason": reason, "message": message}), **more)


def event(reason: str, message: str = "", at: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    return {"reason": reason, "message": message, "lastTimestamp": at}


def unscheduled(message: str) -> dict[str, Any]:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
    }
    return pod({"conditions": [condition]}, node="")


def test_a_container_that_a_webhook_has_put_beside_ours_counts_for_nothing() -> None:
    beside = {"name": "a-proxy", "state": {"running": {}}}
    ours = {"name": "kernel", "state": {"waiting": {"reason": "ContainerCreating"}}}
    both = {"containerStatuses": [beside, ours]}
    assert not state_of(pod(both)).running
    assert not state_of(pod({"containerStatuses": [beside]})).running
    ours["state"] = {"terminated": {"exitCode": 3}}
    assert why_it_ended(pod({**both, "phase": "Running"})) == Ended(code=3)
    ended = {"name": "a-proxy", "state": {"terminated": {"exitCode": 3}}}
    ours["state"] = {"running": {}}
    both = {"containerStatuses": [ended, ours]}
    assert state_of(pod({**both, "phase": "Running"})).running


# -- it waits ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("", "waits for a node (just submitted)"),
        (
            "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: 0/3 nodes are "
            "available: 3 No preemption victims found for incoming pod.",
            "waits for a node: not enough nvidia.com/gpu is free (0/3 nodes are available: 3 "
            "Insufficient nvidia.com/gpu)",
        ),
        (
            "0/2 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.",
            "not enough cpu is free; not enough memory is free (0/2",
        ),
        (
            "0/1 nodes are available: 1 node(s) had taint {gpu: }, that the pod didn't tolerate.",
            "nodes are kept for others (their taints) (0/1",
        ),
        ("0/1 nodes are available: 1 node(s) had untolerated taint {gpu: }.", "(their taints)"),
        (
            "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
            "a claim has no volume so far",
        ),
        (
            "0/2 nodes are available: 2 node(s) had volume node affinity conflict.",
            "waits for a node: a volume is on another node, or in another zone (0/2",
        ),
        (
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
            "do not have the labels",
        ),
        ("0/1 nodes are available: 1 node(s) were unschedulable.", "closed for new Pods"),
        ("0/1 nodes are available: 1 Too many pods.", "as many Pods as they may"),
        ("no nodes available to schedule pods", "the cluster has no nodes"),
        ("something new", "waits for a node (something new)"),
    ],
)
def test_it_waits_for_a_node(message: str, says: str) -> None:
    found = state_of(unscheduled(message))
    assert says in found.placement.waiting
    assert found.placement.waiting.startswith("Pod jupyter-1 ")
    assert (found.running, found.failure, found.ended) == (False, None, None)


def test_before_the_condition_the_event_says_why() -> None:
    said = event("FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu.")
    assert "not enough cpu" in state_of(pod({}, node=""), [said]).placement.waiting
    more = [said, event("TriggeredScaleUp", "pod triggered scale-up")]
    assert state_of(pod({}, node=""), more).placement.waiting.endswith("A node is being added")


OLD, NEW = "2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z"


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ([], "is being made on n1"),
        (
            [event("Pulling", 'Pulling image "x"', NEW), event("Scheduled", "", OLD)],
            "gets its image on n1",
        ),
        ([event("Pulling", "", OLD), event("Pulled", "", NEW)], "is being made on n1"),
        (
            [event("FailedMount", "MountVolume.SetUp failed: no", NEW)],
            "waits for a volume on n1 (MountVolume.SetUp failed: no)",
        ),
        (
            [
                event(
                    "FailedAttachVolume",
                    'Multi-Attach error for volume "pvc-1" Volume is already exclusively attached '
                    "to one node and can't be attached to another",
                )
            ],
            "waits for a volume that another node has on n1 (Multi-Attach error",
        ),
        ([event("FailedCreatePodSandBox", "cni: no address")], "waits for a network on n1 (cni"),
        (
            [{"reason": "Pulling", "eventTime": NEW}, event("Scheduled", "", OLD)],
            "gets its image on n1",
        ),
    ],
)
def test_it_is_being_made(events: list[dict[str, Any]], says: str) -> None:
    assert says in state_of(waits("ContainerCreating"), events).placement.waiting
    assert says in state_of(pod({}), events).placement.waiting


def test_it_runs() -> None:
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_000_000_000))
    found = state_of(pod({"phase": "Running", "startTime": began, **container(running={})}))
    assert found.running
    assert (found.placement.job, found.placement.kind) == ("jupyter-1", "Pod")
    assert (found.placement.node, found.placement.state) == ("n1", "RUNNING")
    assert found.placement.ends == 1_000_000_000 + 3600
    assert found.placement.warning.startswith("The time of Pod jupyter-1 is over at ")


# -- it will never run -------------------------------------------------------------------------

CONTAINERD = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "reg/x:1": failed to '
    'resolve reference "reg/x:1": reg/x:1: not found'
)
DENIED = (
    'rpc error: code = Unknown desc = failed to pull and unpack image "reg/x:1": failed to resolve '
    'reference "reg/x:1": pull access denied, repository does not exist or may require '
    "authorization: server message: insufficient_scope: authorization failed"
)
NO_HOST = (
    'failed to pull and unpack image "reg/x:1": failed to resolve reference "reg/x:1": failed to '
    'do request: Head "https://reg/v2/x/manifests/1": dial tcp: lookup reg on 10.0.0.1:53: no such '
    "host"
)
BACK_OFF = 'Back-off pulling image "reg/x:1"'
REFUSED = "dial tcp 10.0.0.1:443: connect: connection refused"


@pytest.mark.parametrize(
    ("reason", "message", "says"),
    [
        (
            "ErrImagePull",
            CONTAINERD,
            "The registry has no image reg.example.org/team/x@0123456789ab…: reg/x:1: not found.",
        ),
        ("ImagePullBackOff", f"{BACK_OFF}: ErrImagePull: {CONTAINERD}", "no image"),
        ("ErrImagePull", DENIED, "wants a log-in from the cluster's nodes, or has no such image"),
        ("ErrImagePull", "unexpected status from HEAD request: 401 Unauthorized", "log-in"),
        ("ErrImagePull", "tls: x509: certificate signed by unknown authority", "do not trust"),
        ("ErrImagePull", "http: server gave HTTP response to HTTPS client", "answers in HTTP"),
        ("ErrImagePull", "no match for platform in manifest: not found", "not made for the"),
        ("ErrImagePull", "no matching manifest for linux/arm64", "not made for the processors"),
        ("ImagePullBackOff", f"{BACK_OFF}: ErrImagePull: {NO_HOST}", "do not find the host"),
        ("ErrImageNeverPull", "is not present with pull policy of Never", "forbids"),
        ("InvalidImageName", "invalid reference format", "for the name of an image"),
        ("SignatureValidationFailed", "no", "not signed"),
        (
            "CreateContainerConfigError",
            "container has runAsNonRoot and image will run as root",
            "The node n1 could not make the container: container has runAsNonRoot",
        ),
        ("CreateContainerError", "failed to prepare subPath", "prepare subPath"),
        ("RunContainerError", "exec: no such file", "could not make the container: exec"),
    ],
)
def test_it_will_never_run(reason: str, message: str, says: str) -> None:
    failure = state_of(waits(reason, message)).failure
    assert failure is not None
    assert says in failure.message
    assert failure.hint


def test_a_pull_that_backs_off_is_told_by_its_event() -> None:
    """Before Kubernetes 1.32 the state itself does not say why."""
    told = [
        event("Failed", f'Failed to pull image "reg/x:1": {DENIED}', OLD),
        event("Failed", "Error: ErrImagePull", NEW),
    ]
    failure = state_of(waits("ImagePullBackOff", BACK_OFF), told).failure
    assert failure is not None
    assert "wants a log-in" in failure.message


@pytest.mark.parametrize(
    ("reason", "message", "says"),
    [
        ("ErrImagePull", NO_HOST, "no such host"),
        ("ErrImagePull", REFUSED, "has no image on n1, which tries again (dial tcp"),
        ("ImagePullBackOff", f"{BACK_OFF}: ErrImagePull: {REFUSED}", "refused"),
        ("ErrImagePull", "toomanyrequests: You have reached your pull rate limit", "rate limit"),
        ("ImagePullBackOff", BACK_OFF, "the registry does not say why"),
        ("CreateContainerError", "context deadline exceeded", "context deadline exceeded"),
        (
            "CreateContainerConfigError",
            "failed to sync configmap cache: timed out waiting for the condition",
            "is being made on n1 (failed to sync",
        ),
    ],
)
def test_what_may_mend_itself_is_waited_for(reason: str, message: str, says: str) -> None:
    found = state_of(waits(reason, message))
    assert found.failure is None
    assert says in found.placement.waiting


def test_a_claim_that_is_not_there() -> None:
    failure = state_of(unscheduled('persistentvolumeclaim "home-ada" not found')).failure
    assert failure is not None
    assert failure.message == "The namespace has no claim home-ada for a volume."
    assert "Policy.kubernetes_volumes" in failure.hint


# -- it has ended ------------------------------------------------------------------------------


def ended(code: int, reason: str = "Error", began: str = NEW, **more: Any) -> dict[str, Any]:
    said = {"exitCode": code, "reason": reason, "startedAt": began, **more}
    return {"phase": "Failed", **container(terminated=said)}


def disrupted(reason: str) -> dict[str, Any]:
    return {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": reason}]}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (ended(0, "Completed") | {"phase": "Succeeded"}, Ended(code=0)),
        (ended(3), Ended(code=3)),
        (ended(143), Ended(code=-15)),
        (ended(255), Ended(code=255)),
        (ended(137, "OOMKilled"), Ended(code=-9, out_of_memory=True)),
        ({"phase": "Succeeded"}, Ended(code=0)),
    ],
)
def test_it_ended_by_itself(status: dict[str, Any], expected: Ended) -> None:
    found = state_of(pod(status))
    assert found.ended == expected
    assert found.failure is None
    assert not found.running


EVICTED = "The node was low on resource: memory. Container kernel was using 9Gi, request is 1Gi. "


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ({"reason": "DeadlineExceeded"}, "reached its time limit of 3600 seconds"),
        (
            {"reason": "Evicted", "message": EVICTED},
            "The node n1 ran short, and put out Pod jupyter-1: The node was low on",
        ),
        ({"reason": "Preempting"}, "for another of higher priority"),
        ({"reason": "Terminated", **disrupted("TerminationByKubelet")}, "was shut down"),
        ({"reason": "NodeLost"}, "The node n1, on which Pod jupyter-1 ran, was lost"),
        (disrupted("PreemptionByScheduler"), "for another of higher priority"),
        (disrupted("EvictionByEvictionAPI"), "the node is being emptied"),
        (disrupted("DeletionByTaintManager"), "was lost"),
        (disrupted("DeletionByPodGC"), "was lost"),
    ],
)
def test_it_was_ended(status: dict[str, Any], says: str) -> None:
    found = state_of(pod(ended(137) | status))
    assert found.ended is not None
    assert says in found.ended.why[0]
    assert found.ended.code == -9
    assert "Restart the kernel" in found.ended.why[1]
    assert found.failure is None


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (
            {"phase": "Failed", "reason": "OutOfnvidia.com/gpu", "message": "Not enough"},
            "The node n1 did not take Pod jupyter-1: Not enough.",
        ),
        (
            {"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": "no"},
            "did not take",
        ),
        ({"phase": "Failed", "reason": "DeadlineExceeded"}, "time limit"),
        ({"phase": "Failed"}, "it does not say why"),
        (
            ended(128, "StartError", "1970-01-01T00:00:00Z", message='exec: "python9": not found'),
            'could not start the container\'s program: exec: "python9": not found.',
        ),
        (ended(127, "ContainerCannotRun", "", message="no"), "could not start"),
    ],
)
def test_it_ended_before_it_ran(status: dict[str, Any], says: str) -> None:
    found = state_of(pod(status))
    assert found.failure is not None and found.ended is not None
    assert says in found.failure.message
    assert found.ended.why == (found.failure.message, found.failure.hint)


def test_a_pod_that_is_deleted_by_hand() -> None:
    running = {"phase": "Running", **container(running={})}
    going = state_of(pod(running, deletionTimestamp=NEW))
    assert going.running and "is being removed" in going.placement.waiting
    over = state_of(pod(ended(137), deletionTimestamp=NEW)).ended
    assert over is not None and "Pod jupyter-1 was deleted" in over.why[0]
    assert "was deleted" in gone(pod(running)).why[0]


def test_a_pod_whose_node_does_not_answer() -> None:
    """It stays `Running` until its node says otherwise, which may be never."""
    running = {"phase": "Running", **container(running={})}
    assert why_it_ended(pod(running)) is None
    for status in (disrupted("DeletionByTaintManager"), {"reason": "NodeLost"}):
        assert state_of(pod(running | status)).running
        over = state_of(pod(running | status, deletionTimestamp=NEW))
        assert over.ended is not None and "was lost" in over.ended.why[0]


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ([event("Killing", "Stopping container kernel")], "was deleted"),
        (
            [event("Killing"), event("Preempted", "Preempted by a pod on node n1")],
            "higher priority",
        ),
        ([event("Evicted", EVICTED)], "ran short"),
        ([event("TaintManagerEviction", "Marking for deletion Pod n/jupyter-1")], "was lost"),
        ([event("NodeNotReady", "Node is not ready")], "was lost"),
    ],
)
def test_a_pod_that_is_gone(events: list[dict[str, Any]], says: str) -> None:
    running = {"phase": "Running", **container(running={})}
    assert says in gone(pod(running), events).why[0]
    assert (
        "higher priority" in gone(pod(running | disrupted("PreemptionByScheduler")), events).why[0]
    )
    assert gone(pod(ended(3)), events) == Ended(code=3)


# -- whatever comes ----------------------------------------------------------------------------

NASTY = "\x1b]0;owned\x07{pod}\u202e%s\n" + "x" * 5000


def _said(status: dict[str, Any], events: list[dict[str, Any]]) -> list[str]:
    found = state_of(pod(status), events)
    texts = [found.placement.waiting, found.placement.node, found.placement.reason]
    if found.failure is not None:
        texts += [found.failure.message, found.failure.hint]
    return [*texts, *(found.ended.why if found.ended is not None else ())]


@pytest.mark.parametrize(
    "status",
    [
        container(waiting={"reason": NASTY, "message": NASTY}),
        container(waiting={"reason": "ErrImagePull", "message": NASTY + "not found"}),
        container(waiting={"reason": "CreateContainerError", "message": NASTY}),
        {"phase": "Failed", "reason": "Evicted", "message": NASTY},
        {"phase": NASTY},
        {"conditions": [{"type": "PodScheduled", "status": "False", "message": NASTY}]},
    ],
)
def test_text_of_the_cluster_is_made_printable_and_short(status: dict[str, Any]) -> None:
    for text in _said(status, [event("FailedMount", NASTY)]):
        assert text.isprintable()
        assert "\u202e" not in text
        assert len(text) < 1000


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
KEYS = ("phase", "reason", "message", "conditions", "containerStatuses", "startTime")


@given(st.dictionaries(st.sampled_from(KEYS), JSON), JSON)
def test_nothing_that_comes_breaks_it(status: dict[str, Any], one: Any) -> None:
    whole = {"metadata": one, "spec": one, "status": status}
    events = [{"reason": one, "message": one, "lastTimestamp": one, "series": one}]
    for about in (
        whole,
        pod(status),
        {"status": one},
        pod(container(waiting=one)),
        pod(container(terminated=one)),
    ):
        state_of(about, events)
        gone(about, events)
