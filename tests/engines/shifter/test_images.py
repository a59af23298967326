"""Images of Shifter's: what its gateway pulls, and what others built. See `shifter_site.py`."""

from __future__ import annotations

import pytest

from jupyter_containers.errors import BaseUnknown, EngineDown, ImageNotHere, NetworkFailed
from jupyter_containers.models import Image
from tests.engines.recordings.small_image import archive
from tests.engines.shifter.shifter_site import REFERENCE, REGISTRY, Here, here, only_where

__all__ = ["here"]


async def test_a_gateway_that_does_not_answer(here: Here) -> None:
    only_where(here, "JC_SHIFTER_DOWN", "gateway")
    with pytest.raises(EngineDown, match="gateway does not answer") as caught:
        await here.image()
    assert "imageGateway" in caught.value.hint


async def test_munge_that_does_not_answer(here: Here) -> None:
    only_where(here, "JC_SHIFTER_DOWN", "munge")
    with pytest.raises(EngineDown, match="does not know who you are") as caught:
        await here.image()
    assert "munged" in caught.value.hint


async def test_a_pull(here: Here) -> None:
    events = [event async for event in here.engine.pull(REFERENCE)]
    image = events[-1].image
    assert image is not None
    assert image.references == (REFERENCE,)
    assert any(event.kind == "log" and "gateway" in event.text for event in events)
    assert await here.engine.images() == [image]
    await here.engine.remove_image(REFERENCE)
    assert await here.engine.image(REFERENCE) is None
    with pytest.raises(ImageNotHere):
        await here.engine.remove_image(REFERENCE)


async def test_a_pull_of_an_unknown_image(here: Here) -> None:
    with pytest.raises(BaseUnknown) as caught:
        _ = [event async for event in here.engine.pull(f"{REFERENCE}-nothing")]
    assert "shifterimg login" in str(caught.value)


async def test_a_load(here: Here) -> None:
    """Of what another engine saved."""
    only_where(here, "JC_SHIFTER_REGISTRY")
    image = Image(id="sha256:" + "5" * 64, references=("localhost/mine:1",), env={"A": "b"})
    file = archive(here.state_dir / "small.tar")
    here.engine.registry = REGISTRY
    events = [event async for event in here.engine.load(file, image)]
    found = events[-1].image
    assert found is not None
    assert (found.id, found.references, dict(found.env)) == (image.id, image.references, image.env)
    again = [event async for event in here.engine.load(file, image)]
    assert [event.kind for event in again] == ["image"]


async def test_a_registry_that_does_not_answer(here: Here) -> None:
    image = Image(id="sha256:" + "5" * 64, references=("localhost/mine:1",))
    here.engine.registry = "127.0.0.1:9/team"
    with pytest.raises(NetworkFailed):
        file = archive(here.state_dir / "small.tar")
        _ = [event async for event in here.engine.load(file, image)]
    assert await here.engine.images() == []
