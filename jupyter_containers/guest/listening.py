"""Which TCP ports the container's own processes listen on. Used by `streams.py`.

Where a container shares its machine's network, /proc/net/tcp has the ports of all others too: a
port is the container's where one of its processes holds the listening socket. See proc(5).
Nobody connects to a port to find out what it is: some wait for one connection, and take it for the
one that they wait for, as debugpy does for its adapter's.
Standard library only, Python 3.9 and newer.
"""

import os
import socket
import struct
import time

from limits import parent_of

TABLES = (("/proc/net/tcp", socket.AF_INET), ("/proc/net/tcp6", socket.AF_INET6))
LISTENS = "0A"
BY_CHANCE = 32768
"""Linux gives ports from here on to who does not care. A kernel has such ones for its clients and
for itself, and nothing tells them from those of an app in it. See ip(7), ip_local_port_range."""
KNOWN = 1.0
"""Seconds for which the addresses of a port are known."""
MOST = 200
"""Ports that are told."""
NAME = 64
"""Bytes of a process' name."""


class Ports:
    """What is listened on, but for the sockets whose inodes are `hidden`."""

    def __init__(self, hidden):
        self.hidden = set(hidden)
        self.mounts = mounts_that_tell()
        self.names = {}  # inode: the name of the process of this container that holds it
        self.others = set()
        self.guest = os.getppid()
        self.kernels = set()  # inodes that a kernel itself holds
        self.known = {}  # port: until when its addresses are known, and they

    def addresses(self, port):
        """The addresses at which a process of this container, and no other, answers: of
        127.0.0.1, then ::1. A page asks for many files, and Linux takes milliseconds to read
        /proc/net/tcp, since it walks through the connections of the whole machine."""
        now = time.monotonic()
        self.known = {one: known for one, known in self.known.items() if known[0] > now}
        if port in self.known:
            return self.known[port][1]
        found = self.find(port)
        if found:
            self.known[port] = now + KNOWN, found
        return found

    def find(self, port):
        """The same, looked up."""
        listening = [one for one in listeners() if one[1] == port]
        self.look({inode for _, _, inode in listening})
        found = []
        for address, every in (("127.0.0.1", ("0.0.0.0", "::")), ("::1", ("::",))):
            for bound in (address, "::ffff:" + address, *every):  # the nearest one gets it
                inodes = {inode for at, _, inode in listening if at == bound}
                if inodes and inodes <= set(self.names):
                    found.append(address)
                if inodes:
                    break
        return found

    def list(self):
        """All that the container listens on, each port once; of a kernel's own, those that somebody
        chose."""
        listening = listeners()
        inodes = {inode for _, _, inode in listening} - self.hidden
        for gone in set(self.names) - inodes:
            del self.names[gone]
        self.kernels &= inodes
        self.others &= inodes
        self.look(inodes - self.others)
        found = {}
        for address, port, inode in listening:
            if inode in self.names and (port < BY_CHANCE or inode not in self.kernels):
                about = {"port": port, "process": self.names[inode], "address": address}
                found.setdefault(port, about)
        return [found[port] for port in sorted(found)[:MOST]]

    def look(self, inodes):
        """Find out whose those are that are not known to be the container's."""
        wanted = {"socket:[%s]" % inode: inode for inode in inodes - set(self.names)}
        for pid in self.processes() if wanted else ():
            for held in wanted.keys() & sockets_of(pid):
                self.names.setdefault(wanted[held], name_of(pid))
                if parent_of(pid) == self.guest:
                    self.kernels.add(wanted[held])
        self.others |= set(wanted.values()) - set(self.names)
        self.others -= set(self.names)

    def processes(self):
        """The container's: all that are here, or those with our mounts."""
        pids = [name for name in os.listdir("/proc") if name.isdigit()]
        return [pid for pid in pids if not self.mounts or mounts_of(pid) == self.mounts]


def listeners():
    """(address, port, inode) of each listening socket of this network."""
    found = []
    for path, family in TABLES:
        try:
            with open(path) as file:
                rows = [line.split() for line in file.readlines()[1:]]
        except OSError:
            continue
        for row in rows:
            if len(row) > 9 and row[3] == LISTENS:
                address, _, port = row[1].partition(":")
                found.append((text_of(address, family), int(port, 16), int(row[9])))
    return found


def text_of(address, family):
    """An address as people write it; Linux prints it in words of this machine's byte order."""
    words = [int(address[start : start + 8], 16) for start in range(0, len(address), 8)]
    return socket.inet_ntop(family, b"".join(struct.pack("=I", word) for word in words))


def mounts_that_tell():
    """What tells our processes from others'; nothing where /proc is this container's own, and all
    in it are ours."""
    try:
        with open("/proc/self/stat") as file:
            own = file.read().split(" ")[0] == str(os.getpid())
    except OSError:
        return ""
    shared = {"SHIFTER_IMAGE", "JUPYTER_CONTAINERS_SAME_PIDS"} & set(os.environ)
    return "" if own and not shared else mounts_of("self")


def mounts_of(pid):
    """What tells a process' mounts from those of others; nothing where one may not ask."""
    try:
        return os.readlink("/proc/%s/ns/mnt" % pid)
    except OSError:
        return ""


def sockets_of(pid):
    """What a process has open, by the names that /proc gives to it."""
    folder = "/proc/%s/fd" % pid
    found = set()
    try:
        for one in os.listdir(folder):
            found.add(os.readlink(os.path.join(folder, one)))
    except OSError:  # it has ended, is somebody else's, or has just closed one
        pass
    return found


def name_of(pid):
    """A process' name."""
    try:
        with open("/proc/%s/comm" % pid, "rb") as file:
            return file.read(NAME).decode("utf-8", "replace").strip()
    except OSError:
        return ""
