"""Images in a directory of ours."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from jupyter_containers.engines.process_engine.image_store import (
    Store,
    images_directory,
    on_network,
    random_id,
)
from jupyter_containers.models import Image

NAME = "localhost/one:latest"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("JUPYTER_CONTAINERS_IMAGES", str(tmp_path / "images"))
    return Store("apptainer")


async def add(store: Store, image: Image, content: str = "x") -> bool:
    async with store.adding(image) as new:
        if new is not None:
            (new / "tree").mkdir()
            (new / "tree/file").write_text(content)
    return new is not None


def image(*names: str) -> Image:
    return Image(id=random_id(), references=names, labels={"a": "b"}, env={"LANG": "C"})


async def test_an_image_is_found_by_all_its_names_and_its_id(store: Store) -> None:
    one = image(NAME, "docker.io/library/python:3.12")
    assert await add(store, one)
    for name in (one.id, *one.references, "python:3.12"):
        found = store.find(name)
        assert found is not None
        assert found.image.id == one.id
        assert (found.image.labels, found.image.env) == (one.labels, one.env)
        assert found.image.size > 0
        assert (found.directory / "tree/file").read_text() == "x"
    assert store.find("localhost/two:latest") is None
    assert store.find("sha256:../..") is None


async def test_a_failed_one_leaves_nothing(store: Store) -> None:
    one = image(NAME)
    with pytest.raises(RuntimeError):
        async with store.adding(one) as new:
            assert new is not None
            (new / "half").write_text("x")
            (new / "closed").mkdir(mode=0)
            raise RuntimeError
    assert store.all() == []
    assert list(store.root.glob("new-*")) == []


async def test_two_at_once_make_it_once(store: Store) -> None:
    one = image(NAME)
    made = await asyncio.gather(*(add(store, one) for _ in range(5)))
    assert sorted(made) == [False] * 4 + [True]


async def test_a_name_goes_to_the_newer_image(store: Store) -> None:
    old, new = image(NAME, "localhost/kept:1"), image(NAME)
    await add(store, old)
    await add(store, new)
    found = store.find(NAME)
    assert found is not None
    assert found.image.id == new.id
    left = store.find(old.id)
    assert left is not None
    assert left.image.references == ("localhost/kept:1",)


async def test_the_last_name_takes_the_image_with_it(store: Store) -> None:
    one = image(NAME, "localhost/other:1")
    await add(store, one)
    store.remove(NAME)
    assert store.find(one.id) is not None
    store.remove("localhost/other:1")
    assert store.find(one.id) is None
    assert [path.name for path in store.root.iterdir() if path.is_dir()] == ["locks"]


async def test_what_a_lost_host_left_is_removed_after_a_day(store: Store) -> None:
    store.root.mkdir(parents=True)
    old, young = store.root / "new-old", store.root / "new-young"
    for path in (old, young):
        path.mkdir()
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    await add(store, image(NAME))
    assert not old.exists()
    assert young.exists()


async def test_what_cannot_be_read_is_no_image(store: Store) -> None:
    broken = store.root / ("0" * 64)
    broken.mkdir(parents=True)
    (broken / "image.json").write_text("{")
    await add(store, image(NAME))
    assert len(store.all()) == 1


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JUPYTER_CONTAINERS_IMAGES", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert images_directory() == tmp_path / "jupyter-containers/images"
    monkeypatch.setenv("JUPYTER_CONTAINERS_IMAGES", "/scratch/me")
    assert images_directory() == Path("/scratch/me")
    monkeypatch.setenv("JUPYTER_CONTAINERS_IMAGES", "relative")
    assert images_directory() == tmp_path / "jupyter-containers/images"


def test_this_disk_is_no_network(tmp_path: Path) -> None:
    assert not on_network(tmp_path / "not/there")
