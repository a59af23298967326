"""A real kernel with its kit in a real image, started as the provisioner does but without it."""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.session import Session

from jupyter_containers.engines.base import Engine
from jupyter_containers.engines.registry import _instance
from jupyter_containers.images.facts import Interpreter
from jupyter_containers.images.kit import Kit, fit
from jupyter_containers.images.probe import choose, probe
from jupyter_containers.layout import BYTECODE_TARGET, GUEST_DIR, INSIDE, KIT_TARGET
from jupyter_containers.models import ContainerSpec, Mount


@pytest.fixture(scope="session")
def kit_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Kits made by these tests are kept for the session."""
    directory = tmp_path_factory.mktemp("kits")
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(autouse=True)
def own_cache(kit_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of the person's own cache is used."""
    monkeypatch.setattr("jupyter_containers.host.cache.cache_directory", lambda: kit_cache)
    return kit_cache


class Kernel:
    """A kernel in a container without network, by the client's end of its sockets."""

    def __init__(self, client: AsyncKernelClient, kit: Kit, interpreter: Interpreter) -> None:
        self.client = client
        self.kit = kit
        self.python = interpreter

    async def value(self, code: str) -> str:
        """What code prints; fails where it raises."""
        text: list[str] = []

        def hook(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                text.append(message["content"]["text"])

        reply = await self.client.execute_interactive(code, timeout=60, output_hook=hook)
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(text).strip()

    async def debug(self, command: str, **arguments: Any) -> dict[str, Any]:
        """One request of the debug adapter protocol, answered over the control channel."""
        content = {"type": "request", "seq": 1, "command": command, "arguments": arguments}
        message = self.client.session.msg("debug_request", content)
        self.client.control_channel.send(message)
        while True:
            reply = await self.client.get_control_msg(timeout=60)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                body: dict[str, Any] = reply["content"]
                return body


@asynccontextmanager
async def kernel_in(engine_name: str, reference: str) -> AsyncIterator[Kernel]:
    """Probe, fit and start as the provisioner does, without it."""
    engine = _instance(engine_name)
    image = await engine.image(reference)
    assert image is not None, reference
    me = await engine.user("me", (0, 0))
    run_dir = Path(tempfile.mkdtemp(prefix="jc"))
    try:
        facts = await probe(engine, image, me, run_dir)
        interpreter = choose(facts).interpreter
        assert interpreter is not None
        kit = await fit(engine, image, me, interpreter)
        for name in ("run", "home"):
            (run_dir / name).mkdir()
        key = secrets.token_hex(16)
        ports = _connection_file(run_dir / "c.json", key)
        kit_mounts = []
        if kit.directory is not None:
            assert kit.bytecode is not None
            kit_mounts = [
                Mount(str(kit.directory), KIT_TARGET),
                Mount(str(kit.bytecode), BYTECODE_TARGET),
            ]
        spec = ContainerSpec(
            name=f"jupyter-test-{secrets.token_hex(4)}",
            image=image.id,
            argv=(
                *(interpreter.path, f"{INSIDE}/guest/boot.py"),
                *(KIT_TARGET if kit_mounts else "-", f"{INSIDE}/c.json"),
            ),
            user=me,
            own=(
                Mount(str(GUEST_DIR), f"{INSIDE}/guest"),
                Mount(str(run_dir / "run"), f"{INSIDE}/run", writable=True),
                Mount(str(run_dir / "home"), "/home/me", writable=True),
                Mount(str(run_dir / "c.json"), f"{INSIDE}/c.json"),
                *kit_mounts,
            ),
            env={"HOME": "/home/me"},
            network="none",
            init=True,
        )
        await engine.start(spec)
        client = AsyncKernelClient(
            transport="ipc",
            ip=str(run_dir / "run" / "k"),
            **ports,
            session=Session(key=key.encode()),
        )
        client.start_channels()
        try:
            if not await _answers(client, engine, spec.name):
                pytest.fail(f"no kernel: {await engine.logs(spec.name, 40)}")
            yield Kernel(client, kit, interpreter)
        finally:
            client.stop_channels()
            client.context.destroy(linger=0)
            await engine.remove(spec.name)
    finally:
        shutil.rmtree(run_dir)


def _connection_file(path: Path, key: str) -> dict[str, int]:
    """Write the one that the kernel reads inside; returns its ports."""
    names = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
    ports = {name: number for number, name in enumerate(names, 1)}
    about = {"transport": "ipc", "ip": f"{INSIDE}/run/k", "key": key, **ports}
    about |= {"signature_scheme": "hmac-sha256"}
    path.write_text(json.dumps(about))
    return ports


async def _answers(client: AsyncKernelClient, engine: Engine, container: str) -> bool:
    """Until a reply and a message on iopub came. (`wait_for_ready` without a manager takes a
    kernel that needs more than a second to start for dead.)"""
    for _ in range(60):
        try:
            await client.kernel_info(reply=True, timeout=1)
            await client.get_iopub_msg(timeout=1)
        except (Empty, TimeoutError):
            if await engine.poll(container) is not None:
                return False
            continue
        return True
    return False


FRESH_PYTHON = """import subprocess, sys
code = '''import importlib.metadata, json, sys
names = [one.metadata["Name"] for one in importlib.metadata.distributions()]
print(json.dumps({"names": names, "path": sys.path[1:]}))'''
print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)"""

BEFORE_THE_KIT = f"""import json, sys
print(json.dumps(sys.path[: sys.path.index({KIT_TARGET!r})]))"""


async def check(kernel: Kernel) -> None:
    """What holds in every image."""
    info = await kernel.client.kernel_info(reply=True, timeout=30)
    assert info["content"]["status"] == "ok"
    assert info["content"]["language_info"]["version"] == kernel.python.dotted
    assert await kernel.value("print(1 + 1)") == "2"
    assert await kernel.value("import ipykernel; print(ipykernel.__version__)") == (
        kernel.kit.ipykernel
    )
    # The kit comes last, and only here.
    assert kernel.kit.directory is not None
    environment = await kernel.value("import os; print(dict(os.environ))")
    assert "PYTHONPATH" not in environment
    assert KIT_TARGET not in environment
    fresh = json.loads(await kernel.value(FRESH_PYTHON))
    assert "ipykernel" not in fresh["names"]
    assert KIT_TARGET not in fresh["path"]
    before = json.loads(await kernel.value(BEFORE_THE_KIT))
    assert set(fresh["path"]) <= set(before)
    # The image's versions win.
    for name, version in kernel.python.distributions.items():
        seen = f"import importlib.metadata as m; print(m.version({name!r}))"
        assert await kernel.value(seen) == version
    held = {pin.partition("==")[0] for pin in kernel.kit.packages}
    assert not held & set(kernel.python.distributions)
