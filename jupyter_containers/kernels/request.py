"""What a kernel start asks for: settings, where they come from, and whether that is approved.

Settings of a pinned kernel spec are its owner's and approved by being there. Those of the
generic spec lie in the notebook, which code in the kernel, or a stranger, can write: they are a
request, and asking for more than this person has approved ends here (DESIGN §5, Trust).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import KernelProvisionerBase

from ..engines.guarded import Guarded
from ..engines.registry import choose_engine, instead_of, preferred_engine
from ..errors import BadSettings, MountReplaced, NoImageYet
from ..host.owners import owner
from ..host.paths import life_id
from ..kernelspecs import read_spec
from ..layout import LABEL
from ..notebook.file import (
    content_digest,
    language_of,
    notebook_from_environment,
    read_language,
    read_notebook,
    resolve_notebook,
    settings_of,
)
from ..policy.approvals import Approvals
from ..policy.loader import load_policy
from ..policy.policy import Policy
from ..settings.schema import Settings
from ..text import escaped

log = logging.getLogger("jupyter_containers")

NOTEBOOK = "container_notebook"
"""In a kernel spec's metadata: the notebook's path, resolved when `run` began. On no disk; in such
a spec the sources of the mounts are resolved, too."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One start's request, approved and with every mount source resolved."""

    settings: Settings
    asked: Settings
    """The same as it was written: relative sources, no defaults of the policy's."""
    directory: Path
    source: str
    """What the directory's path led to: resolved once, since code in another container may put a
    link there at any time."""
    notebook: Path | None
    engine: Guarded
    policy: Policy
    labels: Mapping[str, str]
    language: str = ""
    """The notebook's, as it says: it counts where the settings name no kernel."""


async def find_request(
    provisioner: KernelProvisionerBase, notebook: Path | None, cwd: Any
) -> Request:
    """Called by the provisioner before every start, so that what is on disk now counts.

    Raises NotApproved, BadSettings, PolicyRefused, EngineMissing.
    """
    begin = asyncio.to_thread(_allowed, provisioner, notebook, Path(cwd or Path.cwd()).absolute())
    policy, asked, settings, directory, source, language = await begin
    pinned = read_spec(provisioner.kernel_spec) is not None
    choose = choose_engine if pinned else preferred_engine
    engine = await choose(settings.engine, policy)
    if told := instead_of(settings.engine, engine):
        log.warning("%s: %s", escaped(str(notebook)), told)
    return Request(
        settings=settings,
        asked=asked,
        directory=directory,
        source=source,
        notebook=notebook,
        engine=engine,
        policy=policy,
        labels=container_labels(str(provisioner.kernel_id)),
        language=language,
    )


def _allowed(
    provisioner: KernelProvisionerBase, notebook: Path | None, directory: Path
) -> tuple[Policy, Settings, Settings, Path, str, str]:
    """The policy, what is asked as it is written, the same resolved, where, what that leads to, and
    in which language; allowed and approved. Reads files, some of which may lie on a slow disk: not
    in the event loop."""
    policy = load_policy(provisioner.config)
    asked, language, content = read_spec(provisioner.kernel_spec), "", ""
    pinned = asked is not None
    if asked is None:
        asked, language, content = _notebook_settings(notebook)
    elif not provisioner.kernel_spec.language:  # that of `run`: nobody chose it for its language
        language = read_language(notebook)
    source = os.path.realpath(directory)
    if notebook is not None:  # that is resolved
        directory = notebook.parent
        source = str(directory)
    settings = asked.resolved(directory, policy)
    if _notebook_of_run(provisioner) is not None:
        _check_same(asked, settings)
    policy.check_asked(settings)
    if not pinned and notebook is not None:
        Approvals().check(notebook, settings, content)
    return policy, asked, settings, directory, source, language


def _check_same(approved: Settings, settings: Settings) -> None:
    """`run` has resolved the sources when it looked at what is approved. Raises MountReplaced."""
    for before, now in zip(approved.mounts, settings.mounts, strict=True):
        if before.source != now.source:
            raise MountReplaced(now.target, now.source)


def container_labels(kernel_id: str) -> dict[str, str]:
    """What marks a container as ours, and whose it is, for `ps` and `prune`."""
    return {
        LABEL: "kernel",
        f"{LABEL}.owner": owner().id,
        f"{LABEL}.uid": str(os.getuid()),
        f"{LABEL}.host": socket.gethostname(),
        f"{LABEL}.boot": life_id(),
        f"{LABEL}.kernel": kernel_id,
    }


def notebook_name(environment: Mapping[str, str]) -> tuple[str, str]:
    """By what `find_notebook` finds it: two starts with the same are of the same notebook."""
    named = os.environ.get("JUPYTER_CONTAINERS_NOTEBOOK", "")
    return named, str(environment.get("JPY_SESSION_NAME", ""))


def _notebook_of_run(provisioner: KernelProvisionerBase) -> Path | None:
    """What `run` says. A kernel spec that lies on a disk says nothing here: whoever wrote it would
    have the yes that somebody gave to another notebook."""
    spec = provisioner.kernel_spec
    named = spec.metadata.get(NOTEBOOK) if not spec.resource_dir else None
    return Path(named) if named else None


def find_notebook(
    provisioner: KernelProvisionerBase, environment: Mapping[str, str]
) -> Path | None:
    """The notebook on disk: what `run` says, else from the environment of this process where
    somebody set it, else from the client's text, which counts only as a path under the server's
    root. Called by the provisioner before `find_request`; raises BadInput where the second is no
    notebook."""
    ran = _notebook_of_run(provisioner)
    if ran is not None:
        return ran
    named = notebook_from_environment()
    if named is not None:
        return named
    manager = getattr(provisioner.parent, "parent", None)
    root = getattr(manager, "root_dir", "")
    session = environment.get("JPY_SESSION_NAME", "")
    return resolve_notebook(session, Path(root)) if root and session else None


def _notebook_settings(notebook: Path | None) -> tuple[Settings, str, str]:
    """What it asks for, its language, and what it is; empty where this process's environment names
    it: that editor saves past every server, so each change would be another notebook."""
    if notebook is None:
        raise BadSettings(
            "image",
            "this kernel runs in the container its notebook names, and no notebook was found.",
            "Set JUPYTER_CONTAINERS_NOTEBOOK=/path/to/notebook.ipynb where the client does not "
            "say which notebook it runs, or pin an image: jupyter containers pin REF --name NAME",
        )
    read = read_notebook(notebook)
    data = settings_of(read)
    if not data:
        raise NoImageYet(notebook.name)
    content = "" if notebook_from_environment() is not None else content_digest(read)
    return Settings.parse(data, where=notebook.name), language_of(read), content
