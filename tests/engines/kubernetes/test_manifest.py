"""A container as a Pod, compared as data. On a cluster: tests/contract/kernels."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containers.engines.kubernetes.manifest import config_maps, same_files, tunnel_argv
from jupyter_containers.engines.kubernetes.rules import violations
from jupyter_containers.engines.kubernetes.site import Site
from jupyter_containers.errors import BadSettings, Unsupported
from jupyter_containers.models import Mount
from tests.engines.kubernetes.pods import (
    FILES,
    IMAGE,
    INSIDE,
    ROOT,
    SITE,
    container,
    made,
    notes,
    spec,
)

# -- the whole ---------------------------------------------------------------------------------


WHOLE = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "jupyter-0123abcd",
        "labels": {
            "app.kubernetes.io/managed-by": "jupyter-containers",
            "jupyter-containers/role": "kernel",
            "jupyter-containers/uid": "1001",
            "jupyter-containers/user": "ada",
        },
    },
    "spec": {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 5,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1001,
            "runAsGroup": 100,
            "fsGroup": 100,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "kernel",
                "image": IMAGE,
                "imagePullPolicy": "IfNotPresent",
                "command": [
                    *("/usr/bin/python3", "-I", "-S", "-B"),
                    *(f"{INSIDE}/guest/pod.py", "start", f"{INSIDE}/run"),
                ],
                "workingDir": "/home/ada",
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                "resources": {},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": False,
                },
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": [
                    {"name": "guest", "mountPath": f"{INSIDE}/guest", "readOnly": True},
                    {"name": "run", "mountPath": f"{INSIDE}/run"},
                    {"name": "conf", "mountPath": f"{INSIDE}/conf"},
                    {
                        "name": "etc",
                        "mountPath": "/etc/passwd",
                        "subPath": "passwd",
                        "readOnly": True,
                    },
                    {
                        "name": "etc",
                        "mountPath": "/etc/group",
                        "subPath": "group",
                        "readOnly": True,
                    },
                    {"name": "empty-4", "mountPath": "/home/ada"},
                    {"name": "shm", "mountPath": "/dev/shm"},
                ],
            }
        ],
        "volumes": [
            {"name": "guest", "configMap": {"name": FILES.guest_map, "defaultMode": 292}},
            {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
            {"name": "conf", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
            {"name": "etc", "configMap": {"name": FILES.etc_map, "defaultMode": 292}},
            {"name": "empty-4", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
        ],
    },
}


def test_the_whole_pod() -> None:
    assert made() == WHOLE
    assert notes() == ()


def test_all_that_the_administrator_says() -> None:
    site = Site(
        user="ada",
        namespace="course",
        labels={"team": "a"},
        node_selector={"pool": "gpu"},
        tolerations=({"key": "gpu", "operator": "Exists"},),
        priority_class="low",
        pull_secrets=("registry",),
        service_account="kernels",
        deadline=3600,
        affinity="node-1",
    )
    found = made(site, hostname="lab-1")
    assert found["metadata"]["namespace"] == "course"
    assert found["metadata"]["labels"]["team"] == "a"
    given = {key: value for key, value in found["spec"].items() if key not in made()["spec"]}
    assert given == {
        "activeDeadlineSeconds": 3600,
        "serviceAccountName": "kernels",
        "priorityClassName": "low",
        "imagePullSecrets": [{"name": "registry"}],
        "nodeSelector": {"pool": "gpu"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "hostname": "lab-1",
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {
                            "matchFields": [
                                {"key": "metadata.name", "operator": "In", "values": ["node-1"]}
                            ]
                        }
                    ]
                }
            }
        },
    }


MANY: dict[str, Any] = {
    "mounts": (Mount("/home/ada/w", "/w", True), Mount("/srv/course", "/c"), Mount("/x", "/x")),
    "folder": "/x",
    "cpus": 2.5,
    "memory": 1 << 30,
    "shm": 1 << 30,
    "devices": ("nvidia.com/gpu=0",),
    "read_only": True,
    "tmpfs": ("/scratch",),
    "hostname": "a",
    "publish": ((0, 80),),
    "entrypoint": "image",
}


@pytest.mark.parametrize(
    "more", [{}, MANY, *({key: one} for key, one in MANY.items() if key != "mounts")]
)
def test_all_pass_the_restricted_profile(more: dict[str, Any]) -> None:
    assert violations(made(**more)) == []
    assert json.loads(json.dumps(made(**more))) == made(**more)


def test_mounts_are_each_at_one_place_on_a_volume_that_is_there() -> None:
    found = made(**MANY)["spec"]
    places = [one["mountPath"] for one in found["containers"][0]["volumeMounts"]]
    names = [one["name"] for one in found["volumes"]]
    assert len(places) == len(set(places))
    assert len(names) == len(set(names))
    assert {one["name"] for one in found["containers"][0]["volumeMounts"]} == set(names)
    assert all(re.fullmatch("[a-z0-9-]{1,63}", name) for name in names)


async def test_the_apis_own_client_knows_every_field() -> None:
    """It leaves out what its models do not have."""
    client = pytest.importorskip("kubernetes_asyncio.client")
    async with client.ApiClient() as api:
        site = replace(SITE, namespace="n", labels={"a": "b"}, deadline=60, affinity="node-1")
        for kind, one in (
            ("V1Pod", made()),
            ("V1Pod", made(site, **MANY)),
            *(("V1ConfigMap", one) for one in config_maps(FILES, site)),
        ):
            read = api.deserialize(SimpleNamespace(data=json.dumps(one)), kind)
            assert api.sanitize_for_serialization(read) == one


# -- what it gets ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "limits", "requests"),
    [
        ({}, {}, {}),
        ({"cpus": 2.0}, {"cpu": "2"}, {"cpu": "500m"}),
        ({"cpus": 0.1}, {"cpu": "100m"}, {"cpu": "25m"}),
        ({"cpus": 0.01}, {"cpu": "10m"}, {"cpu": "3m"}),
        ({"memory": 8 << 30}, {"memory": "8Gi"}, {"memory": "4Gi"}),
        ({"memory": (3 << 29) + 1}, {"memory": "1610612737"}, {"memory": "768Mi"}),
    ],
)
def test_limits(more: dict[str, Any], limits: dict[str, str], requests: dict[str, str]) -> None:
    site = replace(SITE, cpu_share=0.25, memory_share=0.5)
    assert container(site, **more)["resources"].get("limits", {}) == limits
    assert container(site, **more)["resources"].get("requests", {}) == requests


@pytest.mark.parametrize(
    ("devices", "resources"),
    [
        (("nvidia.com/gpu=0",), {"nvidia.com/gpu": "1"}),
        (("nvidia.com/gpu=0", "nvidia.com/gpu=3"), {"nvidia.com/gpu": "2"}),
        (("nvidia.com/gpu=all",), {"nvidia.com/gpu": "1"}),
        (("nvidia.com/gpu=all", "nvidia.com/gpu=0", "nvidia.com/gpu=1"), {"nvidia.com/gpu": "2"}),
        (("amd.com/gpu=0", "nvidia.com/gpu=0"), {"amd.com/gpu": "1", "nvidia.com/gpu": "1"}),
    ],
)
def test_devices_are_counted(devices: tuple[str, ...], resources: dict[str, str]) -> None:
    found = container(devices=devices)["resources"]
    assert found == {"limits": resources, "requests": resources}
    told = notes(devices=devices)
    assert bool(told) == any("=all" in one for one in devices)


@pytest.mark.parametrize(
    "device",
    [
        "nvidia.com/gpu=GPU-8932f937-d72c-4106-c12f-20bd9faed9f6",
        *("nvidia.com/gpu=0:1", "NVIDIA.com/gpu=0", "kubernetes.io/gpu=0", "x.kubernetes.io/g=0"),
        *("requests.nvidia.com/gpu=0", "vendor_1.com/gpu=0"),
    ],
)
def test_a_device_that_no_cluster_counts(device: str) -> None:
    with pytest.raises(Unsupported, match=re.escape(device.partition("=")[0])):
        made(devices=(device,))


def test_the_device_plugin_says_which_gpus_there_are() -> None:
    env = {"NVIDIA_VISIBLE_DEVICES": "void"}
    assert container(env=env)["env"] == [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}]
    assert container(env=env, devices=("nvidia.com/gpu=0",))["env"] == []
    assert container(env=env, devices=("amd.com/gpu=0",))["env"] != []


def expanded(text: str, env: dict[str, str]) -> str:
    """As a kubelet reads a value.
    https://github.com/kubernetes/kubernetes/blob/master/third_party/forked/golang/expansion/expand.go
    """

    def one(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return env.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", one, text)


@given(st.text("$()AB x", max_size=12))
def test_no_value_is_read_as_another_ones(value: str) -> None:
    found = container(env={"A": "secret", "B": value})["env"]
    assert expanded(found[1]["value"], {"A": "secret"}) == value
    argv = (value, f"{INSIDE}/guest/main.py", value)
    command = container(argv=argv)["command"]
    assert [expanded(word, {"A": "secret"}) for word in command] == [
        *(value, f"{INSIDE}/guest/pod.py", "start", value)
    ]


def test_the_images_own_entrypoint_gets_the_command() -> None:
    found = container(entrypoint="image")
    assert "command" not in found
    assert found["args"] == container()["command"]


def test_the_tunnels_end_in_the_pod() -> None:
    assert tunnel_argv(spec()) == (
        *("/usr/bin/python3", "-I", "-S", "-B"),
        *(f"{INSIDE}/guest/pod.py", "tunnel", f"{INSIDE}/run"),
    )


def test_a_read_only_image_has_places_to_write() -> None:
    found = container(read_only=True, tmpfs=("/tmp",), shm=1 << 20)
    assert found["securityContext"]["readOnlyRootFilesystem"] is True
    places = [one["mountPath"] for one in found["volumeMounts"]]
    assert [one for one in places if "tmp" in one] == ["/tmp", "/var/tmp"]


@pytest.mark.parametrize(
    ("more", "error", "says"),
    [
        ({"network": "none"}, Unsupported, "cannot be taken away"),
        ({"user": ROOT}, Unsupported, r"Policy\.kubernetes_allow_root"),
        ({"argv": ("/bin/sh",)}, Unsupported, "images with Python only"),
        ({"hostname": "Lab"}, BadSettings, "hostname"),
        ({"hostname": "a.example.org"}, BadSettings, "hostname"),
        ({"hostname": "x" * 64}, BadSettings, "hostname"),
        ({"hostname": "a\n"}, BadSettings, "hostname"),
    ],
)
def test_what_cannot_be(more: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        made(**more)


def test_root_where_the_administrator_allows_it() -> None:
    found = made(replace(SITE, allow_root=True), user=ROOT)
    assert found["spec"]["securityContext"]["runAsUser"] == 0
    assert violations(found, "baseline") == []
    assert violations(found) == [
        "spec.securityContext.runAsUser is 0, and must not be root.",
        "spec.securityContext.runAsNonRoot is false, and must be true.",
        "spec.containers[kernel].securityContext.runAsNonRoot is not set, and must be true there "
        "or for the Pod.",
    ]


def test_ports_are_not_published() -> None:
    assert notes(publish=((0, 8888), (80, 8050)))[0].startswith(
        "Ports of a Pod are not published on this machine (8888, 8050)"
    )


# -- ConfigMaps --------------------------------------------------------------------------------


def test_the_config_maps() -> None:
    guest, etc = config_maps(FILES, replace(SITE, namespace="n"))
    assert guest == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": FILES.guest_map,
            "namespace": "n",
            "labels": {"app.kubernetes.io/managed-by": "jupyter-containers"},
        },
        "immutable": True,
        "data": {"main.py": "main", "pod.py": "pod"},
    }
    assert etc["data"] == {"empty": "", "group": "g", "passwd": "p"}
    assert re.fullmatch("jupyter-containers-guest-[0-9a-f]{12}", FILES.guest_map)
    assert re.fullmatch("jupyter-containers-etc-[0-9a-f]{12}", etc["metadata"]["name"])


def test_other_content_has_another_name() -> None:
    others = [
        replace(FILES, guest={"main.py": b"main", "pod.py": b"po"}),
        replace(FILES, guest={"main.py": b"mainpod", "pod.py": b""}),
        replace(FILES, guest={"main.py": b"main"}),
    ]
    assert len({one.guest_map for one in [FILES, *others]}) == 4
    assert replace(FILES, passwd="pg", group="").etc_map != FILES.etc_map


def test_what_somebody_else_put_there_is_not_ours() -> None:
    ours = config_maps(FILES, SITE)[0]
    assert same_files(ours, json.loads(json.dumps(ours)))
    assert not same_files(ours, {**ours, "data": {**ours["data"], "main.py": "theirs"}})
    assert not same_files(ours, {**ours, "data": {**ours["data"], "os.py": "theirs"}})
    assert not same_files(ours, {**ours, "binaryData": {"os.py": "dGhlaXJz"}})
    assert not same_files(ours, {"metadata": ours["metadata"]})
