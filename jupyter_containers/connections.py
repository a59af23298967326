"""Connection files: the client's, where the container cannot see it, and the container's.

With sockets both name the same five in the room's `run` directory, each by its own path. With
TCP the container listens on fixed ports in its own network, published on 127.0.0.1 at ports
chosen once per kernel, and everything is encrypted with CurveZMQ.
https://jupyter-client.readthedocs.io/en/stable/kernels.html#connection-files
"""

from __future__ import annotations

import socket
from typing import Any

import zmq
from jupyter_client.manager import KernelManager

from .launch import INSIDE, TCP_PORTS, Room

CHANNELS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")


def use_sockets(manager: KernelManager, room: Room, session: str) -> dict[str, Any]:
    """Point the manager at the room's sockets; returns the container's connection file."""
    _set(manager, "ipc", str(room.run / "k"), range(1, 6), session)
    return _inside(manager, "ipc", f"{INSIDE}/run/k", range(1, 6))


def use_tcp(manager: KernelManager, ports: tuple[int, ...], session: str) -> dict[str, Any]:
    """Point the manager at published ports, with keys; returns the container's file."""
    if manager.curve_publickey is None or manager.curve_secretkey is None:
        manager.curve_publickey, manager.curve_secretkey = zmq.curve_keypair()
    public, secret = manager.curve_publickey, manager.curve_secretkey
    _set(manager, "tcp", "127.0.0.1", ports, session)
    keys = {
        "curve_publickey": public.decode("ascii"),
        "curve_secretkey": secret.decode("ascii"),
    }
    return _inside(manager, "tcp", "0.0.0.0", TCP_PORTS) | keys


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
    if (manager.transport, manager.ip) != (transport, ip):
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
