"""A guest whose owner is on another machine: what is said is encrypted, ports are chosen here.

Used by `main.py` where `start.json` has `pem`, a private key and its certificate, which the owner
knows. Standard library only, Python 3.9 and newer.
"""

import json
import os
import socket

CHANNELS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
OPTIONS = (
    ("TCP_KEEPIDLE", 60),
    ("TCP_KEEPINTVL", 10),
    ("TCP_KEEPCNT", 6),
    ("TCP_USER_TIMEOUT", 120_000),
)
NOT_HERE = """#!/bin/sh
echo "${0##*/}: Slurm's commands cannot be used in this container. Several tasks start here with \
mpirun, on the CPUs of this kernel's job; other jobs are submitted from a terminal." >&2
exit 127
"""
"""What `srun` says where the image has none, with a shell's code for a missing command."""
MOST = 65536
"""Characters of a file that the kernel writes."""
LOOK_AGAIN = 0.02
"""Seconds between looks for the kernel's ports, while it starts."""


class Network:
    """The listening socket, the secret, and the ports of the kernel's channels."""

    def __init__(self, run_dir, pem):
        self.run_dir, self.pem = run_dir, pem
        self.context = None
        self.waiting = False
        self.pause = LOOK_AGAIN
        self.event = None
        self.listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.bind(("", 0))
        # In place: a new file of this name an NFS client may not see for half a minute.
        with open(os.path.join(run_dir, "port"), "r+") as file:
            file.write("%d\n" % self.listener.getsockname()[1])

    @staticmethod
    def watched(connection):
        """The connection, so set that it is over two minutes after the owner's machine has gone
        without a word: an idle one would stay for ever, and a job until its time is over. Longer
        than the owner's half a minute, who comes back after it (tcp(7))."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in OPTIONS:
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        return connection

    def secured(self, connection):
        """The connection with TLS around it, whose handshake is still to be made."""
        return self.tls().wrap_socket(
            self.watched(connection), server_side=True, do_handshake_on_connect=False
        )

    def tls(self):
        """Our key and certificate, for who speaks TLS."""
        import ssl  # takes longer than all the rest, while the kernel would wait

        if self.context is None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.num_tickets = 0
            memory = os.memfd_create("pem")  # the key comes to no disk again
            try:
                os.write(memory, self.pem.encode())
                self.context.load_cert_chain("/proc/self/fd/%d" % memory)
            finally:
                os.close(memory)
        return self.context

    def environment(self):
        """What Slurm gave the job: its number, the GPUs it may use; and a PATH at whose end its
        commands say why they are not here."""
        try:
            with open(os.path.join(self.run_dir, "environment")) as file:
                lines = file.read(65536).splitlines()
        except (OSError, UnicodeDecodeError):
            return {}
        found = dict(line.split("=", 1) for line in lines if "=" in line)
        found["PATH"] = "%s:%s" % (os.environ.get("PATH", os.defpath), self.not_here())
        return found

    def not_here(self):
        """A directory with Slurm's commands that only say so."""
        directory = os.path.join(self.run_dir, "bin")
        try:
            os.makedirs(directory, exist_ok=True)
            for name in ("srun", "sbatch", "salloc"):
                with open(os.path.join(directory, name), "w") as file:
                    file.write(NOT_HERE)
                    os.fchmod(file.fileno(), 0o755)
        except OSError:
            pass  # a full disk; the shell says that there is no such command
        return directory

    def look(self):
        """The event that tells the kernel's five ports, once it listens on all; else None."""
        try:
            with open(os.path.join(self.run_dir, "connection.json")) as file:
                said = json.loads(file.read(MOST))
            ports = [said[name] for name in CHANNELS]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None  # it is being written
        if not all(type(port) is int and 0 < port < 65536 and listens(port) for port in ports):
            return None
        self.waiting, self.event = False, {"event": "ports", "ports": ports}
        return self.event


def listens(port):
    """Whether anybody does, on this port of ours."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0
