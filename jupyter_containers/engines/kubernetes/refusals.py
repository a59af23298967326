"""Why the API server did not take an object: its `Status` in a sentence with the way out. Pure.

The answers carry English prose and few codes, so the prose is matched. It may hold text of an
admission webhook, which is anybody's.
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import ContainersError, EngineDown, StartFailed
from ...text import as_int, as_text, one_line

AGAIN = "Restart the kernel to try it again."
LESS = 'Ask for less by "cpus", "memory" or "devices" in the notebook\'s container settings'
_RIGHTS = "`jupyter containers doctor` lists the rights that are missing."

_QUOTA = re.compile(
    r"exceeded quota: (?P<name>\S+), requested: (?P<asked>.+?), used: (?P<used>.+?), "
    r"limited: (?P<most>.+)"
)
_MISSING = re.compile(r"failed quota: (?P<name>\S+): must specify (?P<what>.+)")
_RIGHT = re.compile(r'(?P<who>User "[^"]*"|\S+) cannot (?P<verb>\w+) resource "(?P<what>[^"]*)"')
_WEBHOOK = re.compile(r'admission webhook "(?P<name>[^"]*)" denied the request(?:: (?P<said>.*))?')
_POD_SECURITY = re.compile(r'violates PodSecurity "(?P<level>[^"]*)": (?P<said>.*)')
_LIMIT_RANGE = re.compile(
    r"(?:maximum|minimum) \S+ usage per (?:Pod|Container) is .+|"
    r"\S+ max limit to request ratio per (?:Pod|Container) is .+|must be less than or equal to .+"
)
_NAMESPACE = re.compile(r'namespaces? "(?P<name>[^"]*)" not found')
_TERMINATING = re.compile(r"in namespace (?P<name>\S+) because it is being terminated")
_PRIORITY = re.compile(r"no PriorityClass with name (?P<name>\S+) was found")
_ACCOUNT = re.compile(r'serviceaccount "(?P<name>[^"]*)" not found')


def _quota(found: re.Match[str]) -> StartFailed:
    return StartFailed(
        f"The quota {found['name']} of the namespace is used up: {found['asked']} asked for, "
        f"{found['used']} used, of at most {found['most']}.",
        f"Shut down kernels that you do not need. {LESS}; or ask the administrator for more.",
    )


def _no_limit(found: re.Match[str]) -> StartFailed:
    return StartFailed(
        f"The quota {found['name']} of the namespace wants every Pod to say {found['what']}.",
        'Set "cpus" and "memory" in the notebook\'s container settings. An administrator sets '
        "Policy.default_cpus and Policy.default_memory, or a LimitRange.",
    )


def _right(found: re.Match[str]) -> StartFailed:
    return StartFailed(
        f'The cluster does not let this server {found["verb"]} "{found["what"]}" in its '
        f"namespace ({found['who']}).",
        f"{_RIGHTS} The administrator grants them: jupyter containers kubernetes rbac",
    )


def _webhook(found: re.Match[str]) -> StartFailed:
    return StartFailed(
        f"The cluster's admission webhook {found['name']} refused the Pod: "
        f"{found['said'] or 'it does not say why'}.",
        "Ask the cluster's administrators what it wants.",
    )


def _pod_security(found: re.Match[str]) -> StartFailed:
    return StartFailed(
        f"The namespace's Pod Security profile {found['level']} refused the Pod: {found['said']}.",
        "The Pods of this program pass the profile, so something has changed this one, or "
        "Policy.kubernetes_allow_root let it ask for root.",
    )


def _limit_range(found: re.Match[str]) -> StartFailed:
    return StartFailed(
        f"The namespace's LimitRange refused the Pod: {found[0].rstrip(']')}.",
        'Change "cpus" or "memory" in the notebook\'s container settings.',
    )


def _namespace(found: re.Match[str]) -> StartFailed:
    return StartFailed(
        f"The cluster has no namespace {found['name']}.",
        "The administrator makes it, or names another in Policy.kubernetes_namespace.",
    )


def _terminating(found: re.Match[str]) -> StartFailed:
    return StartFailed(
        f"The namespace {found['name']} is being removed, and takes no more Pods.",
        "The administrator names another in Policy.kubernetes_namespace.",
    )


def _priority(found: re.Match[str]) -> StartFailed:
    return StartFailed(
        f"The cluster has no priority class {found['name']}.",
        "The administrator makes it, or changes Policy.kubernetes_priority_class.",
    )


def _account(found: re.Match[str]) -> StartFailed:
    return StartFailed(
        f"The namespace has no service account {found['name']}.",
        "A namespace that was just made gets its own within seconds. Else the administrator "
        "changes Policy.kubernetes_service_account.",
    )


_KNOWN: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], StartFailed]], ...] = (
    (_WEBHOOK, _webhook),  # first: its text may say anything
    (_QUOTA, _quota),
    (_MISSING, _no_limit),
    (_POD_SECURITY, _pod_security),
    (_TERMINATING, _terminating),
    (_PRIORITY, _priority),
    (_ACCOUNT, _account),
    (_NAMESPACE, _namespace),
    (_LIMIT_RANGE, _limit_range),
    (_RIGHT, _right),
)


def refused(status: Mapping[str, Any]) -> ContainersError:
    """Why an object was not made. `status` is the body of the API's answer, or what stands for it
    where that was none: `{"code": 502, "message": …}`."""
    code, reason = as_int(status.get("code")), one_line(as_text(status.get("reason")), 80)
    said = one_line(as_text(status.get("message")), 800).rstrip(".")
    for pattern, sentence in _KNOWN:
        if found := pattern.search(said):
            return sentence(found)
    if code == 401:
        return EngineDown(
            "The cluster does not know this server any longer: its credentials have expired or "
            "were revoked.",
            "Log in to the cluster again (kubectl get pods tries it), or restart the server.",
        )
    if code == 429 or code >= 500:
        return EngineDown(
            f"The cluster's API server does not answer: {said or reason or code}.",
            "Running kernels go on meanwhile. See whether `kubectl get pods` answers.",
        )
    if code == 409:
        return StartFailed(f"A Pod of that name is there already: {said}.", AGAIN)
    if code == 422 or reason == "Invalid":
        return StartFailed(
            f"The cluster finds the Pod invalid: {said}.",
            "What the notebook's settings or the administrator's policy says is not taken there.",
        )
    return StartFailed(
        f"The cluster refused the Pod: {said or reason or f'status {code}'}.",
        f"Ask the cluster's administrators. {_RIGHTS}",
    )
