"""What a start remembers of the folders that it is going to mount."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from jupyter_containers.engines.guarded import Guarded
from jupyter_containers.errors import MountReplaced, StartFailed
from jupyter_containers.kernels.record import _plain, _spec
from jupyter_containers.kernels.spec import StartPlan, _mounts
from jupyter_containers.models import Mount
from jupyter_containers.policy.policy import Policy
from jupyter_containers.settings.schema import Settings
from tests.helpers.policies import policy, spec
from tests.helpers.private_home import private_home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return private_home(tmp_path, monkeypatch)


def plan(*mounts: Mount) -> StartPlan:
    return StartPlan(
        spec=spec(mounts=mounts), guest=True, sockets=True, token="", engine=cast(Guarded, None)
    )


def test_device_and_inode(home: Path) -> None:
    (home / "data").mkdir()
    found = plan(Mount(str(home / "data"), "/data")).with_sources().spec.sources
    status = (home / "data").stat()
    assert [(one.target, one.device, one.inode) for one in found] == [
        ("/data", status.st_dev, status.st_ino)
    ]


def test_what_is_a_link_by_now_was_not_approved(home: Path) -> None:
    """Settings were resolved when they were approved: so it was swapped since, if only for another
    folder that may be mounted."""
    (home / "other").mkdir()
    (home / "data").symlink_to("other")
    with pytest.raises(MountReplaced, match="/data"):
        plan(Mount(str(home / "data"), "/data")).with_sources()
    with pytest.raises(StartFailed, match="No such file"):
        plan(Mount(str(home / "gone"), "/data")).with_sources()


def test_a_replaced_folder_is_the_same_container(home: Path) -> None:
    (home / "data").mkdir()
    one = plan(Mount(str(home / "data"), "/data")).with_sources()
    (home / "data").rename(home / "was")
    (home / "data").mkdir()
    two = plan(Mount(str(home / "data"), "/data")).with_sources()
    assert one.spec.sources != two.spec.sources
    assert one.same_container(two)
    recorded = json.loads(json.dumps(_plain(one.spec)))
    assert recorded == json.loads(json.dumps(_plain(two.spec)))
    assert _spec(recorded) == replace(one.spec, sources=())


def test_the_notebooks_folder_is_mounted_by_its_own_path(home: Path) -> None:
    (home / "real").mkdir()
    (home / "link").symlink_to("real")
    settings = Settings.parse({"version": 1, "image": "localhost/x"}, where="")
    link, real = home / "link", str(home / "real")
    assert _mounts(settings, link, real) == (Mount(real, str(link), True),)
    link.unlink()
    link.symlink_to(".")  # the home folder, now: not what was asked for
    assert _mounts(settings, link, real) == (Mount(real, str(link), True),)
    assert _mounts(settings, link, str(home)) == ()


def test_what_may_be_swapped(home: Path) -> None:
    for name in ("nb/data", "apart"):
        (home / name).mkdir(parents=True)
    nb = Mount(str(home / "nb"), "/nb", True)
    allows: Policy = policy()

    def exposed(*mounts: Mount) -> list[str]:
        found = allows.check_run(spec(mounts=mounts)).sources
        return [one.target for one in found if one.exposed]

    assert exposed(nb) == []
    assert exposed(nb, Mount(str(home / "nb/data"), "/data")) == ["/data"]
    assert exposed(nb, Mount(str(home / "apart"), "/data")) == []
    assert exposed(Mount(str(home / "nb/data"), "/data")) == []
    (home / "apart").chmod(0o777)
    (home / "apart/data").mkdir()
    assert exposed(Mount(str(home / "apart/data"), "/data", True)) == ["/data"]


def test_the_address_of_a_server_is_no_reason_for_another_container() -> None:
    """A server that was killed may have had another one."""
    one = replace(plan(), guest=True)
    other = replace(one, spec=replace(one.spec, env={"GRADIO_ROOT_PATH": "/other/"}))
    assert one.same_container(other)
    assert not one.same_container(replace(one, spec=replace(one.spec, env={"OTHER": "1"})))
