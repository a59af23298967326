"""`approve`: say yes to what a notebook's settings ask for."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..errors import BadSettings
from ..notebook.file import read_settings
from ..policy.approvals import Approvals
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
    data = read_settings(notebook)
    if not data:
        raise BadSettings(
            "image",
            f"{notebook.name} has no container settings yet: nothing to approve.",
            f"Run it with: jupyter containers run {notebook.name}",
        )
    settings = Settings.parse(data, where=notebook.name).resolved(notebook.parent, administered())
    approvals = Approvals()
    missing = approvals.missing(notebook, settings)
    approved = True
    if missing and not args.json:
        show(f"{notebook.name} asks for:")
        for item in missing:
            show(f"  - {item}")
    if missing:
        approved = confirm("Approve it?", yes=args.yes)
    if approved:
        approvals.approve(notebook, settings)
    if args.json:
        print_json({"notebook": str(notebook), "approved": approved, "items": list(missing)})
    elif not missing:
        show(f"All that {notebook.name} asks for is approved already.")
    else:
        show("Approved." if approved else "Not approved: it does not start.")
    return 0 if approved else 1
