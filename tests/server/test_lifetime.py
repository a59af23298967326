"""What a server does when it starts and ends, and what it keeps of long jobs."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

import jupyter_containers
from jupyter_containers.builds.jobs import BuildLog
from jupyter_containers.models import Progress
from tests.helpers.harness import write_notebook


@pytest.fixture
def reap():
    """Whether the server removes orphans at its start; parametrized by who wants it."""
    return False


@pytest.fixture
def jp_server_config(jp_server_config, reap):
    jp_server_config["ContainersApp"]["reap"] = reap
    return jp_server_config


def request(engine, images, *lines):
    text = "\n".join([f"FROM {images['busybox']}", f"RUN echo {secrets.token_hex(8)}", *lines])
    about = {"path": "n.ipynb", "source": f"%%dockerfile\n{text}", "index": 0, "cell_id": "c"}
    return about | {"settings": {"version": 1, "image": "x", "engine": engine}}


def test_the_package_says_nothing_heavy_is_needed_to_find_the_extension() -> None:
    code = "import jupyter_containers, sys; print('jupyter_server' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    (point,) = jupyter_containers._jupyter_server_extension_points()
    assert issubclass(importlib.import_module(point["module"]).ContainersApp, point["app"])


def test_an_installation_enables_it() -> None:
    directory = Path(jupyter_containers.__file__).with_name("jupyter_server_config.d")
    said = json.loads((directory / "jupyter_containers.json").read_text())
    assert said == {"ServerApp": {"jpserver_extensions": {"jupyter_containers": True}}}


@pytest.fixture
def orphan(engine_program, images):
    """A container that ended with an earlier boot of this machine."""
    name = f"jc-test-{secrets.token_hex(4)}"
    about = {"owner": "0" * 32, "uid": os.getuid(), "host": socket.gethostname(), "boot": "other"}
    about["name"] = name
    labels = [f"--label=jupyter-containers.{key}={value}" for key, value in about.items()]
    argv = [engine_program, "run", f"--name={name}", "--network=none", "--entrypoint=/bin/true"]
    argv += ["--label=jupyter-containers=kernel", *labels, images["busybox"]]
    subprocess.run(argv, check=True, capture_output=True)
    yield name
    subprocess.run([engine_program, "rm", "-f", name], capture_output=True)


@pytest.mark.parametrize("reap", [True])
async def test_what_killed_servers_left_is_removed_in_the_background(
    orphan, engine_program, api, reap
):
    """The answer to the first request does not wait for it."""
    assert (await api("GET", "settings"))[0] == 200
    argv = [engine_program, "container", "inspect", orphan]
    for _ in range(300):
        if subprocess.run(argv, capture_output=True).returncode:
            return
        await asyncio.sleep(0.1)
    pytest.fail("it is still there")


async def test_a_server_may_leave_them_alone(orphan, engine_program, api, jp_serverapp):
    await api("GET", "settings")
    (app,) = jp_serverapp.extension_manager.extension_apps["jupyter_containers"]
    async with asyncio.timeout(30):
        await app._beginning
    argv = [engine_program, "container", "inspect", orphan]
    assert subprocess.run(argv, capture_output=True).returncode == 0


async def test_an_end_of_the_server_cancels_its_builds(
    engine, images, api, own, jp_root_dir, jp_serverapp
):
    own(write_notebook(jp_root_dir / "n.ipynb", None))
    word = secrets.token_hex(8)
    _, job = await api("POST", "builds", request(engine, images, f"RUN sleep 1000 # {word}"))
    await asyncio.sleep(3)
    (app,) = jp_serverapp.extension_manager.extension_apps["jupyter_containers"]
    await app.stop_extension()
    assert app.server.job(job["id"]).state == "cancelled"
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert word not in listed.stdout


async def test_equal_requests_are_one_build(engine, images, api, own, jp_root_dir):
    own(write_notebook(jp_root_dir / "n.ipynb", None))
    body = request(engine, images, "RUN sleep 1000")
    _, one = await api("POST", "builds", body)
    _, two = await api("POST", "builds", body)
    assert one["id"] == two["id"]
    other = body | {"settings": body["settings"] | {"memory": "1g"}}
    _, three = await api("POST", "builds", other)
    assert three["id"] != one["id"]
    for job in (one, three):
        await api("DELETE", f"builds/{job['id']}")


async def test_a_mount_that_may_not_be_is_told_before_the_build(
    engine, images, api, own, jp_root_dir
):
    own(write_notebook(jp_root_dir / "n.ipynb", None))
    body = request(engine, images)
    body["source"] = body["source"].replace("%%dockerfile", "%%dockerfile --mount /etc:/etc2")
    status, said = await api("POST", "builds", body)
    assert (status, said["type"]) == (403, "PolicyRefused")
    assert "(Policy.mounts)" in said["message"]
    assert (await api("GET", "builds"))[1] == {"builds": []}


async def test_an_endless_log_is_not_kept() -> None:
    log = BuildLog(1 << 20)
    tracemalloc.start()
    for number in range(200_000):
        log.add(Progress(kind="log", text=f"{number:01000d}"))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 8 << 20
    assert log.count < 2000
    log.close()
    last = [event async for event in log.follow(log.count - 1)]
    assert "Policy.max_build_log" in last[0].text
