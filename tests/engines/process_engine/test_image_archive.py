"""Docker's archives, honest and hostile, unpacked into a directory."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.engines.process_engine.image_archive import (
    NotAnImage,
    load_tree,
    pack,
    unpack,
)
from jupyter_containers.engines.process_engine.image_store import TREE, Store
from jupyter_containers.engines.process_engine.rootfs import complete, make_point, resolve
from jupyter_containers.models import Image

Member = tuple[str, str | bytes | None, dict[str, Any]]


def still(_: int, __: int) -> None:
    """Nobody looks at the progress."""


def layer(*members: Member) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content, more in members:
            one = tarfile.TarInfo(name)
            data = content.encode() if isinstance(content, str) else content or b""
            one.size, one.mode, one.mtime = len(data), 0o644, 1_000_000
            for key, value in more.items():
                setattr(one, key, value)
            tar.addfile(one, io.BytesIO(data))
    return out.getvalue()


def file(name: str, content: str = "x", **more: Any) -> Member:
    return name, content, more


def folder(name: str, mode: int = 0o755) -> Member:
    return name, None, {"type": tarfile.DIRTYPE, "mode": mode}


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> Member:
    return name, None, {"type": kind, "linkname": to}


def archive(directory: Path, *layers: bytes) -> Path:
    path = directory / "image.tar"
    names = [f"{number}/layer.tar" for number, _ in enumerate(layers)]
    manifest = json.dumps([{"Config": "c.json", "RepoTags": [], "Layers": names}])
    config = json.dumps({"config": {"Env": ["A=1"]}})
    with tarfile.open(path, "w") as tar:
        texts = [("c.json", config.encode()), ("manifest.json", manifest.encode())]
        for name, data in [*zip(names, layers, strict=True), *texts]:
            one = tarfile.TarInfo(name)
            one.size = len(data)
            tar.addfile(one, io.BytesIO(data))
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return tmp_path / "tree"


def test_layers_whiteouts_and_opaque_directories(tmp_path: Path, tree: Path) -> None:
    lower = layer(folder("a"), file("a/1"), file("a/2"), folder("b"), file("b/old"), file("c"))
    upper = layer(file("a/.wh.1", ""), file("b/new"), file("b/.wh..wh..opq", ""), file("c", "y"))
    config = unpack(archive(tmp_path, lower, upper), tree, still)
    found = sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))
    assert found == ["a", "a/2", "b", "b/new", "c"]
    assert (tree / "c").read_text() == "y"
    assert config["config"]["Env"] == ["A=1"]


def test_owners_set_user_ids_and_devices_do_not_come(tmp_path: Path, tree: Path) -> None:
    device = {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}
    members = layer(
        file("bin/su", mode=0o4755, uid=0),
        folder("secret", 0o000),
        file("secret/x", mode=0o000),
        ("dev/null", None, device),
        ("pipe", None, {"type": tarfile.FIFOTYPE}),
    )
    unpack(archive(tmp_path, members), tree, still)
    su = (tree / "bin/su").stat()
    assert (su.st_mode & 0o7777, su.st_uid, su.st_mtime) == (0o755, os.getuid(), 1_000_000)
    assert (tree / "secret/x").read_text() == "x"
    assert not (tree / "dev/null").exists()
    assert not os.path.lexists(tree / "pipe")


@pytest.mark.parametrize(
    "members",
    [
        [file("../outside")],
        [file("a/../../outside")],
        [link("out", "/"), file("out/outside")],
        [link("out", "../../.."), file("out/outside")],
        [link("a", "b"), link("b", "/.."), file("a/outside")],
        [folder("d"), link("d/out", ".."), file("d/out/out/outside"), file("d/out/../outside")],
        [link("outside", "../victim"), file("outside", "changed")],
        [link("hard", "../victim", tarfile.LNKTYPE), file("hard", "changed")],
        [link("hard", "/etc/hostname", tarfile.LNKTYPE)],
        [link("s", "/etc"), link("hard", "s/hostname", tarfile.LNKTYPE)],
        [link("a", "a"), file("a/b")],
        [file(".wh..", ""), file(".wh...", ""), file("a/.wh....", ""), file("x/.wh.", "")],
        [link("out", ".."), file("out/.wh.victim", "")],
        [link("out", ".."), file("out/.wh..wh..opq", "")],
        [link("out", "../victim"), folder("out", 0o777)],
    ],
)
def test_nothing_is_written_outside(tmp_path: Path, members: list[Member]) -> None:
    inner = tmp_path / "deep" / "images"
    inner.mkdir(parents=True)
    victim = inner / "victim"
    victim.write_text("untouched")
    path = archive(tmp_path, layer(*members))
    before = {one for one in tmp_path.rglob("*") if "images/tree" not in str(one)}
    try:
        unpack(path, inner / "tree", still)
    except (NotAnImage, OSError):
        pass
    assert victim.read_text() == "untouched"
    assert victim.stat().st_nlink == 1
    after = {one for one in tmp_path.rglob("*") if "images/tree" not in str(one)}
    assert after == before


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", layer(file("manifest.json", "[]")), layer(file("manifest.json", "{"))],
)
def test_what_is_no_image_is_said_so(tmp_path: Path, tree: Path, content: bytes) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(content)
    with pytest.raises(NotAnImage, match="cannot be read"):
        unpack(path, tree, still)


def test_a_broken_layer_and_a_stop(tmp_path: Path, tree: Path) -> None:
    with pytest.raises(NotAnImage):
        unpack(archive(tmp_path, layer(file("a", "x" * 5000))[:2000]), tree, still)

    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        assert 0 < done <= total
        raise Stop

    with pytest.raises(Stop):
        unpack(archive(tmp_path, layer(file("a"))), tmp_path / "other", stop)


def test_there_and_back(tmp_path: Path, tree: Path) -> None:
    members = layer(folder("a"), file("a/b", "text", mode=0o755), link("c", "a/b"), file("ch/env"))
    unpack(archive(tmp_path, members), tree, still)
    out = tmp_path / "out.tar"
    pack(tree, out, {"config": {"Labels": {"l": "1"}}}, still)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.tar", "out.tar", "tree"]
    config = unpack(out, tmp_path / "again", still)
    assert config["config"]["Labels"] == {"l": "1"}
    assert (tmp_path / "again/a/b").read_text() == "text"
    assert (tmp_path / "again/a/b").stat().st_mode & 0o777 == 0o755
    assert str((tmp_path / "again/c").readlink()) == "a/b"
    assert not (tmp_path / "again/ch").exists()


def test_paths_of_an_image_stay_in_it(tmp_path: Path) -> None:
    tree, over = tmp_path / "tree", tmp_path / "over"
    (tree / "usr/lib").mkdir(parents=True)
    over.mkdir()
    (tree / "lib").symlink_to("/usr/lib")
    (tree / "up").symlink_to("../../..")
    (tree / "round").symlink_to("round")
    (tree / "usr").chmod(0o711)
    assert resolve(tree, "/lib/x") == tree / "usr/lib/x"
    assert resolve(tree, "/up/up/x") == tree / "x"
    with pytest.raises(OSError, match="symbolic links"):
        resolve(tree, "/round/x")
    assert str(make_point(tree, over, "/lib/new/point", directory=True)) == "/usr/lib/new/point"
    assert (over / "usr/lib/new/point").is_dir()
    assert (over / "usr").stat().st_mode & 0o777 == 0o711
    assert str(make_point(tree, over, "/lib", directory=True)) == "/usr/lib"
    assert not (tree / "usr/lib/new").exists()


def test_what_engines_mount_upon_is_there(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/resolv.conf").symlink_to("/run/systemd/resolve/stub-resolv.conf")
    (tree / "proc").symlink_to("/proc")
    complete(tree)
    assert all((tree / name).is_dir() for name in ("dev", "proc", "sys", "tmp", "var/tmp"))
    assert not (tree / "proc").is_symlink()
    assert (tree / "etc/resolv.conf").read_text() == ""


async def test_an_image_is_loaded_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_CONTAINERS_IMAGES", str(tmp_path / "images"))
    packed = archive(tmp_path, layer(file("etc/os-release", "ID=x")))
    image = Image(id=f"sha256:{'0' * 64}", references=("localhost/a:1",))
    store, told = Store("test"), []

    def finish(tree: Path, config: Mapping[str, Any]) -> None:
        told.append((tree / "etc/os-release").read_text())
        told.append(config["config"]["Env"][0])
        assert store.all() == []

    events = [event async for event in load_tree(store, packed, image, finish)]
    assert told == ["ID=x", "A=1"]
    assert events[-1].image is not None and events[-1].image.references == ("localhost/a:1",)
    (stored,) = store.all()
    assert (stored.directory / TREE / "proc").is_dir()
    again = [event async for event in load_tree(store, packed, image, finish)]
    assert len(again) == 1 and len(told) == 2
