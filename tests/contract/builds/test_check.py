"""BuildKit's own check of a Dockerfile: Docker 27 or newer has it, no other engine."""

from __future__ import annotations

import asyncio

import pytest

from jupyter_containers.builds.lint import lint
from tests.unit.builds.test_lint import TEXT


def test_buildkits_check(engine_env: object) -> None:
    if getattr(engine_env, "name", "") != "docker":
        pytest.skip("no other engine has the check")
    text = "# syntax=docker/dockerfile:1\n" + TEXT + "MAINTAINER me\nENV A=$HOME\n"
    found = asyncio.run(lint(text, {"B": "c"}, buildx=["docker", "buildx"]))
    said = [(one.line, one.code) for one in found]
    assert (5, "JSONArgsRecommended") in said
    assert (6, "MaintainerDeprecated") in said
    # What both say is said once, and nothing was fetched for it.
    assert not {(5, "DL3025"), (6, "DL4000"), (1, "check")} & set(said)
    assert (3, "SC2086") in said
    assert all(one.url.startswith("https://") for one in found)
