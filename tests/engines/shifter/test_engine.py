"""Containers of Shifter's. See `shifter_site.py`."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_containers.errors import EngineDown, StartFailed
from jupyter_containers.models import ContainerSpec, Mount
from tests.engines.shifter.shifter_site import Here, here, no_root, only_where
from tests.helpers.harness import eventually

__all__ = ["here"]


@no_root
async def test_info(here: Here) -> None:
    info = await here.engine.info()
    assert info.usable, info.problems
    assert "pull" in info.features
    assert not {"network-none", "root", "build", "limits"} & info.features
    said = " ".join(problem.message for problem in info.problems)
    assert "/home" in said and "/tmp" in said and "network" in said
    assert all(problem.fix for problem in info.problems)


@no_root
async def test_a_run_prints_and_ends(here: Here) -> None:
    (here.state_dir / "data").mkdir()
    (here.state_dir / "data/file").write_text("of the host\n")
    script = 'cat /data/file; echo "$GREETING"; echo "<$EMPTY>"; echo $HOME; echo no >&2; exit 7'
    (here.state_dir / "cache/private").mkdir()
    spec = await here.spec(
        *("/bin/sh", "-c", script),
        env={"GREETING": "two\nlines of 'it'", "EMPTY": "", "HOME": "/home/me"},
        mounts=(Mount(str(here.state_dir / "data"), "/data", False),),
        own=(Mount(str(here.state_dir / "cache/private"), "/home/me", True),),
    )
    done = await here.engine.run(spec, 60)
    assert (done.code, done.stderr) == (7, "no\n")
    home = here.state_dir / "cache/private"
    assert done.stdout == f"of the host\ntwo\nlines of 'it'\n<>\n{home}\n"
    assert not list((here.state_dir / "cache").glob("*/containers/shifter/*"))


@no_root
async def test_a_read_only_mount(here: Here) -> None:
    (here.state_dir / "data").mkdir()
    mounts = (Mount(str(here.state_dir / "data"), "/data", False),)
    done = await here.engine.run(
        await here.spec("/bin/sh", "-c", "echo 1 > /data/a", mounts=mounts), 60
    )
    assert done.code != 0
    assert "Read-only file system" in done.stderr


@no_root
@pytest.mark.parametrize(
    ("target", "said"),
    [("/bin/none", "/bin/none"), ("/var/mine", "/var/mine"), ("/bin/sh", "/bin/sh")],
    ids=["not_there", "shifters_own", "a_file"],
)
async def test_a_place_that_nothing_can_be_mounted_at(here: Here, target: str, said: str) -> None:
    (here.state_dir / "data").mkdir()
    mounts = (Mount(str(here.state_dir / "data"), target, True),)
    spec = await here.spec("/bin/true", mounts=mounts)
    with pytest.raises(StartFailed, match=said) as caught:
        await here.engine.start(spec)
    assert "/data" in caught.value.hint
    assert await here.engine.containers("any") == []


@no_root
async def test_a_mounts_source_that_is_gone(here: Here) -> None:
    mounts = (Mount(str(here.state_dir / "nothing"), "/data", False),)
    spec = await here.spec("/bin/true", mounts=mounts)
    with pytest.raises(StartFailed, match="does not exist"):
        await here.engine.start(spec)


@no_root
async def test_a_working_directory_that_is_not_there(here: Here) -> None:
    spec = await here.spec("/bin/sh", "-c", "sleep 5; :", workdir="/no/where")
    with pytest.raises(StartFailed, match="/no/where is not there"):
        await here.engine.start(spec)
    assert await here.engine.containers("any") == []
    assert (await here.engine.run(replace(spec, argv=("/bin/true",)), 60)).code == 125


@no_root
async def test_an_unknown_program(here: Here) -> None:
    done = await here.engine.run(await here.spec("/bin/nothing"), 60)
    assert done.code == 127


@no_root
async def test_an_image_that_the_gateway_has_no_more(here: Here) -> None:
    spec = await here.spec("/bin/true")
    known(here, spec, "gone")
    with pytest.raises(StartFailed, match="has this image no more"):
        await here.engine.start(spec)


@no_root
async def test_an_image_of_others(here: Here) -> None:
    identifier = only_where(here, "JC_SHIFTER_PRIVATE")
    spec = await here.spec("/bin/true")
    known(here, spec, identifier or "ID")
    with pytest.raises(StartFailed, match="belongs to others"):
        await here.engine.start(spec)


def known(here: Here, spec: ContainerSpec, identifier: str) -> None:
    """Another id of the gateway's for an image."""
    stored = here.engine.store.find(spec.image)
    assert stored is not None
    (stored.directory / "id").write_text(identifier)


@no_root
async def test_a_module_that_the_site_does_not_have(here: Here) -> None:
    spec = await here.spec("/bin/true", devices=("nvidia.com/gpu=all",))
    with pytest.raises(StartFailed, match="no module gpu"):
        await here.engine.start(spec)


async def test_root(here: Here) -> None:
    """Recorded as root: Shifter says it before anything else."""
    if here.real and os.getuid():
        pytest.skip("Shifter refuses root only")
    with pytest.raises(EngineDown, match="refuses to run containers for root"):
        await here.engine.start(await here.spec("/bin/true"))


@no_root
async def test_one_that_goes_on_is_killed(here: Here) -> None:
    """With what it started in sessions of its own."""
    script = "setsid sleep 4244 & exec sleep 4244"
    spec = await here.spec("/bin/sh", "-c", script)
    begun = time.monotonic()
    with pytest.raises(EngineDown):
        await here.engine.run(spec, 3)
    assert time.monotonic() - begun < 10
    await eventually(lambda: not sleeping())


def sleeping() -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes() == b"sleep\x004244\x00":
                return True
        except OSError:
            continue
    return False


@no_root
async def test_one_that_was_started_is_ended(here: Here) -> None:
    if not here.real or os.environ.get("JC_RECORD") == "1":
        pytest.skip("a recording runs no container")
    spec = await here.spec("/bin/sh", "-c", "setsid sleep 4244 & exec sleep 4244")
    container = await here.engine.start(spec)
    pid = await here.engine.pid(container.id)
    assert pid is not None
    await eventually(sleeping)
    await asyncio.to_thread(os.kill, pid, 9)
    await here.engine.remove(container.id)
    assert not sleeping()
