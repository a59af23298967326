"""Shifter to test with: the real one where it is on PATH, else what it was seen to do
(tests/engines/recordings).

The real one needs a site: its gateway has to answer and to pull JC_SHIFTER_IMAGE, a busybox. What
only some sites have is tried where a variable names it: JC_SHIFTER_REGISTRY (where people push and
the gateway reads), JC_SHIFTER_DOWN (`gateway` or `munge`, which was stopped), JC_SHIFTER_PRIVATE
(the id of an image that is not for this person).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.engines.shifter import site
from jupyter_containers.engines.shifter.engine import Shifter
from jupyter_containers.models import ContainerSpec, Image, User
from tests.engines.recordings import SHIFTER, programs

RECORDINGS = Path(__file__).parents[1] / "recordings/shifter"
ME = User(mode="me", uid=os.getuid(), gid=os.getgid(), host_uid=os.getuid(), host_gid=os.getgid())
REFERENCE = os.environ.get("JC_SHIFTER_IMAGE", "registry.example.org/test/busybox:latest")
REGISTRY = os.environ.get("JC_SHIFTER_REGISTRY", "registry.example.org/team")
CONF = """
imagePath=/no/place
siteFs=/home:/home
imageGateway=http://gateway.example.org:5000
"""
no_root = pytest.mark.skipif(os.getuid() == 0, reason="Shifter refuses root")


@dataclass
class Here:
    """The engine, what it works in, and whether it is the real one."""

    engine: Shifter
    state_dir: Path
    real: bool

    async def image(self) -> Image:
        """Pulled."""
        events = [event async for event in self.engine.pull(REFERENCE)]
        assert events[-1].image is not None
        return events[-1].image

    async def spec(self, *argv: str, **more: Any) -> ContainerSpec:
        """Of a container that runs `argv` in it."""
        image = await self.image()
        plain = ContainerSpec(name="one", image=image.id, argv=argv, user=ME)
        return replace(plain, **more)


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Here]:
    """A Shifter to work with, in directories of its own."""
    for name in ("home", "cache", "images"):
        (tmp_path / name).mkdir()
    for name in [name for name in os.environ if name.startswith(("SHIFTER", "SLURM_SPANK"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("JUPYTER_CONTAINERS_IMAGES", str(tmp_path / "images"))
    program = shutil.which("shifter")
    conf = tmp_path / "udiRoot.conf"
    conf.write_text(CONF)
    if program:
        conf = site.config_file()
    else:
        monkeypatch.setattr(site, "_is_setuid", lambda program: True)
    if os.environ.get("JC_RECORD") == "1":
        monkeypatch.setattr(site, "_is_setuid", lambda program: True)
    words = {
        str(tmp_path): "$TMP",
        str(Path(program).parents[1]) if program else "/opt/shifter": "$PREFIX",
        REFERENCE: "$IMAGE",
        REGISTRY: "$REGISTRY",
        REGISTRY.replace("/", "\\/"): "$ESCAPED_REGISTRY",
        REFERENCE.replace("/", "\\/"): "$ESCAPED",
        REFERENCE.replace("/", "%2F").replace(":", "%3A"): "$QUOTED",
    }
    name = re.sub(r"\W+", "_", request.node.name.removeprefix("test_")).strip("_")
    recording = RECORDINGS / f"{name}.json"
    with programs(
        ("shifter", "shifterimg", "skopeo"), recording, tmp_path, words, SHIFTER, str(conf)
    ) as real:
        yield Here(Shifter(), tmp_path, real)


def only_where(here: Here, variable: str, value: str = "") -> str:
    """For what a site does not have by itself."""
    found = os.environ.get(variable, "")
    if here.real and not (found and value in ("", found)):
        pytest.skip(f"{variable} names none")
    return found
