"""A base image without a hub: made from packages once, imported into every engine."""

import asyncio
import io
import shutil
import tarfile
import uuid
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from jupyter_containers.engines.guarded import Guarded
from jupyter_containers.engines.registry import open_engine
from jupyter_containers.errors import ContainersError, ImageError, NetworkFailed
from jupyter_containers.images import bootstrap
from jupyter_containers.images.bootstrap import BASE, get_base_image, root_filesystem
from jupyter_containers.models import ContainerSpec, Progress
from jupyter_containers.policy.loader import load_policy


@pytest.fixture(scope="module")
def tar(engine: str, archive: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `root_filesystem` makes of this host's release; of an engine that is not the first, what
    it has made for the tests."""
    if engine != "podman" and archive is not None:
        return archive
    path = tmp_path_factory.mktemp("root") / "root.tar"
    said: list[str] = []
    asyncio.run(root_filesystem(bootstrap.host_suite(), path, said.append))
    assert any("downloading packages" in line for line in said)
    return path


@pytest.fixture
def guarded(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guarded]:
    """The engine under test, without our base image before and after."""
    monkeypatch.setenv("JUPYTER_CONTAINERS_IMAGES", str(tmp_path / "images"))
    program = open_engine(engine, load_policy(None))
    asyncio.run(_remove(program))
    yield program
    asyncio.run(_remove(program))


async def _remove(program: Guarded) -> None:
    for image in await program.images():
        for name in image.references:
            if name.startswith(f"{BASE}:"):
                await program.remove_image(name)


async def _run(program: Guarded, reference: str, *argv: str) -> str:
    image = await program.image(reference)
    assert image is not None
    name, user = f"jc-test-{uuid.uuid4().hex[:8]}", await program.user("me", (0, 0))
    spec = ContainerSpec(name=name, image=image.id, argv=argv, user=user, network="none")
    done = await program.run(spec, 60)
    assert done.code == 0, done.stderr
    return done.stdout.strip()


async def test_from_packages(guarded: Guarded, tar: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def made(suite: str, path: Path, say: bootstrap.OnProgress) -> None:
        shutil.copyfile(tar, path)  # half a minute's work, done once

    monkeypatch.setattr(bootstrap, "root_filesystem", made)
    reference = await get_base_image(guarded, lambda line: None, hub=False)
    version = bootstrap.python_version(tar)
    assert reference == f"{BASE}:{version}"
    assert (
        await _run(guarded, BASE, "python", "-c", "import sys; print(sys.version[:4])") == version
    )
    pip = await _run(guarded, reference, "python3", "-m", "pip", "--version")
    assert pip.startswith("pip ")
    # What only merges /usr brings 48 MB of perl along.
    assert await _run(guarded, reference, "sh", "-c", "ls -d /usr/share/perl/* || echo no") == "no"
    assert (
        await _run(guarded, reference, "sh", "-c", "ls /usr/lib/python3*/EXT* || echo none")
        == "none"
    )

    said: list[str] = []
    await get_base_image(guarded, said.append)
    assert said == [f"{BASE} is here already."]


async def test_from_a_registry(
    guarded: Guarded, engine: str, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine == "charliecloud":
        pytest.skip("ch-image pulls by https only")
    monkeypatch.setenv("APPTAINER_NOHTTPS", "true")
    monkeypatch.setenv("ENROOT_ALLOW_HTTP", "yes")
    monkeypatch.setattr(bootstrap, "HUB", f"{registry}/test/busybox:latest")
    assert await get_base_image(guarded, lambda line: None) == f"{BASE}:latest"
    assert await _run(guarded, BASE, "echo", "here") == "here"


async def test_without_a_hub_the_packages_are_taken(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(suite: str, path: Path, say: bootstrap.OnProgress) -> None:
        raise ImageError("no packages either")

    # Nothing listens on port 9.
    monkeypatch.setattr(bootstrap, "HUB", "127.0.0.1:9/library/python:3.12-slim")
    monkeypatch.setattr(bootstrap, "root_filesystem", none)
    said: list[str] = []
    with pytest.raises(ImageError, match="no packages either"):
        await get_base_image(guarded, said.append)
    assert any(line.startswith("Without the hub: ") for line in said), said


async def test_a_hub_that_says_nothing_is_left() -> None:
    async def silent() -> AsyncGenerator[Progress]:
        yield Progress(kind="notice", text="first")
        await asyncio.sleep(60)

    heard: list[str] = []
    with pytest.raises(NetworkFailed, match="said nothing"):
        async for event in bootstrap._within(silent(), 0.05):
            heard.append(event.text)
    assert heard == ["first"]


async def test_without_mmdebstrap_the_ways_out_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageError) as caught:
        await root_filesystem("bookworm", tmp_path / "x.tar", lambda line: None)
    assert "apt install mmdebstrap" in caught.value.hint
    assert "podman save" in caught.value.hint


async def test_a_release_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ContainersError, match="nosuchrelease"):
        await root_filesystem("nosuchrelease", tmp_path / "x.tar", lambda line: None)
    assert not (tmp_path / "x.tar").exists()


def test_a_tar_without_python(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("./usr/bin/perl"), io.BytesIO())
    with pytest.raises(ImageError, match="no Python"):
        bootstrap.python_version(path)
