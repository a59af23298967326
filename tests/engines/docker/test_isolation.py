"""Two containers on the network of ours, in a daemon that has iptables.

The daemons that the tests share run without it, so as not to touch this machine's rules. This one
has a network namespace of its own: its rules are nobody else's, and are gone with it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_containers.engines.base import ISOLATES
from jupyter_containers.engines.docker import network
from jupyter_containers.engines.docker.engine import Docker
from jupyter_containers.errors import EngineFailed
from jupyter_containers.models import ContainerSpec, User

ROOT = User(mode="me", uid=0, gid=0, host_uid=0, host_gid=0)
NAMES = ("jct-first", "jct-second", "jct-third")
SERVE = "while :; do echo reached | nc -l -p 5000; done"


def dockerd() -> str | None:
    """Beside the `docker` under test where that was unpacked somewhere, else this machine's."""
    beside = Path(shutil.which("docker") or "/").resolve().parent.parent / "sbin/dockerd"
    return str(beside) if beside.exists() else shutil.which("dockerd")


@pytest.fixture
def daemon(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """DOCKER_HOST leads to it. Its socket is short-named: a path has 107 characters."""
    program = dockerd()
    if engine != "docker" or program is None or os.getuid() != 0:
        pytest.skip("only root starts a dockerd")
    new = ("unshare", "--net", "--mount", "--propagation=private")
    if subprocess.run([*new, "iptables", "-L"], capture_output=True, check=False).returncode:
        pytest.skip("no iptables in a network namespace of this machine")
    place = Path(f"/run/jct-{os.getpid()}")
    place.mkdir(mode=0o700)
    options = [f"--data-root={tmp_path}/data", f"--exec-root={place}/x", f"--pidfile={place}/pid"]
    script = 'ip link set lo up; echo 1 >/proc/sys/net/ipv4/ip_forward; exec "$@"'
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*new, "sh", "-c", script, "sh", program, *options, f"--host=unix://{place}/s"],
            stdout=log,
            stderr=log,
        )
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}/s")
    try:
        deadline = time.monotonic() + 60
        while subprocess.run(["docker", "version"], capture_output=True, check=False).returncode:
            assert process.poll() is None, (tmp_path / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()[-2000:]
            time.sleep(0.2)
        yield
    finally:
        subprocess.run(["docker", "rm", "--force", *NAMES], capture_output=True, check=False)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def small(daemon: None, tmp_path: Path) -> str:
    """An image with busybox alone."""
    tree = tmp_path / "tree/bin"
    tree.mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "/bin/busybox", tree / "busybox")
    for name in ("sh", "nc", "sleep", "echo"):
        (tree / name).symlink_to("busybox")
    tar = subprocess.run(
        ["tar", "-C", str(tree.parent), "-c", "."], capture_output=True, check=True
    )
    argv = ["docker", "import", "-", "jct/small"]
    done = subprocess.run(argv, input=tar.stdout, capture_output=True, check=True)
    return done.stdout.decode().strip()


def address(name: str) -> str:
    text = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    argv = ["docker", "inspect", "--format", text, name]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def reach(image: str, network_name: str, where: str) -> str:
    script = f"nc -w 2 {where} 5000 </dev/null"
    argv = ["docker", "run", "--rm", f"--network={network_name}", image, "sh", "-c", script]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


def spec(name: str, image: str) -> ContainerSpec:
    return ContainerSpec(name=name, image=image, argv=("sh", "-c", SERVE), user=ROOT)


async def test_containers_of_ours_do_not_reach_each_other(small: str) -> None:
    first, second = Docker(), Docker()  # as two servers have them
    assert ISOLATES in (await first.info()).features
    await asyncio.gather(first.start(spec(NAMES[0], small)), second.start(spec(NAMES[1], small)))
    listed = ["docker", "network", "ls", "--quiet", f"--filter=name={network.NAME}"]
    found = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    assert len(found) == 1  # made at once, and once
    assert reach(small, network.NAME, address(NAMES[0])) == ""
    assert reach(small, network.NAME, address(NAMES[1])) == ""
    assert reach(small, "bridge", address(NAMES[0])) == ""
    # the default bridge would have let them: the probe can succeed
    plain = ["docker", "run", "--detach", f"--name={NAMES[2]}", small, "sh", "-c", SERVE]
    subprocess.run(plain, capture_output=True, check=True)
    assert reach(small, "bridge", address(NAMES[2])) == "reached"


async def test_the_network_is_removed_when_nothing_is_on_it_and_made_again(small: str) -> None:
    docker = Docker()
    await docker.start(spec(NAMES[0], small))
    assert await docker.unused_networks() == []
    id = await docker._own_network.id(await docker.info())
    with pytest.raises(EngineFailed, match="active endpoints"):
        await docker.remove_network(id)
    await docker.remove(NAMES[0])
    assert await docker.unused_networks() == [id]
    await docker._own_network.id(await docker.info())
    await Docker().remove_network(id)  # another process, so this one does not know
    await docker.start(spec(NAMES[1], small))
    assert address(NAMES[1])
    assert await docker._own_network.id(await docker.info()) != id
    await docker.remove(NAMES[1])
