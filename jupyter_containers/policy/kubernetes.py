"""What an administrator can set of a cluster, as `c.Policy.kubernetes_… = …`. Pure data.

Names are checked by the grammars of Kubernetes, so that a mistake is told when the file is read and
not by the API server at a start.
"""

from __future__ import annotations

import re
from typing import Any

from traitlets import Bool, Dict, Float, Int, List, TraitError, Unicode, validate
from traitlets.config import Configurable

USERNAME = "{username}"
"""What stands for the person's name in names of claims, sub-paths and labels."""
# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
DNS_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_PART = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
DNS_SUBDOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_PART}(?:\.{_PART})*")
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_LABEL_KEY = re.compile(
    rf"(?:(?=[^/]{{1,253}}/){_PART}(?:\.{_PART})*/)?"
    r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
)
_OURS = ("jupyter-containers/", "app.kubernetes.io/managed-by")
_TOLERATION = {"key": str, "operator": str, "value": str, "effect": str, "tolerationSeconds": int}


class KubernetesTraits(Configurable):
    """See `Policy`."""

    kubernetes_context = Unicode(
        "",
        help="Context of the kubeconfig that says which cluster; empty: its current one. A server "
        "that is in a Pod itself uses its own cluster, unless this is set.",
    ).tag(config=True)
    kubernetes_namespace = Unicode(
        "",
        help="Namespace in which kernels' Pods run; empty: the context's, or that of the server's "
        "own Pod. Pods of one namespace are as safe from each other as its roles make them: give "
        "each person one.",
    ).tag(config=True)
    kubernetes_volumes = Dict(
        value_trait=Unicode(),
        key_trait=Unicode(),
        help="Where folders of this machine are on the cluster: path to claim, claim/sub/path, or "
        "either with :ro behind it where nobody may write. The longest path wins, ~ is the "
        "person's home, and {username} stands for the name as kubespawner escapes it: "
        '{"~": "claim-{username}", "/srv/course": "course:ro"}. What is on none of them is not '
        "mounted, and a notebook's own folder is empty then. `mounts` decides as well.",
    ).tag(config=True)
    kubernetes_labels = Dict(
        value_trait=Unicode(),
        key_trait=Unicode(),
        help="More labels of each Pod, for network policies and accounting; {username} as above.",
    ).tag(config=True)
    kubernetes_node_selector = Dict(
        value_trait=Unicode(),
        key_trait=Unicode(),
        help="Labels of the nodes that kernels run on.",
    ).tag(config=True)
    kubernetes_tolerations = List(
        Dict(), help="Tolerations of each Pod, as a manifest has them."
    ).tag(config=True)
    kubernetes_priority_class = Unicode("", help="Priority class of each Pod.").tag(config=True)
    kubernetes_pull_secrets = List(
        Unicode(), help="Secrets of the namespace by which nodes log in to registries."
    ).tag(config=True)
    kubernetes_service_account = Unicode(
        "",
        help="Service account of each Pod; empty: the namespace's default. Its token is never "
        "mounted.",
    ).tag(config=True)
    kubernetes_deadline = Int(
        7 * 86400,
        allow_none=True,
        min=60,
        help="Seconds after which the cluster ends a kernel's Pod in any case; None: never.",
    ).tag(config=True)
    kubernetes_cpu_share = Float(
        0.25,
        min=0,
        max=1,
        help="Part of a container's CPUs that is set aside for it on its node (its request).",
    ).tag(config=True)
    kubernetes_memory_share = Float(
        1.0, min=0, max=1, help="The same for memory. Below 1 a full node ends containers."
    ).tag(config=True)
    kubernetes_uid = Int(
        1000, min=1, help="User inside where it would be root: Pods do not run as root."
    ).tag(config=True)
    kubernetes_gid = Int(1000, min=1, help="The group of that user.").tag(config=True)
    kubernetes_allow_root = Bool(
        False,
        help="Whether notebooks may ask for the user root in a Pod. A namespace with the "
        "restricted Pod Security profile refuses such Pods.",
    ).tag(config=True)

    @validate("kubernetes_namespace")
    def _namespace(self, proposal: Any) -> str:
        given: str = proposal["value"]
        if given and not DNS_LABEL.fullmatch(given):
            raise TraitError(f"Policy.kubernetes_namespace: {given!r} is no namespace.")
        return given

    @validate(
        *("kubernetes_priority_class", "kubernetes_pull_secrets", "kubernetes_service_account")
    )
    def _objects(self, proposal: Any) -> Any:
        given = proposal["value"]
        for one in given if isinstance(given, list) else [given] if given else []:
            if not DNS_SUBDOMAIN.fullmatch(one):
                raise TraitError(f"Policy.{proposal['trait'].name}: {one!r} is no object's name.")
        return given

    @validate("kubernetes_volumes")
    def _volumes(self, proposal: Any) -> dict[str, str]:
        given: dict[str, str] = proposal["value"]
        for path, volume in given.items():
            if not (path == "~" or path.startswith(("/", "~/"))) or "\0" in path:
                raise TraitError(f"Policy.kubernetes_volumes: {path!r} is no absolute path.")
            if not _is_volume(volume):
                raise TraitError(
                    f"Policy.kubernetes_volumes: {volume!r} is not written as claim, claim:ro or "
                    "claim/sub/path."
                )
        return given

    @validate("kubernetes_labels", "kubernetes_node_selector")
    def _labels(self, proposal: Any) -> dict[str, str]:
        given: dict[str, str] = proposal["value"]
        name = proposal["trait"].name
        for key, value in given.items():
            filled = value.replace(USERNAME, "x") if name == "kubernetes_labels" else value
            if not _LABEL_KEY.fullmatch(key) or not LABEL_VALUE.fullmatch(filled):
                raise TraitError(f"Policy.{name}: {key!r}: {value!r} is no label.")
            if name == "kubernetes_labels" and key.startswith(_OURS):
                raise TraitError(f"Policy.{name}: {key!r} is ours.")
        return given

    @validate("kubernetes_tolerations")
    def _tolerations(self, proposal: Any) -> list[dict[str, Any]]:
        given: list[dict[str, Any]] = proposal["value"]
        for one in given:
            for key, value in one.items():
                if key not in _TOLERATION or type(value) is not _TOLERATION[key]:
                    raise TraitError(f"Policy.kubernetes_tolerations: {one!r} is no toleration.")
        return given


def _is_volume(text: str) -> bool:
    claim, slash, below = text.removesuffix(":ro").partition("/")
    if not DNS_SUBDOMAIN.fullmatch(claim.replace(USERNAME, "x")):
        return False
    parts = below.replace(USERNAME, "x").split("/") if slash else []
    return all(part not in ("", ".", "..") and part.isprintable() for part in parts) and not (
        set("{}") & set("".join(parts))
    )
