"""A kernel whose job waits in Slurm's queue, seen over REST: no request waits for it."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from tests.helpers.harness import approve, eventually, write_notebook
from tests.helpers.slurm import full, ours


@pytest.fixture(autouse=True)
def slurm(features):
    if "jobs" not in features:
        pytest.skip("this engine's containers run on this machine")


@pytest.fixture
def jp_server_config(jp_server_config):
    """As README says for servers behind a proxy that cuts what takes long."""
    pending = {"AsyncMappingKernelManager": {"use_pending_kernels": True}}
    return jp_server_config | pending


@pytest.fixture
def begun(jp_fetch, jp_root_dir, engine, image):
    """`await begun()` → the session of an approved notebook, answered at once."""

    async def session():
        approve(write_notebook(jp_root_dir / "n.ipynb", {"image": image, "engine": engine}))
        kernel = {"name": "container"}
        body = {"path": "n.ipynb", "name": "n.ipynb", "type": "notebook", "kernel": kernel}
        begun = time.monotonic()
        answer = await jp_fetch("api", "sessions", method="POST", body=json.dumps(body))
        assert time.monotonic() - begun < 5
        return json.loads(answer.body)

    return session


async def _waiting(api):
    async with asyncio.timeout(30):
        while True:
            _, said = await api("GET", "notebook", query={"path": "n.ipynb"})
            kernel = said["kernel"] or {"phase": ""}
            if "Resources" in kernel["phase"]:
                return kernel
            await asyncio.sleep(0.1)


async def _state(api, *wanted):
    async with asyncio.timeout(60):
        while True:
            _, said = await api("GET", "notebook", query={"path": "n.ipynb"})
            if said["kernel"] is not None and said["kernel"]["state"] in wanted:
                return said["kernel"]
            await asyncio.sleep(0.1)


async def test_it_waits_and_then_runs(begun, api, jp_fetch):
    with full() as free:
        session = await begun()
        kernel = await _waiting(api)
        assert kernel["state"] == "starting"
        assert kernel["id"] == session["kernel"]["id"]
        assert kernel["placement"]["node"] is None
        assert kernel["running"] is None
        _, listed = await api("GET", "containers")
        assert kernel["container"] in [one["name"] for one in listed["containers"]]
        free()
        kernel = await _state(api, "running")
        assert kernel["placement"]["node"] in ("n1", "n2", "n3")
        await jp_fetch("api", "sessions", session["id"], method="DELETE", request_timeout=60)
        await eventually(lambda: not ours())


async def test_it_is_cancelled(begun, api, jp_fetch):
    with full():
        session = await begun()
        kernel = await _waiting(api)
        status, _ = await api("DELETE", f"containers/{kernel['container']}")
        assert status == 204
        failed = await _state(api, "failed")
        assert "was cancelled while it waited in the queue" in failed["trouble"]["message"]
        assert not ours()
        await jp_fetch("api", "sessions", session["id"], method="DELETE", request_timeout=60)


async def test_its_kernel_is_ended(begun, api, jp_fetch):
    """As JupyterLab's Shut Down does: it does not wait for the queue either."""
    with full():
        session = await begun()
        await _waiting(api)
        where = ("api", "sessions", session["id"])
        await jp_fetch(*where, method="DELETE", request_timeout=60)
        assert not ours()
