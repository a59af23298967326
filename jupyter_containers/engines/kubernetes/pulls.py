"""Why a node does not get an image, by its registry's word. Pure.

The reasons: https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/images/types.go
The rest is what containerd, CRI-O and registries say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...errors import StartFailed
from ...layout import POD_CONTAINER
from ...text import as_dict, as_text, named, one_line

_BACK_OFF = "ImagePullBackOff"
_REASONS = (
    *("ErrImagePull", _BACK_OFF, "ErrImageNeverPull", "InvalidImageName", "ImageInspectError"),
    *("RegistryUnavailable", "SignatureValidationFailed"),
)
_CHAIN = re.compile(
    r'^(?:Back-off pulling image "[^"]*"(?:: )?|ErrImagePull: |Failed to pull image "[^"]*": |'
    r"rpc error: code = \w+ desc = |"
    r'failed to (?:pull and unpack image|resolve reference) "[^"]*": )*'
)
"""What a kubelet and containerd put before it."""
_PUSH = "Images go there from this server (Policy.push_registry)"
_WORDS = (
    (
        r"denied|unauthorized|authentication required|no basic auth|insufficient_scope|"
        r"403 forbidden",
        "The registry of {image} wants a log-in from the cluster's nodes, or has no such image",
        "The administrator names a secret with the log-in in Policy.kubernetes_pull_secrets.",
    ),
    (
        r"no match for platform|no matching manifest|no image found in .*manifest list",
        "The image {image} is not made for the processors of the cluster's nodes",
        "Build it for theirs, or have Policy.kubernetes_node_selector name nodes that fit.",
    ),
    (
        r"not found|manifest unknown|name unknown|no such manifest",
        "The registry has no image {image}",
        f"{_PUSH}: start the kernel again, which pushes it anew.",
    ),
    (
        r"x509|certificate",
        "The cluster's nodes do not trust the certificate of the registry of {image}",
        "The cluster's administrators add its CA to the nodes.",
    ),
    (
        r"server gave http response to https client",
        "The cluster's nodes speak HTTPS with the registry of {image}, and it answers in HTTP",
        "The cluster's administrators name it an insecure registry on the nodes, or give it TLS.",
    ),
)
"""What no waiting ends."""
_NO_HOST = (
    r"no such host|name resolution|server misbehaving",
    "The cluster's nodes do not find the host of the registry of {image}",
    f"{_PUSH}: it has to be a name that the nodes know, too.",
)
"""What the second try has to confirm: name servers have bad moments."""
_MINE = {
    "ErrImageNeverPull": (
        "The image {image} is not on the node, and the cluster forbids to fetch it",
        "Ask the cluster's administrators: an admission plugin has changed the Pod.",
    ),
    "InvalidImageName": (
        "The cluster does not take {image} for the name of an image",
        "The administrator looks at Policy.push_registry.",
    ),
    "SignatureValidationFailed": (
        "The cluster runs signed images only, and {image} is not signed",
        "Ask the cluster's administrators which images it takes.",
    ),
}


def is_about_images(reason: str) -> bool:
    """Whether a container waits for its image, by the reason of its state."""
    return reason in _REASONS


def registry_said(*messages: str) -> str:
    """The last part of a chain of errors, which is what the registry, or its absence, said; of the
    first message that has one."""
    said = (_CHAIN.sub("", one_line(one, 2000))[:400].rstrip(". ") for one in messages)
    return next((one for one in said if one), "the registry does not say why")


def failure(reason: str, said: str, pod: Mapping[str, Any]) -> StartFailed | None:
    """Why the image will not come, by what `registry_said`; None where the node may get it when it
    tries again."""
    image = _image(pod)
    if reason in _MINE:
        sentence, hint = _MINE[reason]
        return StartFailed(f"{sentence.format(image=image)}: {said}.", hint)
    known = (*_WORDS, _NO_HOST) if reason == _BACK_OFF else _WORDS
    for pattern, sentence, hint in known:
        if re.search(pattern, said, re.IGNORECASE):
            return StartFailed(f"{sentence.format(image=image)}: {said}.", hint)
    return None


def _image(pod: Mapping[str, Any]) -> str:
    image = as_text(named(as_dict(pod.get("spec")).get("containers"), POD_CONTAINER).get("image"))
    return one_line(re.sub(r"@sha256:([0-9a-f]{12})[0-9a-f]+$", r"@\1…", image), 300)
