"""Podman's private networks: which one a container gets, and what it does not lead to.

A network in user space (slirp4netns, pasta) is each container's own: none reaches another, and
nobody reaches in. Rootless Podman always has one. Rootful Podman would put every container on one
bridge, where CNI and netavark know no way to keep two apart; slirp4netns does it there as well.

What the policy bars gets a blackhole route in the container's network namespace, made from outside
before any program of the image runs. No container has the capability to take it away.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from shutil import which
from typing import Any

import psutil

from ...models import Barred, Problem

SLIRP = "slirp4netns"
_OPTIONS = {SLIRP: f"{SLIRP}:allow_host_loopback=false", "pasta": "pasta"}
"""What the person's containers.conf says of them otherwise does not count."""
TOGETHER = Problem(
    "Containers with a private network reach each other and what listens on this machine: rootful "
    "Podman keeps them apart with slirp4netns, which is not installed.",
    'sudo apt install slirp4netns; or "network": "none" in the notebook\'s settings',
)
HOST = Problem(
    "With a private network, containers reach what listens on this machine's addresses (not on "
    "127.0.0.1 alone).",
    "An administrator bars it: c.Policy.host_access = False",
)
_METADATA = (
    "169.254.169.254",  # AWS, Azure, Google, OpenStack, Oracle and most others
    "169.254.170.2",  # AWS: credentials of tasks
    "169.254.170.23",  # AWS: credentials of pods
    "169.254.0.23",  # Tencent
    "169.254.42.42",  # Scaleway
    "100.100.100.200",  # Alibaba
    "168.63.129.16",  # Azure's wire server
    "192.0.0.192",  # Oracle, classic
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fd00:42::42",
)
_PODMANS = ("169.254.1.2", "10.0.2.2")
"""By which pasta (`host.containers.internal`) and slirp4netns lead to this machine."""


def option(host: Mapping[str, Any], *, rootless: bool) -> str:
    """The value of `--network` for a private one, by Podman's `info`; empty: Podman's default.
    pasta is for rootless containers only.
    https://github.com/containers/podman/blob/main/pkg/specgen/namespaces.go (validateNetNS)"""
    chosen = str(host.get("rootlessNetworkCmd") or SLIRP)  # from 5.0 on
    for name in (chosen, SLIRP, "pasta") if rootless else (SLIRP,):
        if name in _OPTIONS and (host.get(name) or {}).get("executable"):
            return _OPTIONS[name]
    return ""


def can_bar(option: str, host: Mapping[str, Any]) -> bool:
    """Whether `routes` can be made in a container's network: of this machine, with its tools."""
    here = host.get("serviceIsRemote") is False
    return bool(option) and here and all(map(which, ("nsenter", "ip")))


def routes(barred: Iterable[Barred]) -> tuple[str, str]:
    """What `ip -batch` gets: for IPv4, and for IPv6, which a network may not have."""
    wanted = {"metadata": _METADATA, "host": (*own_addresses(), *_PODMANS)}
    found = sorted({address for name in barred for address in wanted[name]})
    lines = [f"route add blackhole {address}\n" for address in found]
    return (
        "".join(one for one in lines if ":" not in one),
        "".join(one for one in lines if ":" in one),
    )


def own_addresses() -> Iterator[str]:
    """This machine's, as others reach it; 127.0.0.1 is each namespace's own."""
    for found in psutil.net_if_addrs().values():
        for one in found:
            if one.family in (socket.AF_INET, socket.AF_INET6):
                address = ipaddress.ip_address(one.address.partition("%")[0])
                if not (address.is_loopback or (address.version == 6 and address.is_link_local)):
                    yield str(address)


def enter(program: str, pid: int, *, rootless: bool) -> list[str]:
    """The beginning of a command in a container's network namespace, with the rights of who made
    it."""
    inside = ["nsenter", f"--net=/proc/{pid}/ns/net"]
    return [program, "unshare", *inside] if rootless else inside


_BUILD = r"""set -e
directory=$1 v4=$2 v6=$3 program=$4 verb=$5
shift 5
outside=$(readlink /proc/self/ns/net)
mkfifo "$directory/ready" "$directory/lives"
exec 9<>"$directory/lives"
unshare --net cat <"$directory/lives" 9>&- >/dev/null 2>&1 &
holder=$!
trap 'kill -9 $holder $slirp 2>/dev/null' EXIT
until [ "$(readlink /proc/$holder/ns/net)" != "$outside" ]; do sleep 0.01; done
slirp4netns --configure --mtu=65520 --disable-host-loopback --enable-sandbox --enable-seccomp \
    --ready-fd=3 --exit-fd=4 $holder tap0 3>"$directory/ready" 4<"$directory/lives" 9>&- \
    </dev/null >/dev/null 2>"$directory/slirp" &
slirp=$!
if [ "$(cat "$directory/ready")" != 1 ]; then
    echo "Error: slirp4netns: $(cat "$directory/slirp")" >&2
    exit 125
fi
inside="nsenter --net=/proc/$holder/ns/net ip"
printf '%s' "$v4" | $inside -batch - >&2
printf '%s' "$v6" | $inside -batch - >&2 || [ -z "$($inside -6 address show)" ]
code=0
"$program" "$verb" --network=ns:/proc/$holder/ns/net --dns=10.0.2.3 "$@" 9>&- || code=$?
exit $code
"""
"""Runs a build in a network of its own whose routes are made. Arguments: a private directory, what
`ip -batch` gets for IPv4 and IPv6, and the build's command. All of it is one process group. The
shell alone has a pipe open for writing: what holds the network up reads it, and ends with the
shell, killed or not."""


def leads_to_loopback(option: str, *, rootless: bool) -> bool:
    """Whether RUN of a build that is left to Podman may reach this machine's 127.0.0.1: Podman
    4.3.1 starts slirp4netns for it without `--disable-host-loopback` (what listens there answered
    at 10.0.2.2), and later ones were not tried."""
    return rootless and option.startswith(SLIRP)


def own_for_build(
    argv: Sequence[str], barred: Iterable[Barred], directory: str, *, rootless: bool
) -> list[str]:
    """The command that runs a build's in a network of its own, with the routes of `barred`."""
    unshare = [argv[0], "unshare"] if rootless else []
    return [*unshare, "sh", "-c", _BUILD, "sh", directory, *routes(barred), *argv]
