"""What limits a container, read or set from inside. Used by `main.py`; standard library only."""

import os
import socket

CGROUPS = "/sys/fs/cgroup"
MOST = 65536


def out_of_memory_kills():
    """How often the kernel (Linux's) has killed in this container, cgroup v2 or v1."""
    for name in ("memory.events", "memory/memory.oom_control"):
        for line in read(os.path.join(CGROUPS, name)).splitlines():
            key, _, value = line.partition(" ")
            if key == "oom_kill":
                return int(value)
    return 0


def applied():
    """The limits and ids that really apply, read from inside; None where nothing limits."""

    def number(*names):
        for name in names:
            word = read(os.path.join(CGROUPS, name)).split()
            if word and word[0].lstrip("-").isdigit():
                value = int(word[0])
                return value if 0 < value < 1 << 60 else None
        return None

    share = read(CGROUPS + "/cpu.max") or " ".join(
        read(CGROUPS + "/cpu/cpu.cfs_" + name + "_us").strip() for name in ("quota", "period")
    )
    quota, _, period = share.strip().partition(" ")
    limited = quota.isdigit() and period.isdigit()
    devices = [name for _, name in socket.if_nameindex()]  # /sys may be another namespace's
    return {
        "uid": os.getuid(),
        "gid": os.getgid(),
        "memory": number("memory.max", "memory/memory.limit_in_bytes"),
        "pids": number("pids.max", "pids/pids.max"),
        "cpus": int(quota) / int(period) if limited else None,
        "network": sorted(devices),
    }


def gain_nothing():
    """No program gets rights by its file's, as with other engines: pyxis leaves that out.
    See prctl(2), PR_SET_NO_NEW_PRIVS."""
    prctl(38, 1)


def dumpable(yes):
    """Whether others of the same user may look into this process: its memory, its open files and
    its root, by /proc/PID or ptrace. An exec sets it back. See prctl(2), PR_SET_DUMPABLE."""
    prctl(4, 1 if yes else 0)


def prctl(option, value):
    """Nothing where this Python has no ctypes."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass


def parent_of(pid):
    """Who has started a process; 0 where it is over."""
    words = read("/proc/%s/stat" % pid).rpartition(")")[2].split()
    return int(words[1]) if len(words) > 1 else 0


def read(path):
    """A small file's text, or nothing."""
    try:
        with open(path) as file:
            return file.read(MOST)
    except (OSError, UnicodeDecodeError):
        return ""
