"""What tests do with a real Slurm as a person does, by its commands."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.helpers import ROOT
from tests.helpers.harness import Kernel, approve


def ours():
    """The names of this person's kernels' jobs that wait or run.

    Not of those that are ending: nobody waits long for what a site does then (`Removal.over`), as
    pyxis, which deletes an image that it unpacked.
    """
    argv = ["squeue", "--noheader", f"--user={os.getuid()}", "-o", "%T %j"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    jobs = [line.partition(" ")[::2] for line in said.splitlines()]
    return [name for state, name in jobs if name.startswith("jupyter-") and state != "COMPLETING"]


@contextlib.contextmanager
def full(cpus=8):
    """All nodes busy; yields what makes them free."""
    argv = ["sbatch", "--parsable", f"--cpus-per-task={cpus}", "--mem=100M", "--output=/dev/null"]
    made = [
        subprocess.run([*argv, "--wrap=sleep 600"], capture_output=True, text=True, check=True)
        for _ in range(3)
    ]
    ids = [one.stdout.strip() for one in made]

    def free():
        subprocess.run(["scancel", *ids], check=True)

    while len(states(ids, "RUNNING")) < 3:
        time.sleep(0.1)
    try:
        yield free
    finally:
        free()
        while states(ids):
            time.sleep(0.1)


def states(ids, state=""):
    argv = ["squeue", "--noheader", "-o", "%i", *([f"--states={state}"] if state else [])]
    found = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    return [one for one in ids if one in found]


@contextlib.asynccontextmanager
async def starting(path, config=None):
    """A kernel whose start waits in the queue, as a task."""
    approve(path)
    kernel = Kernel(path, config)
    task = asyncio.ensure_future(kernel.start())
    try:
        yield kernel, task
    finally:
        task.cancel()
        await asyncio.wait({task})
        await kernel.shutdown(now=True)


async def phase_of(kernel, word):
    while kernel.provisioner is None or word not in kernel.provisioner.state.phase:
        await asyncio.sleep(0.05)
    return kernel.provisioner.state.phase


def client_of(path):
    script = (
        "import asyncio\nfrom pathlib import Path\nfrom tests.helpers.harness import Kernel\n"
        f"asyncio.run(Kernel(Path({str(path)!r})).start())\n"
    )
    return subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)


def another_certificate():
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null"]
    done = subprocess.run([*argv, "-subj", "/CN=x"], capture_output=True, text=True, check=True)
    return done.stdout


def environments_of(job):
    """Of a job's processes that one may look at: all nodes of the tests' Slurm are this machine."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if (environment := process.environ()).get("SLURM_JOB_ID") == job:
                found.append(environment)
    return found


def silent_conf(folder):
    """A configuration by which the controller does not answer."""
    text = Path(os.environ["SLURM_CONF"]).read_text()
    lines = [line for line in text.splitlines() if not line.startswith("SlurmctldPort")]
    conf = folder / "slurm.conf"
    conf.write_text("\n".join([*lines, "SlurmctldPort=1", "MessageTimeout=2", ""]))
    return str(conf)
