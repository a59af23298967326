"""What enroot is told, and what an image may tell it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jupyter_containers.engines.enroot.images import make_harmless, source
from jupyter_containers.engines.enroot.scripts import conf_text, rc_text
from jupyter_containers.models import ContainerSpec, Image, Mount, User

ID = "sha256:" + "5" * 64
ME = User(mode="me", uid=os.getuid(), gid=os.getgid(), host_uid=os.getuid(), host_gid=os.getgid())


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("docker.io/library/python:3.12", "docker://library/python:3.12"),
        ("nvcr.io/nvidia/pytorch:24.01-py3", "docker://nvcr.io#nvidia/pytorch:24.01-py3"),
        ("127.0.0.1:5000/a/b", "docker://127.0.0.1:5000#a/b:latest"),
        ("ghcr.io/a/b:1@sha256:" + "0" * 64, "docker://ghcr.io#a/b:sha256:" + "0" * 64),
    ],
)
def test_what_an_image_is_called(reference: str, said: str) -> None:
    assert source(reference) == said


def test_what_stands_in_the_scripts(tmp_path: Path) -> None:
    spec = ContainerSpec(
        name="one",
        image=ID,
        argv=("python",),
        user=ME,
        workdir="/it's here",
        env={"A": "b c", "not a name": "x"},
        mounts=(Mount("/etc", "/with space", False), Mount("/tmp", "/w", True)),
        entrypoint="image",
    )
    conf = conf_text(spec, tmp_path, upper="/up", devices={"NVIDIA_VISIBLE_DEVICES": "0"})
    lines = conf.splitlines()
    assert "/etc /with\\040space none x-create=dir,bind,ro,nosuid,nodev,private" in lines
    assert "/tmp /w none x-create=dir,rbind,rw,nosuid,nodev,private" in lines
    assert "NVIDIA_VISIBLE_DEVICES=0" in lines
    assert "upperdir=/up/upper" in conf
    rc = rc_text(spec, Image(id=ID, env={"I": "$x"}, entrypoint=("/entry", "a b")))
    assert rc.splitlines()[1:] == [
        "export I='$x'",
        "export A='b c'",
        "cd '/it'\"'\"'s here' || exit 125",
        "unset OLDPWD",
        "exec /entry 'a b' \"$@\"",
    ]


def test_an_image_leads_enroot_nowhere(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "key").write_text("secret")
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/fstab").symlink_to(outside / "key")
    (tree / "etc/environment").write_text("TOKEN=${JPY_API_TOKEN}\n")
    (tree / "etc/passwd").symlink_to(outside / "key")
    (tree / "etc/skel").symlink_to(outside)
    (tree / ".lock").symlink_to(outside / "key")
    make_harmless(tree)
    assert (outside / "key").read_text() == "secret"
    assert [one for one in tree.rglob("*") if one.is_symlink()] == []
    assert (tree / "etc/environment").read_text() == ""
