"""Kernels that Slurm places: the queue, its refusals, ends, and that no job is left behind.

On the Slurm of tests/setup/slurm.sh: three nodes of 8 CPUs and 2 GPUs, and a partition `short`
whose jobs may last two minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import zmq

from jupyter_containers import serializers
from jupyter_containers.events import Change, subscribe, unsubscribe
from jupyter_containers.kernels.guest_client import GuestClient, certificate_of
from jupyter_containers.kernels.prune import reap
from jupyter_containers.policy.loader import load_policy
from tests.helpers.command import jc
from tests.helpers.harness import approve, eventually, running
from tests.helpers.slurm import (
    another_certificate,
    client_of,
    environments_of,
    full,
    ours,
    phase_of,
    silent_conf,
    starting,
)

SERVER_IN_A_JOB = """
import asyncio, json, os
from jupyter_containers.errors import Unsupported
from jupyter_containers.devices.slurm import job_devices
try:
    print(json.dumps(asyncio.run(job_devices(["nvidia.com/gpu=all"], os.environ, by_host=True))))
except Unsupported as error:
    print(json.dumps(error.message))
"""


@pytest.fixture(autouse=True)
def slurm(features):
    if "jobs" not in features:
        pytest.skip("this engine's containers run on this machine")


async def test_waits_in_the_queue_and_says_why(notebook):
    with full() as free:
        async with asyncio.timeout(60), starting(notebook()) as (kernel, task):
            phase = await phase_of(kernel, "Resources")
            assert "waits in the queue (Resources: what it asks for is not free yet)" in phase
            assert kernel.provisioner.state.state == "starting"
            free()
            await task
            assert await kernel.value("6*7") == "42"
            assert kernel.provisioner.state.phase == ""
            assert kernel.provisioner.state.state == "running"


async def test_is_cancelled_in_the_queue(notebook):
    with full():
        async with asyncio.timeout(60), starting(notebook()) as (kernel, task):
            await phase_of(kernel, "Resources")
            name = ours()[0]
            assert name in jc("ps").stdout
            jc("stop", name)
            await task  # the fallback kernel
            shown = await kernel.run("1")
            assert "was cancelled while it waited in the queue" in shown["error"]
            assert not ours()


async def test_a_killed_server_leaves_no_job_in_the_queue(notebook, left_behind):
    path = notebook()
    approve(path)
    with full():
        client = client_of(path)
        await eventually(ours)
        client.kill()
        client.wait()
        await eventually(lambda: not ours())
        await eventually(lambda: left_behind() == [])


async def test_the_next_server_cancels_what_nobody_else_could(notebook):
    """The owner and its reaper are killed at once, as when a machine runs out of memory."""
    path = notebook()
    approve(path)
    with full():
        client = client_of(path)
        await eventually(ours)
        everybody = [client, *psutil.Process(client.pid).children(recursive=True)]
        for one in everybody:
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                one.kill()
        client.wait()
        await asyncio.sleep(1)
        left = ours()
        assert left
        assert set(left) <= set(await reap(load_policy(None)))
        assert not ours()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"cpus": 4000}, "will never start it: Partition"),
        ({"memory": "900g"}, "No node of the cluster has what the job asks for"),
        ({"extra": "--constraint=none"}, "No node of the cluster has what the job asks for"),
        ({"gpus": 99}, "No node of the cluster has what the job asks for"),
        ({"partition": "nowhere"}, "Slurm has no partition 'nowhere'"),
        ({"partition": "short", "time": "1:00:00"}, "will never start it: Partition"),
    ],
)
async def test_too_much_is_refused_in_a_sentence(notebook, asked, said):
    async with running(notebook(slurm=asked)) as kernel:
        shown = await kernel.run("1")
        assert said in shown["error"]
        assert "sinfo" in shown["error"]
    assert not ours()


async def test_gets_what_it_asks_for(notebook):
    asked = {"gpus": 1, "cpus": 2, "memory": "200m", "time": "30", "partition": "debug"}
    async with running(notebook(slurm=asked)) as kernel:
        gpu = await kernel.value("__import__('os').environ['CUDA_VISIBLE_DEVICES']")
        assert gpu in ("0", "1")
        assert await kernel.value("__import__('os').environ['SLURM_CPUS_PER_TASK']") == "2"
        shape = serializers.kernel(kernel.provisioner.state)["placement"]
        assert shape["node"] in ("n1", "n2", "n3")
        assert 28 * 60 < shape["ends"] - time.time() <= 30 * 60
        assert shape["warning"] is None
        argv = ["scontrol", "show", "job", shape["job"]]
        said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        assert "MinMemoryNode=200M" in said
        assert "TimeLimit=00:30:00" in said


async def test_the_end_of_its_time_is_told_before_and_after(notebook):
    told: list[Change] = []
    subscribe(told.append)
    try:
        async with running(notebook(slurm={"partition": "short", "time": 1})) as kernel:
            await asyncio.sleep(1)
            warning = serializers.kernel(kernel.provisioner.state)["placement"]["warning"]
            assert "save what you need" in warning
            # It runs, and there is something new to show of it: perhaps while the start goes on.
            assert [change.state for change in told].count("running") == 2
            async with asyncio.timeout(150):
                while await kernel.provisioner.poll() is None:
                    await asyncio.sleep(0.5)
            await kernel.restart(now=True)  # as the server's restarter does
            shown = await kernel.run("1")
            assert "reached its time limit of 00:01:00" in shown["error"]
            assert not ours()
            await kernel.restart(now=True)  # and now a person
            assert await kernel.value("1+1") == "2"
    finally:
        unsubscribe(told.append)


async def test_a_stranger_hears_nothing(notebook):
    async with running(notebook()) as kernel:
        container, at = kernel.container, kernel.container.placement
        port = int((container.run_dir.run / "port").read_text())
        with socket.create_connection((at.address, port), timeout=5) as plain:
            plain.sendall(container.plan.token.encode() + b"\n")
            said = b""
            with contextlib.suppress(ConnectionResetError):
                said = plain.recv(4096)
            assert b"hello" not in said
        other = GuestClient((at.address, port), "0" * 32, certificate_of(container.plan.pem))
        with contextlib.closing(other):
            for _ in range(20):
                assert not other.try_connect()
                await asyncio.sleep(0.05)
        impostor = GuestClient((at.address, port), container.plan.token, another_certificate())
        with contextlib.closing(impostor):
            assert not impostor.try_connect()
        with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
            stranger.linger = 0
            stranger.connect(f"tcp://{at.address}:{kernel.manager.shell_port}")
            session = kernel.manager.session
            session.send(stranger, session.msg("kernel_info_request"))
            assert stranger.poll(1000) == 0
        assert await kernel.value("'still here'") == "still here"
        assert await kernel.provisioner.poll() is None


async def test_a_directory_that_nodes_do_not_have_is_named(notebook, monkeypatch):
    """/run/user is each machine's own. What is known of the image would be looked for there too."""
    path = notebook()
    async with running(path) as kernel:
        assert await kernel.value("1") == "1"
    own = Path(os.environ["XDG_RUNTIME_DIR"]) / "cache"
    own.mkdir(exist_ok=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(own))
    async with running(path) as kernel:
        shown = await kernel.run("1")
        assert str(own) in shown["error"]
        assert "not on a file system that this machine and the nodes share" in shown["error"]
        assert "XDG_CACHE_HOME" in shown["error"]


async def test_what_is_covered_here_is_covered_on_the_node(notebook, folder, monkeypatch):
    home = folder / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id").write_text("key")
    (home / ".netrc").write_text("password")
    monkeypatch.setattr(Path, "home", lambda: home)
    async with running(notebook(mounts=[{"source": str(home), "target": "/all"}])) as kernel:
        await kernel.run("import os")
        assert await kernel.value("os.listdir('/all/.ssh')") == "[]"
        assert await kernel.value("open('/all/.netrc').read() == ''") == "True"


async def test_no_network_is_refused_in_a_sentence(notebook):
    async with running(notebook(network="none")) as kernel:
        shown = await kernel.run("1")
        assert "reaches its kernels over the cluster's network" in shown["error"]


async def test_a_slurm_that_is_silent_says_so(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", silent_conf(tmp_path))
    async with running(notebook()) as kernel:
        shown = await kernel.run("1")
        assert "Slurm does not answer" in shown["error"]


async def test_nothing_of_the_server_is_in_the_job(notebook, monkeypatch):
    monkeypatch.setenv("MY_SECRET_TOKEN", "s3cret")
    async with running(notebook(env={"GREETING": "hello $HOME, 'world'"})) as kernel:
        assert await kernel.value("__import__('os').environ['GREETING']") == "hello $HOME, 'world'"
        argv = ["scontrol", "write", "batch_script", kernel.container.placement.job, "-"]
        text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        assert "s3cret" not in text
        environments = environments_of(kernel.container.placement.job)
        assert environments
        assert not [one for one in environments if "MY_SECRET_TOKEN" in one]


@pytest.mark.parametrize("gpus", [0, 1, 2])
def test_a_server_in_a_job_has_the_gpus_that_slurm_gave_it(gpus):
    """It is the other engines that give them, so no kernel of this one's is started."""
    argv = ["srun", "-n1", *([f"--gres=gpu:{gpus}"] if gpus else []), sys.executable, "-c"]
    done = subprocess.run([*argv, SERVER_IN_A_JOB], capture_output=True, timeout=60, check=True)
    said = json.loads(done.stdout)
    if gpus:
        assert said == [f"nvidia.com/gpu={one}" for one in range(gpus)]
    else:
        assert said.startswith("nvidia.com/gpu=all is not among the GPUs of job ")
        assert said.endswith("it has no GPU.")


async def test_slurms_commands_say_why_they_are_not_in_the_container(notebook):
    code = "import subprocess as s; d = s.run('srun -n 2 true', shell=True, capture_output=True)"
    async with running(notebook()) as kernel:
        assert (await kernel.run(code))["status"] == "ok"
        assert await kernel.value("d.returncode") == "127"
        assert "srun: Slurm's commands cannot be used" in await kernel.value("d.stderr.decode()")
        assert "with mpirun" in await kernel.value("d.stderr.decode()")
