"""Somebody who puts a link to a secret folder where a notebook's data was, and an image that looks.

What was mounted is judged by what was read of it, never by what we say of it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.engines.docker.engine import Docker
from jupyter_containers.engines.kubernetes.kernel import KernelPod
from jupyter_containers.engines.podman.engine import Podman
from jupyter_containers.engines.process_engine.containers import ProcessContainers
from jupyter_containers.engines.slurm.engine import Slurm
from tests.helpers.derived import MakeImage
from tests.helpers.harness import Kernel, approve, write_notebook

FINE = "fine"

# Before any program of ours runs in it: a guest that lies could do the same.
LOOK = 'cat /data/canary >>seen; exec \\"$@\\"'


async def looking_image(make_image: MakeImage, image: str) -> str:
    """An image whose own program, which runs first, keeps what it finds at /data."""
    entrypoint = f'ENTRYPOINT ["/bin/sh", "-c", "{LOOK}", "sh"]'
    return await make_image("looking", f"FROM {image}\n{entrypoint}\n")


class Data:
    """`data` in a notebook's folder, and the secret that is put in its place."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.was, self.secret = folder / "was", folder.parent / "secret"
        self.word = secrets.token_hex(8)
        for path, text in ((self.data, FINE), (self.secret, self.word)):
            path.mkdir()
            (path / "canary").write_text(f"{text}\n")

    def notebook(self, engine: str, image: str, **settings: Any) -> Path:
        mounts = [{"source": "data", "target": "/data"}]
        given = {"image": image, "engine": engine, "mounts": mounts, "entrypoint": "image"}
        path = write_notebook(self.folder / "n.ipynb", given | settings)
        approve(path)
        return path

    @property
    def seen(self) -> list[str]:
        """What containers found at /data, one after the other."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "seen").read_text().split()
        return []

    def swap(self) -> None:
        self.data.rename(self.was)
        self.data.symlink_to(self.secret)

    def swap_back(self) -> None:
        self.data.unlink()
        self.was.rename(self.data)


def loop_inside(data: Data) -> str:
    """The same as a cell, for a kernel of the same folder."""
    return f"""
import os, random, subprocess, sys
script = '''
import os, random, time
while not os.path.exists("over"):
    time.sleep(random.uniform(0, 0.04))
    os.rename("data", "was")
    os.symlink({str(data.secret)!r}, "data")
    time.sleep(random.uniform(0, 0.01))
    os.unlink("data")
    os.rename("was", "data")
'''
loop = subprocess.Popen([sys.executable, "-c", script])
"""


async def started(path: Path) -> str:
    """Start the notebook's kernel once: why it did not start, or "" for one that ran a cell."""
    kernel = Kernel(path)
    try:
        await kernel.start()
        trouble = kernel.provisioner.trouble
        if trouble is None:
            assert await kernel.value("1 + 1") == "2"
        return trouble.message if trouble is not None else ""
    finally:
        await kernel.shutdown(now=True)


def at_the_worst_moment(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Call `act` when all has been looked at, before the engine's command that mounts."""
    for kind, name in (
        *((Docker, "_launch"), (Podman, "_launch"), (Slurm, "_run_job")),
        (KernelPod, "create"),
    ):
        monkeypatch.setattr(kind, name, _after(act, getattr(kind, name)))
    monkeypatch.setattr(ProcessContainers, "start", _after(act, ProcessContainers.start))


def _after(act: Any, real: Any) -> Any:
    acted: list[int] = []

    def call(*args: Any, **options: Any) -> Any:
        if not acted:
            acted.append(os.getpid())
            act()
        return real(*args, **options)

    return call
