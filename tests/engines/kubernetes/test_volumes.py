"""Which folders a Pod mounts, and what stands over parts of them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containers.engines.kubernetes.site import Site, Volume
from jupyter_containers.engines.kubernetes.volumes import quantity
from jupyter_containers.errors import BadSettings, PolicyRefused, Unsupported
from jupyter_containers.models import Mount
from tests.engines.kubernetes.pods import SITE, made, notes


def mounted(site: Site = SITE, own: tuple[Mount, ...] = (), **changes: Any) -> list[Any]:
    """Claim or kind, sub-path, place, and whether it may be written; without /dev/shm."""
    found = made(site, own=own, **changes)["spec"]
    volumes = {one["name"]: one for one in found["volumes"]}
    rows = []
    for one in found["containers"][0]["volumeMounts"]:
        volume = volumes[one["name"]]
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        kind = claim or next(key for key in volume if key != "name")
        mode = "ro" if one.get("readOnly") else "rw"
        rows.append((kind, one.get("subPath", ""), one["mountPath"], mode))
    return [row for row in rows if row[2] != "/dev/shm"]


def test_folders_of_volumes() -> None:
    mounts = (
        Mount("/home/ada", "/home/ada", True),
        Mount("/home/ada/my data", "/data"),
        Mount("/srv/course/week 1", "/course"),
    )
    assert mounted(mounts=mounts) == [
        ("claim-ada", "", "/home/ada", "rw"),
        ("claim-ada", "my data", "/data", "ro"),
        ("course", "2026/week 1", "/course", "ro"),
    ]
    assert made(mounts=mounts, own=())["spec"]["volumes"][:-1] == [
        {"name": "claim-0", "persistentVolumeClaim": {"claimName": "claim-ada"}},
        {"name": "claim-1", "persistentVolumeClaim": {"claimName": "course"}},
    ]


def test_two_paths_of_one_claim_are_one_volume() -> None:
    site = Site(
        volumes=(
            Volume(path="/a", claim="one", sub_path="a"),
            Volume(path="/b", claim="one", sub_path="b"),
        )
    )
    mounts = (Mount("/a/x", "/a", True), Mount("/b", "/b", True))
    assert mounted(site, mounts=mounts) == [
        ("one", "a/x", "/a", "rw"),
        ("one", "b", "/b", "rw"),
    ]
    assert len(made(site, mounts=mounts, own=())["spec"]["volumes"]) == 2


def test_a_folder_that_the_cluster_does_not_have() -> None:
    with pytest.raises(Unsupported, match=r"/mnt/disk .*\n.*Policy\.kubernetes_volumes"):
        made(mounts=(Mount("/mnt/disk", "/mnt/disk"),), folder="/srv/course")
    with pytest.raises(PolicyRefused, match="/srv/course may only be mounted read-only"):
        made(mounts=(Mount("/srv/course", "/c", True),))
    with pytest.raises(BadSettings, match="has a colon"):
        made(mounts=(Mount("/home/ada", "/a:b"),))


def test_a_notebooks_folder_that_the_cluster_does_not_have_is_empty() -> None:
    more: dict[str, Any] = {
        "mounts": (Mount("/mnt/w", "/srv/course", True),),
        "folder": "/srv/course",
    }
    assert mounted(**more) == [("emptyDir", "", "/srv/course", "rw")]
    (note,) = notes(**more)
    assert note.startswith("The notebook's folder /mnt/w is empty in its Pod")
    assert "move the notebook below /home/ada, or ask the administrator" in note
    (note,) = notes(Site(), **more)
    assert "To have it there, ask the administrator to name its volume in Policy.kube" in note
    covers = (
        Mount("/run/jc/empty-dir", "/srv/course/.ssh"),
        Mount("/mnt/w/x", "/srv/course/x", True),
    )
    home = Mount("/cache/homes/1", "/srv/course/ada", True)
    assert mounted(own=(*covers, home), **more) == [
        ("emptyDir", "", "/srv/course", "rw"),
        ("emptyDir", "", "/srv/course/ada", "rw"),
    ]


def test_a_notebooks_folder_on_a_volume_to_read() -> None:
    more: dict[str, Any] = {"mounts": (Mount("/srv/course", "/c", True),), "folder": "/c"}
    assert mounted(**more) == [("course", "2026", "/c", "ro")]
    assert "read-only in its Pod, as its volume course is" in notes(**more)[0]
    more["mounts"] = (Mount("/home/ada/x", "/c", True),)
    assert notes(**more) == ()


def test_what_is_covered_here_is_covered_there() -> None:
    own = (
        Mount("/run/jc/empty-dir", "/w/.ssh"),
        Mount("/run/jc/empty", "/w/.netrc"),
        Mount("/home/ada/venv/bin", "/w/venv/bin"),
        Mount("/home/ada/venv", "/w/venv", True),
        Mount("/cache/homes/1", "/w/home", True),
    )
    assert mounted(mounts=(Mount("/home/ada", "/w", True),), own=own) == [
        ("claim-ada", "", "/w", "rw"),
        ("emptyDir", "", "/w/.ssh", "ro"),
        ("configMap", "empty", "/w/.netrc", "ro"),
        ("claim-ada", "venv/bin", "/w/venv/bin", "ro"),
        ("claim-ada", "venv", "/w/venv", "rw"),
        ("emptyDir", "", "/w/home", "rw"),
    ]


@given(st.integers(0, 1 << 50))
def test_bytes_stay_the_same(size: int) -> None:
    units = {"Ti": 40, "Gi": 30, "Mi": 20, "Ki": 10, "": 0}
    found = re.fullmatch("([0-9]+)([A-Z]i)?", quantity(size))
    assert found is not None
    assert int(found[1]) << units[found[2] or ""] == size
