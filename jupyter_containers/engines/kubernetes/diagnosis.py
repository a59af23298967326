"""What only `doctor` asks a cluster: whether it would take a Pod such as a kernel's, whether the
policy's claims are there, what quotas leave, where notebooks of this folder find it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import ContainersError
from ...layout import INSIDE
from ...models import ContainerSpec, EngineInfo, Problem
from ...policy.traits import PolicyTraits
from ...text import as_dict, as_text, one_line
from .client import gathered
from .manifest import PodFiles, pod
from .namespace import Namespace
from .refusals import refused
from .site import VOLUMES, Site
from .volumes import folder_note

_ARGV = ("python3", "-I", "-S", "-B", f"{INSIDE}/guest/main.py", f"{INSIDE}/run")
_MOST_QUOTAS = 5
_COUNTED = ("pods", "limits.", "requests.", "count/pods")
"""What of a quota is about Pods."""


async def diagnosed(
    info: EngineInfo, space: Namespace, site: Site, policy: PolicyTraits
) -> EngineInfo:
    """See `base.DiagnosedEngine`. Raises EngineDown."""
    site = replace(site, namespace=space.name)
    async with space.cluster.use():
        refusal, is_full = await _trial(space, site, policy)
        problems = [*refusal, *await _claims(space, site), *await _quotas(space)]
    folder = folder_note(site, await asyncio.to_thread(os.path.realpath, Path.cwd()))
    if site.volumes and folder:  # without any, all folders are empty, which `info` says
        problems.append(Problem(f"Of notebooks here: {folder}"))
    return replace(
        info,
        usable=info.usable and (is_full or not refusal),
        problems=(*info.problems, *problems),
    )


async def _trial(space: Namespace, site: Site, policy: PolicyTraits) -> tuple[list[Problem], bool]:
    """Why the cluster would not take a Pod with the policy's defaults, and whether that is only
    since a quota is used up now. Nothing is made."""
    try:
        spec = ContainerSpec(
            name="jupyter-trial",
            image="",
            argv=_ARGV,
            user=site.user_inside("me", (0, 0), (os.getuid(), os.getgid())),
            cpus=policy.default_cpus,
            memory=policy.default_memory,
        )
        image = f"{policy.push_registry.rstrip('/')}/jupyter-containers:trial"
        status = await space.refusal(pod(spec, site, image, PodFiles(guest={})).manifest)
    except ContainersError as error:
        return [Problem(error.message, error.hint)], False
    said = as_text(as_dict(status).get("message"))
    if status is None or "dry run" in said.lower():  # a webhook that cannot tell
        return [], False
    refusal = refused(status)
    problem = Problem(f"A kernel's Pod would not be taken: {refusal.message}", refusal.hint)
    return [problem], "exceeded quota" in said


async def _claims(space: Namespace, site: Site) -> list[Problem]:
    names = list(dict.fromkeys(one.claim for one in site.volumes))
    there = await gathered(space.has_claim(name) for name in names)
    return [
        Problem(
            f"The namespace {space.name} has no claim {name}, which {VOLUMES} names: kernels whose "
            "folders are on it will not start.",
            f"The administrator makes it, or changes {VOLUMES}.",
        )
        for name, is_there in zip(names, there, strict=True)
        if is_there is False
    ]


async def _quotas(space: Namespace) -> list[Problem]:
    found = []
    for quota in (await space.quotas())[:_MOST_QUOTAS]:
        status = as_dict(quota.get("status"))
        most, used = as_dict(status.get("hard")), as_dict(status.get("used"))
        told = [
            f"{one_line(key, 80)} {_amount(used, key)} of {_amount(most, key)}"
            for key in sorted(most)
            if key.startswith(_COUNTED)
        ]
        name = one_line(as_text(as_dict(quota.get("metadata")).get("name")), 80)
        if told:
            found.append(Problem(f"The quota {name} is used by: {', '.join(told)}."))
    return found


def _amount(amounts: Mapping[str, Any], key: str) -> str:
    return one_line(as_text(amounts.get(key)), 40) or "0"
