"""Which network a container of Podman's gets, and what it is barred from."""

from __future__ import annotations

import ipaddress
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from jupyter_containers.engines.podman import network
from jupyter_containers.engines.podman.engine import Podman
from tests.helpers.policies import spec

SLIRP = {"slirp4netns": {"executable": "/usr/bin/slirp4netns"}}
PASTA = {"pasta": {"executable": "/usr/bin/pasta"}}
ISOLATED = "slirp4netns:allow_host_loopback=false"


@pytest.mark.parametrize(
    ("host", "rootless", "option"),
    [
        (SLIRP, True, ISOLATED),  # 4.3
        (SLIRP, False, ISOLATED),
        (SLIRP | PASTA | {"rootlessNetworkCmd": "pasta"}, True, "pasta"),  # 5.x
        (SLIRP | PASTA | {"rootlessNetworkCmd": "slirp4netns"}, True, ISOLATED),
        (PASTA | {"rootlessNetworkCmd": "pasta"}, True, "pasta"),
        # pasta is for rootless containers only: root's would share a bridge
        (PASTA | {"rootlessNetworkCmd": "pasta"}, False, ""),
        ({"slirp4netns": {"executable": ""}}, False, ""),
        ({"rootlessNetworkCmd": "--privileged"}, True, ""),
        ({}, True, ""),
    ],
)
def test_each_container_has_a_network_of_its_own(host: Any, rootless: bool, option: str) -> None:
    assert network.option(host, rootless=rootless) == option


def test_barring_needs_this_machine_and_its_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"serviceIsRemote": False}
    assert network.can_bar(ISOLATED, here)
    assert not network.can_bar(ISOLATED, {"serviceIsRemote": True})
    assert not network.can_bar("", here)
    monkeypatch.setenv("PATH", "/nowhere")
    assert not network.can_bar(ISOLATED, here)


def test_what_is_barred_is_every_address() -> None:
    v4, v6 = network.routes(["metadata"])
    assert "route add blackhole 169.254.169.254\n" in v4
    assert "route add blackhole fd00:ec2::254\n" in v6
    host = "".join(network.routes(["host"]))
    assert "169.254.169.254" not in host
    both = "".join(network.routes(["host", "metadata"]))
    for line in (*v4.splitlines(), *v6.splitlines(), *host.splitlines()):
        assert line in both.splitlines()
        ipaddress.ip_address(line.removeprefix("route add blackhole "))
    assert all(":" not in line for line in v4.splitlines())
    seen = {
        one.address
        for found in psutil.net_if_addrs().values()
        for one in found
        if one.family.name == "AF_INET" and not one.address.startswith("127.")
    }
    assert {f"route add blackhole {address}" for address in seen} <= set(host.splitlines())
    assert "127.0.0.1" not in host


def test_arguments() -> None:
    podman = Podman()
    podman._network = ISOLATED
    argv = podman.run_argv(spec(network_name="jupyter"), detach=True)  # which is Docker's
    for option in (
        *("--cgroupns=private", "--ipc=private", "--log-driver=k8s-file"),
        *("--log-opt=max-size=5000000", f"--network={ISOLATED}"),
    ):
        assert option in argv
    assert "--network=jupyter" not in argv
    none = podman.run_argv(spec(network="none"), detach=True)
    assert [one for one in none if "network" in one] == ["--network=none"]


def test_a_build_is_barred_by_a_network_around_it() -> None:
    argv = ["podman", "build", "--layers", "--file=-", "/x"]
    found = network.own_for_build(argv, ["metadata"], "/tmp/d", rootless=True)
    assert found[:4] == ["podman", "unshare", "sh", "-c"]
    assert found[-5:] == argv
    assert found[-8:-5] == ["/tmp/d", *network.routes(["metadata"])]
    assert network.own_for_build(argv, ["metadata"], "/tmp/d", rootless=False)[0] == "sh"


def holders(pipe: Path) -> list[str]:
    """The programs that have it open."""
    found = []
    for one in psutil.process_iter():
        try:
            links = [os.readlink(fd) for fd in Path(f"/proc/{one.pid}/fd").iterdir()]
        except OSError:
            continue
        if str(pipe) in links:
            found.append(one.name())
    return sorted(found)


def test_the_network_of_a_build_ends_with_it(tmp_path: Path) -> None:
    """Also where nothing but the shell around the build is killed, which runs no trap then."""
    build = tmp_path / "build"
    build.write_text('#!/bin/sh\necho > "$4/began"\nread -r _ < "$4/go"\nkill -9 $PPID\n')
    build.chmod(0o755)
    os.mkfifo(tmp_path / "go")
    argv = network.own_for_build(
        [str(build), "build", str(tmp_path)], [], str(tmp_path), rootless=False
    )
    within = ["unshare", "--user", "--map-root-user", *argv]
    with subprocess.Popen(within, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not (tmp_path / "began").exists():
            if process.poll() is not None:
                assert process.stderr is not None
                pytest.skip(f"no network of one's own here: {process.stderr.read()[-200:]!r}")
            time.sleep(0.05)
        found = holders(tmp_path / "lives")
        (tmp_path / "go").write_text("now\n")
        assert process.wait(60) == -9
    assert {"cat", "slirp4netns"} <= set(found)
    deadline = time.monotonic() + 60
    while found := holders(tmp_path / "lives"):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
