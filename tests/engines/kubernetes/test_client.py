"""The client against an API server that has a bad day."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import socket
import stat
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from jupyter_containers.engines.kubernetes import client as clients
from jupyter_containers.engines.kubernetes.client import Cluster
from jupyter_containers.engines.kubernetes.execs import open_exec
from jupyter_containers.engines.kubernetes.manifest import PodFiles, config_maps
from jupyter_containers.engines.kubernetes.namespace import Namespace
from jupyter_containers.engines.kubernetes.site import Site
from jupyter_containers.errors import EngineDown, EngineMissing, StartFailed
from jupyter_containers.kernels.guest_client import new_secret
from jupyter_containers.layout import POD_CONTAINER
from tests.helpers.cluster_api import (
    Answer,
    Api,
    cat,
    cut,
    events,
    hang,
    kubeconfig,
    page,
    said,
    status,
)

POD = {"metadata": {"name": "jupyter-0123abcd", "uid": "u-1", "resourceVersion": "7"}}
GOOD = said(POD)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(clients, "_PAUSES", (0.01, 0.01, 0.01))
    monkeypatch.setattr(clients, "_LONGEST_PAUSE", 0.5)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


@contextlib.asynccontextmanager
async def serving(
    tmp_path: Path,
    *answers: Answer,
    user: dict[str, Any] | None = None,
    pem: Path | None = None,
) -> AsyncIterator[tuple[Api, Namespace]]:
    """A server with these answers, and what we have of it; no connection is left."""
    api, cluster = Api(*answers), Cluster()
    async with api.up(tmp_path / "config", user, pem):
        yield api, Namespace(cluster, "people")
        assert [pool.rest for pool in cluster._pools.values() if pool.rest] == []


def test_who_we_are_and_what_is_asked(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path, GOOD) as (api, space):
            assert await space.pod("jupyter-0123abcd") == POD
            assert (await space.cluster.access()).namespace == "people"
        assert api.asked[0].path == "/api/v1/namespaces/people/pods/jupyter-0123abcd"
        assert api.asked[0].headers["Authorization"] == "Bearer t-1"

    asyncio.run(main())


@pytest.mark.parametrize("trouble", [status(503), status(500), cut, status(429)])
def test_what_passes_is_waited_for(tmp_path: Path, trouble: Answer) -> None:
    async def main() -> None:
        async with serving(tmp_path, trouble, trouble, GOOD) as (api, space):
            assert await space.pod("jupyter-0123abcd") == POD
        assert len(api.asked) == 3

    asyncio.run(main())


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (status(503, "etcd is gone"), "etcd is gone"),
        (status(429), "does not answer: 429"),
        (page(502, "<html>Bad Gateway</html>"), "Bad Gateway"),
        (page(200, "<html>log in</html>"), "is no API server"),
        (cut, "does not answer"),
    ],
)
def test_what_does_not_pass_is_an_engine_that_is_down(
    tmp_path: Path, trouble: Answer, words: str
) -> None:
    async def main() -> None:
        async with serving(tmp_path, trouble) as (_, space):
            with pytest.raises(EngineDown, match=words):
                await space.pod("p")

    asyncio.run(main())


def test_a_server_that_says_for_how_long_is_left_alone(tmp_path: Path) -> None:
    async def main() -> None:
        slow = status(429, headers={"Retry-After": "1"})
        async with serving(tmp_path, slow, GOOD) as (_, space):
            began = time.monotonic()
            await space.pod("p")
            assert 0.4 < time.monotonic() - began < 5

    asyncio.run(main())


def test_a_server_that_says_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path, hang) as (_, space):
            with pytest.raises(EngineDown, match="no answer in time"):
                await space.cluster.ask("GET", "/version", timeout=0.2)

    asyncio.run(main())


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        (tmp_path / "config").write_text(json.dumps(kubeconfig(address, {})))
        with pytest.raises(EngineDown, match=f"{address} does not answer: .*refused"):
            asyncio.run(Cluster().ask("GET", "/version"))


def test_one_right_that_is_missing(tmp_path: Path) -> None:
    async def main() -> None:
        message = 'pods is forbidden: User "u" cannot create resource "pods" in API group ""'
        async with serving(tmp_path, status(403, message)) as (api, space):
            with pytest.raises(StartFailed, match='does not let this server create "pods"'):
                await space.create_pod(POD)
        assert len(api.asked) == 1

    asyncio.run(main())


def test_an_expired_token(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path, status(401, "Unauthorized")) as (_, space):
            with pytest.raises(EngineDown, match="credentials have expired"):
                await space.pod("p")

    asyncio.run(main())


def test_a_plugin_is_asked_again_when_its_token_has_expired(tmp_path: Path) -> None:
    async def main() -> None:
        plugin = _plugin(tmp_path, "echo x >>count; token=t-$(wc -l <count)")
        async with serving(tmp_path, status(401), GOOD, user={"exec": plugin}) as (api, space):
            await space.pod("p")
        told = [one.headers["Authorization"] for one in api.asked]
        assert told == ["Bearer t-1", "Bearer t-2"]

    asyncio.run(main())


def test_a_certificate_that_has_expired(tmp_path: Path) -> None:
    """The file has another one now. What is connected by the first stays so."""

    async def main() -> None:
        pem = tmp_path / "pem"
        pem.write_text(await new_secret())
        first, second = await _certified(), await _certified()

        async def renewed(request: web.Request) -> web.StreamResponse:
            host = f"https://{request.host}"
            (tmp_path / "config").write_text(json.dumps(kubeconfig(host, second)))
            return await status(401)(request)

        answers = (GOOD, renewed, GOOD, status(401))
        made = serving(tmp_path, *answers, user=first, pem=pem)
        async with made as (api, space), space.cluster.use():
            (pool,) = space.cluster._pools.values()
            await space.pod("p")
            before = pool.rest
            await space.pod("p")
            assert pool.rest is not before
            assert not before.pool_manager.closed
            with pytest.raises(EngineDown, match="credentials have expired"):
                await space.pod("p")
            assert len(api.asked) == 4  # the same once more is of no use
        assert before.pool_manager.closed

    asyncio.run(main())


async def _certified() -> dict[str, str]:
    """A user of a kubeconfig."""
    pem = base64.b64encode((await new_secret()).encode()).decode()
    return {"client-certificate-data": pem, "client-key-data": pem}


def test_a_plugin_that_fails(tmp_path: Path) -> None:
    async def main() -> None:
        plugin = _plugin(tmp_path, "echo please log in >&2; exit 3")
        async with serving(tmp_path, GOOD, user={"exec": plugin}) as (_, space):
            with pytest.raises(EngineDown, match="please log in"):
                await space.pod("p")

    asyncio.run(main())


def _plugin(tmp_path: Path, script: str) -> dict[str, Any]:
    file, api = tmp_path / "plugin", "client.authentication.k8s.io/v1"
    answer = f'{{"apiVersion":"{api}","kind":"ExecCredential","status":{{"token":"%s"}}}}'
    file.write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\nprintf '{answer}' $token\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return {"apiVersion": api, "command": str(file), "interactiveMode": "Never"}


def test_no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineMissing, match="No cluster is configured"):
        asyncio.run(Cluster().access())
    for text in ("{", "[]", "{}", '{"contexts": 1}'):
        (tmp_path / "config").write_text(text)
        with pytest.raises(EngineDown, match="cannot be used"):
            asyncio.run(Cluster().access())
    (tmp_path / "config").write_text(json.dumps(kubeconfig("http://x", {})))
    with pytest.raises(EngineDown, match="other"):
        asyncio.run(Cluster("other").access())
    assert os.environ["KUBECONFIG"]


# -- watches -------------------------------------------------------------------------------------


def pod_at(version: str) -> dict[str, Any]:
    return {"metadata": {**POD["metadata"], "resourceVersion": version}}


def changed(version: str, kind: str = "MODIFIED") -> dict[str, Any]:
    return {"type": kind, "object": pod_at(version)}


GONE = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}


@pytest.mark.parametrize(
    "end",
    [events(changed("8")), events(changed("8"), then_cut=True), events(changed("8"), GONE)],
    ids=["over", "cut", "410"],
)
def test_a_watch_that_ends_goes_on(
    tmp_path: Path, end: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_containers.engines.kubernetes.namespace._MIN_WATCH", 0.01)

    async def main() -> None:
        then = (said(pod_at("9")), events(changed("10"), changed("11", "DELETED")))
        async with (
            serving(tmp_path, end, *then) as (api, space),
            aclosing(space.follow(POD)) as changes,
        ):
            found = [one async for one in changes]
        assert found == [pod_at("8"), pod_at("9"), pod_at("10"), None]
        versions = [one.query.get("resourceVersion") for one in api.asked]
        assert versions == ["7", None, "9"]

    asyncio.run(main())


def test_a_watch_of_a_server_that_goes_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_containers.engines.kubernetes.namespace._MIN_WATCH", 0.01)

    async def main() -> None:
        async with serving(tmp_path, events(changed("8"), then_cut=True), cut) as (_, space):
            with pytest.raises(EngineDown):
                async for one in space.follow(POD):
                    assert one == pod_at("8")

    asyncio.run(main())


# -- objects that are there already ----------------------------------------------------------------


def test_a_pod_of_ours_that_still_goes_is_waited_for(tmp_path: Path) -> None:
    labels = {"app.kubernetes.io/managed-by": "jupyter-containers", "jupyter-containers/role": "k"}
    ours = said({"metadata": {**POD["metadata"], "labels": labels}})

    async def main() -> None:
        answers = (status(409), ours, said({}), ours, status(404), GOOD)
        async with serving(tmp_path, *answers) as (api, space):
            assert await space.create_pod(POD) == POD
        methods = [one.method for one in api.asked]
        assert methods == ["POST", "GET", "DELETE", "GET", "GET", "POST"]

    asyncio.run(main())


def test_somebody_elses_pod_is_left_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path, status(409), GOOD) as (api, space):
            with pytest.raises(StartFailed, match="none of ours"):
                await space.create_pod(POD)
        assert [one.method for one in api.asked] == ["POST", "GET"]

    asyncio.run(main())


def test_files_that_somebody_else_has_put_there(tmp_path: Path) -> None:
    ours = config_maps(PodFiles(guest={"main.py": b"x"}), Site(namespace="people"))[0]

    async def main() -> None:
        async with serving(tmp_path, status(409), said(ours)) as (_, space):
            await space.put_maps([ours])
        theirs = said({**ours, "data": {"main.py": "y"}})
        async with serving(tmp_path, status(409), theirs) as (_, space):
            with pytest.raises(StartFailed, match="not as we make it"):
                await space.put_maps([ours])

    asyncio.run(main())


# -- execs -----------------------------------------------------------------------------------------


def test_an_exec_is_a_connection(tmp_path: Path) -> None:
    sent = os.urandom(300_000)

    async def main() -> None:
        async with serving(tmp_path, cat) as (api, space):
            path = space.path("pods", "p")
            connection = await open_exec(space.cluster, path, POD_CONTAINER, ["cat", "a b"])
            await connection.write(sent)
            found = b""
            while len(found) < len(sent):
                found += await connection.read()
            assert found == sent
            await connection.write(b"end")
            assert await connection.read() == b""
            await connection.close()
            await connection.close()
        assert api.asked[0].query.getall("command") == ["cat", "a b"]

    asyncio.run(main())


def test_an_exec_that_ends_badly_or_is_cut(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path, cat) as (api, space):
            path = space.path("pods", "p")
            connection = await open_exec(space.cluster, path, POD_CONTAINER, ["cat"])
            await connection.write(b"fail")
            with pytest.raises(ConnectionResetError, match="a warning"):
                await connection.read()
            await connection.close()
            connection = await open_exec(space.cluster, path, POD_CONTAINER, ["cat"])
            transport = api.asked[-1].transport
            assert transport is not None
            transport.abort()
            with pytest.raises(ConnectionResetError):
                await connection.read()
            await connection.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (status(404), OSError, "404"),
        (status(500), OSError, "500"),
        (status(403), StartFailed, 'get "pods/exec"'),
        (status(401), EngineDown, "credentials"),
        (cut, EngineDown, "does not answer"),
        (GOOD, OSError, "200"),
    ],
)
def test_an_exec_that_is_refused(
    tmp_path: Path, answer: Answer, error: type[Exception], words: str
) -> None:
    async def main() -> None:
        async with serving(tmp_path, answer) as (_, space):
            with pytest.raises(error, match=words):
                await open_exec(space.cluster, space.path("pods", "p"), POD_CONTAINER, ["cat"])

    asyncio.run(main())
