"""Which engines say that they give devices, from what each was seen to print, and what is said."""

from __future__ import annotations

import pytest

from jupyter_containers.engines.common.cdi import cannot_give, podman_gives
from jupyter_containers.engines.common.errors import container_trouble
from jupyter_containers.engines.docker.info import engine_info
from jupyter_containers.errors import DeviceUnknown, StartFailed
from jupyter_containers.host.process import Completed
from jupyter_containers.models import ContainerSpec, EngineInfo, User

DIRECTORIES = ["/etc/cdi", "/var/run/cdi"]


@pytest.mark.parametrize(
    ("said", "gives"),
    [
        ({"ServerVersion": "20.10.24+dfsg1"}, False),
        ({"ServerVersion": "27.5.1", "CDISpecDirs": []}, False),
        ({"ServerVersion": "27.5.1", "CDISpecDirs": DIRECTORIES}, True),
        ({"ServerVersion": "28.5.2+dfsg4", "CDISpecDirs": DIRECTORIES}, True),
    ],
)
def test_docker(said, gives):
    assert ("gpus" in engine_info("docker", said).features) is gives


@pytest.mark.parametrize(
    ("version", "gives"), [("4.0.3", False), ("4.1.0", True), ("4.3.1", True), ("5.4.2", True)]
)
def test_podman(version, gives):
    assert podman_gives(version) is gives


@pytest.mark.parametrize(
    ("name", "version", "why", "way_out"),
    [
        ("docker", "20.10.24", "that came with Docker 25", "Update docker, or"),
        ("docker", "27.5.1", "CDI is switched off", '{"cdi": true}'),
        ("podman", "4.0.3", "that came with Podman 4.1", 'set "engine" to docker'),
        ("other", "1", "no devices by their CDI names.", 'Set "engine" to podman'),
    ],
)
def test_what_is_said(name, version, why, way_out):
    error = cannot_give(EngineInfo(name=name, version=version, usable=True))
    assert error.message.startswith(f"{name} {version} gives containers no devices")
    assert why in error.message
    assert way_out in error.hint


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        # podman 4.3.1
        ("Error: setting up CDI devices: unresolvable CDI devices a.b/c=no", DeviceUnknown),
        # Docker 28.5.2
        (
            "docker: Error response from daemon: CDI device injection failed: unresolvable CDI "
            "devices a.b/c=no\n\nRun 'docker run --help' for more information",
            DeviceUnknown,
        ),
        # Docker 28.5.2 with --feature cdi=false
        (
            'docker: Error response from daemon: could not select device driver "cdi" with '
            "capabilities: []",
            StartFailed,
        ),
    ],
)
def test_what_an_engine_says_of_a_name_it_does_not_know(said, kind):
    me = User(mode="me", uid=1, gid=1, host_uid=1, host_gid=1)
    spec = ContainerSpec(name="x", image="y", argv=("z",), user=me, devices=("a.b/c=no",))
    error = container_trouble("docker", spec, Completed(("docker",), 125, "", said))
    assert type(error) is kind
    assert "a.b/c=no" in error.message
