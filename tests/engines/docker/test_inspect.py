"""What engines print of a container's use and an image's layers, as each was seen to print it."""

from __future__ import annotations

import pytest

from jupyter_containers.engines.docker import inspect
from jupyter_containers.errors import EngineFailed, ImageNotHere
from jupyter_containers.host.process import Completed
from jupyter_containers.models import Layer, Stats

PODMAN = """[
 {
  "id": "cfe485c2bca2",
  "name": "x",
  "cpu_time": "28.027643ms",
  "cpu_percent": "67.26%",
  "mem_usage": "3.068MB / 536.9MB",
  "mem_percent": "0.01%",
  "pids": "1"
 }
]"""
DOCKER = '{"CPUPerc":"0.12%","MemUsage":"1.5MiB / 512MiB","Name":"x","PIDs":"3"}\n'
ENDED = '{"CPUPerc":"0.00%","MemUsage":"0B / 0B","Name":"x","PIDs":"0"}\n'
UNLIMITED = '{"CPUPerc":"0.00%","MemUsage":"1MiB / 9999999GiB","Name":"x","PIDs":"--"}\n'


def saying(stdout: str, code: int = 0, stderr: str = ""):
    async def run(argv):
        return Completed(tuple(argv), code, stdout, stderr)

    return run


@pytest.mark.parametrize(
    ("said", "stats"),
    [
        (PODMAN, Stats(cpu_percent=67.26, memory_bytes=3068000, memory_limit=536900000, pids=1)),
        (DOCKER, Stats(cpu_percent=0.12, memory_bytes=3 << 19, memory_limit=512 << 20, pids=3)),
        (UNLIMITED, Stats(cpu_percent=0.0, memory_bytes=1 << 20)),
        (ENDED, None),
        ("", None),
        ("[7, null]", None),
        ('{"MemUsage": {"a": 1}, "PIDs": [1]}', Stats(cpu_percent=0.0, memory_bytes=0)),
    ],
)
async def test_what_a_container_uses(said, stats):
    assert await inspect.stats("podman", "x", saying(said)) == stats


def test_what_an_image_keeps_is_what_its_builds_run():
    """Nothing is cut, or taken out as for a terminal."""
    kept = ["RUN a\x1b]\nADD http://b /c\x07", "COPY " + "x " * 4000 + "/y"]
    found = inspect.image({"Id": "a", "Config": {"OnBuild": kept, "WorkingDir": "/w"}})
    assert (found.onbuild, found.workdir) == (tuple(kept), "/w")
    history = [{"created_by": f"/bin/sh -c #(nop) ONBUILD {line}"} for line in kept]
    assert inspect.onbuild({"Id": "a", "History": history}, "/nowhere") == tuple(kept)


async def test_a_container_that_is_gone_uses_nothing():
    gone = saying("", 125, 'Error: no container with name or ID "x" found: no such container')
    assert await inspect.stats("podman", "x", gone) is None
    with pytest.raises(EngineFailed, match="on fire"):
        await inspect.stats("podman", "x", saying("", 1, "the disk is on fire"))


async def test_rootless_podman_on_old_cgroups_measures_nothing():
    said = "Error: stats is not supported in rootless mode without cgroups v2"
    assert await inspect.stats("podman", "x", saying("", 125, said)) is None


@pytest.mark.parametrize(
    "said",
    [
        '[{"id":"a","created":"2026-11-24T05:33:16Z","CreatedBy":"RUN x\\u001b[31m","size":12}]',
        '{"CreatedAt":"2026-11-24T05:33:16Z","CreatedBy":"RUN x","ID":"<missing>","Size":"12"}\n',
    ],
)
async def test_an_images_layers(said):
    found = await inspect.layers("docker", "x", saying(said))
    assert found == [Layer(created_by="RUN x", size=12, created="2026-11-24T05:33:16Z")]


async def test_layers_of_an_image_that_is_not_here():
    with pytest.raises(ImageNotHere):
        await inspect.layers("docker", "x", saying("", 1, "Error: No such image: x"))
