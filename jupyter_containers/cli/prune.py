"""`prune`: remove containers, directories and caches of ours that nobody owns any more."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ..errors import ContainersError
from ..kernels.prune import Leftover, leftovers
from ..serializers import leftover
from .options import all_engines, with_engine, with_json
from .terminal import confirm, print_json, show, show_note, size, table


def prune_arguments(parser: ArgumentParser) -> None:
    """Options of `prune`."""
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--images",
        action="store_true",
        help="also images that a later build replaced, but for pinned ones and the last few of "
        "each cell (Policy.keep_images)",
    )
    with_engine(parser)
    with_json(parser)


async def prune(args: Namespace) -> int:
    """Show it with sizes, ask, remove it. 1 where something could not be removed."""
    found = await leftovers(await all_engines(args), images=args.images)
    if not args.json:
        _show(found)
    if not found or not confirm(f"Remove {_all(found)}?", yes=args.yes):
        if args.json:
            print_json({"removed": [], "kept": [leftover(one) for one in found]})
        return 0
    removed, kept = [], []
    for one in found:
        try:
            await one.remove()
            removed.append(one)
        except ContainersError as error:
            show_note(f"{one.name} stays: {error.message}")
            kept.append(one)
    if args.json:
        removed_and_kept = {"removed": removed, "kept": kept}
        print_json({key: [leftover(one) for one in some] for key, some in removed_and_kept.items()})
    else:
        show(f"Removed {_all(removed)}.")
    return 1 if kept else 0


def _show(found: list[Leftover]) -> None:
    rows = [
        {"kind": one.kind, "size": "" if one.size is None else size(one.size), "name": one.name}
        for one in found
    ]
    table(rows, ("kind", "size", "name"), "Nothing to remove.")


def _all(some: list[Leftover]) -> str:
    """How many, and how large they are together (images share layers, so at most)."""
    total = sum(one.size or 0 for one in some)
    return f"{len(some)} {'thing' if len(some) == 1 else 'things'} (up to {size(total)})"
