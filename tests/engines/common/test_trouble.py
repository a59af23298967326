"""What is said of a container that did not start."""

from __future__ import annotations

from jupyter_containers.engines.common.errors import container_trouble
from jupyter_containers.host.process import Completed
from jupyter_containers.models import ContainerSpec, User

ME = User(mode="me", uid=1, gid=1, host_uid=1, host_gid=1)
WARNING = "Resource limits are not supported and ignored on cgroups V1 rootless systems"


def test_a_folder_that_was_gone_is_named_without_the_engines_warnings():
    spec = ContainerSpec(name="x", image="y", argv=("z",), user=ME)
    said = f"{WARNING}\nError: statfs /a/folder: no such file or directory\n"
    error = container_trouble("podman", spec, Completed(("podman",), 125, "", said))
    assert "statfs /a/folder" in error.message
    assert WARNING not in error.message
