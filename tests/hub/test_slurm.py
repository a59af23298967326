"""A Hub whose users' servers are jobs of Slurm: kernels run in containers in the same job, and end
with it. On a real Slurm, with batchspawner and Charliecloud."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ..conftest import _file
from ..ui.lab import until
from .hub import Hub, Person
from .site import Site
from .visit import Visit, notebook


@pytest.fixture(scope="module")
def slurm() -> Iterator[str]:
    """SLURM_CONF of the cluster that was started for the tests."""
    conf = str(_file().get("slurm", ""))
    if not conf or not Path(conf).exists():
        pytest.fail("no Slurm was started for the tests: `make test` does (slurm.sh)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", conf)
        yield conf


@pytest.fixture(scope="module")
def hub(place: Site, slurm: str) -> Iterator[Hub]:
    """With the example of servers in jobs; what it leaves to a site is this cluster's."""
    ours = f"""
c.JupyterHub.pop("hub_ip")
c.JupyterHub.hub_connect_url = c.JupyterHub.hub_bind_url
c.Spawner.environment.update({{"SLURM_CONF": {slurm!r}}})
c.BatchSpawnerBase.req_partition = "debug"
c.BatchSpawnerBase.req_nprocs = "1"
c.BatchSpawnerBase.req_memory = "700"
c.SlurmSpawner.req_gres = "gpu:1"
c.SlurmSpawner.state_exechost_exp = "127.0.0.1"  # all nodes are this machine
"""
    with place.hub("jupyterhub_slurm", ours) as made:
        yield made


@pytest.fixture(scope="module")
def converted(ann: Person, image: str, place: Site, variables: Mapping[str, str]) -> str:
    """Her image, made Charliecloud's on the file system that the nodes share."""
    argv = ("-m", "jupyter_containers.cli.main", "convert", image)
    ways = ("--from", "podman", "--to", "charliecloud")
    done = ann.run(str(place.python), *argv, *ways, env=variables)
    assert done.returncode == 0, done.stderr
    return image


@pytest.fixture
def anns(hub: Hub, ann: Person) -> Iterator[Visit]:
    """Her browser, at her server, which is a job."""
    visit = Visit(hub, ann)
    visit.log_in()
    visit.start()
    yield visit
    if hub.runs(ann):
        visit.stop()


def jobs(person: Person) -> list[str]:
    """Numbers of a person's jobs, of every state."""
    argv = ["squeue", "--noheader", f"--user={person.name}", "--format=%i"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return done.stdout.split()


def in_job(pid: str) -> str:
    """The number of the job that a process of this machine belongs to."""
    for line in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
        if line.startswith(b"SLURM_JOB_ID="):
            return line.partition(b"=")[2].decode()
    return ""


def guests(person: Person) -> list[str]:
    """Processes of the containers' programs that Charliecloud's command still is."""
    argv = ["pgrep", "-u", person.name, "-f", "guest/main.py"]
    return subprocess.run(argv, capture_output=True, text=True).stdout.split()


def test_a_kernel_runs_in_the_servers_job(anns: Visit, ann: Person, converted: str) -> None:
    (job,) = jobs(ann)
    settings = {"image": converted, "engine": "charliecloud", "network": "private"}
    notebook(ann, ann.home / "jobs/s.ipynb", settings)
    anns.approve("jobs/s.ipynb")
    session = anns.open("jobs/s.ipynb")
    assert session.run("print(open('s.txt', 'w').write('x'))") == "1"
    assert (ann.home / "jobs/s.txt").stat().st_uid == ann.uid
    (one,) = anns.get("containers")["containers"]
    assert (one["engine"], one["running"]) == ("charliecloud", True)
    listed = subprocess.run(["scontrol", "listpids", job], capture_output=True, text=True).stdout
    pids = {line.split()[0] for line in listed.splitlines()[1:]}
    assert guests(ann)
    assert set(guests(ann)) <= pids
    assert jobs(ann) == [job]
    session.close()
    until(lambda: not guests(ann), "the container is gone")
    anns.stop()
    until(lambda: not jobs(ann), "the job is gone")
    until(lambda: not ann.others(), "nothing of it is left")


def test_a_job_that_slurm_ends_leaves_nothing(
    hub: Hub, anns: Visit, ann: Person, converted: str
) -> None:
    notebook(ann, ann.home / "jobs/s.ipynb", {"image": converted, "engine": "charliecloud"})
    anns.approve("jobs/s.ipynb")
    anns.open("jobs/s.ipynb").run("1")
    assert guests(ann)
    (job,) = jobs(ann)
    subprocess.run(["scancel", job], check=True)
    until(lambda: not jobs(ann), "the job is gone")
    until(lambda: not ann.others(), "nothing of it runs any more", 60)
    until(lambda: not hub.runs(ann), "the Hub has noticed", 60)
    # The next server on that node clears away what this one could not.
    anns.start()
    run_dirs = Path(f"/tmp/jc-{ann.uid}")
    until(lambda: not list(run_dirs.glob("[0-9a-f]" * 8)), "its directories are gone", 60)
    assert anns.get("containers")["containers"] == []
    cache = ann.home / ".cache/jupyter-containers"
    assert not list((cache / "containers/charliecloud").glob("jupyter-*"))
    assert os.listdir(cache / "homes") == []


def test_a_node_that_is_drained_and_then_fails(
    ann: Person, converted: str, place: Site, slurm: str, variables: Mapping[str, str]
) -> None:
    """A kernel in a job of its own, started on the machine that submits: draining lets it go on;
    the node's failure ends it, and she is told which."""
    settings = {"image": converted, "engine": "slurm+charliecloud"}
    notebook(ann, ann.home / "jobs/d.ipynb", settings, "import time; time.sleep(600)")
    command = (
        "-m",
        "jupyter_containers.cli.main",
        "run",
        "jobs/d.ipynb",
        "--approve",
        "-o",
        "o.ipynb",
    )
    argv = ann.argv(str(place.python), *command, env={**variables, "SLURM_CONF": slurm})
    running = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    node = ""
    try:
        until(lambda: guests(ann), "the kernel runs", 60)
        (job,) = jobs(ann)
        node = squeue(job, "%N")
        scontrol(node, "drain")
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(3)
        assert squeue(job, "%T") == "RUNNING"
        scontrol(node, "down")
        _, said = running.communicate(timeout=120)
    finally:
        running.kill()
        if node:
            scontrol(node, "resume")
    assert running.returncode == 1
    assert f"The node {node}, on which job {job} ran, failed." in said
    until(lambda: not ann.others(), "nothing of it runs any more", 60)
    until(lambda: not jobs(ann), "no job is left", 60)


def squeue(job: str, what: str) -> str:
    argv = ["squeue", "--noheader", f"--jobs={job}", f"--format={what}"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def scontrol(node: str, state: str) -> None:
    argv = ["scontrol", "update", f"nodename={node}", f"state={state}", "reason=test"]
    subprocess.run(argv, check=True)
