"""The Pod Security Standards as data: what a manifest breaks, in sentences. Pure.

For tests, and for what came back after admission plugins have changed it. The fields and values are
those of https://kubernetes.io/docs/concepts/security/pod-security-standards/ as of Kubernetes 1.36,
for Linux; a cluster that checks by an older version forbids no more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ...text import as_dict, as_list, as_text, one_line

Level = Literal["baseline", "restricted"]
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"


@dataclass(frozen=True)
class Field:
    """A field that may have certain values only. `path` has `[*]` for each of a list, and begins
    with `spec` or, for one of each container, with `containers`."""

    path: str
    allowed: Collection[Any] | Callable[[Any], bool]
    """None among them: it need not be there."""
    must: str
    """Ends the sentence "PATH is VALUE, and …"."""
    level: Level = "baseline"

    def allows(self, value: Any) -> bool:
        """Whether it may be this. `True` is no 1, and what cannot be compared is not allowed."""
        if callable(self.allowed):
            return self.allowed(value)
        return any(type(one) is type(value) and one == value for one in self.allowed)


def _empty_or(*values: str) -> tuple[str | None, ...]:
    return (None, "", *values)


_NOT_SET = (None, False)
_BASELINE_CAPABILITIES = (
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD"),
    *("NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
)
_SYSCTLS = (
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies"),
    *("net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range"),
    *("net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time"),
    *("net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes"),
    *("net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
)
_SELINUX = _empty_or("container_t", "container_init_t", "container_kvm_t", "container_engine_t")
_VOLUMES = (
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"),
    *("projected", "secret"),
)
_PROFILES = (None, "RuntimeDefault", "Localhost")
_EVERYWHERE = ("spec.securityContext", "containers.securityContext")
_HANDLERS = (
    *("livenessProbe", "readinessProbe", "startupProbe", "lifecycle.postStart"),
    "lifecycle.preStop",
)

FIELDS = (
    *(
        Field(f"spec.{name}", _NOT_SET, f"must not share its node's {what}")
        for name, what in (
            ("hostNetwork", "network"),
            ("hostPID", "processes"),
            ("hostIPC", "shared memory"),
        )
    ),
    Field("containers.securityContext.privileged", _NOT_SET, "must not be privileged"),
    Field("containers.ports[*].hostPort", (None, 0), "must not take a port of its node"),
    Field("containers.securityContext.procMount", (None, "", "Default"), "must be Default"),
    Field(
        "containers.securityContext.capabilities.add[*]",
        (None, *_BASELINE_CAPABILITIES),
        "must be no capability beyond the usual ones",
    ),
    Field("spec.securityContext.sysctls[*].name", (None, *_SYSCTLS), "must be a safe one"),
    Field("spec.volumes[*].hostPath", (None,), "must not be a directory of the node"),
    Field("spec.volumes[*].gitRepo", (None,), "must not be fetched by the node"),
    *(
        Field(f"{where}.{name}", allowed, must)
        for where in _EVERYWHERE
        for name, allowed, must in (
            ("windowsOptions.hostProcess", _NOT_SET, "must not be a process of its node"),
            ("seLinuxOptions.type", _SELINUX, "must be a container's type"),
            ("seLinuxOptions.user", _empty_or(), "must not be set"),
            ("seLinuxOptions.role", _empty_or(), "must not be set"),
            ("appArmorProfile.type", _PROFILES, "must not be without AppArmor"),
            ("seccompProfile.type", _PROFILES, "must not be without seccomp"),
        )
    ),
    *(
        Field(f"containers.{handler}.{how}.host", _empty_or(), "must not name a host")
        for handler in _HANDLERS
        for how in ("httpGet", "tcpSocket")
    ),
    Field(
        "spec.volumes[*]",
        lambda volume: volume is None or bool(as_dict(volume).keys() & set(_VOLUMES)),
        "must be of a type that the restricted profile has",
        "restricted",
    ),
    Field(
        "containers.securityContext.allowPrivilegeEscalation", (False,), "must be false",
        "restricted",
    ),
    Field(
        "containers.securityContext.capabilities.drop",
        lambda dropped: "ALL" in as_list(dropped),
        "must hold ALL",
        "restricted",
    ),
    Field(
        "containers.securityContext.capabilities.add[*]",
        (None, "NET_BIND_SERVICE"),
        "must be NET_BIND_SERVICE at most",
        "restricted",
    ),
    Field(
        "containers.securityContext.cgroupOptions.mountMode",
        (None, "ReadOnly"),
        "must be read-only",
        "restricted",
    ),
    *(
        Field(f"{where}.runAsUser", lambda uid: uid is None or uid != 0, "must not be root",
              "restricted")
        for where in _EVERYWHERE
    ),
    Field("spec.securityContext.runAsNonRoot", (None, True), "must be true", "restricted"),
)  # fmt: skip

INHERITED = (
    Field("runAsNonRoot", (True,), "must be true there or for the Pod", "restricted"),
    Field(
        "seccompProfile.type",
        ("RuntimeDefault", "Localhost"),
        "must be RuntimeDefault or Localhost there or for the Pod",
        "restricted",
    ),
)
"""Fields of a security context that a container has from its Pod where it says nothing itself."""


def violations(pod: Mapping[str, Any], level: Level = "restricted") -> list[str]:
    """What a Pod's manifest breaks, each in a sentence; none: it passes the profile."""
    spec = as_dict(pod.get("spec"))
    found = [*_apparmor(pod), *_fields(spec, level)]
    if level == "restricted":
        found += _inherited(spec)
    return list(dict.fromkeys(found))


def _fields(spec: dict[str, Any], level: Level) -> Iterator[str]:
    for field in FIELDS:
        if field.level == "baseline" or level == "restricted":
            for where, value in _found(spec, field.path):
                if not field.allows(value):
                    yield _sentence(where, value, field.must)


def _inherited(spec: dict[str, Any]) -> Iterator[str]:
    for field in INHERITED:
        (_, of_pod), *_ = _found(spec, f"spec.securityContext.{field.path}")
        for where, value in _found(spec, f"containers.securityContext.{field.path}"):
            if not field.allows(of_pod if value is None else value):
                yield _sentence(where, value, field.must)


def _apparmor(pod: Mapping[str, Any]) -> Iterator[str]:
    """How profiles were named before Kubernetes 1.30."""
    annotations = as_dict(as_dict(pod.get("metadata")).get("annotations"))
    for key, value in annotations.items():
        good = value in ("", "runtime/default") or as_text(value).startswith("localhost/")
        if key.startswith(_APPARMOR) and not good:
            yield _sentence(f"metadata.annotations[{key}]", value, "must not be without AppArmor")


def _found(spec: dict[str, Any], path: str) -> list[tuple[str, Any]]:
    """All that a path means, by where it is; None where it leads to nothing."""
    first, _, rest = path.partition(".")
    places: list[tuple[str, Any]] = [("spec", spec)]
    if first == "containers":
        places = [
            (f"spec.{kind}[{_name(one, at)}]", one)
            for kind in _CONTAINERS
            for at, one in enumerate(as_list(spec.get(kind)))
        ]
    for word in rest.split("."):
        name, every, _ = word.partition("[*]")
        places = [(f"{where}.{name}", as_dict(one).get(name)) for where, one in places]
        if every:
            places = [
                (f"{where}[{_name(one, at)}]", one)
                for where, several in places
                for at, one in enumerate(as_list(several))
            ]
    return places


def _name(one: Any, at: int) -> str:
    name = as_text(as_dict(one).get("name"))
    return name if re.fullmatch(r"[A-Za-z0-9._/-]{1,80}", name) else str(at)


def _sentence(where: str, value: Any, must: str) -> str:
    said = "not set" if value is None else one_line(json.dumps(value, default=str), 80)
    return f"{one_line(where)} is {said}, and {must}."
