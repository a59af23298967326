"""The first process of a kernel's Pod, and what a server runs there to reach it.

    python -I -S -B pod.py start RUN    the container's command: waits until RUN/start.json has come
                                        through the tunnel, and becomes `main.py`, the guest
    python -I -S -B pod.py tunnel RUN   by exec: stdin and stdout become a connection to the bridge

The bridge holds the tunnel's streams while its connection is cut and made again, so it is a process
of its own: see `bridge.py`. `start` starts it, so that it is there when the first server comes;
`tunnel` does where there is none. Standard library only, Python 3.9 and newer.
"""

import errno
import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

PATIENCE = 120.0
"""Seconds for `start.json` to come."""
LOOK_EVERY = 0.005
CONNECTS_IN = 10.0
PIPE_SIZE = 1 << 20
F_SETPIPE_SZ = 1031
"""Of fcntl.h; Python has it from 3.10."""


def start(run_dir):
    """Wait for a server, then become the guest. Does not return."""
    for ending in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(ending, lambda signum, _: os._exit(128 + signum))  # else pid 1 ignores it
    start_bridge(run_dir, log=2)
    wanted = os.path.join(run_dir, "start.json")
    deadline = time.monotonic() + PATIENCE
    while not os.path.exists(wanted):
        if time.monotonic() > deadline:
            sys.exit("No server came within %d s." % PATIENCE)
        time.sleep(LOOK_EVERY)
    guest = os.path.join(os.path.dirname(os.path.abspath(__file__)), "main.py")
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-B", guest, run_dir])


def tunnel(run_dir):
    """Give stdin and stdout to the bridge, and stay until it hangs up: an exec ends with its
    process. Copying between them would take half of a round trip's time."""
    bridge = connect(run_dir)
    for pipe in (0, 1):
        enlarge(pipe)
    try:
        socket.send_fds(bridge, [b"."], [0, 1])
        bridge.recv(1)
    except OSError:  # it has ended
        pass


def enlarge(pipe):
    """Have a pipe take more at once; with 64 KiB it wakes its reader three times as often. A
    kernel may allow less, and a socket is none."""
    import fcntl

    try:
        fcntl.fcntl(pipe, F_SETPIPE_SZ, PIPE_SIZE)
    except OSError:
        pass


def connect(run_dir):
    """A connection to the bridge, which is started where there is none."""
    deadline = time.monotonic() + CONNECTS_IN
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(os.path.join(run_dir, "tunnel"))
            return connection
        except OSError as error:
            connection.close()
            if time.monotonic() > deadline:
                sys.exit("The tunnel's bridge does not answer: %s." % error)
            if error.errno in (errno.ENOENT, errno.ECONNREFUSED):
                start_bridge(run_dir)
            else:
                time.sleep(LOOK_EVERY)


def start_bridge(run_dir, log=None):
    """Start the bridge in a process of its own, which listens when this returns. Where two are
    started at once, nobody comes to the first, which ends after a while."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    new = os.path.join(run_dir, ".tunnel-%d" % os.getpid())
    listener.bind(new)
    listener.listen(8)
    os.rename(new, os.path.join(run_dir, "tunnel"))
    if os.fork():
        listener.close()
        return
    try:
        os.setsid()
        for ending in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(ending, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        for file in (0, 1, 2):
            if file != log:
                os.dup2(nothing, file)  # an exec ends when nobody has its files any more
        from bridge import serve  # asyncio takes longer than all the rest

        serve(listener, run_dir)
    except BaseException as error:  # noqa: BLE001 - the child must never return into its parent's code
        os.write(2, f"The tunnel's bridge has ended: {error!r}\n".encode())
    os._exit(1)


if __name__ == "__main__":
    {"start": start, "tunnel": tunnel}[sys.argv[1]](sys.argv[2])
