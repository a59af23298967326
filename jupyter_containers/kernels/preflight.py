"""What a notebook asks for, whether it may have it, and whether it is here. Decides nothing that
a start would decide otherwise: it asks the same functions.

The sidebar shows it; the check of a form being filled in and the yes to it are here too.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..builds.cells import NOT_YET
from ..builds.plan import is_of
from ..devices.gpus import check_devices, driver_warning
from ..engines.guarded import Guarded
from ..engines.registry import instead_of, preferred_engine
from ..errors import BadInput, BadSettings, ContainersError, PolicyRefused
from ..events import Change, publish
from ..images.labextensions import Lacking, lacking
from ..images.probe import recalled
from ..models import Image
from ..notebook.file import (
    content_digest,
    dockerfile_cells,
    is_of_ours,
    read_notebook,
    settings_of,
)
from ..policy.approvals import Approvals, Ask, asks
from ..policy.folders import holds_home
from ..policy.policy import Policy
from ..policy.records import ISOLATED, TRUSTED
from ..settings.schema import VERSION, Settings
from ..text import one_line


@dataclass(frozen=True, kw_only=True)
class NotebookState:
    """One notebook on disk. `error` is what a start with these settings would end with."""

    asked: Mapping[str, Any] | None = None
    error: ContainersError | None = None
    missing: tuple[Ask, ...] = ()
    asks: tuple[str, ...] = ()
    engine: str = ""
    image_here: bool | None = None
    build_same: bool | None = None
    warning: str = ""
    """What would not keep it from starting, but from working."""
    changed: bool = False
    """Whether another has taken the place of the notebook that was approved."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Settings as somebody types them: what is wrong with which key, what needs a yes."""

    errors: tuple[tuple[str, ContainersError], ...] = ()
    missing: tuple[Ask, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A notebook's settings, and what the policy and this person's approvals say of them."""

    settings: Settings
    refused: ContainersError | None
    missing: tuple[Ask, ...]
    changed: bool
    asks: tuple[str, ...]
    folder: str
    """What is to be said where its own folder is not mounted."""


async def notebook_state(notebook: Path, policy: Policy) -> NotebookState:
    """Look at a notebook. Raises BadInput where the file is none."""
    data = await asyncio.to_thread(read_notebook, notebook)
    written: Mapping[str, Any] | None = None
    try:
        written = settings_of(data)
        if not written:
            return NotebookState()
        content = content_digest(data)
        asked = await asyncio.to_thread(_asked, notebook, written, policy, content)
    except ContainersError as error:
        return NotebookState(asked=written, error=error)
    settings, refused = asked.settings, asked.refused
    engine, image, told = "", None, ""
    try:
        chosen = await preferred_engine(settings.engine, policy)
        engine, told = chosen.name, instead_of(settings.engine, chosen)
        image = await chosen.recent_image(settings.image)
        told = await folder_note(notebook.parent, settings, chosen) or told
        await check_devices(chosen, settings.devices)
    except ContainersError as error:
        refused = refused or error
    return NotebookState(
        asked=written,
        error=refused,
        missing=asked.missing,
        changed=asked.changed,
        asks=asked.asks,
        engine=engine,
        image_here=image is not None if engine else None,
        build_same=_build_same(settings, image, data),
        warning=asked.folder
        or told
        or (await driver_warning(settings.devices, image.env) if image else ""),
    )


async def lacking_for(reference: str, engine: str, policy: Policy) -> tuple[Lacking, ...]:
    """What draws the outputs of an image's packages and this server lacks, as far as somebody has
    looked into the image; `engine` is the setting of that name."""
    with suppress(ContainersError):
        chosen = await preferred_engine(engine, policy)
        if reference and (image := await chosen.recent_image(reference)) is not None:
            facts = await recalled(image, await chosen.user("me", (0, 0)))
            return await asyncio.to_thread(lacking, facts) if facts is not None else ()
    return ()


def _asked(notebook: Path, written: Mapping[str, Any], policy: Policy, content: str) -> _Asked:
    """Raises BadSettings, PolicyRefused where the settings cannot be read or resolved."""
    settings = Settings.parse(written, where=notebook.name)
    resolved = settings.resolved(notebook.parent, policy)
    refused = None
    try:
        policy.check_asked(resolved)
    except ContainersError as error:
        refused = error
    return _Asked(
        settings=settings,
        refused=refused,
        missing=Approvals().missing_asks(notebook, resolved, content),
        changed=not Approvals().is_about(notebook, content),
        asks=tuple(ask.text for ask in asks(resolved)),
        folder=folder_warning(notebook.parent, resolved),
    )


def folder_warning(directory: Path, settings: Settings) -> str:
    """What is to be said where a shared folder is not mounted, since the notebook's files are
    there; "" where it is. HOME, which is as a rule full of other things, is not mentioned."""
    if holds_home(directory) or any(one.target == str(directory) for one in settings.mounts):
        return ""
    why = Approvals().why_not_mounted(directory)
    if not why:
        return ""
    return (
        f"Its folder {one_line(str(directory))} is not in the container: {one_line(why)}. "
        "To have it there, mount `.` at that path, or move the notebook to a folder of yours."
    )


async def folder_note(directory: Path, settings: Settings, engine: Guarded) -> str:
    """What is to be said where a notebook's own folder is mounted unasked, and is not what it is
    here (`TunnelingEngine.folder_note`); "" else."""
    if not engine.tunnels or any(one.target == str(directory) for one in settings.mounts):
        return ""
    if await asyncio.to_thread(Approvals().why_not_mounted, directory):
        return ""
    return await engine.folder_note(await asyncio.to_thread(os.path.realpath, directory))


def _build_same(
    settings: Settings, image: Image | None, notebook: Mapping[str, Any]
) -> bool | None:
    """None where there is nothing to compare, and where nobody can tell: what an image built on
    an earlier cell's image is made of is not in the settings."""
    if image is None or settings.build is None:
        return None
    if is_of(image, settings.build):
        return True
    with suppress(BadInput):
        if not any(cell.options.tag for cell in dockerfile_cells(notebook)):
            return False
    return None


@dataclass(frozen=True, kw_only=True)
class OutputsState:
    """How a page is to draw what a notebook displays."""

    applies: bool
    """Whether the notebook is one of ours; others are JupyterLab's."""
    outputs: str
    """`isolated` or `trusted`."""
    may_trust: bool
    """Whether the administrator lets people decide."""


def outputs_state(notebook: Path, policy: Policy) -> OutputsState:
    """Raises BadInput where it is no notebook."""
    data = read_notebook(notebook)
    approvals, may_trust = Approvals(), policy.outputs == TRUSTED
    outputs = approvals.outputs(notebook, content_digest(data)) if may_trust else ISOLATED
    applies = is_of_ours(data) or approvals.knows(notebook)
    return OutputsState(applies=applies, outputs=outputs, may_trust=may_trust)


def set_outputs(notebook: Path, outputs: str) -> None:
    """This person's decision. Raises BadInput where it is no notebook, or cannot be kept."""
    Approvals().set_outputs(notebook, content_digest(read_notebook(notebook)), outputs)
    publish(Change(what="notebook", id=notebook.name, notebook=notebook, state="approved"))


async def check_settings(notebook: Path, asked: Mapping[str, Any], policy: Policy) -> Checked:
    """Every key by itself, so that a form shows all that is wrong at once, then all together.
    Changes nothing."""
    return await asyncio.to_thread(_check, notebook, asked, policy)


def _check(notebook: Path, asked: Mapping[str, Any], policy: Policy) -> Checked:
    wrong: list[tuple[str, ContainersError]] = []
    version = asked.get("version", VERSION)
    for key, value in asked.items():
        try:
            one = {"image": NOT_YET, "version": version, key: value}
            settings = Settings.parse(one, where="").resolved(notebook.parent, policy)
            policy.check_asked(settings, image=key == "image")
        except ContainersError as error:
            wrong.append((str(key), error))
    if wrong:
        return Checked(errors=tuple(wrong))
    try:
        whole = Settings.parse(asked, where="").resolved(notebook.parent, policy)
        policy.check_asked(whole)
    except ContainersError as error:
        return Checked(errors=((_blamed(error), error),))
    content = content_digest(read_notebook(notebook))
    return Checked(missing=Approvals().missing_asks(notebook, whole, content))


def _blamed(error: ContainersError) -> str:
    return error.key if isinstance(error, BadSettings) else ""


def trait_of(error: ContainersError) -> str:
    """The policy's trait that refused, where one did."""
    return error.trait if isinstance(error, PolicyRefused) else ""


async def approve_settings(
    notebook: Path, asked: Mapping[str, Any], shown: Collection[str], policy: Policy
) -> None:
    """This person says yes to exactly these settings for this notebook, having read what of
    them was `shown` as missing. What they come to now may be more, and what the policy refuses
    is not approved anyhow: raises AsksMore, PolicyRefused, BadSettings."""
    await asyncio.to_thread(_approve, notebook, asked, shown, policy)
    publish(Change(what="notebook", id=notebook.name, notebook=notebook, state="approved"))


def _approve(
    notebook: Path, asked: Mapping[str, Any], shown: Collection[str], policy: Policy
) -> None:
    settings = Settings.parse(asked, where=notebook.name)
    resolved = settings.resolved(notebook.parent, policy)
    policy.check_asked(resolved)
    Approvals().approve(notebook, resolved, shown, content_digest(read_notebook(notebook)))
