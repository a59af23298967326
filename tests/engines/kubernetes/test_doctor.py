"""What `doctor` says of a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.engines.registry import diagnosis
from jupyter_containers.models import EngineInfo
from tests.engines.kubernetes.kernels import Notebook
from tests.helpers.cluster_api import status
from tests.helpers.policies import policy

QUOTA = "exceeded quota: team-a, requested: pods=1, used: pods=3, limited: pods=3"


async def doctor(notebook: Notebook, **traits: Any) -> EngineInfo:
    """What it says with this policy."""
    given = {"push_registry": "reg.example.org/team", "kubernetes_volumes": {"/srv/people": "home"}}
    notebook.engine.policy = policy(**(given | traits))
    info = await notebook.engine.info()
    return await notebook.engine.diagnose(info) if info.usable else info


def told(info: EngineInfo) -> str:
    return "\n".join(f"{one.message} {one.fix}" for one in info.problems)


async def test_which_cluster(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    async with notebook.up() as cluster:
        cluster.objects["persistentvolumeclaims", "home"] = {}
        info = await doctor(notebook)
        host = (await notebook.engine._cluster("").access()).host
        assert info.version == (
            f"v1.99.0 (context here at {host}, namespace people, images by reg.example.org/team) "
            "with podman 5.4.2"
        )
        assert info.usable
        assert "claim" not in told(info)
        assert "folder / is empty in its Pod" in told(info)
        assert "below /srv/people" in told(info)
        assert cluster.pods == {}
        trial = next(one for one in cluster.asked if one.method == "POST" and "dryRun" in one.query)
        assert trial.path.endswith("/namespaces/people/pods")


async def test_a_folder_on_a_volume(
    notebook: Notebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with notebook.up() as cluster:
        cluster.objects["persistentvolumeclaims", "home"] = {}
        info = await doctor(notebook, kubernetes_volumes={str(tmp_path): "home"})
        assert "folder" not in told(info)
        assert "folders are empty in their Pods" in told(
            await doctor(notebook, kubernetes_volumes={})
        )


async def test_who_is_let_ask_nothing(notebook: Notebook) -> None:
    """By a proxy before the cluster."""
    async with notebook.up() as cluster:
        cluster.fail("", status(403, "not from here"))
        info = await doctor(notebook)
        assert not info.usable
        assert "not from here" in told(info)
        cluster.mend()
        assert (await doctor(notebook)).usable


@pytest.mark.parametrize(
    ("user", "option"),
    [
        ("system:serviceaccount:people:jupyter", " --service-account jupyter"),
        ("ada; reboot", " --user 'ada; reboot'"),
        ("", ""),
    ],
)
async def test_a_right_that_is_missing(user: str, option: str, notebook: Notebook) -> None:
    async with notebook.up() as cluster:
        cluster.denied, cluster.user = {"create pods/exec", "list resourcequotas"}, user
        info = await doctor(notebook)
        assert not info.usable
        assert "may not: create pods/exec (what needs them: a kernel is spoken to)" in told(info)
        assert f"jupyter containers kubernetes rbac --namespace people{option} |" in told(info)


async def test_rights_that_only_help(notebook: Notebook) -> None:
    async with notebook.up() as cluster:
        cluster.denied = {"list resourcequotas", "get persistentvolumeclaims"}
        info = await doctor(notebook)
        assert info.usable
        assert "which is not needed, but of use" in told(info)


async def test_what_is_missing_on_this_side(notebook: Notebook) -> None:
    async with notebook.up():
        info = await doctor(notebook, push_registry="")
        assert not info.usable
        assert "c.Policy.push_registry" in told(info)


@pytest.mark.parametrize(
    ("code", "message", "words", "works"),
    [
        (404, 'namespaces "people" not found', "The cluster has no namespace people", False),
        (403, f'pods "x" is forbidden: {QUOTA}', "The quota team-a of the namespace is", True),
        (
            403,
            'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
            "profile restricted:latest refused the Pod",
            False,
        ),
        (400, 'admission webhook "x" does not support dry run', "", True),
    ],
)
async def test_a_pod_that_would_not_be_taken(
    code: int, message: str, words: str, works: bool, notebook: Notebook
) -> None:
    async with notebook.up() as cluster:
        cluster.fail("POST .*/pods.dryRun", status(code, message))
        info = await doctor(notebook)
        assert info.usable == works
        assert words in told(info)
        assert ("would not be taken" in told(info)) == bool(words)


async def test_claims_and_quotas(notebook: Notebook) -> None:
    amounts = {
        "hard": {"pods": "10", "limits.memory": "8Gi", "services": "1"},
        "used": {"pods": "3", "limits.memory": "6Gi"},
    }
    quota = {"metadata": {"name": "team-a"}, "status": amounts}
    async with notebook.up() as cluster:
        cluster.objects["resourcequotas", "team-a"] = quota
        info = await doctor(notebook)
        assert "has no claim home, which Policy.kubernetes_volumes names" in told(info)
        assert "The quota team-a is used by: limits.memory 6Gi of 8Gi, pods 3 of 10." in told(info)
        assert info.usable


async def test_a_cluster_that_goes_away_meanwhile(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_containers.engines.registry.which", lambda program: "/bin/x")
    monkeypatch.setattr(
        "jupyter_containers.engines.registry._instance", lambda name: notebook.engine
    )
    async with notebook.up() as cluster:
        info = await doctor(notebook)
        cluster.fail("", status(503, "etcd is gone"))
        after = await diagnosis(info, policy())
        assert (
            after.problems[-1].message == "The cluster's API server does not answer: etcd is gone."
        )
        info = await doctor(notebook, kubernetes_namespace="other")
        assert not info.usable
        assert "etcd is gone" in told(info)
