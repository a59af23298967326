"""A container's kernel for clients that start kernels by their argv and know no provisioners."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from jupyter_containers.cli.main import main
from jupyter_containers.host.paths import cache_directory
from tests.helpers import ROOT
from tests.helpers.command import processes, soon


@pytest.fixture
def plain(engine, image, tmp_path_factory) -> Iterator[str]:
    """A pinned kernel as VS Code sees it: a kernel.json without our provisioner."""
    name = f"pinned-{uuid.uuid4().hex[:6]}"
    assert main(["pin", image, "--name", name, "--engine", engine, "--env", f"MARK={name}"]) == 0
    kernels = Path(os.environ["JUPYTER_DATA_DIR"], "kernels")
    spec = json.loads((kernels / name / "kernel.json").read_text())
    assert spec["argv"][1:3] == ["-m", "jupyter_containers.relay"]
    del spec["metadata"]
    (kernels / f"{name}-plain").mkdir()
    (kernels / f"{name}-plain" / "kernel.json").write_text(json.dumps(spec))
    yield f"{name}-plain"
    assert main(["unpin", name]) == 0


class Plain:
    """jupyter_client as it is without provisioners of ours; everything blocks, as in VS Code."""

    def __init__(self, name: str, cwd: Path) -> None:
        self.manager = KernelManager(kernel_name=name)
        self.manager.start_kernel(cwd=str(cwd))
        self.client: Any = None
        self.connect()

    def connect(self) -> None:
        if self.client is not None:
            self.client.stop_channels()
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def run(self, code: str, **options: Any) -> tuple[str, str]:
        said: list[str] = []

        def hook(message: dict[str, Any]) -> None:
            said.append(message["content"].get("text", ""))

        reply = self.client.execute_interactive(code, output_hook=hook, timeout=60, **options)
        content = reply["content"]
        return content["status"], "".join(said) + content.get("ename", "")

    @property
    def pid(self) -> int:
        provisioner: Any = self.manager.provisioner
        return int(provisioner.pid)


@pytest.fixture
def kernel(plain, folder) -> Iterator[Plain]:
    """One kernel, and nothing of it left when the test is done."""
    one = Plain(plain, folder)
    yield one
    one.client.stop_channels()
    if one.manager.has_kernel:
        one.manager.shutdown_kernel()
    one.manager.context.destroy(linger=0)


def ours(program: str, mark: str) -> list[str]:
    """Containers whose environment has the pinned kernel's mark."""
    argv = [program, "ps", "-aq", "--filter", "label=jupyter-containers"]
    ids = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    if not ids:
        return []
    done = subprocess.run([program, "inspect", *ids], capture_output=True, text=True, check=False)
    return [one["Id"] for one in json.loads(done.stdout) if mark in json.dumps(one["Config"])]


def test_it_is_a_kernel_like_any_other(kernel, plain, folder, engine_program, left_behind):
    mark = plain.removesuffix("-plain")
    assert kernel.run("import os; print(os.environ['MARK'], os.getcwd())") == (
        "ok",
        f"{mark} {folder}\n",
    )
    assert len(ours(engine_program, mark)) == 1
    assert kernel.run("x = input('who? ')", allow_stdin=True, stdin_hook=_answer(kernel))[0] == "ok"
    assert kernel.run("print(x)") == ("ok", "Ada\n")
    assert len(kernel.run("for i in range(20): print('x' * (1 << 20))")[1]) >= 20 << 20
    assert kernel.run("1/0") == ("error", "ZeroDivisionError")
    kernel.manager.restart_kernel()
    kernel.connect()
    assert kernel.run("x") == ("error", "NameError")
    kernel.manager.shutdown_kernel()
    assert ours(engine_program, mark) == []
    assert [place for place in left_behind() if "owners" not in place] == []


def _answer(kernel: Plain) -> Any:
    return lambda message: kernel.client.input("Ada")


def test_an_interrupt_keeps_the_variables(kernel):
    kernel.run("kept = 41")
    # ipykernel aborts what comes in the moment after an error, unless that is told not to stop.
    kernel.client.execute("while True: pass", stop_on_error=False)
    time.sleep(1)
    kernel.manager.interrupt_kernel()
    while True:
        reply = kernel.client.get_shell_msg(timeout=10)
        if reply["content"].get("ename") == "KeyboardInterrupt":
            break
    assert kernel.run("print(kept + 1)") == ("ok", "42\n")


def test_its_ports_are_on_127_0_0_1_only_and_the_containers_nowhere(kernel):
    ports = {getattr(kernel.manager, f"{name}_port") for name in ("shell", "iopub", "hb")}
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    listening = [line.split()[1].split(":") for line in lines if line.split()[3] == "0A"]
    for port in ports:
        assert [ip for ip, number in listening if int(number, 16) == port] == ["0100007F"]
    inside = "[l.split()[1] for l in open('/proc/net/tcp') if l.split()[3] == '0A']"
    code = f"print([one for one in {inside} if not one.startswith('0100007F')])"
    assert kernel.run(code) == ("ok", "[]\n")


def test_the_kernels_end_is_its_end(kernel, plain, engine_program):
    kernel.client.execute("import os; os._exit(7)")
    soon(lambda: not kernel.manager.is_alive())
    assert ours(engine_program, plain.removesuffix("-plain")) == []


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_ended_it_leaves_nothing(kernel, plain, engine_program, left_behind, signum):
    os.kill(kernel.pid, signum)
    soon(lambda: not kernel.manager.is_alive())
    soon(lambda: ours(engine_program, plain.removesuffix("-plain")) == [])
    soon(lambda: left_behind() == [])
    soon(lambda: list((cache_directory() / "clients").iterdir()) == [])


def test_it_ends_with_its_parent(plain, folder, engine_program, left_behind):
    code = (
        "import os, sys, signal\nfrom pathlib import Path\n"
        "from tests.contract.clients.test_relay import Plain\n"
        "kernel = Plain(sys.argv[1], Path(sys.argv[2]))\nprint(kernel.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, plain, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.stdout.strip().isdigit(), done.stderr
    soon(lambda: not processes(f"relay --spec {plain.removesuffix('-plain')}"))
    soon(lambda: ours(engine_program, plain.removesuffix("-plain")) == [])
    soon(lambda: left_behind() == [])


def test_a_container_that_cannot_start_says_so_in_the_first_cell(engine, folder, tmp_path):
    assert main(["pin", "localhost/jc-absent:1", "--name", "absent", "--engine", engine]) == 0
    spec = Path(os.environ["JUPYTER_DATA_DIR"], "kernels", "absent", "kernel.json")
    said = json.loads(spec.read_text())
    del said["metadata"]["kernel_provisioner"]
    other = spec.parent.with_name("absent-plain")
    other.mkdir()
    (other / "kernel.json").write_text(json.dumps(said))
    kernel = Plain("absent-plain", folder)
    try:
        assert kernel.run("1") == ("error", "ContainerNotStarted")
    finally:
        kernel.client.stop_channels()
        kernel.manager.shutdown_kernel()
        kernel.manager.context.destroy(linger=0)
        assert main(["unpin", "absent"]) == 0


def _refused(tmp_path: Path, **changes: object) -> str:
    file = tmp_path / "connection.json"
    ports = {f"{name}_port": 1 for name in ("shell", "iopub", "stdin", "control", "hb")}
    file.write_text(json.dumps({"ip": "127.0.0.1", "key": "k", **ports, **changes}))
    argv = [
        sys.executable,
        "-m",
        "jupyter_containers.relay",
        "--spec",
        "nosuch",
        "-f",
        str(file),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    return done.stderr


def test_it_opens_no_port_to_others(tmp_path):
    for ip in ("0.0.0.0", "192.168.1.2", "::", "example.org"):
        assert "127.0.0.1 only" in _refused(tmp_path, ip=ip)
    assert "is no connection file" in _refused(tmp_path, shell_port="x")


def test_where_sockets_do_not_cross_messages_are_relayed(plain, folder, no_sockets):
    """The child has none of this process's patches: the relay is run in here."""
    import asyncio

    from jupyter_client import BlockingKernelClient
    from jupyter_client.connect import write_connection_file

    from jupyter_containers.kernels.relay import Outer, Relay

    file, _ = write_connection_file(str(folder / "c.json"), key=b"secret")

    async def relayed() -> str:
        relay = Relay(plain.removesuffix("-plain"), Outer.read(Path(file)))
        running = asyncio.create_task(relay.run())
        try:
            return await asyncio.to_thread(_asks, BlockingKernelClient(connection_file=file))
        finally:
            relay.end()
            assert await running == 0

    assert asyncio.run(relayed()) == "ok Ada\n"


def _asks(client: Any) -> str:
    client.load_connection_file()
    soon(lambda: _listens(client.hb_port))  # a client without a manager does not wait for it
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        said: list[str] = []
        reply = client.execute_interactive(
            "print(input())",
            allow_stdin=True,
            stdin_hook=lambda message: client.input("Ada"),
            output_hook=lambda message: said.append(message["content"].get("text", "")),
            timeout=60,
        )
        return f"{reply['content']['status']} {''.join(said)}"
    finally:
        client.stop_channels()
        client.context.destroy(linger=0)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return not probe.connect_ex(("127.0.0.1", port))
