"""`ps`, `logs` and `stop`: our containers, and nobody else's."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass

from ..engines.guarded import Guarded
from ..errors import BadInput
from ..leftovers import is_orphan, our_containers
from ..models import Container
from ..request import LABEL
from ..terminal import print_json, table
from . import all_engines, with_engine, with_json


@dataclass(frozen=True)
class Ours:
    """A container that this person's Jupyter started, and the engine that runs it."""

    engine: Guarded
    container: Container

    def label(self, name: str) -> str:
        """One of our labels; empty where it has none."""
        return self.container.labels.get(f"{LABEL}.{name}", "")


async def _ours(args: Namespace) -> list[Ours]:
    """This person's, on every engine that works."""
    return [
        Ours(engine, container)
        for engine in await all_engines(args)
        for container in await our_containers(engine)
    ]


async def _one(args: Namespace) -> Ours:
    """The container that `args.id` names: its name, its id, or enough of the beginning."""
    found = [
        one
        for one in await _ours(args)
        if args.id == one.container.name or one.container.id.startswith(args.id)
    ]
    if len(found) != 1:
        raise BadInput(
            f"There is no container {args.id!r} of yours."
            if not found
            else f"{args.id!r} begins the ids of {len(found)} containers.",
            "`jupyter containers ps` lists them.",
        )
    return found[0]


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
            "image": one.label("image") or one.container.image,
            "notebook": one.label("notebook"),
            "kernel": one.label("kernel"),
            "running": one.container.running,
            "orphan": is_orphan(one.container),
            "created": one.container.created,
        }
        for one in await _ours(args)
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
    one = await _one(args)
    text = await one.engine.logs(one.container.id, max(args.tail, 0))
    if args.json:
        print_json({"id": one.container.id, "lines": text.splitlines()})
    elif text:
        print(text.rstrip("\n"))
    return 0


def stop_arguments(parser: ArgumentParser) -> None:
    """Options of `stop`."""
    parser.add_argument("id", metavar="ID", help="its name or id, as `ps` shows it")
    with_engine(parser)
    with_json(parser)


async def stop(args: Namespace) -> int:
    """End its kernel and remove it."""
    one = await _one(args)
    await one.engine.remove(one.container.id)
    if args.json:
        print_json({"id": one.container.id, "name": one.container.name})
    else:
        print(one.container.name)
    return 0
