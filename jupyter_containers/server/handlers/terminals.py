"""Terminals in a kernel's container: for who may run code in it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web
from tornado.websocket import WebSocketHandler

from ...errors import PolicyRefused
from ...text import untrusted_json
from ..terminals import Terminal
from .base import Answers, Handler

_Verb = TypeVar("_Verb", bound=Callable[..., Any])


def may_execute(verb: _Verb) -> _Verb:
    """As `@authorized`, for who may run code in kernels."""
    return cast("_Verb", authorized("execute", resource="kernels")(verb))


class AllTerminals(Handler):
    """`kernels/ID/terminals`"""

    @web.authenticated
    @authorized
    async def get(self, kernel: str) -> None:
        """Those that are open, and why no other may be, in words."""
        self.server.streams(kernel)
        refused = None
        try:
            (await self.server.policy()).check_terminals()
        except PolicyRefused as error:
            refused = f"{error.message} {error.hint}"
        rows = [{"name": one.name} for one in self.server.terminals.of(kernel)]
        self.answer({"terminals": rows, "refused": refused})

    @web.authenticated
    @may_execute
    async def post(self, kernel: str) -> None:
        """Open one, with the image's shell."""
        (await self.server.policy()).check_terminals()
        streams = self.server.streams(kernel)
        made = await self.server.terminals.start(kernel, streams)
        self.answer({"name": made.name}, 201)


class OneTerminal(Handler):
    """`kernels/ID/terminals/NAME`"""

    @web.authenticated
    @may_execute
    async def delete(self, kernel: str, name: str) -> None:
        """End its shell."""
        self.server.terminals.get(kernel, name).close()
        self.done()


class Channel(WebSocketMixin, WebSocketHandler, Answers):
    """`kernels/ID/terminals/NAME/channel`: what a page shows and types."""

    terminal: Terminal | None = None

    @web.authenticated
    @may_execute
    async def get(  # type: ignore[override]
        self, kernel: str, name: str
    ) -> None:
        """Becomes a websocket."""
        (await self.server.policy()).check_terminals()
        self.terminal = self.server.terminals.get(kernel, name)
        await super().get(kernel, name)

    async def open(self, *_: str) -> None:
        """Tornado's: the page is there."""
        super().open()
        if self.terminal is not None:
            await self.terminal.join(self)

    def tell(self, said: list[Any]) -> Awaitable[None]:
        """Tell the page something."""
        told = self.write_message(json.dumps(said))
        if said[0] == "disconnect":
            self.close()
        return told

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """Tornado's: the next one waits until this one is done."""
        try:
            said = untrusted_json(message)
        except ValueError:
            return None
        return self.terminal.obey(self, said) if self.terminal is not None else None

    def on_close(self) -> None:
        """Tornado's: the page has gone; the terminal stays."""
        super().on_close()
        if self.terminal is not None:
            self.terminal.leave(self)


HANDLERS: list[tuple[str, type[web.RequestHandler]]] = [
    ("kernels/([^/]+)/terminals", AllTerminals),
    ("kernels/([^/]+)/terminals/([^/]+)", OneTerminal),
    ("kernels/([^/]+)/terminals/([^/]+)/channel", Channel),
]
