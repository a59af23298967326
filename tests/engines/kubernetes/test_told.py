"""From a cluster to the notebook: what happens to a Pod is in the kernel's status."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from jupyter_containers.engines.kubernetes.engine import Kubernetes
from jupyter_containers.models import Stats
from tests.engines.kubernetes.kernels import Notebook
from tests.helpers.cluster_api import status
from tests.helpers.fake_cluster import BEGAN, container_is, nobody

QUOTA = (
    'pods "jupyter-1" is forbidden: exceeded quota: team-a, requested: limits.memory=4Gi, used: '
    "limits.memory=6Gi, limited: limits.memory=8Gi"
)


async def test_a_kernel_runs_and_speaks(notebook: Notebook) -> None:
    async with notebook.up():
        await notebook.start()
        assert notebook.status["state"] == "running"
        assert notebook.status["placement"]["node"] == "n1"
        assert await notebook.first_cell() == "-"


# -- a start -----------------------------------------------------------------------------------


def unscheduled(message: str) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "message": message}
    return {"conditions": [condition]}


async def test_what_a_start_waits_for(notebook: Notebook) -> None:
    async with notebook.up() as cluster:
        cluster.node = nobody
        start = asyncio.ensure_future(notebook.start())
        await notebook.says("waits for a node (just submitted)")
        full = "0/2 nodes are available: 2 Insufficient memory."
        await cluster.say(notebook.pod, unscheduled(full), node="")
        await notebook.says("waits for a node: not enough memory is free (0/2 nodes")
        assert notebook.status["state"] == "starting"
        scheduled = {"conditions": [{"type": "PodScheduled", "status": "True"}]}
        creating = container_is(waiting={"reason": "ContainerCreating"})
        await cluster.say(notebook.pod, scheduled | creating)
        await notebook.says("is being made on n1")
        cluster.tell(notebook.pod, "Pulling", 'Pulling image "reg.example.org/team/x"')
        await notebook.says("gets its image on n1")
        slow = {"reason": "ErrImagePull", "message": "rpc error: code = Unknown desc = i/o timeout"}
        await cluster.say(notebook.pod, container_is(waiting=slow))
        await notebook.says("has no image on n1, which tries again (i/o timeout)")
        await cluster.run(notebook.pod)
        await start
        assert notebook.status["state"] == "running"


REFUSALS = {
    "quota": (QUOTA, "The quota team-a of the namespace is used up: limits.memory=4Gi asked for"),
    "webhook": (
        'admission webhook "policy.example.org" denied the request: no owner label',
        "admission webhook policy.example.org refused the Pod: no owner label",
    ),
    "right": (
        'pods is forbidden: User "u" cannot create resource "pods" in API group ""',
        'does not let this server create "pods"',
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_what_the_cluster_refuses(name: str, notebook: Notebook) -> None:
    message, words = REFUSALS[name]
    async with notebook.up() as cluster:
        cluster.fail("POST .*/pods$", status(403, message))
        await notebook.start()
        assert notebook.status["state"] == "failed"
        assert words in notebook.status["trouble"]["message"]
        assert notebook.status["trouble"]["hint"]


LOG_IN = {
    "reason": "ErrImagePull",
    "message": 'rpc error: code = Unknown desc = failed to resolve reference "reg.example.org/x": '
    "pull access denied, repository does not exist or may require authorization",
}
TROUBLES = {
    "image": (
        container_is(waiting=LOG_IN),
        "wants a log-in from the cluster's nodes, or has no such image: pull access denied",
    ),
    "node": (
        {
            "phase": "Failed",
            "reason": "OutOfcpu",
            "message": "Node didn't have enough resource: cpu",
        },
        "The node n1 did not take Pod",
    ),
    "claim": (unscheduled('persistentvolumeclaim "home" not found'), "has no claim home"),
}


@pytest.mark.parametrize("name", TROUBLES)
async def test_what_never_runs(name: str, notebook: Notebook) -> None:
    said, words = TROUBLES[name]
    async with notebook.up() as cluster:
        cluster.node = lambda cluster, pod: cluster.say(pod, said, node="n1")
        await notebook.start()
        assert notebook.status["state"] == "failed"
        assert words in notebook.status["trouble"]["message"]
        assert cluster.pods == {}


async def test_a_pod_that_is_deleted_while_it_waits(notebook: Notebook) -> None:
    async with notebook.up() as cluster:
        cluster.node = nobody
        start = asyncio.ensure_future(notebook.start())
        await notebook.says("just submitted")
        await cluster.remove(notebook.pod)
        await start
        assert "was deleted: by somebody" in notebook.status["trouble"]["message"]


# -- it runs -----------------------------------------------------------------------------------


async def test_what_it_uses(notebook: Notebook) -> None:
    usage = {"containers": [{"name": "kernel", "usage": {"cpu": "500m", "memory": "256Mi"}}]}
    async with notebook.up() as cluster:
        await notebook.start()
        pod = notebook.pod
        assert await notebook.engine.stats(pod) is None
        cluster.metrics = usage
        used = Stats(cpu_percent=50.0, memory_bytes=256 << 20, memory_limit=1 << 30)
        assert await notebook.engine.stats(pod) == used
        assert await Kubernetes(notebook.engine.inner).stats(pod) == used  # of the next server
        cluster.fail("GET .*/metrics.k8s.io/", status(403, 'User "u" cannot get resource "pods"'))
        assert await notebook.engine.stats(pod) is None
        # What the guest tells of its limits is told in any case.
        assert notebook.status["applied"]["uid"] == os.getuid()


# -- an end ------------------------------------------------------------------------------------

KILLED = container_is(terminated={"exitCode": 137, "reason": "Error", "startedAt": BEGAN})
DRAINED = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
ENDS: dict[str, tuple[dict[str, Any], str]] = {
    "evicted": (
        {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."} | KILLED,
        "The node n1 ran short, and put out Pod {pod}: The node was low on memory.",
    ),
    "deadline": (
        {"phase": "Failed", "reason": "DeadlineExceeded"} | KILLED,
        "Pod {pod} reached its time limit of 604800 seconds, and the cluster ended it.",
    ),
    "drained": (
        {"phase": "Failed", "conditions": [DRAINED]} | KILLED,
        "Pod {pod} was put out of n1: the node is being emptied.",
    ),
    "lost": (
        {"phase": "Failed", "reason": "NodeLost"},
        "The node n1, on which Pod {pod} ran, was lost.",
    ),
}


@pytest.mark.parametrize("name", ENDS)
async def test_who_ended_it(name: str, notebook: Notebook) -> None:
    """It does not start again by itself: every cell and the sidebar say why."""
    said, words = ENDS[name]
    async with notebook.up() as cluster:
        await notebook.start()
        pod = notebook.pod
        await cluster.kill(pod)
        await cluster.say(pod, said)
        await notebook.restarted()
        assert notebook.status["state"] == "failed"
        assert notebook.status["trouble"]["message"] == words.format(pod=pod)
        assert "Restart the kernel" in notebook.status["trouble"]["hint"]


async def test_the_cluster_never_hears_of_an_end(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a kubelet that does not report any more."""
    monkeypatch.setattr("jupyter_containers.engines.kubernetes.kernel._PATIENCE", 1.0)
    async with notebook.up() as cluster:
        await notebook.start(grace=1.0)
        pod = notebook.pod
        await cluster.kill(pod)
        cluster.pods[pod]["metadata"]["deletionTimestamp"] = BEGAN
        await cluster.say(pod, {"conditions": [DRAINED]})
        await notebook.restarted()
        told = notebook.status["trouble"]["message"]
        assert told == f"Pod {pod} was put out of n1: the node is being emptied."


async def test_memory_that_runs_out(notebook: Notebook) -> None:
    """It starts again, and the first cell says why."""
    async with notebook.up() as cluster:
        await notebook.start()
        pod = notebook.pod
        before = cluster.pods[pod]["metadata"]["uid"]
        await cluster.kill(pod)
        killed = {"exitCode": 137, "reason": "OOMKilled", "startedAt": BEGAN}
        await cluster.say(pod, {"phase": "Failed"} | container_is(terminated=killed))
        await notebook.restarted()
        assert notebook.status["state"] == "running"
        assert cluster.pods[notebook.pod]["metadata"]["uid"] != before
        assert "The kernel ran out of memory (limit 1g) and was killed." in (
            await notebook.first_cell()
        )


async def test_a_node_that_is_lost(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody says that the Pod has ended: nothing is heard of it any more."""
    monkeypatch.setattr("jupyter_containers.engines.kubernetes.kernel._PATIENCE", 1.0)
    async with notebook.up() as cluster:
        await notebook.start(grace=1.0)
        pod = notebook.pod
        cluster.fail("/exec", status(500, "error dialing backend: no route to host"))
        cluster.cut()
        cluster.tell(pod, "NodeNotReady", "Node is not ready")
        await notebook.restarted()
        told = notebook.status["trouble"]["message"]
        assert told == f"The node n1, on which Pod {pod} ran, was lost."


async def test_a_pod_that_is_reached_no_more(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_containers.engines.kubernetes.kernel._PATIENCE", 1.0)
    async with notebook.up() as cluster:
        await notebook.start(grace=1.0)
        cluster.fail("/exec", status(500))
        cluster.cut()
        await notebook.restarted()
        told = notebook.status["trouble"]["message"]
        assert told == "The Pod was not reached for 1 s (the API server answered 500)."
