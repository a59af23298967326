"""What a server may do in a namespace for its kernels to run there: the least. Pure.

`NEEDS` is the one table: the Role is made of it, and `doctor` asks the cluster for each.
https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from ...layout import LABEL
from .labels import MANAGED
from .site import Site

NAME = LABEL
"""The name of the Role and of its binding."""


@dataclass(frozen=True)
class Need:
    """One verb on one kind of object of the namespace."""

    verb: str
    resource: str
    subresource: str = ""
    group: str = field(default="", kw_only=True)
    required: bool = field(default=True, kw_only=True)
    why: str = field(kw_only=True)
    """What does not work without it."""

    def __str__(self) -> str:
        return f"{self.verb} {self.full_resource}"

    @property
    def full_resource(self) -> str:
        """As a Role names it, such as `pods/exec`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


NEEDS = (
    Need("create", "pods", why="a kernel starts"),
    Need("get", "pods", why="it is known whether a kernel runs"),
    Need("list", "pods", why="kernels of a server that was killed are found"),
    Need("watch", "pods", why="a start and an end are noticed at once"),
    Need("delete", "pods", why="a kernel is shut down"),
    Need("get", "pods", "log", why="a kernel that ended says its last lines"),
    # A websocket is opened by GET. From 1.35 on the API server asks for `create` as well.
    # https://github.com/kubernetes/kubernetes/pull/134577
    Need("get", "pods", "exec", why="a kernel is spoken to"),
    Need("create", "pods", "exec", why="a kernel is spoken to"),
    Need("create", "configmaps", why="our programs reach a Pod"),
    Need("get", "configmaps", why="our programs in a Pod are known to be ours"),
    Need("list", "configmaps", required=False, why="what older versions left is found"),
    Need("delete", "configmaps", required=False, why="what older versions left is removed"),
    Need("list", "events", why="what a start waits for is told"),
    Need("watch", "events", required=False, why="that is told at once"),
    Need(
        "get",
        "persistentvolumeclaims",
        required=False,
        why="a kernel runs where a claim that one node may mount is mounted already",
    ),
    Need("list", "resourcequotas", required=False, why="doctor tells what is left"),
    Need(
        "get",
        "pods",
        group="metrics.k8s.io",
        required=False,
        why="the sidebar shows what a kernel uses",
    ),
)


def rules(*, optional: bool = True) -> list[dict[str, list[str]]]:
    """The rules of the Role, one for each kind of object."""
    found: dict[tuple[str, str], list[str]] = {}
    for need in NEEDS:
        if need.required or optional:
            found.setdefault((need.group, need.full_resource), []).append(need.verb)
    return [
        {"apiGroups": [group], "resources": [resource], "verbs": verbs}
        for (group, resource), verbs in found.items()
    ]


def role(namespace: str, *, optional: bool = True) -> dict[str, Any]:
    """The Role."""
    return _object("Role", namespace) | {"rules": rules(optional=optional)}


def binding(namespace: str, subject: str, *, service_account: bool = True) -> dict[str, Any]:
    """Who has it: a service account of the namespace, as which servers run, or else a user."""
    who = {"kind": "ServiceAccount", "name": subject, "namespace": namespace}
    if not service_account:
        who = {"kind": "User", "name": subject, "apiGroup": "rbac.authorization.k8s.io"}
    return _object("RoleBinding", namespace) | {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME},
        "subjects": [who],
    }


def _object(kind: str, namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": NAME, "namespace": namespace, "labels": dict(MANAGED)},
    }


def manifest_text(namespace: str, subject: str, *, service_account: bool = True) -> str:
    """Role and binding as `kubectl apply -f -` reads them."""
    objects = [role(namespace), binding(namespace, subject, service_account=service_account)]
    return yaml.safe_dump_all(objects, sort_keys=False, explicit_start=True)


def review(need: Need, site: Site) -> dict[str, Any]:
    """The question whether this server may, for the API. Everybody may ask it of themselves.
    https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/self-subject-access-review-v1/
    """
    asked = {
        "namespace": site.namespace,
        "verb": need.verb,
        "group": need.group,
        "resource": need.resource,
        **({"subresource": need.subresource} if need.subresource else {}),
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
