"""Full disks."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_containers import errors
from tests.contract.builds.site import Site


async def test_no_build_starts_below_the_floor(site: Site, images: dict[str, str]) -> None:
    site.policy["min_free_disk"] = 1 << 49
    error = await site.fail(f"FROM {images['busybox']}\nRUN true\n")
    assert isinstance(error, errors.DiskFull) and "Policy.min_free_disk" in error.message


async def test_a_full_disk_in_run(site: Site, images: dict[str, str], word: str) -> None:
    text = (
        f"FROM {images['busybox']}\n"
        f"RUN echo {word}; dd if=/dev/zero of=/dev/shm/full bs=1M count=200\n"
    )
    error = await site.fail(text)
    assert isinstance(error, errors.DiskFull) and error.line == 2
    assert "prune" in error.hint


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root; the tests as root do it")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", place], check=True)
    yield place
    subprocess.run(["umount", "-R", "--lazy", place], check=True)


async def test_a_full_disk_under_our_cache(
    site: Site, images: dict[str, str], small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(small))
    (site.folder / "large").write_bytes(os.urandom(1 << 20) * 40)
    error = await site.fail(f"FROM {images['busybox']}\nCOPY large /\n")
    assert isinstance(error, errors.DiskFull)
    assert list((small / "jupyter-containers/contexts").glob("*")) == []


async def test_a_full_disk_under_podmans_storage(
    site: Site, small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word: str
) -> None:
    if site.program != "podman":
        pytest.skip("a daemon's storage is not ours to choose")
    conf = tmp_path / "storage.conf"
    conf.write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{small}/storage"\nrunroot = "{small}/run"\n'
    )
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(conf))
    (site.folder / "large").write_bytes(os.urandom(1 << 20) * 40)
    for text in (
        f"FROM scratch\nCOPY large /large{word}\n",
        "FROM scratch\nCOPY large /a\nCOPY large /b\n",
    ):
        error = await site.fail(text)
        assert isinstance(error, errors.DiskFull), error
    assert site.run("ps", "--all", "--external", "--quiet") == ""
