"""Kernels as Pods of a real cluster, as a person who has the Role and nothing else. Images are
built by Podman of this machine."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config

from jupyter_containers.engines.kubernetes.client import Cluster
from jupyter_containers.engines.kubernetes.namespace import Namespace
from jupyter_containers.engines.kubernetes.rules import violations
from jupyter_containers.engines.registry import choose_engine, engine_info
from jupyter_containers.errors import EngineMissing
from jupyter_containers.host.paths import runtime_directory
from jupyter_containers.kernels.container import KernelContainer
from jupyter_containers.models import EngineInfo
from jupyter_containers.policy.loader import load_policy
from jupyter_containers.policy.policy import Policy
from tests.helpers.harness import approve, eventually, running, write_notebook

_RUNS_A_KERNEL = """
import asyncio, sys
from pathlib import Path
from tests.helpers.harness import Kernel
async def main():
    kernel = Kernel(Path(sys.argv[1]))
    await kernel.start()
    print(kernel.container.id, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.fixture
def notebook(engine: str, image: str, tmp_path: Path) -> Path:
    return write_notebook(tmp_path / "work/n.ipynb", {"image": image, "engine": engine}, "1")


async def pods() -> list[dict[str, Any]]:
    """Those of ours, as the cluster has them."""
    cluster = Cluster()
    space = Namespace(cluster, (await cluster.access()).namespace)
    return await space.pods("app.kubernetes.io/managed-by=jupyter-containers")


async def test_a_kernel_from_its_start_to_its_end(notebook: Path) -> None:
    before = asyncio.all_tasks()
    async with running(notebook) as kernel:
        run_dir = runtime_directory() / kernel.container.run_dir.root.name
        assert await kernel.value("6*7") == "42"
        (pod,) = await pods()
        assert violations(pod) == []
        assert pod["metadata"]["name"] == kernel.container.id
        assert await kernel.value("__import__('socket').gethostname()") == kernel.container.id
        assert kernel.manager.transport == "ipc"
        assert kernel.provisioner.state.placement.node == pod["spec"]["nodeName"]
    assert await pods() == []
    assert not run_dir.exists()
    assert [one for one in asyncio.all_tasks() - before if "unnel" in repr(one)] == []


async def test_interrupt_and_restart_stay_in_the_pod(notebook: Path) -> None:
    async with running(notebook) as kernel:
        (pod,) = await pods()
        running_cell = asyncio.ensure_future(kernel.run("import time; time.sleep(60)"))
        await asyncio.sleep(1)
        await kernel.manager.interrupt_kernel()
        assert "KeyboardInterrupt" in (await running_cell)["error"]
        await kernel.run("x = 1")
        await kernel.restart()
        assert "NameError" in (await kernel.run("x"))["error"]
        (after,) = await pods()
        assert after["metadata"]["uid"] == pod["metadata"]["uid"]


async def test_twenty_megabytes_arrive_whole(notebook: Path) -> None:
    line = "".join(chr(33 + i % 90) for i in range(999)) + "\n"
    async with running(notebook) as kernel:
        code = f"line = {line!r}\nfor _ in range(20_000): print(line, end='')"
        shown = await kernel.run(code, timeout=120)
    expected = hashlib.sha256((line * 20_000).encode()).hexdigest()
    assert hashlib.sha256(shown["text"].encode()).hexdigest() == expected


async def test_a_connection_that_is_cut_is_made_again(notebook: Path) -> None:
    async with running(notebook) as kernel:
        await kernel.run("x = 5")
        engine = kernel.container.plan.engine._engine
        pool = engine._clusters[""]._pools[asyncio.get_running_loop()]
        for connections in list(pool.rest.pool_manager.connector._acquired):
            connections.close()
        assert await kernel.value("x") == "5"


async def test_the_next_server_goes_on_with_it(notebook: Path) -> None:
    async with running(notebook) as kernel:
        await kernel.run("x = 5")
        before, engine = kernel.container, kernel.container.plan.engine._engine
        await engine._kernels.pop(before.id).close()
        container = kernel.provisioner.container = KernelContainer(before.plan, before.run_dir)
        await container.adopt()
        await kernel.connect()
        assert await kernel.value("x") == "5"
        assert container.placement is not None
        assert before.poll() is not None
        assert [one.name for one in await engine.containers("jupyter-containers")] == [before.id]


async def test_a_pod_that_is_deleted_by_hand_says_so(notebook: Path) -> None:
    async with running(notebook) as kernel:
        cluster = Cluster()
        space = Namespace(cluster, (await cluster.access()).namespace)
        await space.delete_pod(kernel.container.id)
        await eventually(lambda: kernel.container.poll() is not None, 30)
        assert "was deleted" in str(await kernel.container.why())


async def test_memory_that_runs_out(notebook: Path) -> None:
    settings = json.loads(notebook.read_text())["metadata"]["jupyter_containers"]
    path = write_notebook(notebook, {**settings, "memory": "200m"}, "1")
    async with running(path) as kernel:
        cell = asyncio.ensure_future(kernel.run("x = bytearray(10**9)"))
        await eventually(lambda: kernel.container.poll() is not None, 30)
        assert "memory" in str(await kernel.container.why())
        cell.cancel()


async def test_an_image_that_the_registry_has_lost_is_pushed_again(notebook: Path) -> None:
    async with running(notebook) as kernel:
        (pod,) = await pods()
        pusher = kernel.container.plan.engine._engine._pusher
        spec, registry = kernel.container.plan.spec, load_policy(None).push_registry
        file = pusher._place(spec, registry)
        image = pod["spec"]["containers"][0]["image"]
        lost = image.rpartition(":")[0] + ":" + "0" * 64
        file.write_text(json.dumps({"reference": lost}))
    async with running(notebook) as kernel:
        assert await kernel.value("1") == "1"
        assert json.loads(file.read_text())["reference"] != lost


async def test_a_killed_client_leaves_no_pod(notebook: Path) -> None:
    approve(notebook)
    argv = [sys.executable, "-c", _RUNS_A_KERNEL, str(notebook)]
    root = str(Path(__file__).parents[3])
    env = {**os.environ, "PYTHONPATH": root}
    client = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env)
    assert client.stdout is not None
    name = (await asyncio.to_thread(client.stdout.readline)).strip()
    assert name in [one["metadata"]["name"] for one in await pods()]
    client.kill()
    client.wait()
    client.stdout.close()
    for _ in range(100):
        if await pods() == []:
            break
        await asyncio.sleep(0.2)
    assert await pods() == []


async def test_doctor_knows_the_cluster(engine: str) -> None:
    info: EngineInfo = await engine_info(engine, load_policy(None))
    assert info.usable, info.problems
    assert "namespace jupyter" in info.version
    nowhere = Config({"Policy": {"push_registry": ""}})
    without = await engine_info(engine, load_policy(nowhere))
    assert not without.usable
    assert any("push_registry" in problem.fix for problem in without.problems)


async def test_it_is_nobodys_first_choice(engine: str) -> None:
    def policy(*engines: str) -> Policy:
        return load_policy(Config({"Policy": {"engines": list(engines)}}))

    assert (await choose_engine("", load_policy(None))).name != engine
    with pytest.raises(EngineMissing):
        await choose_engine("", policy("kube*"))
    assert (await choose_engine("", policy(engine))).name == engine
