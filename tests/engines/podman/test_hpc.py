"""podman-hpc: the real one where it is on PATH, else its recordings."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.engines.podman import hpc
from jupyter_containers.engines.podman.hpc import PodmanHpc
from jupyter_containers.errors import (
    BaseUnknown,
    ImageError,
    ImageNotHere,
    NetworkFailed,
    StartFailed,
    Unsupported,
)
from jupyter_containers.models import ContainerSpec, Image, Mount, Progress, User
from tests.contract.builds.building import spec_of
from tests.engines.recordings import PODMAN_HPC, programs
from tests.engines.recordings.small_image import archive, registry

SMALL = "localhost/test/small:1"
RECORDINGS = Path(__file__).parents[1] / "recordings/podman_hpc"
UID, GID = (os.getuid(), os.getgid()) if os.getuid() else (1000, 1000)
ME = User(mode="me", uid=UID, gid=GID, host_uid=UID, host_gid=GID)
ROOT = replace(ME, mode="root", uid=0, gid=0)


@dataclass
class Here:
    """The engine, what it works in, and a registry."""

    engine: PodmanHpc
    place: Path
    registry: str

    def spec(self, *argv: str, **more: Any) -> ContainerSpec:
        plain = ContainerSpec(name="jc-test-one", image=SMALL, argv=argv, user=ME)
        return replace(plain, **more)

    async def load(self) -> Image:
        image = Image(id="sha256:" + "5" * 64, references=(SMALL,))
        events = [e async for e in self.engine.load(archive(self.place / "small.tar"), image)]
        assert events[-1].image is not None
        return events[-1].image

    async def pull(self, reference: str) -> list[Progress]:
        return [event async for event in self.engine.pull(reference)]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory whose path is short: podman's `runroot` has 50 characters at most."""
    with tempfile.TemporaryDirectory(prefix="jc-", dir="/tmp") as place:
        yield Path(place)


@pytest.fixture
def here(
    place: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Here]:
    for name in ("squash", "a", "b"):
        (place / name).mkdir()
    (place / "seccomp.json").touch()
    if hpc._FILTER.exists():
        shutil.copy(hpc._FILTER, place / "seccomp.json")
    monkeypatch.setattr(hpc, "_FILTER", place / "seccomp.json")
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(place / "registries.conf"))
    monkeypatch.setenv("SQUASH_DIR", str(place / "squash"))
    recording = RECORDINGS / f"{request.node.name.removeprefix('test_')}.json"
    program = shutil.which("podman-hpc")
    prefix = str(Path(program).parents[1]) if program else "/opt/podman-hpc"
    with registry() as address:
        conf = f'[[registry]]\nlocation = "{address}"\ninsecure = true\n'
        (place / "registries.conf").write_text(conf)
        words = {str(place): "$TMP", prefix: "$PREFIX", address: "$REGISTRY"}
        words[f"--user={UID}:{GID}"] = "--user=$ME"
        with programs(("podman-hpc",), recording, place, words, PODMAN_HPC) as real:
            on_host("a", place, monkeypatch)
            yield Here(PodmanHpc(), place, address)
        (place / "squash").chmod(0o700)
        if real:
            monkeypatch.setenv("SQUASH_DIR", str(place / "squash"))
            monkeypatch.delenv("PODMANHPC_CONFIG_FILE", raising=False)
            for name in ("a", "b"):
                on_host(name, place, monkeypatch)
                subprocess.run(["podman-hpc", "system", "reset", "--force"], check=True)


def on_host(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a host of that name: its images are its own, the squash store is everybody's."""
    monkeypatch.setenv("PODMANHPC_GRAPH_ROOT", str(place / name / "storage"))
    monkeypatch.setenv("PODMANHPC_RUN_ROOT", str(place / name / "run"))


async def test_info(here: Here) -> None:
    info = await here.engine.info()
    assert info.usable, info.problems
    assert info.rootless
    assert {"build", "pull", "network-none", "network-private", "root"} <= info.features
    assert info.endpoint == f"podman-hpc:{os.getuid()}:{here.place}/a/storage"
    assert any("podman-hpc migrate" in problem.fix for problem in info.problems)


async def test_a_squash_store_that_cannot_be_made(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here.place / "closed").mkdir(mode=0o500)
    monkeypatch.setenv("SQUASH_DIR", str(here.place / "closed/squash"))
    info = await here.engine.info()
    assert not info.usable
    (problem,) = info.problems
    assert "PermissionError" in problem.message
    assert "closed/squash" in problem.message
    assert problem.fix == "Run it by hand: podman-hpc infohpc"


async def test_a_site_that_is_set_up_wrong(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    (here.place / "site.yaml").write_text("no_such_option: 1\n")
    monkeypatch.setenv("PODMANHPC_CONFIG_FILE", str(here.place / "site.yaml"))
    (problem,) = (await here.engine.info()).problems
    assert "no_such_option" in problem.message


async def test_images(here: Here) -> None:
    image = await here.load()
    assert image.references == (SMALL,)
    assert dict(image.env)["GREETING"] == "hello ${HOME}"
    assert await here.engine.images() == [image]
    assert await here.engine.image(SMALL) == image
    assert await here.engine.image("localhost/test/nothing:1") is None
    await here.engine.remove_image(SMALL)
    assert await here.engine.images() == []


async def test_a_pull_migrates(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = f"{here.registry}/test/small:1"
    events = await here.pull(reference)
    assert events[-1].image is not None
    assert any(event.kind == "step" for event in events)
    on_host("b", here.place, monkeypatch)
    there = await PodmanHpc().image(reference)
    assert there is not None
    assert there.id == events[-1].image.id


async def test_a_pull_that_is_not_migrated(here: Here) -> None:
    (here.place / "squash").chmod(0o500)
    with pytest.raises(ImageError, match="not migrated") as caught:
        await here.pull(f"{here.registry}/test/small:1")
    assert "podman-hpc migrate" in caught.value.hint
    assert await here.engine.image(f"{here.registry}/test/small:1") is not None


async def test_a_pull_of_an_unknown_image(here: Here) -> None:
    with pytest.raises(BaseUnknown) as caught:
        await here.pull(f"{here.registry}/test/nothing:1")
    assert "test/nothing:1" in caught.value.message
    assert "Pull failed" not in caught.value.message


async def test_a_pull_without_a_network(here: Here) -> None:
    with pytest.raises(NetworkFailed):
        await here.pull("127.0.0.1:9/test/small:1")


async def test_a_run_prints_and_ends(here: Here) -> None:
    await here.load()
    (here.place / "data").mkdir()
    (here.place / "data/file").write_text("of the host\n")
    script = 'cat /data/file; echo "$GREETING"; id -u; echo no >&2; exit 7'
    mounts = (Mount(str(here.place / "data"), "/data", False),)
    spec = here.spec("/bin/sh", "-c", script, env={"GREETING": "of 'us'"}, mounts=mounts)
    done = await here.engine.run(spec, 60)
    assert (done.code, done.stderr.splitlines()[-1]) == (7, "no")
    assert done.stdout.splitlines()[:2] == ["of the host", "of 'us'"]


async def test_the_filter_is_switched_on_again(here: Here) -> None:
    await here.load()
    script = "while read -r name value; do [ $name != Seccomp: ] || echo $value; done"
    argv = ("/bin/sh", "-c", f"{script} < /proc/self/status")
    assert (await here.engine.run(here.spec(*argv), 60)).stdout == "2\n"


async def test_gpus_are_the_sites(here: Here) -> None:
    await here.load()
    spec = here.spec("/bin/sh", "-c", "echo $ENABLE_GPU", devices=("nvidia.com/gpu=all",))
    assert (await here.engine.run(spec, 60)).stdout == "1\n"
    with pytest.raises(Unsupported, match="all GPUs of a host or none"):
        await here.engine.run(here.spec("/bin/true", devices=("nvidia.com/gpu=0",)), 60)


async def test_a_container(here: Here) -> None:
    await here.load()
    spec = here.spec("/bin/sh", "-c", "echo begun; exec sleep 1000", labels={"a.test": "one"})
    container = await here.engine.start(spec)
    id = container.id
    try:
        assert await here.engine.poll(id) is None
        assert await here.engine.pid(id)
        (found,) = await here.engine.containers("a.test=one")
        assert (found.id, found.running, found.name) == (id, True, "jc-test-one")
        watch = here.engine.watch(id)
        await here.engine.signal(id, 9)
        while (done := watch.poll()) is None:
            await asyncio.sleep(0.05)
        assert done.stdout == "137\n"
        assert await here.engine.poll(id) == -9
        ended = await here.engine.ended(id)
        assert ended is not None
        assert ended.code == -9
        assert await here.engine.logs(id, 10) == "begun\n"
    finally:
        await here.engine.remove(id)
    assert await here.engine.ended(id) is None
    assert await here.engine.containers("a.test=one") == []


async def test_a_missing_mount(here: Here) -> None:
    await here.load()
    mounts = (Mount(str(here.place / "nothing"), "/data", False),)
    with pytest.raises(StartFailed, match="does not exist"):
        await here.engine.start(here.spec("/bin/true", mounts=mounts))


async def test_a_missing_image(here: Here) -> None:
    with pytest.raises(ImageNotHere):
        await here.engine.start(here.spec("/bin/true"))


async def test_an_unknown_program(here: Here) -> None:
    await here.load()
    with pytest.raises(StartFailed, match="cannot run /bin/nothing"):
        await here.engine.start(here.spec("/bin/nothing"))


async def test_an_image_of_another_host(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    image = await here.load()
    subprocess.run(["podman-hpc", "migrate", SMALL], check=True)
    on_host("b", here.place, monkeypatch)
    there = PodmanHpc()
    assert [one.id for one in await there.images()] == [image.id]
    assert await there.image(SMALL) is not None
    container = await there.start(here.spec("/bin/sleep", "1000", user=ROOT))
    try:
        assert await there.poll(container.id) is None
    finally:
        await there.remove(container.id)
    with pytest.raises(ImageError, match="still in") as caught:
        await there.remove_image(SMALL)
    assert "podman-hpc rmsqi" in caught.value.hint
    with pytest.raises(Unsupported, match="migrated on another host"):
        async for _ in there.save(SMALL, here.place / "saved.tar"):
            pass


async def test_a_build_from_an_image_of_another_host(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    await here.load()
    subprocess.run(["podman-hpc", "migrate", SMALL], check=True)
    on_host("b", here.place, monkeypatch)
    spec = spec_of(f"FROM {SMALL}\nENV MADE=here\n", "localhost/test/made:1")
    events = [event async for event in PodmanHpc().build(spec)]
    assert events[-1].image is not None
    assert events[-1].image.env["MADE"] == "here"


async def test_as_oneself_in_an_image_of_another_host(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    await here.load()
    subprocess.run(["podman-hpc", "migrate", SMALL], check=True)
    on_host("b", here.place, monkeypatch)
    there, said = PodmanHpc(), []
    spec = here.spec("/bin/sleep", "0")
    for attempt in (there.run(spec, 60), there.start(spec)):
        try:
            await attempt
        except StartFailed as error:
            said.append(error.message)
    await there.remove(spec.name)
    assert all("older than 1.11" in one for one in said)
