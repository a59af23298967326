"""Approvals: what needs a yes, what a yes covers, and that records say nothing to anybody."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.errors import AsksMore, BadInput, BuildNotApproved, NotApproved
from jupyter_containers.models import Mount
from jupyter_containers.policy.approvals import Approvals, asks, asks_of_build
from jupyter_containers.settings.schema import FIELDS, Settings
from tests.helpers.private_home import private_home

PLAIN = Settings(image="localhost/x:1")
RW = Mount("/data/a", "/a", writable=True)
RO = Mount("/data/a", "/a")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return private_home(tmp_path, monkeypatch)


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    path = tmp_path / "n.ipynb"
    path.touch()
    return path


def with_(**more: Any) -> Settings:
    return replace(PLAIN, **more)


def test_what_is_asked_in_words(home: Path) -> None:
    settings = Settings.parse(
        {
            "version": 1,
            "image": "python:3.12",
            "mounts": [
                {"source": "/data/a", "target": "/a", "writable": True},
                {"source": "/data/b", "target": "/data/b"},
                {"source": str(home), "target": str(home), "writable": True},
            ],
            "devices": ["nvidia.com/gpu=0"],
            "ports": [8888, "8080:80"],
            "env": {"TOKEN": "s3cret"},
            "user": "root",
            "entrypoint": "image",
            "slurm": {"partition": "gpu", "gpus": 2},
        },
        where="n",
    )
    assert [ask.text for ask in asks(settings)] == [
        "the image python:3.12",
        "the folder /data/a, read and write, at /a",
        "the folder /data/b, read-only",
        f"your home folder {home}, with the start-up files of shell and Jupyter and with files of"
        " keys that are replaced while it runs, read and write",
        "the device nvidia.com/gpu=0",
        "port 8888 of the container, on 127.0.0.1",
        "port 80 of the container, on 127.0.0.1:8080",
        "the environment variable TOKEN, as s3cret",
        "being root inside the container",
        "the image's own entrypoint, run before the kernel",
        "a Slurm job with gpus=2, partition=gpu",
    ]


def test_every_ask_names_the_setting_that_asks() -> None:
    everything = Settings(
        image="localhost/x:1",
        mounts=(RO,),
        devices=("nvidia.com/gpu=0",),
        ports=((0, 8888),),
        env={"A": "b"},
        user="root",
        entrypoint="image",
        slurm={"partition": "gpu"},
    )
    keys = [ask.setting for ask in asks(everything)]
    assert keys == ["image", "mounts", "devices", "ports", "env", "user", "entrypoint", "slurm"]
    assert set(keys) <= set(FIELDS)


def test_what_needs_no_yes() -> None:
    harmless = with_(
        engine="podman",
        kernel="ir",
        network="none",
        cpus=4.0,
        memory=1 << 30,
        pids=10,
        shm=1 << 20,
        workdir="/x",
        hostname="h",
        read_only=True,
        digest="sha256:" + "0" * 64,
    )
    assert [ask.text for ask in asks(harmless)] == ["the image localhost/x:1"]


def test_unresolved_settings_are_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="not resolved"):
        asks(with_(mounts=(Mount("data", "/a"),)))


def test_nothing_is_approved_at_first(notebook: Path) -> None:
    with pytest.raises(NotApproved) as raised:
        Approvals().check(notebook, with_(mounts=(RW,)))
    assert raised.value.items == (
        "the image localhost/x:1",
        "the folder /data/a, read and write, at /a",
    )
    assert str(notebook) in raised.value.hint


MORE: list[tuple[Settings, Settings]] = [
    (PLAIN, with_(image="localhost/x:2")),
    (with_(mounts=(RO,)), with_(mounts=(RW,))),
    (with_(mounts=(RO,)), with_(mounts=(Mount("/data", "/a"),))),
    (with_(mounts=(RO,)), with_(mounts=(Mount("/data/a/..", "/a"),))),
    (with_(mounts=(RO,)), with_(mounts=(Mount("/data/a", "/usr/bin"),))),
    (with_(mounts=(RO,)), with_(mounts=(RO, Mount("/data/b", "/b")))),
    (with_(devices=("nvidia.com/gpu=0",)), with_(devices=("nvidia.com/gpu=1",))),
    (with_(devices=("nvidia.com/gpu=0",)), with_(devices=("nvidia.com/gpu=all",))),
    (with_(devices=("nvidia.com/gpu=all",)), with_(devices=("amd.com/gpu=0",))),
    (with_(ports=((0, 80),)), with_(ports=((0, 80), (0, 81)))),
    (with_(ports=((0, 80),)), with_(ports=((8080, 80),))),
    (with_(ports=((8080, 80),)), with_(ports=((8081, 80),))),
    (with_(env={"A": "1"}), with_(env={"A": "2"})),
    (with_(env={"A": "1"}), with_(env={"A": "1", "B": "1"})),
    (with_(user="root"), with_(user="image")),
    (with_(user="image"), with_(user="root")),
    (PLAIN, with_(entrypoint="image")),
    (with_(slurm={"gpus": "1"}), with_(slurm={"gpus": "8"})),
    (PLAIN, with_(engine="shifter")),
    (PLAIN, with_(engine="slurm+apptainer")),
    (with_(engine="slurm+apptainer"), with_(engine="slurm+apptainer", slurm={"gpus": "8"})),
    # one text that could be taken for another's
    (with_(env={"A": "1"}), with_(env={"A1": ""})),
    (with_(ports=((0, 80),)), with_(devices=("80",))),
]


@pytest.mark.parametrize(("approved", "asked"), MORE)
def test_more_is_asked_again(approved: Settings, asked: Settings, notebook: Path) -> None:
    Approvals().approve(notebook, approved)
    assert len(Approvals().missing(notebook, asked)) == 1
    Approvals().approve(notebook, asked)
    assert Approvals().missing(notebook, asked) == ()


LESS: list[tuple[Settings, Settings]] = [
    (with_(mounts=(RW,)), with_(mounts=(RO,))),
    (with_(mounts=(RW, Mount("/b", "/b"))), with_(mounts=(Mount("/b", "/b"),))),
    (with_(devices=("nvidia.com/gpu=all",)), with_(devices=("nvidia.com/gpu=1",))),
    (with_(ports=((0, 80), (8081, 81)), env={"A": "1"}, user="root"), PLAIN),
    (with_(slurm={"cpus": 1, "gpus": 2}), with_(slurm={"gpus": 2, "cpus": 1})),
    (PLAIN, with_(memory=1 << 40, cpus=64.0)),
    (with_(engine="slurm+apptainer"), with_(engine="apptainer")),
    (with_(engine="slurm+apptainer"), with_(engine="slurm+enroot")),
]


@pytest.mark.parametrize(("approved", "asked"), LESS)
def test_less_or_equal_passes(approved: Settings, asked: Settings, notebook: Path) -> None:
    Approvals().approve(notebook, approved)
    Approvals().check(notebook, approved)
    Approvals().check(notebook, asked)


def test_what_was_taken_out_is_asked_again_when_it_comes_back(notebook: Path) -> None:
    Approvals().approve(notebook, with_(mounts=(RW,)))
    Approvals().approve(notebook, PLAIN)
    assert len(Approvals().missing(notebook, with_(mounts=(RW,)))) == 1


def test_images_of_several_cells_stay_approved(notebook: Path) -> None:
    Approvals().approve(notebook, with_(mounts=(RO,)))
    Approvals().approve_image(notebook, "localhost/y:1")
    Approvals().check(notebook, with_(mounts=(RO,)))
    Approvals().check(notebook, with_(image="localhost/y:1", mounts=(RO,)))
    Approvals().approve(notebook, with_(image="localhost/z:1"))
    for image in ("localhost/x:1", "localhost/y:1", "localhost/z:1"):
        Approvals().check(notebook, with_(image=image))
    Approvals().forget(notebook)
    Approvals().forget(notebook)
    assert Approvals().missing(notebook, PLAIN)


def test_many_images_keep_the_newest(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_containers.policy.records._MOST", 3)
    for number in (1, 2, 3, 1, 4):
        Approvals().approve_image(notebook, f"localhost/x:{number}")
    known = [
        n for n in range(5) if not Approvals().missing(notebook, with_(image=f"localhost/x:{n}"))
    ]
    assert known == [1, 3, 4]


def test_a_yes_is_for_one_notebook(notebook: Path, tmp_path: Path) -> None:
    """By its resolved path: a link that is on the way by now was put there since."""
    Approvals().approve(notebook, PLAIN)
    (tmp_path / "link").symlink_to(tmp_path)
    for other in ("m.ipynb", "sub/n.ipynb", "link/n.ipynb"):
        with pytest.raises(NotApproved):
            Approvals().check(tmp_path / other, PLAIN)


def test_records_are_private_and_keep_no_values(notebook: Path, home: Path) -> None:
    Approvals().approve(notebook, with_(mounts=(RW,), env={"TOKEN": "s3cret"}))
    directory = home / ".local/share/jupyter/jupyter_containers/approvals"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    files = list(directory.iterdir())
    assert {file.name == ".lock" for file in files} == {True, False}
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        text = file.name + file.read_text()
        assert "s3cret" not in text


BROKEN = [
    b"",
    b"{",
    b"[]",
    b"{}",
    b'{"images": 1, "rest": 2}',
    b'{"images": {}, "rest": []}',
    b"\xff",
]


@pytest.mark.parametrize("data", [*BROKEN, b"[" * 100_000, b"x" * (2 << 20)])
def test_broken_records_approve_nothing(data: bytes, notebook: Path) -> None:
    Approvals().approve(notebook, PLAIN)
    Approvals().records.file(notebook).write_bytes(data)
    assert len(Approvals().missing(notebook, PLAIN)) == 1
    Approvals().approve(notebook, PLAIN)
    Approvals().check(notebook, PLAIN)


def test_a_link_in_place_of_a_record_approves_nothing(notebook: Path, tmp_path: Path) -> None:
    Approvals().approve(notebook, PLAIN)
    record = Approvals().records.file(notebook)
    record.rename(tmp_path / "mine.json")
    record.symlink_to(tmp_path / "mine.json")
    assert Approvals().missing(notebook, PLAIN)
    Approvals().approve(notebook, with_(image="localhost/y:1"))
    assert not record.is_symlink()
    assert Approvals().missing(notebook, PLAIN)


def test_where_nothing_can_be_recorded_it_is_said(notebook: Path, home: Path) -> None:
    (home / ".local/share").mkdir(parents=True)
    (home / ".local/share/jupyter").write_text("a file")
    with pytest.raises(BadInput, match="cannot be recorded"):
        Approvals().approve(notebook, PLAIN)
    assert Approvals().missing(notebook, PLAIN)


def test_a_yes_to_a_text_is_a_yes_to_its_values(notebook: Path) -> None:
    """The settings' file may change between the question and the click."""
    shown = Approvals().missing(notebook, with_(env={"PATH": "/usr/bin"}))
    with pytest.raises(AsksMore) as raised:
        Approvals().approve(notebook, with_(env={"PATH": "/evil"}), shown)
    assert raised.value.items[-1] == "the environment variable PATH, as /evil"
    assert len(Approvals().missing(notebook, PLAIN)) == 1
    Approvals().approve(notebook, with_(env={"PATH": "/usr/bin"}), shown)


# -- records -----------------------------------------------------------------------------------


def version_1(notebook: Path, images: list[str], *rest: tuple[str, ...]) -> None:
    """What version 1 wrote: hashes with the notebook's path."""

    def old(key: tuple[str, ...]) -> str:
        made_of = [os.path.realpath(notebook), *key]
        return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()

    directory = Approvals().records.directory
    directory.mkdir(parents=True, exist_ok=True)
    said = {
        "images": [old(("image", image)) for image in images],
        "rest": [old(key) for key in rest],
    }
    (directory / f"{old(())[:40]}.json").write_text(json.dumps(said))


def test_what_version_1_approved_stays_approved(notebook: Path) -> None:
    images = ["localhost/x:1", "localhost/y:1"]
    version_1(notebook, images, ("mount", "/data/a", "/a", "rw"), ("port", "80"))
    everything = with_(mounts=(RW,), ports=((0, 80),))
    Approvals().check(notebook, everything)
    assert len(Approvals().missing(notebook, with_(ports=((0, 81),)))) == 1
    Approvals().approve_image(notebook, "localhost/z:1")
    Approvals().check(notebook, everything)
    Approvals().check(notebook, replace(everything, image="localhost/z:1"))
    # The last yes counts, as ever; images add up.
    Approvals().approve(notebook, with_(ports=((0, 80),)))
    assert len(Approvals().missing(notebook, everything)) == 1
    Approvals().check(notebook, with_(image="localhost/y:1", ports=((0, 80),)))


# -- what builds read --------------------------------------------------------------------------


def test_what_a_build_reads_is_asked_and_remembered(notebook: Path) -> None:
    asked = asks_of_build(["pip"], [(Path("/d/f.csv"), False), (Path("/e"), True)])
    texts = [ask.text for ask in asked]
    assert texts == [
        "the secret pip, read by its build",
        "the file /d/f.csv, read by its build",
        "the folder /e, with all that is in it, read by its build",
    ]
    with pytest.raises(BuildNotApproved) as raised:
        Approvals().check_build(notebook, asked, texts[:2])
    assert list(raised.value.items) == texts
    assert "jupyter containers build --approve" in raised.value.hint
    Approvals().check_build(notebook, asked, texts)
    Approvals().check_build(notebook, asked)
    # A later yes to settings takes nothing of it back, and forgetting does.
    Approvals().approve(notebook, with_(mounts=(RW,)))
    Approvals().check_build(notebook, asked)
    Approvals().forget(notebook)
    with pytest.raises(BuildNotApproved):
        Approvals().check_build(notebook, asked[:1])


def test_a_folder_includes_what_is_in_it_and_a_file_does_not(notebook: Path) -> None:
    Approvals().check_build(notebook, asks_of_build([], [(Path("/d"), True)]), None)
    Approvals().check_build(notebook, asks_of_build([], [(Path("/d/sub/f"), False)]))
    Approvals().check_build(notebook, asks_of_build([], [(Path("/e/f"), False)]), None)
    for path, is_folder in ((Path("/e"), True), (Path("/e/f"), True), (Path("/e/g"), False)):
        with pytest.raises(BuildNotApproved):
            Approvals().check_build(notebook, asks_of_build([], [(path, is_folder)]))


# -- a store that cannot be written ------------------------------------------------------------

FULL = """
import resource, signal, sys
from pathlib import Path
from jupyter_containers.errors import BadInput
from jupyter_containers.policy.approvals import Approvals
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
try:
    Approvals().approve_image(Path(sys.argv[1]), "localhost/y:1")
except BadInput as error:
    print(error)
"""


def test_a_store_that_takes_no_more_keeps_what_it_has(notebook: Path) -> None:
    Approvals().approve(notebook, PLAIN)
    command = [sys.executable, "-c", FULL, str(notebook)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "cannot be recorded" in done.stdout
    Approvals().check(notebook, PLAIN)
    assert len(list(Approvals().records.directory.iterdir())) == 2


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_store_that_is_read_only_keeps_what_it_has(notebook: Path) -> None:
    Approvals().approve(notebook, PLAIN)
    directory = Approvals().records.directory.parent
    directory.chmod(0o500)
    (directory / "approvals").chmod(0o500)
    Approvals().check(notebook, PLAIN)
    Approvals().approve(notebook, with_(mounts=(RO,)))  # it is ours: made writable again
    Approvals().check(notebook, with_(mounts=(RO,)))


APPROVE = """
import sys
from pathlib import Path
from jupyter_containers.policy.approvals import Approvals
for number in range(40):
    Approvals().approve_image(Path(sys.argv[1]), f"localhost/{sys.argv[2]}:{number}")
"""


def test_servers_at_the_same_time_lose_nothing(notebook: Path) -> None:
    names = ["a", "b", "c"]
    processes = [
        subprocess.Popen([sys.executable, "-c", APPROVE, str(notebook), name], env=os.environ)
        for name in names
    ]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    for name in names:
        for number in range(40):
            Approvals().check(notebook, with_(image=f"localhost/{name}:{number}"))
    assert len(list(Approvals().records.directory.iterdir())) == 2
