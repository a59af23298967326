"""What marks a Pod as ours, and whose it is: everybody who may list Pods can read it, so it tells
nothing of what somebody works on.

Our labels stand in a container's as `jupyter-containers.owner`, in a Pod's as
`jupyter-containers/owner`; a value that is no label's stands among the annotations.
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...layout import LABEL
from ...policy.kubernetes import LABEL_VALUE
from ...text import as_dict, as_text, one_line
from .site import Site

MANAGED = {"app.kubernetes.io/managed-by": LABEL}
"""On every object that we make."""
ROLE = f"{LABEL}/role"
"""What a container's label `LABEL` says: `kernel`."""
USER = f"{LABEL}/user"
"""Whose it is, of people who may share a namespace: servers in Pods all have the same uid."""
_KNOWN = ("owner", "uid", "host", "boot", "kernel", "name")
"""What may be a label; all else is an annotation, which nobody can select by."""
_JOB = f"{LABEL}.job"
"""As with Slurm: what a scheduler runs goes on when the machine of its owner does not."""


def marks(labels: Mapping[str, str], site: Site) -> tuple[dict[str, str], dict[str, str]]:
    """Labels and annotations of a Pod from a container's labels, of which ours count."""
    found = {**site.labels, **MANAGED, **({USER: site.user} if site.user else {})}
    rest: dict[str, str] = {}
    for key, value in sorted(labels.items()):
        name = "role" if key == LABEL else key.removeprefix(f"{LABEL}.")
        if key != LABEL and name == key:
            continue
        fits = (key == LABEL or name in _KNOWN) and LABEL_VALUE.fullmatch(value)
        (found if fits else rest)[f"{LABEL}/{name}"] = value
    return found, rest


def labels_of(pod: Mapping[str, Any]) -> dict[str, str]:
    """The container's labels again; empty where the Pod is none of ours."""
    metadata = as_dict(pod.get("metadata"))
    labels, rest = as_dict(metadata.get("labels")), as_dict(metadata.get("annotations"))
    if any(labels.get(key) != value for key, value in MANAGED.items()) or ROLE not in labels:
        return {}
    found = {LABEL: one_line(as_text(labels[ROLE])), _JOB: one_line(as_text(metadata.get("name")))}
    for key, value in {**rest, **labels}.items():
        prefix, _, name = key.partition("/")
        if prefix == LABEL and key not in (ROLE, USER):
            found[f"{LABEL}.{one_line(name)}"] = one_line(as_text(value), 400)
    return found


def selector(site: Site) -> str:
    """Selects this person's Pods of ours, for the API's `labelSelector`."""
    wanted = [f"{key}={value}" for key, value in MANAGED.items()]
    wanted += [f"{USER}={site.user}"] if site.user else []
    return ",".join([*wanted, ROLE])
