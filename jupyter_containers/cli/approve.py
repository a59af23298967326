"""`approve` and `approvals`: say yes to what a notebook asks for, list it, take it back."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Collection
from pathlib import Path

from .. import serializers
from ..errors import BadInput, BadSettings
from ..notebook.file import content_digest, read_notebook, settings_of
from ..policy.approvals import Approvals
from ..policy.records import TRUSTED, Record
from ..settings.schema import Settings
from .options import administered, existing_notebook, with_json
from .terminal import confirm, print_json, show


def approve_arguments(parser: ArgumentParser) -> None:
    """Options of `approve`."""
    parser.add_argument("notebook", metavar="NOTEBOOK", type=Path)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    with_json(parser)


async def approve(args: Namespace) -> int:
    """Show what it asks for, ask, and remember the answer."""
    notebook = existing_notebook(args.notebook)
    read = read_notebook(notebook)
    data, content = settings_of(read), content_digest(read)
    if not data:
        raise BadSettings(
            "image",
            f"{notebook.name} has no container settings yet: nothing to approve.",
            f"Run it with: jupyter containers run {notebook.name}",
        )
    settings = Settings.parse(data, where=notebook.name).resolved(notebook.parent, administered())
    approvals = Approvals()
    missing = approvals.missing(notebook, settings, content)
    approved = True
    if missing and not args.json:
        show(f"{notebook.name} asks for:")
        for item in missing:
            show(f"  - {item}")
    if missing:
        approved = confirm("Approve it?", yes=args.yes)
    if approved:
        approvals.approve(notebook, settings, content=content)
    if args.json:
        print_json({"notebook": str(notebook), "approved": approved, "items": list(missing)})
    elif not missing:
        show(f"All that {notebook.name} asks for is approved already.")
    else:
        show("Approved." if approved else "Not approved: it does not start.")
    return 0 if approved else 1


def approvals_arguments(parser: ArgumentParser) -> None:
    """Options of `approvals`."""
    parser.add_argument(
        "--revoke",
        action="append",
        default=[],
        type=Path,
        metavar="NOTEBOOK",
        help="take back all that is approved for it, also where the file is gone; may be repeated",
    )
    with_json(parser)


async def approvals(args: Namespace) -> int:
    """List, newest notebook last, or revoke."""
    known = {record.path: record for record in Approvals().listed()}
    if args.revoke:
        paths = [str(path.parent.resolve() / path.name) for path in args.revoke]
        for path, named in zip(paths, args.revoke, strict=True):
            if path not in known:
                raise BadInput(f"Nothing is approved for {named}.", "jupyter containers approvals")
        for path in paths:
            Approvals().forget(Path(path))
        known = {path: known[path] for path in paths}
    if args.json:
        print_json({"notebooks": [serializers.approval(record) for record in known.values()]})
    elif args.revoke:
        for path in known:
            show(f"Nothing is approved for {path} any more.")
    else:
        _show_all(known.values())
    return 0


def _show_all(records: Collection[Record]) -> None:
    for record in records:
        show(record.path)
        for given in record.given:
            show(f"  {given.day or '?':10}  {given.text or 'approved by an earlier version'}")
        if record.outputs == TRUSTED:
            show(f"  {'':10}  its outputs are trusted")
    if not records:
        show("Nothing is approved for any notebook.")
