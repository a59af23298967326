"""What a Docker whose builder can be led out to this machine is not given."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_containers.builds.checks import check_mounts
from jupyter_containers.dockerfile.parser import parse
from jupyter_containers.engines.registry import builder_problems, open_engine
from jupyter_containers.errors import DockerfileError
from tests.helpers.policies import policy

PART = "FROM a\nRUN --mount=type=cache,target=/c,source=wheels true\n"


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A `docker` of the version that it is called with; returns the engine."""

    def of(version: str) -> Any:
        said = json.dumps({"ServerVersion": version, "ID": "x"})
        program = tmp_path / "docker"
        program.write_text(f"#!/bin/sh\ncase $1 in info) echo '{said}' ;; *) echo '[]' ;; esac\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        return open_engine("docker", policy())

    return of


def plan(engine: Any, text: str) -> Any:
    return SimpleNamespace(dockerfile=parse(text), kept=(), request=SimpleNamespace(builder=engine))


@pytest.mark.parametrize("version", ["20.10.24+dfsg1", "23.0.6", "24.0.9", "25.0.1"])
async def test_a_part_of_a_cache_is_refused_before_25_0_2(docker: Any, version: str) -> None:
    engine = docker(version)
    with pytest.raises(DockerfileError, match="a link in a cache") as failed:
        await check_mounts(plan(engine, PART))
    assert failed.value.line == 2 and "25.0.2" in failed.value.hint
    for honest in (
        "RUN --mount=type=cache,target=/c,sharing=locked true",
        "RUN --mount=from=b,source=/uv,target=/bin/uv true",
        "RUN --mount=source=data,target=/d true",
    ):
        await check_mounts(plan(engine, f"FROM a\n{honest}\n"))
    [problem] = await builder_problems(await engine.info(), policy())
    assert "CVE-2024-23652" in problem.message and "25.0.2" in problem.fix


@pytest.mark.parametrize("version", ["25.0.2", "25.1.0", "26.0.0-rc1", "29.1"])
async def test_a_mended_one_gets_it(docker: Any, version: str) -> None:
    engine = docker(version)
    await check_mounts(plan(engine, PART))
    assert await builder_problems(await engine.info(), policy()) == ()
