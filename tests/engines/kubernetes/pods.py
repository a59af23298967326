"""A container's spec, and the Pod that is made of it."""

from __future__ import annotations

from typing import Any

from jupyter_containers.engines.kubernetes.manifest import PodFiles, pod
from jupyter_containers.engines.kubernetes.site import Site, Volume
from jupyter_containers.models import ContainerSpec, Mount, User

ME = User(mode="me", uid=1001, gid=100, host_uid=1001, host_gid=100)
ROOT = User(mode="root", uid=0, gid=0, host_uid=1001, host_gid=100)
IMAGE = "registry.example.org/team/x@sha256:" + "0" * 64
INSIDE = "/opt/jupyter-containers"
FILES = PodFiles(
    guest={"main.py": b"main", "pod.py": b"pod"}, passwd="p", group="g", empty_file="/run/jc/empty"
)
OWN = (
    Mount("/run/jc/guest", f"{INSIDE}/guest"),
    Mount("/run/jc/1/run", f"{INSIDE}/run", True),
    Mount("/run/jc/1/conf", f"{INSIDE}/conf"),
    Mount("/run/jc/1/conf/passwd", "/etc/passwd"),
    Mount("/run/jc/1/conf/group", "/etc/group"),
    Mount("/cache/kit", f"{INSIDE}/kit"),
    Mount("/cache/bytecode", f"{INSIDE}/bytecode"),
    Mount("/cache/homes/1", "/home/ada", True),
)
SITE = Site(
    user="ada",
    volumes=(
        Volume(path="/home/ada", claim="claim-ada"),
        Volume(path="/srv/course", claim="course", sub_path="2026", writable=False),
    ),
)


def spec(**changes: Any) -> ContainerSpec:
    made: dict[str, Any] = {
        "name": "jupyter-0123abcd",
        "image": "sha256:" + "1" * 64,
        "argv": (
            *("/usr/bin/python3", "-I", "-S", "-B"),
            *(f"{INSIDE}/guest/main.py", f"{INSIDE}/run"),
        ),
        "user": ME,
        "workdir": "/home/ada",
        "own": OWN,
        "env": {"B": "2", "A": "1"},
        "labels": {"jupyter-containers": "kernel", "jupyter-containers.uid": "1001"},
    }
    return ContainerSpec(**made | changes)


def made(site: Site = SITE, **changes: Any) -> dict[str, Any]:
    return pod(spec(**changes), site, IMAGE, FILES).manifest


def container(site: Site = SITE, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = made(site, **changes)["spec"]["containers"][0]
    return found


def notes(site: Site = SITE, **changes: Any) -> tuple[str, ...]:
    return pod(spec(**changes), site, IMAGE, FILES).notes
