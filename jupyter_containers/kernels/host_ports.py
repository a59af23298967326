"""Why a container could not have a port of this machine that its notebook names.

Engines say it in many words, and none says who has the port: so it is looked at here, once a start
has failed.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from pathlib import Path

from ..engines.guarded import Guarded
from ..errors import EngineError, StartFailed
from ..layout import RESERVED_PORTS
from ..models import ContainerSpec
from .listing import OwnedContainer, our_containers


async def explained(engine: Guarded, spec: ContainerSpec, failed: StartFailed) -> StartFailed:
    """Why the start failed: for want of a port that is named, or as the engine has it."""
    for host, inside in spec.publish:
        if not host or inside in RESERVED_PORTS:
            continue
        code = await asyncio.to_thread(_cannot_bind, host)
        if code == errno.EADDRINUSE:
            return await _taken(engine, host, inside)
        if code == errno.EACCES and str(host) in failed.message:
            return StartFailed(
                f"Port {host} of this machine is for its administrator alone, as all below "
                f"{_first_for_all()} are.",
                f"Take one from there on, such as {8000 + host}:{inside}; or any that is free: "
                f"{inside} alone.",
            )
    return failed


def _cannot_bind(port: int) -> int:
    """The error of who listens on a port of 127.0.0.1; 0 where one can."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
            one.listen()
        except OSError as error:
            return error.errno or errno.EINVAL
    return 0


async def _taken(engine: Guarded, host: int, inside: int) -> StartFailed:
    try:
        ours = [one for one in await our_containers(engine) if host in one.ports.values()]
    except EngineError:
        ours = []
    what, first = "is in use by another program", ""
    if ours:
        holder = OwnedContainer(engine, ours[0])
        whose = holder.notebook or f"the container {holder.container.name}"
        what, first = f"is taken: it leads to {whose}", f"Shut down the kernel of {whose}, or "
        if holder.orphan or not holder.notebook:
            first = f"End it (jupyter containers stop {holder.container.name}), or "
    hint = f"{first}take another port; or any that is free: {inside} alone."
    return StartFailed(f"Port {host} of this machine {what}.", hint[0].upper() + hint[1:])


def _first_for_all() -> int:
    """The first port that needs no rights. https://docs.kernel.org/networking/ip-sysctl.html"""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    except (OSError, ValueError):
        return 1024
