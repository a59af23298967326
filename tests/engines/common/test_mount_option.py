"""Folders of any name, in the one grammar that docker, podman and apptainer share."""

from __future__ import annotations

import csv

import pytest

from jupyter_containers.engines.common.run_argv import mount_option
from jupyter_containers.engines.podman.engine import Podman
from jupyter_containers.engines.shifter.mounts import check_names
from jupyter_containers.errors import Unsupported
from jupyter_containers.models import EngineInfo, Mount

NAMES = (
    *("/plain", "/Lee, Kim", "/10:30", '/say "hi"', "/it's", "/back\\slash", "/$HOME", "/100%"),
    *(
        "/-dash",
        "/ lead",
        "/trail ",
        "/Übung 日本",
        "/a=b",
        "/x,readonly=false",
        '/"',
        '/a",dst=/etc',
    ),
)


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_a_path_stays_one_field(name: str, writable: bool) -> None:
    text = mount_option(name, f"{name}/inside", writable)
    [fields] = csv.reader([text.removeprefix("--mount=")], strict=True)
    expected = ["type=bind", f"src={name}", f"dst={name}/inside"]
    assert fields == expected + ([] if writable else ["readonly"])


def test_an_ordinary_path_is_not_quoted() -> None:
    assert mount_option("/a b", "/c", False) == "--mount=type=bind,src=/a b,dst=/c,readonly"


class _Podman(Podman):
    def __init__(self, version: str) -> None:
        super().__init__()
        self.version = version

    async def info(self) -> EngineInfo:
        return EngineInfo(name=self.name, version=self.version)


@pytest.mark.parametrize("name", ["/Lee, Kim", '/say "hi"'])
async def test_podman_before_4_2_says_that_it_cannot_quote(name: str) -> None:
    for mount in (Mount(name, "/data"), Mount("/data", name)):
        with pytest.raises(Unsupported, match="This podman cannot mount"):
            await _Podman("4.1.1").check_mounts([mount])
        await _Podman("4.3.1").check_mounts([mount])
    await _Podman("4.1.1").check_mounts([Mount("/10:30", "/data", True)])


def test_shifter_takes_plain_names_where_it_mounts() -> None:
    check_names(Mount("/Lee, Kim", "/Lee, Kim", True), "/Lee, Kim")  # seen there anyway
    for mount, seen in (
        (Mount("/Lee, Kim", "/Lee, Kim"), "/Lee, Kim"),
        (Mount("/Lee, Kim", "/data", True), "/Lee, Kim"),
        (Mount("/data", "/10:30", True), "/data"),
        (Mount("/Übung", "/data", True), None),
    ):
        with pytest.raises(Unsupported, match="Shifter cannot mount"):
            check_names(mount, seen)
