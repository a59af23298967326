"""The Role of a server, and what is asked of the cluster about it."""

from __future__ import annotations

import yaml

from jupyter_containers.engines.kubernetes import rbac
from jupyter_containers.engines.kubernetes.site import Site


def test_the_least_role() -> None:
    assert rbac.rules(optional=False) == [
        {
            "apiGroups": [""],
            "resources": ["pods"],
            "verbs": ["create", "get", "list", "watch", "delete"],
        },
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get", "create"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "get"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
    ]


def test_what_it_is_better_with() -> None:
    more = [one for one in rbac.rules() if one not in rbac.rules(optional=False)]
    assert more == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "verbs": ["create", "get", "list", "delete"],
        },
        {"apiGroups": [""], "resources": ["events"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["resourcequotas"], "verbs": ["list"]},
        {"apiGroups": ["metrics.k8s.io"], "resources": ["pods"], "verbs": ["get"]},
    ]


def test_nothing_that_a_server_must_not_have() -> None:
    for rule in rbac.rules():
        assert "*" not in str(rule)
        assert not {"secrets", "pods/attach", "roles", "serviceaccounts"} & set(rule["resources"])
        assert not {"update", "patch", "deletecollection", "impersonate"} & set(rule["verbs"])


def test_the_text_to_apply() -> None:
    text = rbac.manifest_text("course", "hub-ada")
    role, binding = yaml.safe_load_all(text)
    assert role == {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {
            "name": "jupyter-containers",
            "namespace": "course",
            "labels": {"app.kubernetes.io/managed-by": "jupyter-containers"},
        },
        "rules": rbac.rules(),
    }
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": role["metadata"]["name"],
    }
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "hub-ada", "namespace": "course"}
    ]
    assert "&id" not in text
    person = rbac.binding("course", "ada@example.org", service_account=False)
    assert person["subjects"] == [
        {
            "kind": "User",
            "name": "ada@example.org",
            "apiGroup": "rbac.authorization.k8s.io",
        }
    ]


def test_a_hostile_name_stays_a_name() -> None:
    name = "x\n- kind: User\n  name: root"
    *_, binding = yaml.safe_load_all(rbac.manifest_text("n", name))
    assert [one["name"] for one in binding["subjects"]] == [name]


def test_doctor_asks_for_each() -> None:
    reviews = [rbac.review(need, Site(namespace="course")) for need in rbac.NEEDS]
    asked = [one["spec"]["resourceAttributes"] for one in reviews]
    assert {one["namespace"] for one in asked} == {"course"}
    assert {
        "namespace": "course",
        "verb": "create",
        "group": "",
        "resource": "pods",
        "subresource": "exec",
    } in asked
    told = {(one["group"], one["resource"], one.get("subresource", "")) for one in asked}
    of_role = {
        (group, *name.split("/"))
        for rule in rbac.rules()
        for group in rule["apiGroups"]
        for name in rule["resources"]
    }
    assert {tuple(part for part in one if part) for one in told} == {
        tuple(part for part in one if part) for one in of_role
    }
    assert len({str(one) for one in asked}) == len(asked)
    assert str(rbac.NEEDS[0]) == "create pods"
