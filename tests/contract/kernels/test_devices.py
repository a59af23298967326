"""Devices by their CDI names: really there, or a sentence why not. No GPU is needed."""

from __future__ import annotations

import asyncio
import os

import pytest

from jupyter_containers.engines.registry import open_engine
from jupyter_containers.policy.loader import load_policy
from tests.helpers import cdi
from tests.helpers.command import jc, jc_json
from tests.helpers.harness import running


@pytest.fixture
def gives(engine):
    """Whether this engine, here, gives devices at all, by its own word."""
    info = asyncio.run(open_engine(engine, load_policy(None)).info())
    return "gpus" in info.features


@pytest.fixture
def harmless():
    if os.getuid() != 0:
        pytest.skip(f"only root can write a CDI specification into {cdi.DIRECTORY}")
    with cdi.specified() as name:
        yield name


async def test_a_device_that_is_asked_for_is_there(notebook, harmless, gives):
    if not gives:
        pytest.skip("this engine gives no devices")
    async with running(notebook(devices=[harmless])) as kernel:
        assert kernel.provisioner.trouble is None, kernel.provisioner.trouble
        await kernel.run("import os, stat\nseen = os.stat('/dev/harmless0')")
        assert await kernel.value("stat.S_ISCHR(seen.st_mode)") == "True"
        assert await kernel.value("(os.major(seen.st_rdev), os.minor(seen.st_rdev))") == "(1, 3)"
        assert await kernel.value("open('/dev/harmless0', 'w').write('gone')") == "4"
        assert await kernel.value("open('/dev/harmless0').read() == ''") == "True"
        assert await kernel.value("os.environ['HARMLESS']") == "yes"


async def test_a_device_that_is_not_asked_for_is_not_there(notebook, harmless):
    async with running(notebook()) as kernel:
        assert await kernel.value("__import__('os').path.exists('/dev/harmless0')") == "False"
        assert await kernel.value("__import__('os').environ.get('HARMLESS')") == "None"


async def test_an_unknown_name_lists_what_is_here(notebook, harmless, gives):
    if not gives:
        pytest.skip("this engine gives no devices")
    async with running(notebook(devices=["example.org/harmless=one"])) as kernel:
        trouble = kernel.provisioner.trouble
        assert type(trouble).__name__ == "DeviceUnknown", trouble
        assert "example.org/harmless=one" in trouble.message
        assert harmless in trouble.hint
        shown = await kernel.run("1")
        assert harmless in shown["text"] + shown["error"]


async def test_an_engine_without_devices_says_so(notebook, gives, engine):
    if gives:
        pytest.skip("this engine gives devices")
    async with running(notebook(devices=[cdi.NAME])) as kernel:
        trouble = kernel.provisioner.trouble
        assert type(trouble).__name__ == "Unsupported"
        assert trouble.message.startswith(engine)
        assert "gives containers no devices" in trouble.message
        assert "podman" in trouble.hint


def test_doctor_lists_it(harmless, engine, gives):
    said = jc_json("doctor", "--engine", engine)
    assert harmless in [device["name"] for device in said["devices"]]
    people = jc("doctor", "--engine", engine).stdout
    assert harmless in people
    assert ("gives containers no devices" in people) is not gives
