"""Giving up what an engine left of Linux's capabilities. Used by `main.py`.

Podman and Docker start a container without any. An engine that is a process of the person's gives
it those of its user namespace, all of them where root runs it (Charliecloud). No program of a
kernel needs them, and each is a door into the kernel (Linux's). Standard library only.

See capabilities(7), capset(2), and prctl(2) for the numbers.
"""

import sys

SETS = ("CapInh", "CapPrm", "CapEff", "CapAmb")
NO_NEW_PRIVS, DROP_FROM_BOUNDS, AMBIENT, CLEAR_ALL = 38, 24, 47, 4
VERSION = 0x20080522


def give_up():
    """Drop all that this process has, from the bounding set too, and gain nothing by an exec.
    Returns what stays, in words; an empty text: nothing. Costs nothing where nothing is there."""
    found = status()
    # Who cannot drop the bounds (no CAP_SETPCAP) has nothing, and gains nothing from them.
    if not held(found) and found.get("NoNewPrivs") == "1":
        return ""
    try:
        drop()
    except (ImportError, OSError, AttributeError) as error:
        why = "this Python has no ctypes" if isinstance(error, ImportError) else str(error)
    else:
        why = "the kernel refused it"
    found = status()
    if not held(found) and found.get("NoNewPrivs") == "1":
        return ""
    text = "capabilities could not be given up (%s): %s" % (why, describe(found))
    sys.stderr.write("jupyter-containers: %s\n" % text)
    return text


def status():
    """The lines of /proc/self/status about it; where there is no /proc, nobody knows."""
    try:
        with open("/proc/self/status") as file:
            pairs = [line.split(":", 1) for line in file if ":" in line]
    except OSError:
        return {}
    return {name: value.strip() for name, value in pairs}


def held(found):
    """Whether any is there; yes, where nobody knows."""
    return any(int(found.get(name, "1"), 16) for name in SETS)


def describe(found):
    """What is there, as /proc says it."""
    names = (*SETS, "CapBnd", "NoNewPrivs")
    return ", ".join("%s %s" % (name, found.get(name, "unknown")) for name in names)


def drop():
    """The bounds first, which needs a capability; then all. Raises ImportError where this Python
    has no ctypes."""
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(NO_NEW_PRIVS, 1, 0, 0, 0)
    library.prctl(AMBIENT, CLEAR_ALL, 0, 0, 0)
    number = 0
    while number < 64 and library.prctl(DROP_FROM_BOUNDS, number, 0, 0, 0) == 0:
        number += 1
    header = (ctypes.c_uint32 * 2)(VERSION, 0)  # 0: this process
    nothing = (ctypes.c_uint32 * 6)()
    library.capset(ctypes.byref(header), ctypes.byref(nothing))
