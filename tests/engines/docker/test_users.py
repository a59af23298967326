"""Who one is inside a container of Docker's: files on mounts stay the person's in every case."""

from __future__ import annotations

import os

import pytest

from jupyter_containers.engines.docker.info import user_inside
from jupyter_containers.errors import Unsupported
from jupyter_containers.models import EngineInfo

ROOTFUL = EngineInfo(name="docker", version="28", usable=True)
ROOTLESS = EngineInfo(name="docker", version="28", usable=True, rootless=True)


@pytest.fixture(autouse=True)
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(os, "getgid", lambda: 1000)
    monkeypatch.setattr(os, "getgroups", lambda: [1000, 50])


def test_an_images_group_counts_only_where_it_is_the_persons() -> None:
    """An image says of itself what it likes, and what is root's group reads more than they may."""
    for said, group in ((0, 1000), (4, 1000), (50, 50), (1000, 1000)):
        user = user_inside(ROOTFUL, "image", (1000, said))
        assert (user.uid, user.gid) == (1000, group)


def test_other_users_of_images_are_refused() -> None:
    with pytest.raises(Unsupported, match="not yours"):
        user_inside(ROOTFUL, "image", (1001, 1000))
    with pytest.raises(Unsupported, match="not yours"):
        user_inside(ROOTLESS, "image", (1000, 1000))
    with pytest.raises(Unsupported, match="root on the host"):
        user_inside(ROOTFUL, "root", (0, 0))


def test_rootless_maps_its_root_to_the_person() -> None:
    assert user_inside(ROOTLESS, "me", (7, 7)).uid == 0
    assert user_inside(ROOTFUL, "me", (7, 7)).uid == 1000
