"""Why a container could not have a port of this machine."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest

from jupyter_containers.errors import EngineDown, StartFailed
from jupyter_containers.kernels import host_ports
from jupyter_containers.kernels.connection import free_ports
from jupyter_containers.models import Container
from tests.helpers.listening import listening
from tests.helpers.policies import spec

FAILED = StartFailed("podman could not start the container: listen tcp 127.0.0.1:81: no")


class Engine:
    """Lists these containers."""

    def __init__(self, *found: Container) -> None:
        self.found = found

    async def containers(self, label: str) -> list[Container]:
        if not self.found:
            raise EngineDown("It is down.", "Start it.")
        return list(self.found)


async def explained(*publish: tuple[int, int], engine: Engine | None = None) -> StartFailed:
    asked: Any = engine or Engine()
    return await host_ports.explained(asked, spec(publish=publish), FAILED)


def container(name: str, port: int, uid: int = os.getuid()) -> Container:
    labels = {"jupyter-containers.name": name, "jupyter-containers.uid": str(uid)}
    return Container(id="c", name=name, image="i", running=True, labels=labels, ports={8000: port})


async def test_another_program_has_it() -> None:
    with listening("127.0.0.1") as port:
        for engine in (Engine(), Engine(container("a", port, 1), container("b", 1))):
            found = await explained((0, 1), (port, 80), engine=engine)
            assert found.message == f"Port {port} of this machine is in use by another program."
            assert found.hint == "Take another port; or any that is free: 80 alone."


async def test_a_container_of_this_person_has_it() -> None:
    with listening("0.0.0.0") as port:
        found = await explained((port, 80), engine=Engine(container("jupyter-x", port)))
    assert f"Port {port} of this machine is taken: it leads to the container jupyter-x" in str(
        found
    )
    assert found.hint.startswith("End it (jupyter containers stop jupyter-x), or take another")


async def test_it_is_the_administrators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_ports, "_cannot_bind", lambda _: errno.EACCES)
    found = await explained((81, 443))
    assert "Port 81 of this machine is for its administrator alone" in found.message
    assert "such as 8081:443; or any that is free: 443 alone" in found.hint
    assert await explained((82, 443)) is FAILED  # the engine says that it was another one


async def test_it_failed_for_something_else() -> None:
    (free,) = free_ports(1)
    with listening("127.0.0.1") as taken:
        assert await explained((free, 80), (taken, 20001)) is FAILED  # the kernel's own
