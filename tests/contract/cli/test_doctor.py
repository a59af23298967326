"""What is wrong with an engine here, and what to do about it."""

from __future__ import annotations

import asyncio
import json
import os
import re

import pytest

from jupyter_containers.engines.podman.engine import Podman
from jupyter_containers.engines.registry import ENGINES
from tests.helpers.command import jc, jc_json


def test_doctor_on_an_engine(engine):
    said = jc_json("doctor", "--engine", engine)
    (found,) = said["engines"]
    assert set(found) >= {"name", "version", "usable", "features", "problems"}
    assert found["name"] == engine
    assert found["usable"] is True
    assert re.match(r"\d+\.\d+", found["version"])
    assert "pull" in found["features"]
    assert isinstance(said["devices"], list)
    for problem in found["problems"]:
        assert set(problem) == {"message", "fix"}
    people = jc("doctor").stdout
    line = re.escape(f"{engine} {found['version']}: works")
    assert re.search(rf"^{line}", people, re.MULTILINE)


def test_doctor_tries_the_builder(engine):
    if engine != "podman":
        pytest.skip("of Podman's builder")
    faults = asyncio.run(Podman().builder_faults())
    for _ in range(2):  # what was seen is remembered
        (found,) = jc_json("doctor", "--engine", engine)["engines"]
        said = [one for one in found["problems"] if "The builder of" in one["message"]]
        assert len(said) == faults.links + faults.writes
        assert all("COPY --from" in one["fix"] for one in said)


def test_doctor_without_an_engine_says_how_to_get_one(tmp_path):
    env = {**os.environ, "PATH": str(tmp_path)}
    done = jc("doctor", "--json", code=1, env=env)
    engines = {one["name"]: one for one in json.loads(done.stdout)["engines"]}
    assert set(engines) == set(ENGINES)
    for one in engines.values():
        assert one["usable"] is False
        assert "not installed" in one["problems"][0]["message"]
        assert "Install it: " in one["problems"][0]["fix"]
    assert "apt install podman" in jc("doctor", code=1, env=env).stdout


def test_doctor_of_a_dead_daemon(tmp_path, engine_env):
    if engine_env.engine != "docker":
        pytest.skip("podman has no daemon")
    env = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    done = jc("doctor", "--engine", "docker", "--json", code=1, env=env)
    (found,) = json.loads(done.stdout)["engines"]
    assert "does not answer" in found["problems"][0]["message"]
    assert found["problems"][0]["fix"] != ""


def test_the_administrators_policy_counts(tmp_path, engine, image):
    config = tmp_path / "jupyter_containers_config.py"
    config.write_text("c.Policy.engines = ['other']\n")
    env = {**os.environ, "JUPYTER_CONFIG_DIR": str(tmp_path)}
    done = jc("doctor", "--json", "--engine", engine, code=1, env=env)
    (found,) = json.loads(done.stdout)["engines"]
    assert "Policy.engines" in found["problems"][0]["message"]
    config.write_text("c.Policy.images = ['localhost/allowed*']\n")
    done = jc("pull", "--engine", engine, "python:3", code=1, env=env)
    assert "Policy.images" in done.stderr
