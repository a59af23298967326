"""enroot where directories are on a network: an image is one file, an overlay in memory."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from jupyter_containers.engines.enroot.engine import Enroot
from jupyter_containers.models import Image
from tests.helpers.harness import running, write_notebook

HERE = "localhost/one:latest"


@pytest.fixture
def program(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Enroot:
    if engine != "enroot":
        pytest.skip("enroot's own")
    monkeypatch.setenv("JUPYTER_CONTAINERS_IMAGES", str(tmp_path / "images"))
    return Enroot()


async def load(program: Enroot, image: str, state_dir: Path) -> list[str]:
    """Names of what is kept of an image of podman's."""
    archive = state_dir / "image.tar"
    subprocess.run(["podman", "save", "-q", "-o", archive, image], check=True)
    async for _ in program.load(archive, Image(id="sha256:" + "1" * 64, references=(HERE,))):
        pass
    archive.unlink()
    (stored,) = program.store.all()
    return sorted(path.name for path in stored.directory.iterdir())


async def works(folder: Path) -> None:
    """A kernel of the image runs, and may write anywhere."""
    async with running(
        write_notebook(folder / "n.ipynb", {"image": HERE, "engine": "enroot"})
    ) as k:
        assert await k.value("open('/usr/new', 'w').write('written')") == "7"
        assert await k.value("open('/usr/new').read()") == "written"
        assert await k.value("__import__('os').getcwd()") == str(folder)


async def test_a_kernel_in_one_file(
    program: Enroot, image: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "jupyter_containers.engines.enroot.images"
    monkeypatch.setattr(f"{module}.on_network", lambda path: True)
    assert await load(program, image, tmp_path) == ["image.json", "image.sqsh"]
    await works(folder)


async def test_a_kernel_whose_overlay_is_in_memory(
    program: Enroot, image: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "jupyter_containers.engines.enroot.engine"
    monkeypatch.setattr(f"{module}.on_network", lambda path: True)
    assert await load(program, image, tmp_path) == ["image.json", "tree"]
    await works(folder)
