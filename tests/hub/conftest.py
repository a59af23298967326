"""Two people of this machine and the Hubs that start their servers. Needs root, as a Hub that
starts servers for others does; people, Hubs and files are made here and gone afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ..conftest import _file
from .hub import Hub, Person
from .site import Site, site
from .visit import Visit

BRIEF = """
_before = c.Spawner.pre_spawn_hook
def _hook(spawner):
    _before(spawner)
    if spawner.name == "brief":
        spawner.args = ["--MappingKernelManager.cull_idle_timeout=10",
                        "--MappingKernelManager.cull_interval=1"]
c.Spawner.pre_spawn_hook = _hook
"""


@pytest.fixture(scope="session")
def place() -> Iterator[Site]:
    """Where all of it is."""
    if os.getuid() != 0:
        pytest.skip("a Hub that starts servers for others runs as root")
    if not _file().get("archives"):
        pytest.fail("no base image was made for the tests: `make test` does (engines.sh)")
    with site(_file()) as made:
        yield made


@pytest.fixture(scope="session")
def variables(place: Site) -> Mapping[str, str]:
    """Of a person who types an engine's commands."""
    return place.variables


@pytest.fixture(scope="session")
def image(place: Site) -> str:
    """A Debian 12 with Python 3.11, without ipykernel: both have it."""
    return place.image


@pytest.fixture(scope="session")
def ann(place: Site) -> Iterator[Person]:
    with place.person("ann") as person:
        yield person


@pytest.fixture(scope="session")
def bob(place: Site) -> Iterator[Person]:
    with place.person("bob") as person:
        yield person


@pytest.fixture(scope="module")
def hub(place: Site) -> Iterator[Hub]:
    """With the example of people who have an engine of their own. The named server `brief` ends
    kernels that were idle for ten seconds."""
    with place.hub("jupyterhub_own_engine", BRIEF) as made:
        yield made


@pytest.fixture(scope="module")
def anns(hub: Hub, ann: Person) -> Iterator[Visit]:
    """Ann's browser, at her server."""
    yield from _visit(hub, ann)


@pytest.fixture(scope="module")
def bobs(hub: Hub, bob: Person) -> Iterator[Visit]:
    """Bob's browser, at his."""
    yield from _visit(hub, bob)


def _visit(hub: Hub, person: Person) -> Iterator[Visit]:
    visit = Visit(hub, person)
    visit.log_in()
    visit.start()
    yield visit
    visit.stop()


@pytest.fixture
def policy(place: Site) -> Iterator[Path]:
    """The administrator's file, if a test writes it."""
    file = place.directory / "env/etc/jupyter/jupyter_containers_config.py"
    yield file
    file.unlink(missing_ok=True)
