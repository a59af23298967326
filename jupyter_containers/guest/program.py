"""A program that runs for a client, with a terminal or three pipes.

Used by `streams.py`, whose head has the frames. Standard library only, Python 3.9 and newer.
"""

import asyncio
import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import termios

CHUNK = 65536
MOST_FRAME = 1 << 20
MOST_WAITING = 1 << 18
"""Bytes that wait for a program that does not read them."""
LAST_WORDS = 0.1
"""Seconds in which what a program has written comes to us after its end."""
HANG_UP = 3.0
"""Seconds that a program has after SIGHUP, where its client has gone."""
FAREWELL = 1.0
"""Seconds in which its client hangs up first: what it sent meanwhile would make our end a reset,
which overtakes what we said."""
HEAD = struct.Struct(">BI")
STDIN, STDOUT, STDERR, RESIZE, SIGNAL, EXIT = range(6)


class Refused(Exception):
    """What was ordered cannot be; `code` is for programs, the text for people."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class Program(asyncio.Protocol):
    """A program that runs for a client, with a terminal or three pipes. Its methods are called as
    something comes, and nothing is awaited for a key that is pressed: it is echoed at once."""

    def __init__(self, order, cwd, environment):
        self.tty = bool(order.get("tty"))
        self.argv = [str(word) for word in order.get("argv") or [shell()]]
        self.loop = asyncio.get_running_loop()
        self.ended, self.silent, self.gone = (self.loop.create_future() for _ in range(3))
        self.client = None  # its transport
        self.said = b""  # by the client: a frame that is not whole yet
        self.waiting = bytearray()  # input that it has not read
        self.over = False  # no more input comes
        self.outs = {}  # what comes out of it: file, type
        self.heard = 0  # how often something has
        self.wanted = asyncio.Event()  # the client takes more
        environment = dict(environment, **(order.get("env") or {}))
        if self.tty:
            environment["TERM"] = (order.get("env") or {}).get("TERM", "xterm-256color")
        where = order.get("cwd") or cwd
        if not os.path.isdir(where):
            raise Refused("cwd", "There is no folder %s in the container." % where)
        self.files, theirs = terminal(order) if self.tty else pipes()
        try:
            process = subprocess.Popen(
                self.argv,
                stdin=theirs[0],
                stdout=theirs[1],
                stderr=theirs[2],
                cwd=where,
                env=environment,
                start_new_session=True,
                preexec_fn=control_terminal if self.tty else None,  # noqa: PLW1509 - one thread
            )
        except (OSError, ValueError, TypeError) as error:
            self.close()
            raise not_run(self.argv[0], error) from None
        finally:
            for one in set(theirs):
                os.close(one)
        self.pid, process.returncode = process.pid, 0  # `Forwarder.reap` collects it
        volunteer(self.pid)

    async def talk(self, client):
        """Do what the client says and send what the program writes, until it ends or the client
        goes."""
        self.client = client
        client.set_protocol(self)
        client.write(json.dumps({"ok": True, "argv": self.argv}).encode() + b"\n")
        self.outs = {self.files[-1]: STDOUT if self.tty else STDERR}
        if not self.tty:
            self.outs[self.files[-2]] = STDOUT
        self.resume_writing()
        await all_of(asyncio.FIRST_COMPLETED, asyncio.wait({self.gone}), self.tell_end())

    async def tell_end(self):
        """Wait until nobody can write to its output any more, or the program has ended and nothing
        is left: what it started may hold the other end for ever. Then tell how it ended."""
        await asyncio.wait({self.silent, self.ended}, return_when=asyncio.FIRST_COMPLETED)
        before = -1
        while not self.silent.done() and before != self.heard:
            before = self.heard
            await asyncio.wait({self.silent}, timeout=LAST_WORDS)
            if not self.wanted.is_set():
                await self.wanted.wait()
                before = -1
        for file in self.outs:
            self.loop.remove_reader(file)
        self.outs = {}
        self.client.write(frame(EXIT, json.dumps({"code": await self.ended}).encode()))
        await self.wanted.wait()
        await asyncio.sleep(FAREWELL)

    # -- what the program writes -----------------------------------------------------------

    def resume_writing(self):
        """The client takes more: send what comes. Called by asyncio, as `pause_writing`."""
        self.wanted.set()
        for file in self.outs:
            self.loop.add_reader(file, self.send, file)

    def pause_writing(self):
        """The client takes no more: leave it with the program, which waits."""
        self.wanted.clear()
        for file in self.outs:
            self.loop.remove_reader(file)

    def send(self, file):
        """Send what can be read now."""
        data = taken(file)
        if data:
            self.heard += 1
            self.client.write(frame(self.outs[file], data))
        elif data is not None:
            self.loop.remove_reader(file)
            del self.outs[file]
            if not self.outs:
                done(self.silent)

    # -- what the client says --------------------------------------------------------------

    def data_received(self, data):
        """Do what whole frames say. Called by asyncio, as the next two."""
        self.said += data
        try:
            while self.files and len(self.said) >= HEAD.size:
                kind, size = HEAD.unpack_from(self.said)
                end = HEAD.size + size
                if size > MOST_FRAME:
                    raise ValueError("no frame")
                if len(self.said) < end:
                    break
                said, self.said = self.said[HEAD.size : end], self.said[end:]
                self.take(kind, said)
        except (ValueError, TypeError, AttributeError):  # nothing of ours
            self.client.abort()

    def eof_received(self):
        """The client has gone."""
        done(self.gone)

    def connection_lost(self, _error):
        """The client has gone."""
        done(self.gone)

    def take(self, kind, said):
        """One frame of the client."""
        if kind == STDIN and not self.over:
            self.over = not said
            self.waiting += said or (b"\x04" if self.tty else b"")
            self.feed()
        elif kind == RESIZE and self.tty:
            resize(self.files[0], json.loads(said))
        elif kind == SIGNAL:
            self.signal(int(json.loads(said)))

    def feed(self):
        """Hand its input on as far as it reads it; where it does not, the client waits."""
        file = self.files[0]
        self.loop.remove_writer(file)
        while self.waiting:
            try:
                del self.waiting[: os.write(file, self.waiting[:CHUNK])]
            except BlockingIOError:
                self.loop.add_writer(file, self.feed)
                break
            except OSError:  # it reads no more
                self.over = True
                self.waiting.clear()
        if len(self.waiting) > MOST_WAITING:
            self.client.pause_reading()
        else:
            self.client.resume_reading()
        if self.over and not self.waiting and not self.tty:
            os.close(self.files.pop(0))

    def signal(self, signum):
        """To the terminal's foreground, or to all that it started in its process group."""
        try:
            group = os.tcgetpgrp(self.files[0]) if self.tty else 0
            os.killpg(group or self.pid, signum)
        except OSError:
            pass

    def close(self):
        """The end of our files; of a terminal's, its programs hear by SIGHUP."""
        self.outs, self.over = {}, True
        for one in self.files:
            self.loop.remove_reader(one)
            self.loop.remove_writer(one)
            os.close(one)
        self.files = []

    async def end(self):
        """Have it end, where its client has gone before it."""
        for signum in (signal.SIGHUP, signal.SIGCONT, signal.SIGKILL):
            if not self.ended.done():
                self.signal_group(signum)
                if signum == signal.SIGCONT:
                    await asyncio.wait({self.ended}, timeout=HANG_UP)

    def signal_group(self, signum):
        """To its process group."""
        try:
            os.killpg(self.pid, signum)
        except OSError:
            pass


def pipes():
    """Our ends and the program's, of its input, output and errors."""
    (read, feed), (out, write), (err, complain) = os.pipe(), os.pipe(), os.pipe()
    for one in (feed, out, err):
        os.set_blocking(one, False)
    return [feed, out, err], [read, write, complain]


def terminal(order):
    """Our end and the program's, three times the same, of a new terminal."""
    try:
        ours, theirs = os.openpty()
    except OSError as error:
        raise Refused("no-tty", "The container has no terminal to give: %s." % error) from None
    resize(ours, order)
    os.set_blocking(ours, False)
    return [ours], [theirs] * 3


def control_terminal():
    """In the child: its terminal is the one that Ctrl-C is pressed in."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def resize(terminal, said):
    """Set a terminal's size; who draws on it hears SIGWINCH."""
    rows, cols = (min(max(int(said.get(name) or 0), 0), 4096) for name in ("rows", "cols"))
    if rows and cols:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


def shell():
    """The image's own, else the usual ones."""
    for name in (os.environ.get("SHELL"), "bash", "sh"):
        found = shutil.which(name) if name else None
        if found:
            return found
    raise Refused("not-found", "The image has no shell.")


def not_run(name, error):
    """Why a program was not started, with the code by which shells say so too."""
    if isinstance(error, FileNotFoundError):
        return Refused("not-found", "There is no program %s in the container." % name)
    if isinstance(error, PermissionError):
        return Refused("not-executable", "%s is no program that can be run." % name)
    return Refused("failed", "%s was not started: %s." % (name, error))


def volunteer(pid):
    """Where memory runs out, our programs end as the kernel does, and not the guest."""
    try:
        with open("/proc/%d/oom_score_adj" % pid, "w") as file:
            file.write("500")
    except OSError:
        pass


def taken(file):
    """What can be read now; None where nothing can, and nothing at its end."""
    data = b""
    while len(data) < CHUNK:
        try:
            more = os.read(file, CHUNK)
        except BlockingIOError:
            return data or None
        except OSError:  # a terminal that no program has any more
            return data
        if not more:
            break
        data += more
    return data


def done(future):
    """It has come."""
    if not future.done():
        future.set_result(None)


def frame(kind, payload):
    """As it goes over the wire."""
    return HEAD.pack(kind, len(payload)) + payload


async def all_of(until, *coroutines):
    """Run them, and end the others where one fails, or, as `until` says, ends."""
    tasks = [asyncio.ensure_future(one) for one in coroutines]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=until)
    finally:
        for one in tasks:
            one.cancel()
        await asyncio.wait(tasks)
    for one in ended:
        one.result()
