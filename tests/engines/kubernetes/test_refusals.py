"""Why the API server did not take a Pod."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containers.engines.kubernetes.refusals import refused
from jupyter_containers.errors import EngineDown, StartFailed

POD = 'pods "jupyter-1" is forbidden: '


@pytest.mark.parametrize(
    ("code", "message", "says", "hint"),
    [
        (
            403,
            f"{POD}exceeded quota: compute, requested: limits.memory=8Gi,pods=1, used: "
            "limits.memory=60Gi,pods=3, limited: limits.memory=64Gi,pods=10",
            "The quota compute of the namespace is used up: limits.memory=8Gi,pods=1 asked for, "
            "limits.memory=60Gi,pods=3 used, of at most limits.memory=64Gi,pods=10.",
            "Ask for less",
        ),
        (
            403,
            f"{POD}failed quota: compute: must specify limits.cpu,limits.memory",
            "wants every Pod to say limits.cpu,limits.memory",
            "Policy.default_cpus",
        ),
        (
            403,
            f"{POD}[maximum cpu usage per Container is 2, but limit is 4, maximum memory usage per "
            "Pod is 4Gi, but limit is 8Gi]",
            "LimitRange refused the Pod: maximum cpu usage per Container is 2, but limit is 4, "
            "maximum memory usage per Pod is 4Gi, but limit is 8Gi.",
            '"memory"',
        ),
        (
            403,
            f'{POD}violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false',
            "profile restricted:latest refused the Pod: allowPrivilegeEscalation != false.",
            "has changed this one",
        ),
        (
            403,
            'admission webhook "policy.example.org" denied the request: exceeded quota: x',
            "webhook policy.example.org refused the Pod: exceeded quota: x.",
            "administrators",
        ),
        (
            400,
            'admission webhook "a.b" denied the request without explanation',
            "does not say why",
            "",
        ),
        (
            403,
            'pods is forbidden: User "system:serviceaccount:n:hub" cannot create resource "pods" '
            'in API group "" in the namespace "n"',
            'does not let this server create "pods" in its namespace (User "system:service',
            "jupyter containers kubernetes rbac",
        ),
        (404, 'namespaces "corse" not found', "no namespace corse", "Policy.kubernetes_namespace"),
        (
            403,
            f"{POD}unable to create new content in namespace n because it is being terminated",
            "The namespace n is being removed",
            "Policy.kubernetes_namespace",
        ),
        (403, f"{POD}no PriorityClass with name low was found", "no priority class low", "Policy"),
        (
            403,
            f'{POD}error looking up service account n/k: serviceaccount "k" not found',
            "no service account k",
            "Policy.kubernetes_service_account",
        ),
        (409, 'pods "jupyter-1" already exists', "is there already", "Restart the kernel"),
        (422, 'Pod "x" is invalid: spec.hostname: Invalid value', "finds the Pod invalid: ", ""),
        (403, f"{POD}something new", "The cluster refused the Pod: pods", "doctor"),
        (418, "", "status 418", "doctor"),
    ],
)
def test_it_was_refused(code: int, message: str, says: str, hint: str) -> None:
    error = refused({"kind": "Status", "code": code, "message": message})
    assert isinstance(error, StartFailed)
    assert says in error.message
    assert hint in error.hint


@pytest.mark.parametrize(
    ("code", "says"),
    [(401, "credentials have expired"), (429, "does not answer"), (503, "does not answer")],
)
def test_the_api_server_does_not_answer(code: int, says: str) -> None:
    error = refused({"code": code, "message": "x"})
    assert isinstance(error, EngineDown)
    assert says in error.message


def test_text_of_a_webhook_is_made_printable_and_short() -> None:
    nasty = "\x1b]0;owned\x07{pod}\u202e%s\n" + "x" * 5000
    for message in (f'admission webhook "{nasty}" denied the request: x', f"{POD}{nasty}"):
        error = refused({"code": 403, "message": message})
        assert error.message.isprintable() and len(error.message) < 1000


ANY: Any = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())


@given(ANY, ANY, ANY)
def test_nothing_that_comes_breaks_it(code: Any, reason: Any, message: Any) -> None:
    assert refused({"code": code, "reason": reason, "message": message}).message.isprintable()
