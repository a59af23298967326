"""`ps`, `logs` and `stop`: our containers, and nobody else's."""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import aclosing, suppress
from typing import Any

from ..errors import StreamFailed
from ..host.owners import run_dir_of
from ..kernels.listing import OwnedContainer, find_container, owned_containers
from ..kernels.streams import Listening, read_streams
from ..layout import RESERVED_PORTS
from .options import all_engines, with_engine, with_json
from .terminal import print_json, show, table

_PATIENCE = 2.0
"""Seconds in which a container tells what it listens on."""


def ps_arguments(parser: ArgumentParser) -> None:
    """Options of `ps`."""
    with_engine(parser)
    with_json(parser)


async def ps(args: Namespace) -> int:
    """List them, with the ports that they publish, and those that something listens on inside."""
    found = await owned_containers(await all_engines(args))
    listening = await asyncio.gather(*map(_listening, found))
    rows: list[dict[str, Any]] = [
        {
            "id": one.container.id[:12],
            "name": one.container.name,
            "engine": one.engine.name,
            "image": one.image,
            "notebook": one.notebook,
            "kernel": one.label("kernel"),
            "running": one.container.running,
            "orphan": one.orphan,
            "created": one.container.created,
            "published": [
                {"port": inside, "host": "127.0.0.1", "host_port": host}
                for inside, host in sorted(one.container.ports.items())
                if inside not in RESERVED_PORTS
            ],
            "listening": [{"port": port.port, "process": port.process} for port in ports],
        }
        for one, ports in zip(found, listening, strict=True)
    ]
    if args.json:
        print_json({"containers": rows})
        return 0
    for row in rows:
        state = "running" if row["running"] else "ended"
        row["state"] = f"{state}, nobody's" if row["orphan"] else state
        row["image"] = str(row["image"]).removeprefix("sha256:")[:40]
        row["ports"] = _in_words(row["published"], row["listening"])
    table(
        rows,
        ("id", "name", "notebook", "state", "image", "engine", "ports"),
        "No containers of yours.",
    )
    return 0


async def _listening(one: OwnedContainer) -> Sequence[Listening]:
    """What something listens on inside; nothing where that is not known at once."""
    run_dir = run_dir_of(one.container.name)
    if not one.container.running or run_dir is None:
        return ()
    with suppress(StreamFailed, TimeoutError):
        async with asyncio.timeout(_PATIENCE), aclosing(read_streams(run_dir).ports()) as told:
            return await anext(told, ())
    return ()


def _in_words(published: list[dict[str, Any]], listening: list[dict[str, Any]]) -> str:
    """`127.0.0.1:49153->8050 (python), 8888 (jupyter)`."""
    named = {one["port"]: f"{one['port']} ({one['process'] or '?'})" for one in listening}
    words = []
    for one in published:
        inside = named.pop(one["port"], one["port"])
        words.append(f"{one['host']}:{one['host_port']}->{inside}")
    return ", ".join([*words, *named.values()])


def logs_arguments(parser: ArgumentParser) -> None:
    """Options of `logs`."""
    parser.add_argument("id", metavar="ID", help="its name or id, as `ps` shows it")
    parser.add_argument("--tail", type=int, default=100, metavar="N", help="last lines (100)")
    with_engine(parser)
    with_json(parser)


async def logs(args: Namespace) -> int:
    """Show what it printed. What cells print is in the notebook, not here."""
    one = await find_container(await all_engines(args), args.id)
    text = await one.engine.logs(one.container.id, max(args.tail, 0))
    if args.json:
        print_json({"id": one.container.id, "lines": text.splitlines()})
    elif text:
        show(text.rstrip("\n"))
    return 0


def stop_arguments(parser: ArgumentParser) -> None:
    """Options of `stop`."""
    parser.add_argument("id", metavar="ID", help="its name or id, as `ps` shows it")
    with_engine(parser)
    with_json(parser)


async def stop(args: Namespace) -> int:
    """End its kernel and remove it."""
    one = await find_container(await all_engines(args), args.id)
    await one.engine.remove(one.container.id)
    if args.json:
        print_json({"id": one.container.id, "name": one.container.name})
    else:
        show(one.container.name)
    return 0
