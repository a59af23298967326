"""The forwarder: streams into the container, in a process of its own beside the first one.

Used by `main.py`, which forks it when somebody connects to its socket. So a gigabyte that passes
delays no signal, and a container that nobody opens a terminal in has no such process. It is not
dumpable, as the first process, so that a kernel reads its token nowhere.

One connection is one stream. The client says the token and a line of JSON, and gets a line back,
{"ok": true, …} or {"error": code, "message": text}, for which it waits before it says more:
    {"open": "tcp", "port": n}  then the bytes of a connection to a port of the container's own
    {"open": "ports"}           then a line {"ports": […]} whenever the listening ports change
    {"open": "exec", "argv": […], "tty": bool, "cwd", "env", "rows", "cols"}   then frames of one
                                byte (the type), four (the length, big endian), and the payload:
        from the client         0 stdin (empty: its end), 3 {"rows", "cols"}, 4 a signal's number
        to the client           1 stdout, 2 stderr, 5 {"code": n}, negative for a signal
Without "argv" the image's shell is run. Standard library only, Python 3.9 and newer.
"""

import asyncio
import hmac
import json
import os
import signal

from limits import dumpable, prctl
from listening import Ports
from network import Network
from program import CHUNK, Program, Refused, all_of

PATIENCE = 10.0
"""Seconds for the handshake, the token and the order."""
MOST_STRANGERS = 128
"""At once; where one more comes, the one who has waited longest goes."""
MOST_STREAMS = 200
LOOK_EVERY = 1.0
"""Seconds between looks at the listening ports, while somebody wants to know."""
SUBREAPER = 36
KEPT_MEMORY = 4 << 20
"""Bytes that the C library keeps for us once we have had as many: memory that is new for each
piece takes as long as to copy it. See M_MMAP_THRESHOLD in mallopt(3)."""


def serve(listener, run_dir, token, context, cwd, environment, lifeline):
    """Until the first process ends, which has the other end of `lifeline`. Called in a fork."""
    dumpable(False)
    prctl(SUBREAPER, 1)  # what its programs leave behind stays below it: see `main.kill_all`
    bytearray(KEPT_MEMORY)
    ports = Ports({os.fstat(listener.fileno()).st_ino}, run_dir)
    asyncio.run(Forwarder(token, context, cwd, environment, ports).run(listener, lifeline))


class Forwarder:
    """All streams of one container."""

    def __init__(self, token, context, cwd, environment, ports):
        self.token, self.context, self.ports = token.encode(), context, ports
        self.cwd, self.environment = cwd, environment
        self.strangers = {}  # task: None; in the order they came
        self.streams = set()
        self.running = {}  # pid: a future of its end

    async def run(self, listener, lifeline):
        """Take everybody in to be asked."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self.reap)
        loop.add_reader(lifeline, os._exit, 0)
        listener.setblocking(False)
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError:  # no file is left, or who came has gone
                await asyncio.sleep(0.1)
                continue
            if len(self.strangers) >= MOST_STRANGERS:
                next(iter(self.strangers)).cancel()
            task = loop.create_task(self.meet(connection))
            self.strangers[task] = None
            task.add_done_callback(self.forget)
            await asyncio.sleep(0)  # where more wait than can be accepted, this one has its turn

    def forget(self, task):
        """A connection is over."""
        self.strangers.pop(task, None)
        self.streams.discard(task)
        if not task.cancelled():
            task.exception()  # nobody else asks

    def reap(self):
        """Collect the dead: our programs, and what they left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            ended = self.running.pop(pid, None)
            if ended is not None and not ended.done():
                ended.set_result(os.waitstatus_to_exitcode(status))

    # -- who comes -------------------------------------------------------------------------

    async def meet(self, connection):
        """Ask one for the token and its order; then do it."""
        task = asyncio.current_task()
        try:
            reader, writer, order = await asyncio.wait_for(self.ask(connection), PATIENCE)
        except Exception:  # noqa: BLE001  a stranger may say anything
            connection.close()
            return
        self.strangers.pop(task, None)
        try:
            if len(self.streams) >= MOST_STREAMS:
                raise Refused("too-many", "This container has %d streams." % MOST_STREAMS)
            self.streams.add(task)
            await self.do(order, reader, writer)
        except Refused as refused:
            await tell(writer, {"error": refused.code, "message": str(refused)})
        except (OSError, asyncio.IncompleteReadError):  # its client or its program has gone
            pass
        finally:
            writer.close()

    async def ask(self, connection):
        """The connection and what it orders. Raises ValueError for who does not know the token."""
        loop = asyncio.get_running_loop()
        if self.context:
            Network.watched(connection)
        reader = asyncio.StreamReader(limit=CHUNK)
        protocol = asyncio.StreamReaderProtocol(reader)
        made = loop.connect_accepted_socket(lambda: protocol, connection, ssl=self.context)
        transport, _ = await made
        try:
            said = await reader.readuntil(b"\n")
            if not hmac.compare_digest(said.strip(), self.token):
                raise ValueError("not the token")
            order = json.loads(await reader.readuntil(b"\n"))
        except BaseException:
            transport.abort()
            raise
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop), order

    async def do(self, order, reader, writer):
        """One order, until its stream is over."""
        kinds = {"tcp": self.tcp, "ports": self.tell_ports, "exec": self.execute}
        try:
            kind = kinds[order["open"]]
        except (KeyError, TypeError):
            raise Refused("unknown", "The forwarder does not know this order.") from None
        await kind(order, reader, writer)

    async def tcp(self, order, _reader, writer):
        """A connection to a port."""
        port = order.get("port")
        if type(port) is not int or not 0 < port < 65536:
            raise Refused("bad", "%r is no port." % (port,))
        client = End(writer.transport, None)
        client.other = there = End(None, client)
        for address in self.ports.addresses(port):
            try:
                await asyncio.get_running_loop().create_connection(lambda: there, address, port)
                break
            except OSError:
                pass
        else:
            raise Refused("refused", "Nothing in the container listens on port %d." % port)
        try:
            await client.lost
        finally:
            there.transport.close()

    async def tell_ports(self, _order, reader, writer):
        """The listening ports, until the client goes."""
        await tell(writer, {"ok": True})
        await all_of(asyncio.FIRST_COMPLETED, reader.read(1), self.watch(writer))

    async def watch(self, writer):
        """Tell the ports when they change."""
        last = None
        while True:
            now = self.ports.list()
            if now != last:
                last = now
                await tell(writer, {"ports": now})
            await asyncio.sleep(LOOK_EVERY)

    async def execute(self, order, _reader, writer):
        """A program, until it ends or its client goes."""
        program = Program(order, self.cwd, self.environment)
        self.running[program.pid] = program.ended
        try:
            await program.talk(writer.transport)
        finally:
            program.close()
            await program.end()


async def tell(writer, said):
    """Send a line."""
    writer.write(line(said))
    await writer.drain()


class End(asyncio.Protocol):
    """The end of one of two connections that are joined: what comes by it goes out by the other, no
    faster than that is taken. They are joined once the one without a `transport` is connected."""

    def __init__(self, transport, other):
        self.transport, self.other = transport, other
        self.is_over = False  # nothing more comes
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        """To the port: what the client hears before anything else."""
        self.transport = transport
        self.other.transport.set_protocol(self.other)
        self.other.transport.write(line({"ok": True}))

    def data_received(self, data):
        """Hand it on."""
        self.other.transport.write(data)

    def pause_writing(self):
        """Who is here takes no more for now."""
        self.other.transport.pause_reading()

    def resume_writing(self):
        """Who is here takes more."""
        if not self.other.lost.done():
            self.other.transport.resume_reading()

    def eof_received(self):
        """Hand the end on. True: the other direction goes on; not where one is encrypted, since TLS
        knows no half of a connection."""
        self.is_over = True
        if not (self.transport.can_write_eof() and self.other.transport.can_write_eof()):
            return False
        self.other.transport.write_eof()
        return not self.other.is_over

    def connection_lost(self, _error):
        """The other one ends too, once it has taken what is left."""
        self.other.transport.close()
        if not self.lost.done():
            self.lost.set_result(None)


def line(said):
    """Of JSON."""
    return json.dumps(said).encode() + b"\n"
