"""How Docker and Podman are given a source that could be swapped."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.engines.common.mounts import held
from jupyter_containers.engines.docker import descriptors
from jupyter_containers.engines.docker.descriptors import NO_VOLUME, can_mount, files_apart
from jupyter_containers.engines.docker.engine import Docker
from jupyter_containers.engines.docker.info import is_recursive
from jupyter_containers.errors import Unsupported
from jupyter_containers.host.paths import cache_directory
from jupyter_containers.host.process import Completed
from jupyter_containers.models import ContainerSpec, Mount
from tests.engines.common.test_mounts import source
from tests.helpers.policies import spec
from tests.helpers.private_home import private_home


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return private_home(tmp_path, monkeypatch)


def asked(path: Path, *, writable: bool = False) -> ContainerSpec:
    return spec(
        mounts=(Mount(str(path), "/data", writable), Mount("/b", "/b")),
        sources=(source(path, "/data", exposed=True),),
    )


def options(argv: list[str]) -> list[str]:
    return [word for word in argv if word.startswith("--mount=")]


def test_by_descriptor(home: Path) -> None:
    for writable, how in ((True, "rbind,rprivate"), (False, "bind,rprivate,ro")):
        argv = Docker().run_argv(
            asked(home, writable=writable), detach=True, descriptors={"/data": 7}
        )
        assert options(argv) == [
            "--mount=type=volume,dst=/data,volume-driver=local,volume-nocopy=true,"
            f'volume-opt=type=none,"volume-opt=o={how}",'
            f"volume-opt=device=/proc/{os.getpid()}/fd/7",
            "--mount=type=bind,src=/b,dst=/b,readonly",
        ]


async def test_a_file_gets_another_name_as_long_as_it_takes(home: Path) -> None:
    file = home / "file"
    file.write_text("fine")
    one = asked(file)
    with held(one) as found:
        file.rename(home / "was")
        file.write_text("SECRET")
        async with files_apart("docker", one, found) as (mounted, rest):
            name = Path(mounted.mounts[0].source)
            assert name.read_text() == "fine"
            assert name.is_relative_to(cache_directory() / "volumes")
            assert (rest, mounted.mounts[1]) == ({}, one.mounts[1])
    assert list((cache_directory() / "volumes").iterdir()) == []


async def test_a_folder_needs_none(home: Path) -> None:
    one = asked(home)
    with held(one) as found:
        async with files_apart("docker", one, found) as (mounted, rest):
            assert (mounted, rest) == (one, found)
    assert not cache_directory().exists()


async def test_a_file_that_can_have_none_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home / "file"
    file.write_text("fine")
    one = asked(file)
    monkeypatch.setattr(descriptors, "is_exposed", lambda path, writable: True)
    with held(one) as found, pytest.raises(Unsupported, match="safely") as raised:
        await files_apart("docker", one, found).__aenter__()
    assert "folder" in raised.value.hint


@pytest.mark.parametrize(("said", "can"), [(f"x: {NO_VOLUME}: EINVAL", False), ("no file", True)])
async def test_whether_the_daemon_can_is_tried(home: Path, said: str, can: bool) -> None:
    ran = []

    async def command(argv: Any) -> Completed:
        ran.append(list(argv))
        return Completed(tuple(argv), 127, "", said)

    assert await can_mount(asked(home), command) is can
    assert options(ran[0]) and "--network=none" in ran[0]
    assert ran[1][:3] == ["rm", "--force", "--volumes"]


NEW = {
    "ServerVersion": "28.5.2+dfsg4",
    "KernelVersion": "6.1.0-18-amd64",
    "ClientInfo": {"Version": "28.2.2"},
}


def test_read_only_is_recursive_where_all_three_know_it() -> None:
    assert is_recursive(NEW)
    for old in (
        {"ServerVersion": "24.0.7"},
        {"KernelVersion": "5.10.0"},
        {"ClientInfo": {"Version": "20.10.24+dfsg1"}},
        {"ClientInfo": None},
        {"KernelVersion": None},
    ):
        assert not is_recursive(NEW | old)


def test_a_target_of_any_name(home: Path) -> None:
    descriptor = {'/d, "e": f': 7}
    one = spec(mounts=(Mount(str(home), '/d, "e": f', True),))
    (option,) = options(Docker().run_argv(one, detach=True, descriptors=descriptor))
    fields = next(csv.reader([option.removeprefix("--mount=")]))
    assert 'dst=/d, "e": f' in fields and "volume-opt=o=rbind,rprivate" in fields
