"""Connection files: the client's, where the container cannot see it, and the container's.

With sockets the container's names five in the run directory's `run`, and the client's the hard
links to them in `sockets`, where no container can put anything else. With TCP the container listens
on fixed ports in its own network, published on 127.0.0.1 at ports chosen once per kernel; on
another machine it chooses its ports itself. Everything is encrypted with CurveZMQ then.
https://jupyter-client.readthedocs.io/en/stable/kernels.html#connection-files
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import zmq
from jupyter_client.manager import KernelManager

from ..host.rundir import RunDir
from ..layout import INSIDE, TCP_PORTS
from .spec import StartPlan

CHANNELS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")


Ports = tuple[int, ...]


def connect(
    manager: KernelManager, plan: StartPlan | None, run_dir: RunDir, session: str, ports: Ports
) -> tuple[dict[str, Any], Ports]:
    """Both files for the transport of a start (with `plan` None, the fallback kernel's): the
    container's, and the published ports, which are chosen once per kernel. Called before a start.
    """
    if plan is None or plan.sockets:
        return use_sockets(manager, run_dir, session), ports
    if not plan.published:
        return choosing_itself(manager), ports
    ports = ports or free_ports(len(TCP_PORTS))
    return use_tcp(manager, ports, session), ports


def use_sockets(manager: KernelManager, run_dir: RunDir, session: str) -> dict[str, Any]:
    """Point the manager at the run directory's sockets; returns the container's connection file."""
    _set(manager, "ipc", str(clients_sockets(run_dir)), range(1, 6), session)
    return _inside(manager, "ipc", f"{INSIDE}/run/k", range(1, 6))


def clients_sockets(run_dir: RunDir) -> Path:
    """What the names of the five begin with for clients."""
    return run_dir.sockets / "k"


def use_tcp(manager: KernelManager, ports: tuple[int, ...], session: str) -> dict[str, Any]:
    """Point the manager at published ports, with keys; returns the container's file."""
    keys = _keys(manager)
    _set(manager, "tcp", "127.0.0.1", ports, session)
    return _inside(manager, "tcp", "0.0.0.0", TCP_PORTS) | keys


def use_plain_tcp(manager: KernelManager, session: str) -> None:
    """Point the manager at ports of this machine, for the fallback kernel where a disk that is
    full or read-only has no place for sockets: as jupyter_client's own kernels are reached."""
    _set(manager, "tcp", "127.0.0.1", free_ports(len(CHANNELS)), session)


def choosing_itself(manager: KernelManager) -> dict[str, Any]:
    """The file of a container on another machine, whose kernel chooses its ports. The manager
    hears of them by `use_network` when the kernel has told them."""
    return _inside(manager, "tcp", "0.0.0.0", (0,) * len(CHANNELS)) | _keys(manager)


def use_network(manager: KernelManager, address: str, ports: tuple[int, ...], session: str) -> None:
    """Point the manager at a kernel on another machine, with the keys of `choosing_itself`."""
    _set(manager, "tcp", address, ports, session)


def _keys(manager: KernelManager) -> dict[str, str]:
    if manager.curve_publickey is None or manager.curve_secretkey is None:
        manager.curve_publickey, manager.curve_secretkey = zmq.curve_keypair()
    public, secret = manager.curve_publickey, manager.curve_secretkey
    return {
        "curve_publickey": public.decode("ascii"),
        "curve_secretkey": secret.decode("ascii"),
    }


def free_ports(count: int) -> tuple[int, ...]:
    """Ports of 127.0.0.1 that were free a moment ago; the engine fails clearly on a race."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return tuple(one.getsockname()[1] for one in sockets)
    finally:
        for one in sockets:
            one.close()


def _set(manager: KernelManager, transport: str, ip: str, ports: Any, session: str) -> None:
    # A manager writes its file once and keeps it over restarts; it must forget the file where
    # the place of the sockets changed.
    before = [getattr(manager, name) for name in CHANNELS]
    if (manager.transport, manager.ip, before) != (transport, ip, list(ports)):
        manager.cleanup_connection_file()
    manager.transport, manager.ip = transport, ip
    for name, port in zip(CHANNELS, ports, strict=True):
        setattr(manager, name, port)
    manager.write_connection_file(jupyter_session=session)


def _inside(manager: KernelManager, transport: str, ip: str, ports: Any) -> dict[str, Any]:
    return {
        **dict(zip(CHANNELS, ports, strict=True)),
        "transport": transport,
        "ip": ip,
        "key": manager.session.key.decode("ascii"),
        "signature_scheme": manager.session.signature_scheme,
        "kernel_name": manager.kernel_name,
    }
