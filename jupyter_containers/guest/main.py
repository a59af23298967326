"""The guest: first process of a kernel's container. Run as `python -I -S main.py RUN_DIR`.

It checks the mounts, starts the kernel, reaps, passes signals on, tells the owner how the
kernel ended, starts it again in the same container, and ends everything when the owner is gone
for longer than `grace` seconds. One loop, one thread; it sleeps in `select`.

`RUN_DIR/start.json` is read once and deleted:
    argv, cwd, note the kernel's command, and what to say in its first cell
    token           what an owner must say first
    grace, patience seconds without an owner: later on, and before the first one
    mounts          [[target, device, inode], …] as the owner sees them; no device: any
    port            listen on this TCP port instead of the socket RUN_DIR/guest
    streams         the forwarder's token: `streams.py`, which listens on RUN_DIR/streams, or on
    streams_port    this port, or encrypted on one that the hello tells
    pem             or encrypted on one chosen here, which RUN_DIR/port tells: `network.py`
    root            the person asked to be root: keep the capabilities that the engine gave
Lines of JSON both ways. From the owner, after the token: {"do": "start", "note": text},
{"do": "signal", "signum": n}, {"do": "stop"}. To the owner: {"event": "hello", …applied values},
{"event": "started", "pid": n}, {"event": "ended", "code": n, "oom": bool},
{"event": "refused", "target": path}, {"event": "ports", "ports": [five]}.
"""

import json
import os
import selectors
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from door import Door
from limits import applied, dumpable, gain_nothing, out_of_memory_kills, parent_of, read
from privileges import give_up

MAX_LINE = 65536
AT_ONCE = 1.0
"""Seconds in which a forwarder ends that cannot run here."""


class Guest:
    """State of the loop: one listening socket, at most one owner, at most one kernel."""

    def __init__(self, run_dir):
        self.run_dir = run_dir
        self.start = json.loads(read(os.path.join(run_dir, "start.json")))
        os.unlink(os.path.join(run_dir, "start.json"))
        self.kept = "" if self.start.get("root") else give_up()
        self.kernel, self.ooms = 0, 0
        # Shifter and pyxis give no process ids of their own: what shares these mounts is the
        # container's.
        shared = {"SHIFTER_IMAGE", "JUPYTER_CONTAINERS_SAME_PIDS"} & set(os.environ)
        self.mounts = mounts_of("self") if shared else ""
        self.helpers = processes()
        if self.mounts:
            self.helpers = {pid for pid in self.helpers if mounts_of(pid) == self.mounts}
            gain_nothing()
        self.last = self.owner = None
        self.buffer = b""
        self.hidden = False
        self.network = None
        if self.start.get("pem"):
            from network import Network

            self.network = Network(run_dir, self.start["pem"])
        self.deadline = time.monotonic() + self.start["patience"]
        self.events = selectors.DefaultSelector()
        secured = self.network.secured if self.network else None
        listener = self.listen(run_dir)
        self.door = Door(listener, self.start["token"], self.events, secured, self.admit)
        self.wake, self.writer = socket.socketpair()  # set_wakeup_fd keeps neither alive
        self.wake.setblocking(False)
        self.writer.setblocking(False)
        signal.set_wakeup_fd(self.writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for ending in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, lambda *_: self.finish())
        signal.signal(signal.SIGINT, lambda *_: self.pass_on(signal.SIGINT))
        self.events.register(self.wake, selectors.EVENT_READ, self.drain)
        self.forwarder, self.forwarded = 0, 0.0
        self.streams = self.listen_for_streams(run_dir) if self.start.get("streams") else None

    def listen(self, run_dir):
        """The socket an owner connects to."""
        if self.network:
            listener = self.network.listener
        elif self.start.get("port"):
            listener = socket.create_server(("", self.start["port"]))
        else:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(os.path.join(run_dir, "guest"))
        listener.listen(4)
        listener.setblocking(False)
        return listener

    def listen_for_streams(self, run_dir):
        """The forwarder's socket; made before the kernel, which could put its own there. Nobody
        listens to it but for the first who connects, and then the forwarder."""
        if self.network:
            listener = socket.create_server(("", 0))
        elif self.start.get("streams_port"):
            listener = socket.create_server(("", self.start["streams_port"]))
        else:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(os.path.join(run_dir, "streams"))
        listener.listen(64)
        self.events.register(listener, selectors.EVENT_READ, self.forward)
        return listener

    def run(self):
        """Until `finish`."""
        refused = self.wrong_mount()
        if refused is None:
            self.spawn(self.start["note"])
        else:
            self.last = {"event": "refused", "target": refused}
        while True:
            ends = [self.door.expire()]
            if self.owner is None:
                ends.append(max(0.0, self.deadline - time.monotonic()))
            if self.network and self.network.waiting:
                ends.append(self.network.pause)
            left = min((one for one in ends if one is not None), default=None)
            for key, _ in self.events.select(left):
                key.data()
            self.reap()
            if self.network and self.network.waiting and (event := self.network.look()):
                self.say(event)
            if self.owner is None and time.monotonic() >= self.deadline:
                self.finish()

    def drain(self):
        """Empty the pipe that signals wake us through."""
        try:
            while self.wake.recv(4096):
                pass
        except BlockingIOError:
            pass

    # -- the owner -------------------------------------------------------------------------

    def admit(self, connection, said):
        """Take one that has said the token as the owner: a newer one replaces the last. `said` is
        what it sent after it."""
        connection.settimeout(2.0)  # for sends; receives happen when there is something
        self.drop_owner()
        self.owner, self.buffer = connection, b""
        self.events.register(connection, selectors.EVENT_READ, self.receive)
        self.hide()  # before our word, since the owner lets cells run upon it
        port = self.streams.getsockname()[1] if self.network and self.streams else None
        self.tell(dict(applied(), event="hello", version=1, kept=self.kept, streams=port))
        if self.last is not None:
            self.tell(self.last)
        if self.network and self.network.event:
            self.say(self.network.event)
        if said:
            self.take(said)

    def hide(self):
        """Keep the kernel from the token and the owner's connection, which it would find by /proc
        and ptrace. Once an owner has come: it has looked at our mounts by then, through /proc too,
        and no cell has run. Not where process ids are the machine's: who ends what is left there
        tells our processes from others' by /proc."""
        if not self.mounts and not self.hidden:
            self.hidden = True
            dumpable(False)

    def drop_owner(self):
        """Forget the owner; from now on the grace runs."""
        if self.owner is not None:
            self.events.unregister(self.owner)
            self.owner.close()
            self.owner = None
            self.deadline = time.monotonic() + self.start["grace"]

    def receive(self):
        """Read what the owner sent, and do each whole line."""
        try:
            data = b"" if self.owner is None else self.owner.recv(MAX_LINE)
        except socket.timeout:  # TLS, and only a part of a message has come
            return
        except OSError:
            data = b""
        self.take(data)

    def take(self, data):
        """Do each whole line of it; nothing at all is the owner's end."""
        self.buffer += data
        if not data or len(self.buffer) > MAX_LINE:
            self.drop_owner()
            return
        *lines, self.buffer = self.buffer.split(b"\n")
        for line in lines:
            try:
                self.obey(json.loads(line))
            except (ValueError, KeyError, TypeError, RecursionError):  # nothing of an owner's
                self.drop_owner()
                return

    def obey(self, order):
        """One order of the owner."""
        if order["do"] == "start":
            self.spawn(order.get("note", ""))
        elif order["do"] == "signal":
            self.pass_on(order["signum"])
        elif order["do"] == "stop":
            self.finish()

    def tell(self, event):
        """Send a line to the owner, who may be gone; another owner hears it again."""
        if event["event"] != "hello":
            self.last = event
        self.say(event)

    def say(self, event):
        """Send a line to the owner, who may be gone."""
        try:
            if self.owner is not None:
                self.owner.sendall(json.dumps(event).encode() + b"\n")
        except OSError:
            self.drop_owner()

    # -- the forwarder ---------------------------------------------------------------------

    def forward(self):
        """Somebody wants a stream: from now on the forwarder listens."""
        assert self.streams is not None
        self.events.unregister(self.streams)
        context = self.network.tls() if self.network else None
        environment = self.environment()
        ours, theirs = socket.socketpair()
        self.forwarded = time.monotonic()
        self.forwarder = os.fork()
        if self.forwarder:
            theirs.close()
            self.lifeline = ours
            return
        try:
            become_program()
            for one in (ours, self.owner, self.wake, self.writer, self.door.listener, self.events):
                if one is not None:
                    one.close()  # who waits for the guest's end would wait for ours
            for one in self.door.waiting:
                one.close()
            from streams import serve  # its modules are larger than all the rest

            token, cwd = self.start["streams"], self.start["cwd"]
            serve(self.streams, self.run_dir, token, context, cwd, environment, theirs)
        except BaseException as error:  # noqa: BLE001 - the child must never return into the guest's loop
            os.write(2, f"The container's streams have ended: {error!r}\n".encode())
        os._exit(1)

    def forwarder_ended(self):
        """Somebody killed it: the next one who connects gets another; not where it ends at once,
        which would go on for ever."""
        self.forwarder = 0
        self.lifeline.close()
        if self.streams is not None and time.monotonic() - self.forwarded > AT_ONCE:
            self.events.register(self.streams, selectors.EVENT_READ, self.forward)
        elif self.streams is not None:
            self.streams.close()

    # -- the kernel ------------------------------------------------------------------------

    def wrong_mount(self):
        """The first mount whose source is not what the owner saw, or None."""
        for target, device, inode in self.start["mounts"]:
            try:
                seen = os.stat(target)
            except OSError:
                return target
            if seen.st_ino != inode or device not in (None, seen.st_dev):
                return target
        return None

    def spawn(self, note):
        """Start the kernel in a session of its own, after clearing what the last one left."""
        if self.kernel:
            return
        self.kill_all()
        self.ooms = out_of_memory_kills()
        environment = self.environment()
        if self.network:
            self.network.waiting, self.network.event = True, None
        if note:
            environment["JUPYTER_CONTAINERS_NOTE"] = note
        self.kernel = os.fork()
        if self.kernel:
            self.tell({"event": "started", "pid": self.kernel})
            return
        try:
            if self.hidden:
                dumpable(True)  # else /proc/self is root's, and oom_score_adj not to be written
            become_kernel(self.start["argv"], self.start["cwd"], environment)
        except BaseException as error:  # noqa: BLE001 - the child must never return into the guest's loop
            os.write(2, f"The kernel cannot be started: {error}\n".encode())
        os._exit(127)

    def environment(self):
        """What a program of the container's gets."""
        return dict(os.environ, **(self.network.environment() if self.network else {}))

    def pass_on(self, signum):
        """A signal to the kernel's process group: its children too, as a terminal would."""
        for send in (os.killpg, os.kill):  # the group is there once the child has called setsid
            try:
                if self.kernel:
                    send(self.kernel, signum)
                return
            except OSError:
                pass

    def reap(self):
        """Collect the dead; the kernel's end is an event."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.forwarder:
                self.forwarder_ended()
            if pid == self.kernel:
                self.kernel = 0
                code = os.waitstatus_to_exitcode(status)
                oom = code == -signal.SIGKILL and out_of_memory_kills() > self.ooms
                self.tell({"event": "ended", "code": code, "oom": oom})

    def kill_all(self):
        """Kill everything else here but the forwarder with its programs, and what the engine itself
        started before us, as enroot does to serve an image that is a file. But for pid 1 most of it
        is the host's."""
        for _ in range(3 if os.getpid() == 1 or self.mounts else 0):  # the killed may just fork
            there, kept = processes(), self.helpers | family(self.forwarder)
            for pid in (-1,) if {1} in (there, kept) else there - kept:
                try:
                    if os.getpid() == 1 or mounts_of(pid) == self.mounts:
                        os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass

    def finish(self):
        """End the kernel, then the container."""
        self.forwarder = 0
        self.pass_on(signal.SIGKILL)
        self.kill_all()
        os._exit(0)


def family(pid):
    """A process and all that it has started; nothing where there is none."""
    found = {pid} if pid else set()
    parents = {one: parent_of(one) for one in processes()} if pid else {}
    while True:
        more = {one for one, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more


def processes():
    """All that are here, where /proc is this container's own."""
    own = read("/proc/self/stat").split(" ")[0] == str(os.getpid())
    return {int(name) for name in os.listdir("/proc") if name.isdigit()} if own else {1}


def mounts_of(pid):
    """What tells a process' mounts from those of others; nothing where one may not ask."""
    try:
        return os.readlink("/proc/%s/ns/mnt" % pid)
    except OSError:
        return ""


def become_program():
    """In a child: a session of its own, and nothing of the guest's signals."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(signum, signal.SIG_DFL)


def become_kernel(argv, cwd, environment):
    """In the child: be a well-behaved fresh process and exec. Does not return."""
    become_program()
    # Python ignores SIGPIPE for itself; a kernel's subprocesses must not inherit that.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")  # out of memory ends the kernel, not the guest that reports it
    except OSError:
        pass
    os.chdir(cwd)
    os.execvpe(argv[0], argv, environment)


if __name__ == "__main__":
    Guest(sys.argv[1]).run()
