"""The Pod Security Standards: what passes them, and each field that does not."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containers.engines.kubernetes.rules import violations

PLAIN: dict[str, Any] = {
    "metadata": {"name": "p"},
    "spec": {"containers": [{"name": "a", "image": "x"}]},
}
"""Passes the baseline."""
SAFE: dict[str, Any] = {
    "metadata": {"name": "p"},
    "spec": {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "a",
                "image": "x",
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    },
}
"""Passes the restricted profile."""


def changed(pod: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The same with one field of another value; numbers in the path are places in lists."""
    whole = copy.deepcopy(pod)
    at: Any = whole
    *way, last = path.split("/")
    for name, after in zip(way, [*way[1:], last], strict=True):
        empty: Any = [] if after.isdigit() else {}
        if name.isdigit():
            if len(at) <= int(name):
                at.append(empty)
            at = at[int(name)]
        else:
            at = at.setdefault(name, empty)
    if last.isdigit():
        at.insert(int(last), value)
    else:
        at[last] = value
    return whole


C, S = "spec/containers/0/securityContext", "spec/securityContext"


def test_the_examples_pass() -> None:
    assert violations(PLAIN, "baseline") == []
    assert violations(SAFE) == violations(SAFE, "baseline") == []


BASELINE = [
    ("spec/hostNetwork", True, "spec.hostNetwork is true, and must not share its node's network"),
    ("spec/hostPID", True, "node's processes"),
    ("spec/hostIPC", True, "node's shared memory"),
    (f"{C}/privileged", True, "spec.containers[a].securityContext.privileged is true"),
    ("spec/containers/0/ports/0", {"hostPort": 80}, "ports[0].hostPort is 80"),
    ("spec/containers/0/ports/0", {"hostPort": False}, "hostPort is false"),
    (f"{C}/procMount", "Unmasked", 'procMount is "Unmasked"'),
    (f"{C}/capabilities/add/0", "SYS_ADMIN", 'capabilities.add[0] is "SYS_ADMIN"'),
    (f"{C}/capabilities/add/0", "ALL", 'capabilities.add[0] is "ALL"'),
    (f"{S}/sysctls/0", {"name": "kernel.msgmax"}, 'sysctls[kernel.msgmax].name is "kernel.msgmax"'),
    ("spec/volumes/0", {"name": "v", "hostPath": {"path": "/"}}, "volumes[v].hostPath"),
    ("spec/volumes/0", {"name": "v", "gitRepo": {"repository": "r"}}, "volumes[v].gitRepo"),
    (f"{S}/windowsOptions/hostProcess", True, "hostProcess is true"),
    (f"{C}/windowsOptions/hostProcess", True, "hostProcess is true"),
    (f"{S}/seLinuxOptions/type", "spc_t", 'seLinuxOptions.type is "spc_t"'),
    (f"{C}/seLinuxOptions/user", "root", "seLinuxOptions.user"),
    (f"{C}/seLinuxOptions/role", "r", "seLinuxOptions.role"),
    (f"{S}/appArmorProfile/type", "Unconfined", "appArmorProfile.type"),
    (f"{C}/seccompProfile/type", "Unconfined", "seccompProfile.type"),
    ("spec/containers/0/livenessProbe/httpGet/host", "10.0.0.1", "livenessProbe.httpGet.host"),
    ("spec/containers/0/lifecycle/preStop/tcpSocket/host", "h", "preStop.tcpSocket.host"),
    (
        "metadata/annotations",
        {"container.apparmor.security.beta.kubernetes.io/a": "unconfined"},
        "must not be without AppArmor",
    ),
    ("spec/initContainers/0", {"name": "i", "securityContext": {"privileged": True}}, "nitCont"),
    ("spec/ephemeralContainers/0", {"securityContext": {"privileged": True}}, "Containers[0]"),
]


@pytest.mark.parametrize(("path", "value", "says"), BASELINE)
def test_what_the_baseline_forbids(path: str, value: Any, says: str) -> None:
    (sentence,) = violations(changed(PLAIN, path, value), "baseline")
    assert says in sentence
    assert sentence.endswith(".")
    assert sentence in violations(changed(SAFE, path, value))


RESTRICTED = [
    (f"{C}/allowPrivilegeEscalation", None, "allowPrivilegeEscalation is not set"),
    (f"{C}/allowPrivilegeEscalation", True, "allowPrivilegeEscalation is true"),
    (f"{C}/allowPrivilegeEscalation", 0, "allowPrivilegeEscalation is 0"),
    (f"{C}/capabilities/drop", None, "drop is not set, and must hold ALL"),
    (f"{C}/capabilities/drop", ["NET_RAW"], 'drop is ["NET_RAW"]'),
    (f"{C}/capabilities/add/0", "CHOWN", "must be NET_BIND_SERVICE at most"),
    (f"{C}/runAsUser", 0, "runAsUser is 0"),
    (f"{S}/runAsUser", 0, "spec.securityContext.runAsUser is 0"),
    (f"{C}/runAsNonRoot", False, "runAsNonRoot is false"),
    (f"{S}/runAsNonRoot", None, "runAsNonRoot is not set, and must be true there or for the Pod"),
    (f"{S}/seccompProfile", None, "seccompProfile.type is not set"),
    (f"{C}/cgroupOptions/mountMode", "Writable", "mountMode"),
    ("spec/volumes/0", {"name": "v", "nfs": {"server": "s"}}, "spec.volumes[v] is"),
    ("spec/volumes/0", {"name": "v"}, "must be of a type"),
]


@pytest.mark.parametrize(("path", "value", "says"), RESTRICTED)
def test_what_the_restricted_profile_forbids(path: str, value: Any, says: str) -> None:
    (sentence,) = violations(changed(SAFE, path, value))
    assert says in sentence
    assert violations(changed(SAFE, path, value), "baseline") == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec/hostNetwork", False),
        (f"{C}/capabilities/add/0", "NET_BIND_SERVICE"),
        (f"{C}/privileged", False),
        (f"{C}/runAsUser", 1000),
        (f"{C}/seccompProfile/type", "Localhost"),
        (f"{S}/appArmorProfile/type", "Localhost"),
        (f"{S}/seLinuxOptions/type", "container_t"),
        (f"{S}/sysctls/0", {"name": "net.ipv4.tcp_fin_timeout"}),
        ("spec/volumes/0", {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}),
        ("spec/volumes/0", {"name": "v", "emptyDir": {}}),
        (
            "metadata/annotations",
            {"container.apparmor.security.beta.kubernetes.io/a": "runtime/default", "x": "y"},
        ),
    ],
)
def test_what_is_allowed(path: str, value: Any) -> None:
    assert violations(changed(SAFE, path, value)) == []


def test_a_container_may_say_for_itself_what_its_pod_does_not() -> None:
    own = changed(SAFE, S, {})
    own = changed(own, f"{C}/runAsNonRoot", True)
    assert violations(changed(own, f"{C}/seccompProfile/type", "RuntimeDefault")) == []


def test_a_sidecar_that_was_put_in_is_seen() -> None:
    """As admission plugins do."""
    found = violations(changed(SAFE, "spec/containers/1", {"name": "mesh"}))
    assert len(found) == 2
    assert all("spec.containers[mesh]" in one for one in found)


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 1) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["name", "type", "securityContext", "capabilities", "add", "drop"]),
            inner,
            max_size=2,
        )
    ),
    max_leaves=8,
)


@given(JSON, st.sampled_from(["", "/0", "/0/securityContext", "/0/ports"]))
def test_nothing_that_comes_back_breaks_it(value: Any, where: str) -> None:
    found = violations(changed({"spec": {}}, f"spec/containers{where}", value))
    assert all(one.isprintable() for one in found)
    for field in ("volumes", "securityContext", "initContainers"):
        violations({"metadata": value, "spec": {field: value}})
    violations({"metadata": {"annotations": value}, "spec": value})


def test_what_the_cluster_says_is_made_printable() -> None:
    hostile = "\x1b[2J\n\u202e"
    (sentence,) = violations(changed(PLAIN, f"{C}/procMount", hostile), "baseline")
    assert sentence.isprintable()
    (sentence,) = violations(changed(PLAIN, "spec/volumes/0", {"name": hostile, "hostPath": {}}),
                             "baseline")  # fmt: skip
    assert "spec.volumes[0].hostPath" in sentence
