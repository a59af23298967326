"""What a build reads beside the notebook's own folder needs a yes of this person's.

Options in a cell are a request, like settings: whoever sent the notebook can have written
`--context ../Documents` or `--secret pip`, and RUN has a network. What a person typed on a
command line is a yes.

So does what ADD downloads from this machine: the builder does that, to whom 127.0.0.1 is not the
build's own. Whoever built a Dockerfile with options of theirs has not typed what stands in it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ..dockerfile.addresses import host_of
from ..errors import BuildNotApproved, CellNotApproved
from ..policy.approvals import Approvals, Ask, ask_of_cell, asks_of_build

_MOST_OF_A_FOLDER = 10
_MOST = 40
"""Questions in one list: beyond these it is a folder, or the whole context, that is asked for."""
_RESOLVES = 3.0
"""Seconds for the names of what ADD downloads; the builder waits for them once more."""


@dataclass(frozen=True, kw_only=True)
class Consent:
    """Whose yes counts for a build."""

    notebook: Path | None = None
    """What was approved for it counts, and is remembered for it."""
    content: str = ""
    """What that notebook is: see `Approvals`."""
    shown: Collection[str] | None = ()
    """What the person has just said yes to, in the words of the question; None for all of it."""
    typed: bool = False
    """The person typed the options, so that only what ADD downloads is asked for."""
    typed_context: Path | None = None
    """The context as it stands in the cell, where the person typed all of that or has just read it:
    they are not asked for what is read there. Links never lead out of a context."""

    def check_cell(self, source: str, more: Collection[Ask], *, typed: bool) -> bool:
        """Called before a cell is built that is not in this person's own notebook. Whether they
        have just seen it, or `typed` it, with `more` that it asks for. Raises CellNotApproved,
        which shows both, where they did neither; a cell that was approved before is no question."""
        assert self.notebook is not None
        asked, approvals = [ask_of_cell(source)], Approvals()
        items = [ask.text for ask in (*asked, *more)]
        seen = typed or (self.shown is not None and set(items) <= set(self.shown))
        try:
            approvals.check_build(self.notebook, asked, None if seen else (), self.content)
        except BuildNotApproved:
            raise CellNotApproved(items, str(self.notebook)) from None
        return seen

    def check(
        self,
        own: Path,
        directory: Path,
        named: Mapping[str, bool],
        secrets: Collection[str] = (),
        urls: Mapping[str, bool] = MappingProxyType({}),
    ) -> None:
        """Called before a build reads anything: `named` are its files (False) and folders (True)
        below the resolved `directory`, `own` is the notebook's folder, resolved when the build was
        asked for, `urls` are what `of_this_machine` found. Raises BuildNotApproved."""
        asked = (
            asks_of_build((), (), urls)
            if self.typed
            else asks_of_build(secrets, _asked(own, directory, named), urls)
        )
        if self.notebook is not None:
            # Where a link made another folder of it, somebody else named that one.
            shown = None if self.typed_context == directory else self.shown
            Approvals().check_build(self.notebook, asked, shown, self.content)
        elif asked and self.shown is not None:
            Approvals().check_build(own, asked, self.shown)


BY_HAND = Consent(shown=None)
"""The person typed all of it."""


async def of_this_machine(urls: Collection[str]) -> dict[str, bool]:
    """Those of what ADD downloads whose host is this machine's 127.0.0.1, however it is spelled
    (True), and those whose name server is too slow to say so (False): the builder waits longer.
    Where a server sends the builder elsewhere is only known to the builder."""
    hosts = {url: host_of(url) for url in urls}
    names = list({*hosts.values()})
    found = dict(zip(names, await asyncio.gather(*map(_is_loopback, names)), strict=True))
    return {url: bool(found[host]) for url, host in hosts.items() if found[host] is not False}


async def _is_loopback(host: str) -> bool | None:
    """None where that is not known in time."""
    if not host:
        return False
    if f".{host}".endswith(".localhost"):  # whatever a name server says
        return True
    try:
        async with asyncio.timeout(_RESOLVES):
            answers = await asyncio.get_running_loop().getaddrinfo(
                host, None, type=socket.SOCK_STREAM
            )
    except TimeoutError:
        return None
    except (OSError, UnicodeError):
        return False
    for *_, (address, *_) in answers:
        one = ipaddress.ip_address(str(address).partition("%")[0])
        one = getattr(one, "ipv4_mapped", None) or one
        if one.is_loopback or one.is_unspecified:
            return True
    return False


def typed_path(path: str, directory: Path) -> Path:
    """What somebody named who typed it in a notebook of that folder; no link is followed."""
    return Path(os.path.normpath(directory / os.path.expanduser(path)))  # noqa: PTH111


def _asked(own: Path, directory: Path, named: Mapping[str, bool]) -> list[tuple[Path, bool]]:
    """The paths to ask about, few enough to be read."""
    inside = directory == own or own in directory.parents
    if not named or (inside and not Approvals().why_not_mounted(own)):
        return []
    within = Counter(os.path.dirname(path) for path in named)  # noqa: PTH120 - may be ""
    found = {
        (path, folder)
        if within[above := os.path.dirname(path)] <= _MOST_OF_A_FOLDER  # noqa: PTH120
        else (above, True)
        for path, folder in named.items()
    }
    if len(found) > _MOST:
        found = {("", True)}
    return sorted((directory / path, folder) for path, folder in found)
