"""Since when docker's and podman's builders know what came late to Dockerfiles: what a version
lacks, by the names of `dockerfile/late.py`.

Each was read in the builder's own history (buildah's CHANGELOG, the Dockerfile frontend that a
BuildKit has), and seen with Podman 4.3, Docker 20.10 and Charliecloud 0.31.
"""

from __future__ import annotations

from collections.abc import Mapping

from .versions import at_least

_NEVER = (1 << 20, 0)
PODMAN: Mapping[str, tuple[int, int]] = {
    "locked": (4, 4),
    "network": (4, 5),
    "checksum": (4, 8),
    "patterns": (5, 2),
    "start-interval": (5, 2),
    "exclude": (5, 3),
    "parents": (5, 5),
    "link": (5, 6),
    "secret-env": (6, 0),
    "subdir": (6, 0),
    **dict.fromkeys(("chmod-letters", "keep-git-dir", "security", "tmpfs-size", "unpack"), _NEVER),
    **dict.fromkeys(("private", "unset", "unset-fails"), _NEVER),
}
"""buildah 1.28 came with Podman 4.3, 1.33 with 4.8, 1.35 with 5.0 and so on. Before 1.29 it had the
lock of a cache within it: one RUN makes a link of that name, which the next one's mount opens on
this machine. https://github.com/containers/buildah/pull/4349"""
DOCKER: Mapping[str, tuple[int, int]] = {
    "link": (23, 0),
    "tmpfs-size": (23, 0),
    "network": (23, 0),
    "checksum": (25, 0),
    "keep-git-dir": (25, 0),
    "start-interval": (25, 0),
    "unset": (25, 0),
    "patterns": (26, 0),
    "secret-env": (27, 4),
    "chmod-letters": (28, 0),
    "unpack": (28, 3),
    "exclude": (28, 5),
    "parents": (29, 1),
    "security": (29, 1),
    "subdir": (29, 4),
}
"""A Dockerfile that begins with # syntax= brings its own reader, and lacks nothing of that.

Older builders join the `subdir` of a repository to the folder that they cloned it to, through `..`
and its links: https://github.com/moby/buildkit/security/advisories/GHSA-4vrq-3vrq-g6gg and, for
buildah, https://github.com/advisories/GHSA-49p4-px3h-rq49
"""


def lacks(known: Mapping[str, tuple[int, int]], version: str) -> frozenset[str]:
    """What a builder of this version does not know."""
    return frozenset(name for name, since in known.items() if not at_least(version, *since))
