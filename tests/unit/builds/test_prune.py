"""Which superseded images may go: one rule after a build and for `prune --images`."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from jupyter_containers.builds.plan import NAMESPACE, origin_of
from jupyter_containers.builds.prune import superseded
from jupyter_containers.engines.guarded import Guarded
from jupyter_containers.kernels.prune import leftovers
from jupyter_containers.kernelspecs import pin
from jupyter_containers.layout import BUILD_LABEL
from jupyter_containers.models import Image
from jupyter_containers.policy.approvals import Approvals
from jupyter_containers.settings.schema import Settings


@pytest.fixture(autouse=True)
def no_other_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))


def image(day: int, *more: str, cell: str = "c", notebook: str = "notebook") -> Image:
    return Image(
        id=f"sha256:{day}",
        references=(f"{NAMESPACE}/{cell}:{day}", *more),
        created=f"2026-01-{day:02}",
        labels={BUILD_LABEL: f"fingerprint{day} {cell} {notebook}"},
    )


def engine(*images: Image, keep: int) -> Guarded:
    """What the rule asks of an engine."""

    async def answer(*_: Any) -> list[Image]:
        return list(images)

    async def none(*_: Any) -> list[Any]:
        return []

    known = SimpleNamespace(
        name="podman",
        places=False,
        policy=SimpleNamespace(keep_images=keep),
        images=answer,
        containers=none,
        unused_networks=none,
        remove_image=none,
    )
    return cast("Guarded", known)


async def names(chosen: Guarded, **more: str) -> list[str]:
    return [name.rpartition("/")[2] for _, name in await superseded(chosen, **more)]


@pytest.mark.parametrize(
    ("keep", "expected"), [(0, ["c:3", "c:2", "c:1"]), (2, ["c:1"]), (3, []), (9, [])]
)
async def test_the_current_one_and_keep_images_before_it_stay(
    keep: int, expected: list[str]
) -> None:
    images = [image(day) for day in (2, 4, 1, 3)]
    assert await names(engine(*images, keep=keep)) == expected


async def test_cells_are_counted_by_themselves() -> None:
    images = [image(1), image(2), image(1, cell="d"), image(3, cell="d")]
    assert await names(engine(*images, keep=0)) == ["c:1", "d:1"]
    assert await names(engine(*images, keep=0), lineage="d") == ["d:1"]
    assert await names(engine(*images, keep=1)) == []


async def test_what_was_just_built_is_current_whatever_its_date() -> None:
    images = [image(day) for day in (1, 2, 3)]
    current = f"{NAMESPACE}/c:1"
    assert await names(engine(*images, keep=0), lineage="c", current=current) == ["c:3", "c:2"]


async def test_pinned_images_names_of_others_and_their_images_stay() -> None:
    other = Image(id="sha256:9", references=("docker.io/library/a:1",), created="2025-01-01")
    images = [image(1), image(2, "localhost/mine:1"), image(3), other]
    pin(f"{NAMESPACE}/c:1", "old", Settings(image=f"{NAMESPACE}/c:1"))
    assert await names(engine(*images, keep=0)) == ["c:2"]


async def test_what_another_notebook_has_stays(tmp_path: Path) -> None:
    """A copy, or the notebook under its new name; and only while it is there."""
    own, copy = tmp_path / "notebook.ipynb", tmp_path / "copy.ipynb"
    images = [image(day, notebook=origin_of(own)) for day in (1, 2, 3)]
    for number, notebook in ((1, own), (2, own), (3, own), (1, copy)):
        notebook.touch()
        Approvals().approve_image(notebook, f"{NAMESPACE}/c:{number}")
    assert await names(engine(*images, keep=0)) == ["c:2"]
    copy.unlink()
    assert await names(engine(*images, keep=0)) == ["c:2", "c:1"]


async def test_prune_follows_the_same_rule() -> None:
    images = [image(day) for day in (1, 2, 3, 4)]
    pin(f"{NAMESPACE}/c:2", "pinned", Settings(image=f"{NAMESPACE}/c:2"))
    found = await leftovers([engine(*images, keep=1)], images=True)
    assert [one.name for one in found if one.kind == "image"] == [f"{NAMESPACE}/c:1"]


async def test_prune_removes_networks_that_nothing_is_on(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    removed: list[str] = []

    async def none(*_: Any) -> list[Any]:
        return []

    async def unused() -> list[str]:
        return ["a7582fcfaf2599455e89"]

    async def remove(id: str) -> None:
        removed.append(id)

    engine = SimpleNamespace(
        name="docker", containers=none, unused_networks=unused, remove_network=remove
    )
    found = await leftovers([cast("Guarded", engine)], images=False)
    (one,) = [one for one in found if one.kind == "network"]
    assert one.name == "jupyter-containers (a7582fcfaf25)"
    await one.remove()
    assert removed == ["a7582fcfaf2599455e89"]
