"""A notebook on disk, its kernel through jupyter_client, and what tests ask of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbformat.sign import NotebookNotary

from jupyter_containers.host.paths import cache_directory
from jupyter_containers.policy.approvals import Approvals
from jupyter_containers.policy.loader import load_policy
from jupyter_containers.settings.schema import Settings


def write_notebook(path: Path, settings: dict[str, Any] | None, *cells: str) -> Path:
    """A notebook for the generic spec with these settings and code cells."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"name": "container", "display_name": "C", "language": "python"}},
    )
    if settings is not None:
        notebook.metadata["jupyter_containers"] = {"version": 1, **settings}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def sign(path: Path, data: Path | None = None) -> Path:
    """As a Jupyter server of this person's does that saves the notebook: it is theirs. `data` is
    the server's data directory, where it is not this process's."""
    notary = NotebookNotary(data_dir=str(data)) if data is not None else NotebookNotary()
    notary.sign(nbformat.read(path, as_version=4))
    notary.store.close()
    return path


def approve(path: Path) -> None:
    """What Apply in the sidebar does."""
    data = json.loads(path.read_text())["metadata"]["jupyter_containers"]
    settings = Settings.parse(data, where=path.name).resolved(path.parent, load_policy(None))
    Approvals().approve(path, settings)


class Kernel:
    """One kernel: start, run code, look at what came back.

    Which notebook it is of says the environment of the whole process: all kernels that start at
    the same time are of one notebook.
    """

    def __init__(self, notebook: Path, config: Any = None) -> None:
        self.notebook = notebook
        self.manager = AsyncKernelManager(kernel_name="container", config=config)
        self.client: Any = None

    async def start(self) -> Kernel:
        os.environ["JUPYTER_CONTAINERS_NOTEBOOK"] = str(self.notebook)
        await self.manager.start_kernel(cwd=str(self.notebook.parent))
        await self.connect()
        return self

    async def connect(self) -> None:
        if self.client is not None:
            self.client.stop_channels()
        self.client = self.manager.client()
        self.client.start_channels()
        try:
            await self.client.wait_for_ready(timeout=60)
        except RuntimeError as error:
            if self.container is not None:
                error.add_note(str(await self.container.why()))
            raise

    async def restart(self, **options: Any) -> None:
        os.environ["JUPYTER_CONTAINERS_NOTEBOOK"] = str(self.notebook)
        await self.manager.restart_kernel(**options)
        await self.connect()

    async def run(self, code: str, timeout: float = 60, answer: str = "") -> dict[str, Any]:
        """Execute; returns {status, text, error, data} with all text output together."""
        text: list[str] = []
        data: list[dict[str, Any]] = []

        def hook(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                text.append(content["text"])
            elif message["msg_type"] in ("execute_result", "display_data"):
                data.append(content["data"])

        async def stdin(message: dict[str, Any]) -> None:
            self.client.input(answer)

        reply = await self.client.execute_interactive(
            code,
            timeout=timeout,
            output_hook=hook,
            allow_stdin=bool(answer),
            stdin_hook=stdin,
        )
        content = reply["content"]
        return {
            "status": content["status"],
            "text": "".join(text),
            "data": data,
            "error": f"{content.get('ename', '')}: {content.get('evalue', '')}",
        }

    async def value(self, expression: str) -> str:
        """The text of a printed expression; fails the test where the code fails."""
        done = await self.run(f"print({expression})")
        assert done["status"] == "ok", done["error"]
        return str(done["text"]).strip()

    async def shutdown(self, *, now: bool = False) -> None:
        if self.client is not None:
            self.client.stop_channels()
            self.client = None
        if self.manager.has_kernel:
            await self.manager.shutdown_kernel(now=now)
        self.manager.context.destroy(linger=0)

    @property
    def provisioner(self) -> Any:
        return self.manager.provisioner

    @property
    def container(self) -> Any:
        return self.provisioner.container


@contextlib.asynccontextmanager
async def running(notebook: Path, config: Any = None) -> Any:
    """An approved notebook's kernel, shut down at the end."""
    if "jupyter_containers" in json.loads(notebook.read_text())["metadata"]:
        approve(notebook)
    kernel = Kernel(notebook, config)
    try:
        yield await kernel.start()
    finally:
        await kernel.shutdown()


async def eventually(condition: Any, seconds: float = 15, every: float = 0.1) -> None:
    """Wait until a condition holds; fail the test where it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {condition}")
        await asyncio.sleep(every)


DAEMONS = ("docker", "podman", "podman-hpc")
"""Engines that know themselves what runs on them; of the others a container is a process."""


def containers(program: str, label: str = "") -> list[str]:
    """Names of this person's containers of ours on the engine, running or not, as the engine
    itself says; of an engine without such a list, the directories of ours that are there."""
    label = label or f"jupyter-containers.uid={os.getuid()}"
    if program == "kubernetes":
        return [name for name in _pods(f"--selector={label.replace('.', '/', 1)}") if name]
    if program not in DAEMONS:
        key, _, value = label.partition("=")
        return [one["name"] for one in _records(program) if one["labels"].get(key) == value]
    argv = [program, "ps", "--all", f"--filter=label={label}", "--format", "{{.Names}}"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return done.stdout.split()


def _pods(*words: str) -> list[str]:
    argv = ("kubectl", "get", "pods", *words, "--output=jsonpath={.items[*].metadata.name}")
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split(" ")


def _records(program: str) -> list[dict[str, Any]]:
    """What the directories of an engine's containers say; of one that Slurm places, its jobs'."""
    _, plus, engine = program.rpartition("+")
    found = (cache_directory() / "containers" / engine).glob("*/container.json")
    records = [json.loads(path.read_text()) for path in found]
    return [one for one in records if ("job" in one) is bool(plus)]


def remove_by_hand(program: str, name: str) -> None:
    """What somebody else does who wants to be rid of a container."""
    if program.startswith("slurm+"):
        subprocess.run(["scancel", f"--name={name}"], check=True)
        return
    if program == "kubernetes":
        subprocess.run(["kubectl", "delete", "pod", name], check=True, capture_output=True)
        return
    if program in DAEMONS:
        subprocess.run([program, "rm", "-f", name], check=True, capture_output=True)
        return
    record = cache_directory() / "containers" / program / name / "container.json"
    os.killpg(json.loads(record.read_text())["pid"], signal.SIGKILL)
