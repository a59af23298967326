"""What an administrator's policy says of the cluster, for one person. Pure, but that `site_of`
follows links of this machine in the paths of volumes."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ...errors import PolicyRefused, Unsupported
from ...models import NO_ENV, User
from ...policy.kubernetes import DNS_LABEL, DNS_SUBDOMAIN, LABEL_VALUE, USERNAME
from ...policy.traits import PolicyTraits

VOLUMES = "Policy.kubernetes_volumes"
ROOT = "Policy.kubernetes_allow_root"

_HASH = 8
_SLUG = 48
"""Letters of a name in kubespawner's templates."""


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A folder of this machine that the cluster has, too."""

    path: str
    """On this machine, without links."""
    claim: str
    sub_path: str = ""
    writable: bool = True

    def below(self, path: str) -> str | None:
        """A path of this machine as a sub-path of the claim; None where it is not in it."""
        inside = path == self.path or path.startswith(self.path.rstrip("/") + "/")
        if not inside:
            return None
        parts = (self.sub_path, path[len(self.path) :].strip("/"))
        return "/".join(part for part in parts if part)


@dataclass(frozen=True, kw_only=True)
class Site:
    """See `KubernetesTraits`, whose names these are."""

    user: str = ""
    """The person's name as kubespawner escapes it: it marks their Pods."""
    namespace: str = ""
    """Empty: whoever asks the cluster finds it out."""
    context: str = ""
    volumes: tuple[Volume, ...] = ()
    labels: Mapping[str, str] = field(default_factory=lambda: NO_ENV)
    node_selector: Mapping[str, str] = field(default_factory=lambda: NO_ENV)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    priority_class: str = ""
    pull_secrets: tuple[str, ...] = ()
    service_account: str = ""
    deadline: int | None = None
    cpu_share: float = 1.0
    memory_share: float = 1.0
    uid: int = 1000
    gid: int = 1000
    allow_root: bool = False
    affinity: str = ""
    """The only node that a Pod may run on: where a claim that one node may mount
    (ReadWriteOnce) is mounted already. Whoever asks the cluster finds it out."""

    def volume_of(self, path: str) -> Volume | None:
        """The volume with the longest path that holds `path`, which has no links."""
        found = [one for one in self.volumes if one.below(path) is not None]
        return max(found, key=lambda one: len(one.path), default=None)

    def user_inside(
        self,
        mode: Literal["me", "root", "image"],
        image_ids: tuple[int, int],
        own_ids: tuple[int, int],
    ) -> User:
        """Who a Pod runs as; see `Engine.user`. `own_ids` are this process's, which files on the
        volumes belong to. Root, which an image without a user has too, becomes the policy's user.
        Raises Unsupported where root is asked for, and where an image's user would write files
        that are not this person's."""
        me = own_ids if own_ids[0] else (self.uid, self.gid)
        inside = me
        if mode == "root":
            if not self.allow_root:
                raise no_root()
            inside = (0, 0)
        elif mode == "image" and image_ids[0] not in (0, me[0]):
            if self.volumes:
                raise Unsupported(
                    f"The image's user {image_ids[0]} would write files on the cluster's volumes "
                    "that are not yours.",
                    "Use the user `me`.",
                )
            inside = image_ids
        return User(mode=mode, uid=inside[0], gid=inside[1], host_uid=me[0], host_gid=me[1])


def no_root() -> Unsupported:
    """That nobody is root in a Pod."""
    return Unsupported(
        "A Pod does not run as root: the cluster's restricted Pod Security profile forbids it.",
        "Use the user `me`, and put what needs root into the Dockerfile. An administrator whose "
        f"namespace allows it sets {ROOT}.",
    )


def site_of(policy: PolicyTraits, username: str) -> Site:
    """The policy for a person of that name, which may be any text. Reads links. Raises
    PolicyRefused where a name that was filled in is none of Kubernetes'."""
    slug = safe_slug(username)
    volumes = (_volume(path, text, slug) for path, text in policy.kubernetes_volumes.items())
    return Site(
        user=slug,
        namespace=policy.kubernetes_namespace,
        context=policy.kubernetes_context,
        volumes=tuple(volumes),
        labels={key: _label(text, slug) for key, text in policy.kubernetes_labels.items()},
        node_selector=dict(policy.kubernetes_node_selector),
        tolerations=tuple(dict(one) for one in policy.kubernetes_tolerations),
        priority_class=policy.kubernetes_priority_class,
        pull_secrets=tuple(policy.kubernetes_pull_secrets),
        service_account=policy.kubernetes_service_account,
        deadline=policy.kubernetes_deadline,
        cpu_share=policy.kubernetes_cpu_share,
        memory_share=policy.kubernetes_memory_share,
        uid=policy.kubernetes_uid,
        gid=policy.kubernetes_gid,
        allow_root=policy.kubernetes_allow_root,
    )


def _volume(path: str, text: str, slug: str) -> Volume:
    where = os.path.realpath(Path(path).expanduser())
    written = text.removesuffix(":ro")
    claim, _, below = written.replace(USERNAME, slug).partition("/")
    if not DNS_SUBDOMAIN.fullmatch(claim):
        raise PolicyRefused(f"{claim!r} is no claim's name", VOLUMES)
    return Volume(path=where, claim=claim, sub_path=below, writable=written == text)


def _label(text: str, slug: str) -> str:
    filled = text.replace(USERNAME, slug)
    if not LABEL_VALUE.fullmatch(filled):
        raise PolicyRefused(f"{filled!r} is no label's value", "Policy.kubernetes_labels")
    return filled


def safe_slug(name: str) -> str:
    """A name as kubespawner escapes it since its version 7, so that claims which a Hub made are
    found: a DNS label, and another one for each name. It holds neither `/` nor `..`.
    https://github.com/jupyterhub/kubespawner/blob/main/kubespawner/slugs.py"""
    valid = DNS_LABEL.fullmatch(name) and name[0].isalpha() and "--" not in name
    if valid and len(name) <= _SLUG:
        return name
    most = _SLUG - _HASH - len("---")
    safe = re.sub("[^a-z0-9]+", "-", name.lower()).lstrip("-")[:most].rstrip("-")
    if safe and not safe[0].isalpha():
        safe = f"x-{safe[: most - 2]}"
    digest = hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()
    return f"{safe or 'x'}---{digest[:_HASH]}"
