"""Which TCP ports the container's own processes listen on. Used by `streams.py`.

Where a container shares its machine's network, /proc/net/tcp has the ports of all others too: a
port is the container's where one of its processes holds the listening socket. See proc(5).
Nobody connects to a port to find out what it is: some wait for one connection, and take it for the
one that they wait for, as debugpy does for its adapter's.
Standard library only, Python 3.9 and newer.
"""

import json
import os
import re
import socket
import struct
import time

from limits import read

TABLES = (("/proc/net/tcp", socket.AF_INET), ("/proc/net/tcp6", socket.AF_INET6))
LISTENS = "0A"
OWN = re.compile(r"/memfd:jupyter-containers-port-(\d+) ")
"""The mark by which a kernel says that a port is its own: `boot.py` makes it. See memfd_create(2)
for how /proc shows it."""
DEBUGGER = b"/debugpy/adapter\0"
"""In the command of debugpy's adapter, which the kernel starts for JupyterLab's debugger."""
BY_CHANCE = 32768
"""Linux gives ports from here on to who does not care. See ip(7), ip_local_port_range."""
SETTLED = 2.5
"""Seconds after which such a port is told: debugpy has one until its adapter has come."""
LOOKS = 2.0
"""Seconds between two looks, at most, where the second one sees what is new."""
KNOWN = 1.0
"""Seconds for which the addresses of a port are known."""
MOST = 200
"""Ports that are told."""
NAME = 64
"""Bytes of a process' name."""


class Ports:
    """What is listened on, but for the sockets whose inodes are `hidden` and the channels of a
    kernel, which are in RUN_DIR/connection.json where they are TCP ports."""

    def __init__(self, hidden, run_dir):
        self.hidden = set(hidden)
        self.connection = os.path.join(run_dir, "connection.json")
        self.mounts = mounts_that_tell()
        self.holders = {}  # inode: the process of this container that holds it
        self.since = {}  # inode: when it was first seen
        self.looked = 0.0
        self.others = set()
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
                if inodes and inodes <= set(self.holders):
                    found.append(address)
                if inodes:
                    break
        return found

    def list(self):
        """All that the container listens on, each port once."""
        listening = [one for one in listeners() if one[2] not in self.hidden]
        inodes = {inode for _, _, inode in listening}
        self.holders = {one: held for one, held in self.holders.items() if one in inodes}
        self.others &= inodes
        self.look(inodes - self.others)
        self.see()
        own = self.own_ports()
        found = {}
        for address, port, inode in listening:
            holder = self.holders.get(inode)
            if holder and port not in own and self.is_told(port, inode, holder):
                about = {"port": port, "process": holder.name, "address": address}
                found.setdefault(port, about)
        return [found[port] for port in sorted(found)[:MOST]]

    def see(self):
        """Remember since when each is there: as long as its process, where nobody looked before."""
        now = time.monotonic()
        is_new = now - self.looked < LOOKS
        for inode, holder in self.holders.items():
            self.since.setdefault(inode, now if is_new else now - age_of(holder.pid))
        self.since = {inode: self.since[inode] for inode in self.holders}
        self.looked = now

    def is_told(self, port, inode, holder):
        """Whether somebody may want to open it."""
        if port < BY_CHANCE:
            return True
        return not holder.is_debugger and time.monotonic() - self.since[inode] >= SETTLED

    def own_ports(self):
        """Those by which a kernel speaks with its clients and with itself. Looked up each time: a
        kernel listens there before it has said so."""
        found = set()
        for pid in {holder.pid for holder in self.holders.values()}:
            for name in files_of(pid):
                found.update(int(port) for port in OWN.findall(name))
        try:
            said = json.loads(read(self.connection) or "{}")
            found.update(port for name, port in said.items() if name.endswith("_port"))
        except (ValueError, AttributeError, TypeError, RecursionError):
            pass  # it is being written
        return found

    def look(self, inodes):
        """Find out whose those are that are not known to be the container's."""
        wanted = {"socket:[%s]" % inode: inode for inode in inodes - set(self.holders)}
        for pid in self.processes() if wanted else ():
            for held in wanted.keys() & files_of(pid):
                self.holders.setdefault(wanted[held], Holder(pid))
        self.others |= set(wanted.values()) - set(self.holders)
        self.others -= set(self.holders)

    def processes(self):
        """The container's: all that are here, or those with our mounts."""
        pids = [name for name in os.listdir("/proc") if name.isdigit()]
        return [pid for pid in pids if not self.mounts or mounts_of(pid) == self.mounts]


class Holder:
    """A process that listens."""

    def __init__(self, pid):
        self.pid = pid
        self.name = start_of("/proc/%s/comm" % pid, NAME).decode("utf-8", "replace").strip()
        self.is_debugger = DEBUGGER in start_of("/proc/%s/cmdline" % pid, 4096)


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


def files_of(pid):
    """What a process has open, by the names that /proc gives to it."""
    folder = "/proc/%s/fd" % pid
    found = set()
    try:
        for one in os.listdir(folder):
            found.add(os.readlink(os.path.join(folder, one)))
    except OSError:  # it has ended, is somebody else's, or has just closed one
        pass
    return found


def age_of(pid):
    """Seconds for which a process has been there, or none. See proc(5), /proc/PID/stat."""
    words = read("/proc/%s/stat" % pid).rpartition(")")[2].split()
    if len(words) < 20:
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(words[19]) / os.sysconf("SC_CLK_TCK")


def start_of(path, size):
    """The first bytes of a file, or nothing."""
    try:
        with open(path, "rb") as file:
            return file.read(size)
    except OSError:
        return b""
