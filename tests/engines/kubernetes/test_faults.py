"""A notebook's kernel on a cluster whose API server has a bad day."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web

from jupyter_containers.events import Change, subscribe, unsubscribe
from tests.engines.kubernetes.kernels import Notebook
from tests.helpers.cluster_api import Answer, cut, kubeconfig, page, status
from tests.helpers.fake_cluster import FakeCluster, nobody

SLOW = status(429, "too many requests", headers={"Retry-After": "1"})
FAULTS: dict[str, tuple[Answer, str]] = {
    "cut": (cut, "does not answer"),
    "500": (status(500, "etcdserver: request timed out"), "etcdserver: request timed out"),
    "proxy": (page(502, "<html>Bad Gateway</html>"), "Bad Gateway"),
    "429": (SLOW, "too many requests"),
    "expired": (status(401, "Unauthorized"), "its credentials have expired"),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_gone_while_a_pod_waits(name: str, notebook: Notebook) -> None:
    """It says so, and goes on when it is back."""
    answer, words = FAULTS[name]
    async with notebook.up() as cluster:
        cluster.node = nobody
        start = asyncio.ensure_future(notebook.start())
        await notebook.says("just submitted")
        cluster.fail("", answer)
        cluster.cut()
        await notebook.says(words)
        assert notebook.status["state"] == "starting"
        cluster.mend()
        await notebook.says("just submitted")
        await cluster.run(notebook.pod)
        await start
        assert notebook.status["state"] == "running"


async def test_gone_before_there_is_a_pod(notebook: Notebook) -> None:
    async with notebook.up() as cluster:
        cluster.fail("", cut)
        await notebook.start()
        assert notebook.status["state"] == "failed"
        assert "does not answer" in notebook.status["trouble"]["message"]
        cluster.mend()
        await notebook.manager.restart_kernel(now=True)
        assert notebook.status["state"] == "running"


@pytest.mark.parametrize("what", ["configmaps", "pods"])
async def test_it_wants_us_to_slow_down(what: str, notebook: Notebook) -> None:
    async with notebook.up() as cluster:
        cluster.fail(f"POST .*/{what}$", SLOW, times=2)
        await notebook.start()
        assert notebook.status["state"] == "running"


async def test_an_answer_that_is_lost(notebook: Notebook) -> None:
    """The Pod was made, and nobody heard of it: there is one at the end."""
    async with notebook.up() as cluster:
        taken = []

        async def lost(request: web.Request) -> web.StreamResponse:
            body = await request.json()
            taken.append(body["metadata"]["name"])
            await cluster._create(request, "pods", body)
            return await cut(request)

        cluster.fail("POST .*/pods$", lost, times=1)
        await notebook.start()
        assert taken == [notebook.pod]
        assert notebook.status["state"] == "running"
        assert await notebook.first_cell() == "-"


@pytest.mark.parametrize("name", ["cut", "410"])
async def test_a_watch_that_ends_misses_nothing(name: str, notebook: Notebook) -> None:
    async with notebook.up() as cluster:
        cluster.node = nobody
        start = asyncio.ensure_future(notebook.start())
        await notebook.says("just submitted")
        for _ in range(2):
            if name == "cut":
                cluster.cut()
            else:
                await cluster.forget_changes()
        await cluster.run(notebook.pod)
        if name == "410":
            await cluster.forget_changes()
        await start
        assert notebook.status["state"] == "running"


async def test_a_namespace_that_is_not_there(notebook: Notebook) -> None:
    async with notebook.up() as cluster:
        cluster.namespaces = set()
        await notebook.start()
        assert notebook.status["trouble"]["message"] == "The cluster has no namespace people."
        cluster.namespaces = {"people"}


@pytest.mark.parametrize(
    "right", ["create pods", "create configmaps", "watch pods", "get pods/exec"]
)
async def test_a_right_that_is_missing(right: str, notebook: Notebook) -> None:
    verb, _, what = right.partition(" ")
    async with notebook.up() as cluster:
        cluster.denied = {right}
        await notebook.start()
        assert notebook.status["state"] == "failed"
        told = notebook.status["trouble"]
        assert f'does not let this server {verb} "{what}"' in told["message"]
        assert "jupyter containers kubernetes rbac" in told["hint"]
        cluster.denied = set()
        await removed(cluster)


async def removed(cluster: FakeCluster) -> None:
    """What could not be removed for want of a right, the reaper would remove."""
    for name in [*cluster.pods]:
        await cluster.remove(name)


@pytest.mark.parametrize("right", ["list events", "get persistentvolumeclaims", "get pods/log"])
async def test_a_right_that_is_not_needed_for_a_start(right: str, notebook: Notebook) -> None:
    async with notebook.up() as cluster:
        cluster.denied = {right}
        await notebook.start()
        assert notebook.status["state"] == "running"


# -- while it runs ---------------------------------------------------------------------------------


async def test_gone_while_a_kernel_runs(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel goes on; the sidebar says what is the matter, and that it is over."""
    monkeypatch.setattr("jupyter_containers.engines.kubernetes.tunnel._CUT_LONG", 0.3)
    changes: list[Change] = []
    async with notebook.up() as cluster:
        await notebook.start()
        subscribe(changes.append)
        cluster.fail("", status(503, "the server is shutting down"))
        cluster.cut()
        async with asyncio.timeout(15):
            told = ""
            while "the server is shutting down. Its kernel goes on" not in told:
                await asyncio.sleep(0.1)
                assert await notebook.manager.is_alive()
                told = notebook.status["placement"]["warning"] or ""
        assert f"Pod {notebook.pod} is not reached now" in told
        assert changes
        cluster.mend()
        assert await notebook.first_cell() == "-"
        assert await notebook.manager.is_alive()
        assert notebook.status["placement"]["warning"] is None
        unsubscribe(changes.append)


async def test_a_token_that_expires_while_a_kernel_runs(notebook: Notebook) -> None:
    """Somebody logs in again: the kubeconfig is read anew."""
    async with notebook.up() as cluster:
        await notebook.start()
        cluster.tokens = {"t-2"}
        cluster.cut()
        await asyncio.sleep(0.5)
        assert await notebook.manager.is_alive()
        host = (await notebook.engine._cluster("").access()).host
        notebook.kubeconfig.write_text(json.dumps(kubeconfig(host, {"token": "t-2"})))
        assert await notebook.first_cell() == "-"
        assert notebook.engine._kernels[notebook.pod].tunnel is not None


async def test_a_plugins_token_that_expires(notebook: Notebook, tmp_path: Path) -> None:
    """Its program is run again."""
    api, file = "client.authentication.k8s.io/v1", tmp_path / "plugin"
    said = {"apiVersion": api, "kind": "ExecCredential", "status": {"token": "t-$n"}}
    script = f"cd {tmp_path}\necho >>count\nn=$(wc -l <count)\ncat <<E\n{json.dumps(said)}\nE\n"
    file.write_text(f"#!/bin/sh\n{script}")
    file.chmod(0o755)
    user = {"exec": {"apiVersion": api, "command": str(file), "interactiveMode": "Never"}}
    async with notebook.up(user) as cluster:
        await notebook.start()
        cluster.tokens = {"t-2"}
        cluster.cut()
        assert await notebook.first_cell() == "-"
        assert len((tmp_path / "count").read_text().splitlines()) == 2


async def test_it_is_shut_down_while_the_cluster_is_away(notebook: Notebook) -> None:
    """The reaper, or whoever is there next, removes what is left."""
    async with notebook.up() as cluster:
        await notebook.start()
        before = cluster.pods[notebook.pod]["metadata"]["uid"]
        cluster.fail("", status(503))
        cluster.cut()
        with pytest.raises(Exception, match="does not answer"):
            await notebook.manager.shutdown_kernel(now=True)
        cluster.mend()
        await notebook.engine.remove(notebook.pod)
        assert before not in [one["metadata"]["uid"] for one in cluster.pods.values()]
