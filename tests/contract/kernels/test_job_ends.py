"""Kernels that Slurm places: how their jobs end where the site or the person is special.

On the Slurm of tests/setup/slurm.sh: after a job of its partition `tidy`, the node's Epilog takes
8 s.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import subprocess
import time
from pathlib import Path
from shutil import which

import pytest
from traitlets.config import Config

from jupyter_containers.engines.process_engine.image_store import VARIABLE, images_directory
from tests.helpers.harness import running
from tests.helpers.slurm import full, ours, phase_of, silent_conf, starting, states


@pytest.fixture(autouse=True)
def slurm(features):
    if "jobs" not in features:
        pytest.skip("this engine's containers run on this machine")


async def test_nobody_waits_for_a_sites_epilog(notebook):
    async with running(notebook(slurm={"partition": "tidy"})) as kernel:
        job = kernel.container.placement.job
        begun = time.monotonic()
        await kernel.shutdown(now=True)
        assert time.monotonic() - begun < 6
    assert states([job]), "the Epilog does not go on: this test shows nothing"
    while states([job]):
        time.sleep(0.2)


async def test_a_persons_defaults_for_slurms_commands_change_nothing(notebook, monkeypatch):
    with monkeypatch.context() as theirs:
        for name in ("SQUEUE", "SCANCEL"):
            theirs.setenv(f"{name}_PARTITION", "short")
        theirs.setenv("SLURM_TIME_FORMAT", "relative")
        async with running(notebook(slurm={"partition": "debug", "time": 30})) as kernel:
            job = kernel.container.placement.job
            assert await kernel.value("6*7") == "42"
            assert kernel.container.placement.ends is not None
    assert not ours()
    said = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True)
    assert "JobState=RUNNING" not in said.stdout


LATE = """\
#!/bin/sh
{sbatch} "$@" >/dev/null
case $* in *--version*) {sbatch} --version; exit ;; esac
echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2
exit 1
"""


async def test_a_job_that_slurm_took_too_late_is_not_left(notebook, tmp_path, monkeypatch):
    """The controller has it, and the answer did not come in time."""
    late = tmp_path / "sbatch"
    late.write_text(LATE.format(sbatch=which("sbatch")))
    late.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    async with running(notebook()) as kernel:
        shown = await kernel.run("1")
        assert "Slurm does not answer" in shown["error"]
        assert "timed out" in shown["error"]
        assert not ours()


async def test_a_job_prepares_its_node_as_the_policy_says(notebook, folder):
    """As README's example does it: a script of Slurm's is run by sh, which knows no `module`."""
    profile = folder / "modules.sh"
    profile.write_text(f'module() {{ echo "$@" >{folder}/said; }}\n')
    setup = f". {profile}; module load apptainer"
    config = Config({"Policy": {"slurm_setup": setup, "engines": ["*"]}})
    async with running(notebook(), config) as kernel:
        assert await kernel.value("6*7") == "42"
    assert (folder / "said").read_text() == "load apptainer\n"


NAME = "localhost/jupyter-containers-test/rebuilt:latest"


async def test_a_rebuilt_image_waits_in_the_queue_once(
    notebook, engine, image, folder, monkeypatch, caplog
):
    store, before = folder / "images", images_directory()
    monkeypatch.setenv(VARIABLE, str(store))
    inner = engine.partition("+")[2]
    path = notebook(image=NAME)
    names_again(before / inner, store / inner, image, "1" * 64)
    async with running(path) as kernel:
        assert await kernel.value("1") == "1"
    names_again(before / inner, store / inner, image, "2" * 64)
    caplog.set_level(logging.DEBUG, "jupyter_containers.commands")
    async with running(path) as kernel:
        assert await kernel.value("2") == "2"
        assert kernel.container.plan.spec.image == "sha256:" + "2" * 64
    assert len([one for one in caplog.messages if one.startswith("sbatch --parsable")]) == 1


def names_again(images: Path, store: Path, reference: str, id: str) -> None:
    """Make `NAME` mean another image, with what that of `reference` has in it."""
    for older in store.glob("*/image.json"):
        older.write_text(json.dumps(json.loads(older.read_text()) | {"references": []}))
    for found in images.glob("*/image.json"):
        told = json.loads(found.read_text())
        if reference in told["references"]:
            made = store / id
            made.mkdir(parents=True)
            for one in found.parent.iterdir():
                (made / one.name).symlink_to(one)
            (made / "image.json").unlink()
            new = {"id": f"sha256:{id}", "references": [NAME], "digests": []}
            (made / "image.json").write_text(json.dumps(told | new))


async def test_a_controller_that_is_silent_while_a_job_begins_costs_no_job(
    notebook, tmp_path, monkeypatch
):
    good, bad = os.environ["SLURM_CONF"], silent_conf(tmp_path)
    with full() as free:
        async with asyncio.timeout(90), starting(notebook()) as (kernel, task):
            await phase_of(kernel, "Resources")
            free()
            monkeypatch.setenv("SLURM_CONF", bad)
            await asyncio.sleep(6)
            assert not task.done()
            monkeypatch.setenv("SLURM_CONF", good)
            await task
            assert kernel.container is not None, kernel.provisioner.trouble
            assert await kernel.value("6*7") == "42"


async def test_a_controller_that_is_silent_while_a_guest_starts_costs_no_job(
    notebook, tmp_path, monkeypatch
):
    good, bad = os.environ["SLURM_CONF"], silent_conf(tmp_path)
    config = Config({"Policy": {"slurm_setup": "sleep 6", "engines": ["*"]}})
    async with asyncio.timeout(90), starting(notebook(), config) as (kernel, task):
        await phase_of(kernel, "Waiting for the container to answer")
        monkeypatch.setenv("SLURM_CONF", bad)
        await asyncio.wait({task}, timeout=30)
        monkeypatch.setenv("SLURM_CONF", good)
        await task
        assert kernel.container is not None, kernel.provisioner.trouble
        assert await kernel.value("6*7") == "42"


async def test_a_connection_that_is_lost_submits_nothing_unasked(notebook):
    """Nobody listens where the guest was, as far as this machine can tell; its job goes on."""
    config = Config({"Policy": {"orphan_grace": 60, "engines": ["*"]}})
    async with running(notebook(), config) as kernel:
        assert await kernel.value("1") == "1"
        client, node = kernel.container._client, kernel.container.placement.node
        client._address = ("127.0.0.1", 1)
        client._socket.shutdown(socket.SHUT_RDWR)
        while await kernel.provisioner.poll() is None:
            await asyncio.sleep(0.1)
        await kernel.restart(now=True)  # as the server's restarter does
        shown = await kernel.run("1")
        assert f"The connection to {node} was lost" in shown["error"]
        assert not ours()
        await kernel.restart(now=True)  # and now a person
        assert await kernel.value("1+1") == "2"
