"""The example of a Hub whose people have a namespace each: its files as data, the Pod that its
spawner makes of them, and what its hook asks an API server for."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from aiohttp import web
from kubernetes_asyncio import client
from kubespawner import KubeSpawner
from kubespawner import spawner as spawners
from kubespawner.objects import make_namespace
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from jupyter_containers.engines.kubernetes import rbac
from jupyter_containers.engines.kubernetes.rules import violations
from jupyter_containers.engines.kubernetes.site import safe_slug, site_of
from jupyter_containers.policy.loader import load_policy
from jupyter_containers.policy.policy import Policy
from tests.engines.kubernetes.pods import made
from tests.helpers import ROOT
from tests.helpers.cluster_api import Api, said, status
from tests.helpers.policies import refused, spec
from tests.helpers.private_home import private_home

EXAMPLE = ROOT / "jupyter_containers/examples/jupyterhub_kubernetes"
NAMES = ["ada", "Ada", "ada@example.org", "hub", "jupyterhub", "../kube-system", "x" * 200, "ü"]


@pytest.fixture(scope="module")
def config() -> Config:
    return PyFileConfigLoader(str(EXAMPLE / "jupyterhub_config.py")).load_config()


@pytest.fixture(scope="module")
def applied() -> dict[tuple[str, str], Any]:
    """The administrator's objects by kind and name."""
    found = yaml.safe_load_all((EXAMPLE / "hub.yaml").read_text())
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def spawner(config: Config, monkeypatch: pytest.MonkeyPatch, name: str = "ada") -> Any:
    """The real one, without a cluster."""
    monkeypatch.setattr(spawners, "load_config", lambda **_: None)
    monkeypatch.setattr(spawners, "shared_client", lambda _: None)
    user = SimpleNamespace(name=name, id=1, url="/")
    hub = SimpleNamespace(public_host="", url="/", base_url="/hub/", api_url="http://hub/api")
    return KubeSpawner(config=config, user=user, hub=hub, _mock=True)


def objects(config: Config) -> dict[tuple[str, str], Any]:
    """What each namespace gets."""
    module = config.KubeSpawner.modify_pod_hook.__globals__
    found = module["objects"]("jupyter-user-ada")
    return {(kind, body["metadata"]["name"]): body for kind, body in found}


def test_a_server_passes_the_restricted_profile(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = spawner(config, monkeypatch)
    pod = asyncio.run(_manifest(made))
    assert violations(pod) == []
    assert pod["spec"]["serviceAccountName"] == "jupyter-server"
    assert pod["spec"]["automountServiceAccountToken"] is True
    mounts = {one["mountPath"]: one["name"] for one in pod["spec"]["containers"][0]["volumeMounts"]}
    assert mounts == {"/home/jovyan": "home", "/tmp": "tmp"}
    assert {"name": "home", "persistentVolumeClaim": {"claimName": made.pvc_name}} in pod["spec"][
        "volumes"
    ]
    policy = objects(config)["network_policy", "server"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


async def _manifest(spawner: Any) -> dict[str, Any]:
    async with client.ApiClient(client.Configuration()) as writer:
        found: dict[str, Any] = writer.sanitize_for_serialization(await spawner.get_pod_manifest())
    return found


def test_each_has_a_namespace_that_is_no_other(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [spawner(config, monkeypatch, name) for name in NAMES]
    namespaces = [one.namespace for one in found]
    assert len(set(namespaces)) == len(NAMES)
    for name, namespace in zip(NAMES, namespaces, strict=True):
        assert re.fullmatch(r"jupyter-user-[a-z0-9-]{1,50}", namespace), namespace
        assert namespace == f"jupyter-user-{safe_slug(name)}"
    labels = make_namespace("x", labels=config.KubeSpawner.user_namespace_labels).metadata.labels
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_what_a_server_may_do_is_what_kernels_need(
    config: Config, applied: dict[tuple[str, str], Any]
) -> None:
    assert applied["ClusterRole", "jupyter-containers"]["rules"] == rbac.rules()
    binding = objects(config)["role_binding", "jupyter-containers"]
    assert binding["roleRef"]["kind"] == "ClusterRole"
    assert binding["roleRef"]["name"] == "jupyter-containers"
    assert binding["subjects"] == [
        {
            "kind": "ServiceAccount",
            "name": config.KubeSpawner.service_account,
            "namespace": "jupyter-user-ada",
        }
    ]
    assert ("service_account", config.KubeSpawner.service_account) in objects(config)


def test_what_the_hub_may_do(applied: dict[tuple[str, str], Any]) -> None:
    account = applied["ServiceAccount", "hub"]["metadata"]
    bound = applied["ClusterRoleBinding", "jupyterhub-people"]
    assert bound["subjects"] == [{"kind": "ServiceAccount", **account}]
    for rule in applied["ClusterRole", bound["roleRef"]["name"]]["rules"]:
        assert not {"secrets", "pods/exec", "roles", "*"} & {*rule["resources"], *rule["verbs"]}
        if "bind" in rule["verbs"]:
            assert rule["resourceNames"] == ["jupyter-containers"]


def test_nobody_but_the_hub_reaches_a_pod(config: Config) -> None:
    found = objects(config)
    every, server = (found["network_policy", name]["spec"] for name in ("all", "server"))
    assert every["podSelector"] == {}
    assert every["policyTypes"] == server["policyTypes"] == ["Ingress", "Egress"]
    assert every["ingress"] == []
    assert server["ingress"] == [
        {
            "from": [
                {
                    "namespaceSelector": {
                        "matchLabels": {"kubernetes.io/metadata.name": "jupyterhub"}
                    }
                }
            ]
        }
    ]
    for policy in (every, server):
        names, world = policy["egress"]
        assert {one["port"] for one in names["ports"]} == {53}
        (to,) = world["to"]
        barred = [ip_network(one) for one in to["ipBlock"]["except"]]
        for metadata in ("169.254.169.254", "100.100.100.200"):
            assert any(ip_address(metadata) in one for one in barred)


# -- the hook --------------------------------------------------------------------------------


async def taken(request: web.Request) -> web.StreamResponse:
    """The object that was sent."""
    return web.json_response(await request.json())


def prepared(config: Config, *answers: Any) -> list[tuple[str, str]]:
    """What the hook asks for, with its real client, of a server that answers so."""

    async def main() -> list[tuple[str, str]]:
        api = Api(*answers)
        async with (
            api.up(Path("/dev/null")) as host,
            client.ApiClient(client.Configuration(host=host)) as writer,
        ):
            here = SimpleNamespace(namespace="jupyter-user-ada", api=client.CoreV1Api(writer))
            pod = object()
            assert await config.KubeSpawner.modify_pod_hook(here, pod) is pod
        return [(one.method, one.path.rpartition("/jupyter-user-ada/")[2]) for one in api.asked]

    return asyncio.run(main())


def test_a_namespace_gets_all_of_it(config: Config) -> None:
    ours = said({"metadata": {"labels": dict(config.KubeSpawner.user_namespace_labels)}})
    _, *asked = prepared(config, ours, taken)
    assert asked == [
        ("POST", "serviceaccounts"),
        ("POST", "rolebindings"),
        ("POST", "resourcequotas"),
        ("POST", "limitranges"),
        ("POST", "networkpolicies"),
        ("POST", "networkpolicies"),
    ]


def test_what_is_there_is_made_as_it_is_now(config: Config) -> None:
    ours = said({"metadata": {"labels": dict(config.KubeSpawner.user_namespace_labels)}})
    there = status(409, "already exists")
    others = [there, taken] * 5
    _, *asked = prepared(config, ours, there, *others)
    assert asked[0] == ("POST", "serviceaccounts")
    assert [one for one in asked if one[0] == "PUT"] == [
        ("PUT", "rolebindings/jupyter-containers"),
        ("PUT", "resourcequotas/people"),
        ("PUT", "limitranges/people"),
        ("PUT", "networkpolicies/all"),
        ("PUT", "networkpolicies/server"),
    ]


@pytest.mark.parametrize("labels", [None, {}, {"pod-security.kubernetes.io/enforce": "privileged"}])
def test_nothing_is_made_in_a_namespace_of_others(config: Config, labels: Any) -> None:
    with pytest.raises(RuntimeError, match="lacks the labels"):
        prepared(config, said({"metadata": {"labels": labels}}), status(500))


# -- the policy, and the chart's values --------------------------------------------------------


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Policy:
    """Of a server whose image has the example's file."""
    private_home(tmp_path, monkeypatch)
    system = tmp_path / "system_config_path"
    system.mkdir()
    shutil.copy(EXAMPLE / "jupyter_containers_config.py", system)
    return load_policy(None)


def test_the_policy_of_a_class(policy: Policy) -> None:
    course = "registry.example.org/course/week1:2026"
    allowed = policy.check_run(spec(reference=course))
    assert (allowed.memory, allowed.cpus) == (2 << 30, 1)
    assert policy.engine_order(["podman", "kubernetes"]) == ["kubernetes"]
    refused("Policy.images", policy, reference="docker.io/library/python:3.12")
    refused("Policy.max_memory", policy, reference=course, memory=64 << 30)
    refused("Policy.devices", policy, reference=course, devices=("nvidia.com/gpu=all",))


def test_its_kernels_fit_into_the_namespace(config: Config, policy: Policy) -> None:
    site = site_of(policy, "ada")
    assert [(one.claim, one.writable) for one in site.volumes] == [("home", True)]
    assert (site.namespace, site.service_account) == ("", "")
    asked = policy.check_run(spec(reference="localhost/x"))
    pod = made(site, memory=asked.memory, cpus=asked.cpus, mounts=(), own=())
    assert violations(pod) == []
    (container,) = pod["spec"]["containers"]
    said = {f"{kind}.{name}" for kind, some in container["resources"].items() for name in some}
    quota = objects(config)["resource_quota", "people"]["spec"]["hard"]
    assert {name for name in quota if name.startswith(("requests.cpu", "limits."))} <= said


def test_the_charts_values_say_the_same(
    config: Config, applied: dict[tuple[str, str], Any]
) -> None:
    values = yaml.safe_load((EXAMPLE / "values.yaml").read_text())
    single, ours = values["singleuser"], config.KubeSpawner
    assert f"{single['image']['name']}:{single['image']['tag']}" == ours.image
    assert (single["uid"], single["fsGid"]) == (ours.uid, ours.fs_gid)
    assert values["hub"]["config"]["KubeSpawner"] == {"gid": ours.gid}
    assert single["storage"]["homeMountPath"] == ours.volume_mounts["home"]["mountPath"]
    assert single["storage"]["extraVolumes"] == [ours.volumes["tmp"]]
    assert single["storage"]["extraVolumeMounts"] == [ours.volume_mounts["tmp"]]
    assert single["storage"]["dynamic"]["pvcNameTemplate"] == ours.pvc_name_template
    assert single["memory"] == {"guarantee": ours.mem_guarantee, "limit": ours.mem_limit}
    assert single["cloudMetadata"] == {"blockWithIptables": False}
    assert ("ServiceAccount", values["hub"]["serviceAccount"]["name"]) in applied
    assert config.JupyterHub.hub_connect_ip in json.dumps(values)


def test_the_chart_reads_the_same_file() -> None:
    """The chart runs it with `exec`, where `c` is all that there is."""
    c = Config()
    exec((EXAMPLE / "namespaces.py").read_text(), {"c": c})
    assert c.KubeSpawner.enable_user_namespaces
    assert c.KubeSpawner.modify_pod_hook
