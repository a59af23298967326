"""What a kernel's container shares with this machine and with other kernels: as little as the
engine can keep from it, and nothing that the engine says it keeps."""

from __future__ import annotations

import os
import subprocess

import pytest
from traitlets.config import Config

from jupyter_containers.engines.base import BARS, ISOLATES
from jupyter_containers.engines.process_engine import output
from jupyter_containers.host.paths import cache_directory
from tests.helpers.harness import DAEMONS, running
from tests.helpers.listening import addresses, listening

TRY = """
import socket
def reach(address, port):
    try:
        with socket.create_connection((address, port), timeout=3) as found:
            return found.recv(99).decode()
    except OSError as error:
        return "no: " + str(error)
"""
LISTEN = """
import socket, threading
server = socket.create_server(("0.0.0.0", 0))
def serve():
    while True:
        connection, _ = server.accept()
        connection.sendall(b"the other kernel")
        connection.close()
threading.Thread(target=serve, daemon=True).start()
"""
ADDRESSES = """
import re
table = open('/proc/net/fib_trie').read()
mine = sorted(set(re.findall(r'-- (\\S+)\\n\\s+/32 host LOCAL', table)))
"""
FLOOD = """
import os, sys
fd = getattr(sys.stdout, '_original_stdstream_copy', None) or 1
data = b'0123456789\\n' * 10000
for _ in range(400):
    done = 0
    while done < len(data):
        done += os.write(fd, data[done:])
print('flooded')
"""


async def test_namespaces_are_its_own(kernel, engine, shown) -> None:
    """Jobs and Shifter keep the machine's, and the README says so."""
    if shown or engine.startswith("slurm+pyxis"):
        pytest.skip("shares them")
    kinds = ["ipc", "mnt", "pid"] + (["cgroup", "net"] if engine in DAEMONS else [])
    await kernel.run("import os")
    seen = {kind: await kernel.value(f"os.readlink('/proc/self/ns/{kind}')") for kind in kinds}
    assert not {kind for kind in kinds if seen[kind] == os.readlink(f"/proc/self/ns/{kind}")}


async def test_two_kernels_do_not_reach_each_other(notebook, features) -> None:
    if ISOLATES not in features:
        pytest.skip("this engine says that containers reach each other")
    async with running(notebook()) as first, running(notebook()) as second:
        await first.run(LISTEN + ADDRESSES)
        port = int(await first.value("server.getsockname()[1]"))
        addresses = (await first.value("' '.join(mine)")).split()
        await second.run(TRY)
        assert any(not address.startswith("127.") for address in addresses)
        for address in addresses:
            assert "other kernel" not in await second.value(f"reach({address!r}, {port})")
        await first.run(TRY)
        assert await first.value(f"reach('127.0.0.1', {port})") == "the other kernel"


async def test_this_machine_is_barred_where_the_policy_says_so(notebook, features) -> None:
    seen = addresses()
    if not seen:
        pytest.skip("this machine has no address but 127.0.0.1")
    if BARS not in features:
        pytest.skip("this engine cannot bar it: see test_is_refused_where_it_cannot_be_barred")
    with listening() as port:
        await look(notebook, seen, port)


async def look(notebook, seen, port) -> None:
    async with running(notebook()) as kernel:
        await kernel.run(TRY)
        said = [await kernel.value(f"reach({address!r}, {port})") for address in seen]
        assert "this machine" in said, said
    barred = Config({"Policy": {"host_access": False, "metadata_access": False}})
    async with running(notebook(), barred) as kernel:
        await kernel.run(TRY)
        for address in (*seen, "10.0.2.2", "169.254.1.2"):
            said = await kernel.value(f"reach({address!r}, {port})")
            assert said.startswith("no: "), (address, said)
        said = await kernel.value("reach('169.254.169.254', 80)")
        assert "Invalid argument" in said, said  # a blackhole's answer, and no time-out
        status = await kernel.value("open('/proc/self/status').read()")
        assert "CapEff:\t0000000000000000" in status


async def test_is_refused_where_it_cannot_be_barred(notebook, engine, features) -> None:
    if BARS in features:
        pytest.skip("this engine bars it")
    barred = Config({"Policy": {"metadata_access": False}})
    async with running(notebook(), barred) as kernel:  # the fallback kernel, which says why
        done = await kernel.run("1 + 1")
        assert f"{engine} cannot keep a private network from a cloud's metadata" in done["error"]
        assert "Policy.metadata_access" in done["error"]
    if "network-none" in features:
        async with running(notebook(network="none"), barred) as kernel:
            assert await kernel.value("1 + 1") == "2"


async def test_a_flood_leaves_a_small_log(notebook, engine) -> None:
    if engine.startswith("slurm+"):
        pytest.skip("Slurm writes the logs of jobs, and the README says so")
    async with running(notebook()) as kernel:
        done = await kernel.run(FLOOD)
        assert "flooded" in done["text"]
        name = kernel.container.id
        if engine in DAEMONS:
            said = subprocess.run([engine, "logs", name], capture_output=True, check=True)
            size = len(said.stdout) + len(said.stderr)
        else:
            kept = (cache_directory() / "containers" / engine / name).glob("output*")
            size = sum(path.stat().st_size for path in kept)
        assert 0 < size <= 2 * output.MOST + 100_000
        text = await kernel.container.plan.engine.logs(name, 5)
        assert "0123456789" in text
        assert await kernel.value("1 + 1") == "2"
