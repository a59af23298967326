"""`ps`, `logs` and `stop`: our containers, and nobody else's."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ..kernels.listing import find_container, owned_containers
from .options import all_engines, with_engine, with_json
from .terminal import print_json, show, table


def ps_arguments(parser: ArgumentParser) -> None:
    """Options of `ps`."""
    with_engine(parser)
    with_json(parser)


async def ps(args: Namespace) -> int:
    """List them."""
    rows = [
        {
            "id": one.container.id[:12],
            "name": one.container.name,
            "engine": one.engine.name,
            "image": one.image,
            "notebook": one.label("notebook"),
            "kernel": one.label("kernel"),
            "running": one.container.running,
            "orphan": one.orphan,
            "created": one.container.created,
        }
        for one in await owned_containers(await all_engines(args))
    ]
    if args.json:
        print_json({"containers": rows})
        return 0
    for row in rows:
        state = "running" if row["running"] else "ended"
        row["state"] = f"{state}, nobody's" if row["orphan"] else state
        row["image"] = str(row["image"]).removeprefix("sha256:")[:40]
    table(
        rows,
        ("id", "name", "notebook", "state", "image", "engine"),
        "No containers of yours.",
    )
    return 0


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
