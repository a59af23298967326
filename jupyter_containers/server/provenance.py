"""Whose notebook it is: this person's, where this server made it or their signature is on it.

Jupyter signs what it saves (`NotebookNotary`), a stranger's notebook without outputs too, so a
signature counts only at first sight. From then on our record says it, for as long as all changes
of the notebook go through this server: what code in a kernel, or a shell, puts into its place is
somebody else's again (`content_digest`).

What this person renames, moves or copies in the file browser keeps its record; a `mv` in a shell
or a kernel carries nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

import nbformat
from jupyter_events import EventLogger
from jupyter_server.serverapp import ServerApp

from ..errors import BadInput, ContainersError
from ..events import Change, publish
from ..notebook.file import content_digest, is_of_ours, read_with_status
from ..policy.approvals import Approvals
from ..text import escaped

CONTENTS = "https://events.jupyter.org/jupyter_server/contents_service/v1"
"""What jupyter_server tells of the files that its clients change: its contents API alone."""
_LOCKED = 0.2
"""Seconds that another program may hold the database of signatures."""


class Provenance:
    """One for each Jupyter server. Its methods run in the event loop, where jupyter_server saves
    and where the database of signatures was opened: sqlite3 refuses other threads."""

    def __init__(self, app: ServerApp) -> None:
        self._app = app

    def install(self, events: EventLogger) -> None:
        """Called once, while the server starts."""
        register: Any = self._app.contents_manager.register_pre_save_hook
        register(self._before_saving)
        if CONTENTS in events.schemas:
            events.add_listener(schema_id=CONTENTS, listener=self._heard)

    async def whose(self, notebook: Path) -> tuple[str, bool]:
        """What a notebook on disk is (`content_digest`), and whether this person wrote it. Raises
        BadInput where it is no notebook."""
        data, raw, _ = await asyncio.to_thread(read_with_status, notebook)
        content = content_digest(data)
        if (own := _recorded(notebook, content)) is not None:
            return content, own
        # sqlite3 would wait for a lock in the loop, as jupyter_server does when it saves.
        return content, await asyncio.to_thread(self._is_free) and self._is_signed(raw)

    def _is_free(self) -> bool:
        """Whether the database of signatures can be used now."""
        notary: Any = getattr(self._app.contents_manager, "notary", None)
        file = str(getattr(notary, "db_file", ""))
        if not file or file == ":memory:":
            return True
        try:
            address = f"{Path(file).absolute().as_uri()}?mode=rw"
            with contextlib.closing(sqlite3.connect(address, uri=True, timeout=_LOCKED)) as db:
                db.execute("BEGIN IMMEDIATE")
                db.rollback()
        except (sqlite3.Error, OSError) as error:
            self._app.log.warning("Signatures of notebooks cannot be read: %s", error)
            return False
        return True

    def _is_signed(self, raw: bytes) -> bool:
        """A database that is locked or gone, and a notary that is none, know no signature."""
        notary: Any = getattr(self._app.contents_manager, "notary", None)
        try:
            # As jupyter_server reads it, for the signature is one of what comes of that.
            text = raw.decode("utf-8-sig")
            return bool(notary.check_signature(nbformat.reads(text, as_version=4)))
        except Exception as error:  # noqa: BLE001 - sqlite's, nbformat's, a notary of somebody's
            self._app.log.debug("The signature cannot be checked: %s", error)
            return False

    def _before_saving(self, *, model: Any, path: str, **_: Any) -> None:
        """jupyter_server's hook; what it raises is logged there. The notebook that is saved is as
        much this person's as the one that it replaces, or, where it is new, as its signature is."""
        after = model.get("content") if model.get("type") == "notebook" else None
        if not isinstance(after, dict) or not isinstance(after.get("cells"), list):
            return
        after.setdefault("metadata", {})
        notebook = Path(os.path.realpath(self.path(path)))
        if not Approvals().knows(notebook) and not is_of_ours(after):
            return
        try:
            before, raw, _status = read_with_status(notebook)
            content = content_digest(before)
            recorded = _recorded(notebook, content)
            own = self._is_signed(raw) if recorded is None else recorded
        except BadInput:  # it is new
            content, own = "", self._is_signed(nbformat.writes(nbformat.from_dict(after)).encode())
        try:
            Approvals().saved(notebook, content, content_digest(after), own)
        except ContainersError as error:
            self._app.log.warning("%s", error.message)

    async def _heard(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:  # noqa: ARG002
        """A rename or a copy through the contents API. Done before its client's next request."""
        action = data.get("action")
        if action not in ("rename", "copy") or not data.get("source_path"):
            return
        before, after = (self.path(data[key]) for key in ("source_path", "path"))
        try:
            carried = Approvals().carry(before, after, keep=action == "copy")
        except ContainersError as error:
            self._app.log.warning("Approvals of %s: %s", escaped(str(before)), error.message)
            return
        for notebook in carried:
            publish(Change(what="notebook", id=notebook.name, notebook=notebook, state="approved"))

    def path(self, path: str) -> Path:
        """The file of a path in the contents API; resolved but for its last part, which may be
        gone."""
        file = Path(self._app.root_dir, path.strip("/"))
        return Path(os.path.realpath(file.parent)) / file.name


def _recorded(notebook: Path, content: str) -> bool | None:
    """Whether this person wrote it, as far as we know."""
    record = Approvals().records.read(notebook)
    return record.own if content in record.contents else None
