"""Who knocks at the guest: nobody is let in before the token, and nobody is waited for.

Used by `main.py`. On a cluster's network anybody may connect; one that says nothing must not keep
the kernel's end, a signal or its owner waiting. Standard library only, Python 3.9 and newer.
"""

import selectors
import time

PATIENCE = 10.0
"""Seconds for the handshake and the token, over a slow network too."""
MOST = 32
"""At once; where one more comes, the one who has waited longest goes."""
LONGEST = 200
MAX_READ = 65536
# By name: to import ssl takes longer than all the rest, while the kernel would wait.
WAITS = {
    "BlockingIOError": selectors.EVENT_READ,
    "SSLWantReadError": selectors.EVENT_READ,
    "SSLWantWriteError": selectors.EVENT_WRITE,
}


class Door:
    """The listening socket and those that have not said the token yet."""

    def __init__(self, listener, token, events, secured, admit):
        """`secured` puts encryption around a connection, or is None; `admit` gets a connection
        that has said the token, and what it said after it."""
        self.listener, self.token, self.events = listener, token.encode(), events
        self.secured, self.admit = secured, admit
        self.waiting = {}  # connection: [until when, what it has said]; in the order they came
        events.register(listener, selectors.EVENT_READ, self.accept)

    def accept(self):
        """Take one in to be asked."""
        try:
            connection, _ = self.listener.accept()
            connection.setblocking(False)
            if self.secured is not None:
                connection = self.secured(connection)
        except OSError:
            return
        if len(self.waiting) >= MOST:
            self.dismiss(next(iter(self.waiting)))
        self.waiting[connection] = [time.monotonic() + PATIENCE, b""]
        self.events.register(connection, selectors.EVENT_READ, lambda: self.ask(connection))
        self.ask(connection)  # most have said it by now

    def ask(self, connection):
        """Go on with one's handshake and token as far as it has come."""
        if connection not in self.waiting:  # dismissed while this was on its way
            return
        try:
            if self.secured is not None:
                connection.do_handshake()
            data = connection.recv(MAX_READ)
        except OSError as error:
            waits = WAITS.get(type(error).__name__)
            if waits is None:
                self.dismiss(connection)
            else:
                self.events.modify(connection, waits, lambda: self.ask(connection))
            return
        said = self.waiting[connection][1] + data
        self.waiting[connection][1] = said
        token, end, rest = said.partition(b"\n")
        if not data or len(token) > LONGEST:
            self.dismiss(connection)
        elif end:
            import hmac  # takes a third of the guest's start, while the kernel would wait

            if not hmac.compare_digest(token.strip(), self.token):
                self.dismiss(connection)
                return
            self.forget(connection)
            self.admit(connection, rest)

    def forget(self, connection):
        """It is asked no more."""
        del self.waiting[connection]
        self.events.unregister(connection)

    def dismiss(self, connection):
        """A stranger, or one who took too long."""
        self.forget(connection)
        connection.close()

    def expire(self):
        """Dismiss those whose time is over; the seconds until the next one's is, or None."""
        while self.waiting:
            connection, (until, _) = next(iter(self.waiting.items()))
            if (left := until - time.monotonic()) > 0:
                return left
            self.dismiss(connection)
        return None
