"""One container as a Pod, and the ConfigMaps that it reads. Pure: compared as data in tests.

It passes the restricted Pod Security profile (`rules.py`). Nothing secret is in it: tokens and the
connection file come by the tunnel, into memory.
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...errors import BadSettings, Unsupported
from ...layout import CA_FILE, INSIDE, LABEL, POD_CONTAINER
from ...models import ContainerSpec
from ...policy.kubernetes import DNS_LABEL, DNS_SUBDOMAIN
from .labels import MANAGED, marks
from .site import Site, no_root
from .volumes import EMPTY, quantity, volumes_of

GRACE_SECONDS = 5
_MAIN = f"{INSIDE}/guest/main.py"
_POD = f"{INSIDE}/guest/pod.py"
_NVIDIA = "NVIDIA_VISIBLE_DEVICES"
_RESOURCE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_NUMBER = re.compile("[0-9]{1,4}")


@dataclass(frozen=True, kw_only=True)
class PodFiles:
    """What a Pod reads from ConfigMaps."""

    guest: Mapping[str, bytes]
    """Our programs for the inside (`host/guest_files.py`)."""
    passwd: str = ""
    group: str = ""
    ca: str = ""
    """Certificates that the policy lends (`conf/ca.pem`); "": none."""
    empty_file: str = ""
    """Where the policy's empty file lies on this machine: what it covers is covered in the Pod."""

    @property
    def etc(self) -> dict[str, bytes]:
        """What is mounted file by file."""
        files = {"passwd": self.passwd.encode(), "group": self.group.encode(), EMPTY: b""}
        return files | ({CA_FILE: self.ca.encode()} if self.ca else {})

    @property
    def guest_map(self) -> str:
        """The name of the ConfigMap with our programs, by its content: all Pods share it."""
        return f"{LABEL}-guest-{_digest(self.guest)}"

    @property
    def etc_map(self) -> str:
        """The same for `etc`."""
        return f"{LABEL}-etc-{_digest(self.etc)}"


class Pod(NamedTuple):
    """A manifest, and what the start has to tell of it, in sentences."""

    manifest: dict[str, Any]
    notes: tuple[str, ...] = ()


def pod(spec: ContainerSpec, site: Site, image: str, files: PodFiles) -> Pod:
    """The Pod of a container; `image` is its full reference in a registry. Raises Unsupported,
    BadSettings, PolicyRefused."""
    if spec.network == "none":
        raise Unsupported(
            "The network of a Pod cannot be taken away: whether a NetworkPolicy cuts it off is up "
            "to the cluster's network plugin, which does not tell.",
            'Set "network" to private, or "engine" to one of this machine.',
        )
    if spec.user.uid == 0 and not site.allow_root:
        raise no_root()
    resources, told = _devices(spec.devices)
    maps = {"guest": files.guest_map, "etc": files.etc_map}
    volumes = volumes_of(spec, site, empty_file=files.empty_file, has_ca=bool(files.ca), **maps)
    labels, annotations = marks(spec.labels, site)
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(spec.name, site, labels, annotations),
        "spec": {
            **_placed(site),
            **({"hostname": _hostname(spec.hostname)} if spec.hostname else {}),
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": _pod_security(spec),
            "containers": [
                {
                    "name": POD_CONTAINER,
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    **_command(spec),
                    "workingDir": spec.workdir,
                    "env": _env(spec.env, resources),
                    "resources": _resources(spec, site, resources),
                    "securityContext": _security(spec),
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                    "volumeMounts": volumes.mounts,
                }
            ],
            "volumes": volumes.volumes,
        },
    }
    return Pod(manifest, (*volumes.notes, *told, *_not_published(spec.publish)))


def tunnel_argv(spec: ContainerSpec) -> tuple[str, ...]:
    """What an exec in the Pod runs: our end of the tunnel."""
    return _through(spec.argv, "tunnel")


def config_maps(files: PodFiles, site: Site) -> list[dict[str, Any]]:
    """The ConfigMaps that a Pod names. Whoever may make ConfigMaps may make one of that name, so
    one that is there already has to be compared (`same_files`)."""
    contents = {files.guest_map: files.guest, files.etc_map: files.etc}
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": _metadata(name, site, MANAGED, {}),
            "immutable": True,
            "data": {key: content[key].decode() for key in sorted(content)},
        }
        for name, content in contents.items()
    ]


def same_files(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Whether a ConfigMap of the cluster holds what ours would."""
    return bool(ours["data"] == theirs.get("data") and not theirs.get("binaryData"))


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, data in sorted(files.items()):
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return digest.hexdigest()[:12]


def _metadata(
    name: str, site: Site, labels: Mapping[str, str], annotations: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "name": name,
        **({"namespace": site.namespace} if site.namespace else {}),
        "labels": dict(labels),
        **({"annotations": dict(annotations)} if annotations else {}),
    }


def _placed(site: Site) -> dict[str, Any]:
    """What the administrator says of where it runs, and as what."""
    # By the node's name: its label kubernetes.io/hostname may be another.
    here = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [site.affinity]}]}
    node = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [here]}}
    said: dict[str, Any] = {
        "activeDeadlineSeconds": site.deadline,
        "serviceAccountName": site.service_account,
        "priorityClassName": site.priority_class,
        "imagePullSecrets": [{"name": one} for one in site.pull_secrets],
        "nodeSelector": dict(site.node_selector),
        "tolerations": [dict(one) for one in site.tolerations],
        "affinity": {"nodeAffinity": node} if site.affinity else None,
    }
    return {key: value for key, value in said.items() if value}


def _hostname(name: str) -> str:
    if not DNS_LABEL.fullmatch(name):
        raise BadSettings(
            "hostname",
            f"{name!r} cannot be a Pod's: that is one word of at most 63 small letters, digits "
            "and '-'.",
        )
    return name


def _command(spec: ContainerSpec) -> dict[str, list[str]]:
    words = [_literal(word) for word in _through(spec.argv, "start")]
    return {"args" if spec.entrypoint == "image" else "command": words}


def _through(argv: Sequence[str], verb: str) -> tuple[str, ...]:
    """`PYTHON … pod.py VERB RUN` in place of `PYTHON … main.py RUN`."""
    if _MAIN not in argv:
        raise Unsupported(
            "Kubernetes runs kernels of images with Python only: our guest has to run there.",
            "Add a Python (3.9 or newer) to the Dockerfile.",
        )
    at = argv.index(_MAIN)
    return (*argv[:at], _POD, verb, *argv[at + 1 :])


def _literal(text: str) -> str:
    """A word or value as it is: `$(NAME)` would be a variable's value.
    https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
    """
    return text.replace("$", "$$")


def _env(env: Mapping[str, str], resources: Iterable[str]) -> list[dict[str, str]]:
    # Without a GPU it says `void`, since CUDA images ask for all. With one the device plugin says
    # which, and what a manifest says would count more.
    given = any(one.startswith("nvidia.com/") for one in resources)
    names = sorted(name for name in env if not (given and name == _NVIDIA))
    return [{"name": name, "value": _literal(env[name])} for name in names]


def _resources(
    spec: ContainerSpec, site: Site, devices: Mapping[str, int]
) -> dict[str, dict[str, str]]:
    limits = {name: str(many) for name, many in devices.items()}
    requests = dict(limits)  # of devices both have to be the same
    if spec.cpus is not None:
        limits["cpu"] = _cpus(spec.cpus)
        requests["cpu"] = _cpus(spec.cpus * site.cpu_share)
    if spec.memory is not None:
        limits["memory"] = quantity(spec.memory)
        requests["memory"] = quantity(int(spec.memory * site.memory_share))
    return {"limits": limits, "requests": requests} if limits else {}


def _cpus(cpus: float) -> str:
    thousandths = math.ceil(round(cpus * 1000, 3))
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)


def _devices(names: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """How many of each kind are asked for, and what to say of it. A cluster counts devices and
    chooses them itself: several numbers are as many, `all` is one. Raises Unsupported.
    https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/"""
    found: dict[str, set[str]] = {}
    for device in names:
        kind, _, which = device.partition("=")
        vendor, _, name = kind.partition("/")
        known = DNS_SUBDOMAIN.fullmatch(vendor) and _RESOURCE.fullmatch(name)
        if not known or f".{vendor}".endswith(".kubernetes.io") or vendor.startswith("requests."):
            raise Unsupported(
                f"A cluster has no devices of the kind {kind}.",
                'Ask for one that its nodes have, such as "nvidia.com/gpu=0".',
            )
        if which != "all" and not _NUMBER.fullmatch(which):
            raise Unsupported(
                f"A cluster chooses devices itself, and cannot give just {device}.",
                f'Ask for "{kind}=0"; two of them are "{kind}=0" and "{kind}=1".',
            )
        found.setdefault(kind, set()).add(which)
    told = [
        f'"{kind}=all" is one device in a Pod. Two of them are "{kind}=0" and "{kind}=1".'
        for kind, asked in found.items()
        if "all" in asked
    ]
    return {kind: max(1, len(asked - {"all"})) for kind, asked in found.items()}, told


def _not_published(publish: Sequence[tuple[int, int]]) -> list[str]:
    ports = ", ".join(str(inside) for _, inside in publish)
    if not ports:
        return []
    return [f"Ports of a Pod are not published on this machine ({ports}): open them in Jupyter."]


def _pod_security(spec: ContainerSpec) -> dict[str, Any]:
    return {
        "runAsNonRoot": spec.user.uid != 0,
        "runAsUser": spec.user.uid,
        "runAsGroup": spec.user.gid,
        "fsGroup": spec.user.gid,
        # Without it a node walks through the whole volume at each start.
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _security(spec: ContainerSpec) -> dict[str, Any]:
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": spec.read_only,
    }
