"""Engines' storage, this package's own source, and the keys of others: by real files."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import jupyter_containers
from jupyter_containers.errors import PolicyRefused
from jupyter_containers.models import Mount
from jupyter_containers.policy import forbidden, mounts
from jupyter_containers.policy.mounts import Allowed, judge, refused_files, rules_of
from tests.helpers.private_home import private_home


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CONTAINERS_STORAGE_CONF", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return private_home(tmp_path, monkeypatch)


def judged(
    source: Path, *, writable: bool = False, given: Mapping[str, str] | None = None
) -> Allowed:
    rules = rules_of({"/": "rw", **(given or {})}, {})
    return judge(Mount(str(source), "/m", writable), rules)


def refused(source: Path, *, writable: bool = False) -> bool:
    try:
        judged(source, writable=writable)
    except PolicyRefused:
        return True
    return False


def covered(allowed: Allowed) -> list[str]:
    return [mount.target for mount in allowed.over]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (".config/containers/storage.conf", '[storage]\n  graphroot = "{place}"\n'),
        (".config/containers/storage.conf", "[storage]\nrootless_storage_path = '{place}' # x\n"),
        (".config/containers/storage.conf", '[storage]\ngraphroot="$HOME/elsewhere/store"\n'),
        (".config/docker/daemon.json", '{{"data-root": "{place}"}}'),
    ],
)
def test_the_storage_of_an_engine(file: str, text: str, home: Path) -> None:
    place = home / "elsewhere" / "store"
    (place / "overlay").mkdir(parents=True)
    assert not refused(place)
    config = home / file
    config.parent.mkdir(parents=True)
    config.write_text(text.format(place=place))
    assert refused(place) and refused(place / "overlay")
    assert covered(judged(place.parent)) == ["/m/store"]
    config.write_text("\0" * 100 + "[" * 60_000)  # what nobody can read forbids nothing
    assert not refused(place)


@pytest.mark.parametrize(
    "name", ["APPTAINER_CONFIGDIR", "CH_IMAGE_STORAGE", "ENROOT_DATA_PATH", "SQUASH_DIR"]
)
def test_the_storage_that_a_variable_names(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "images").mkdir()
    monkeypatch.setenv(name, str(home / "images"))
    assert refused(home / "images")
    monkeypatch.setenv(name, "/")  # nobody's storage, and everything's
    assert not refused(home / "images")


@pytest.mark.parametrize("name", ["APPTAINER_CACHEDIR", "SINGULARITY_CACHEDIR"])
def test_a_scratch_disk_with_a_cache_in_it(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("scratch/project", "scratch/cache/blob"):
        (home / folder).mkdir(parents=True)
    monkeypatch.setenv(name, f"{home}/scratch/")
    assert judged(home / "scratch/project", writable=True).over == ()
    assert covered(judged(home / "scratch", writable=True)) == ["/m/cache"]
    assert refused(home / "scratch/cache/blob")


def test_a_variable_that_names_more_than_its_own_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "scratch/project").mkdir(parents=True)
    monkeypatch.setenv("ENROOT_CACHE_PATH", str(home / "scratch"))
    with pytest.raises(PolicyRefused, match=f"in {home}/scratch, as ENROOT_CACHE_PATH") as caught:
        judged(home / "scratch/project")
    assert "Set ENROOT_CACHE_PATH to" in caught.value.hint
    (home / ".aws/x").mkdir(parents=True)
    with pytest.raises(PolicyRefused, match=rf"files are in {home}/\.aws"):
        judged(home / ".aws/x")


def test_the_source_of_an_editable_install(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = home / "src" / "jupyter_containers"
    package.mkdir(parents=True)
    (home / "src" / "notebooks").mkdir()
    monkeypatch.setattr(forbidden, "__file__", str(package / "policy" / "forbidden.py"))
    forbidden.own_source.cache_clear()
    try:
        assert refused(package, writable=True)
        assert not refused(package)
        found = judged(home / "src", writable=True)
        assert [(one.source, one.target, one.writable) for one in found.over] == [
            (str(package), "/m/jupyter_containers", False)
        ]
        assert judged(home / "src" / "notebooks", writable=True).over == ()
    finally:
        forbidden.own_source.cache_clear()


def test_of_an_ordinary_install_nothing_is_named_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.path.realpath(Path(jupyter_containers.__file__).parent)
    installed = f"{os.path.realpath('/usr')}/lib/python3/jupyter_containers/policy/forbidden.py"
    for file, found in ((forbidden.__file__, (real,)), (installed, ())):
        monkeypatch.setattr(forbidden, "__file__", file)
        monkeypatch.setattr(sys, "prefix", "/usr")
        monkeypatch.setattr(sys, "base_prefix", "/usr")
        forbidden.own_source.cache_clear()
        assert forbidden.own_source() == found
    forbidden.own_source.cache_clear()


@pytest.mark.parametrize(
    "name",
    [
        *(".Xauthority", ".kaggle/kaggle.json", ".cache/huggingface/token", ".globus/userkey.pem"),
        *("snap/firefox/common/.mozilla/x", ".var/app/org.mozilla.firefox/x", ".pki/nssdb/key4.db"),
        *(".cargo/credentials.toml", ".m2/settings.xml", ".claude.json", ".irods/.irodsA"),
    ],
)
def test_files_of_keys_are_covered_wherever_programs_keep_them(name: str, home: Path) -> None:
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("secret")
    (path.parent / "plain").touch()
    assert refused(path)
    assert [one for one in covered(judged(home)) if f"/m/{name}".startswith(one)]
    if name.startswith((".cache", ".cargo", ".m2")):  # what lies beside is no key
        assert not refused(path.parent / "plain")


@pytest.mark.parametrize("variable", ["KRB5CCNAME", "XAUTHORITY"])
def test_tickets_are_where_variables_say(
    variable: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "ticket").write_text("secret")
    kind = "FILE:" if variable == "KRB5CCNAME" else ""
    monkeypatch.setenv(variable, f"{kind}{home}/ticket")
    assert covered(judged(home)) == ["/m/ticket"]


def test_only_places_that_are_there_are_counted(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "_MOST_COVERED", 2)
    for name in (".ssh", ".aws"):
        (home / name).mkdir()
    assert covered(judged(home)) == ["/m/.aws", "/m/.ssh"]
    (home / ".kube").mkdir()
    assert refused(home)


def test_the_keys_of_others(home: Path) -> None:
    """Their homes lie beside this person's."""
    other = home.parent / "other"
    for name in (".ssh", ".gnupg", "course"):
        (other / name).mkdir(parents=True)
    (other / ".netrc").write_text("x")
    assert refused(other / ".ssh") and refused(other / ".netrc")
    (other / ".ssh" / "below").mkdir()
    assert refused(other / ".ssh" / "below")
    assert covered(judged(other)) == ["/m/.gnupg", "/m/.netrc", "/m/.ssh"]
    (home / ".ssh").mkdir()
    both = covered(judged(home.parent))
    assert {"/m/other/.ssh", "/m/home/.ssh"} <= set(both)
    assert judged(other / "course", writable=True).over == ()
    assert judged(other / ".ssh", given={str(other / ".ssh"): "ro"}).over == ()


def test_the_keys_of_others_in_homes_by_group(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/data/homes/GROUP/PERSON: those of other groups as well."""
    mine, bob = tmp_path / "groupa/ann", tmp_path / "groupb/bob"
    mine.mkdir(parents=True)
    (bob / ".ssh/below").mkdir(parents=True)
    (bob / "course/.docker").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(mine))
    # A project's folder beside the homes is nobody's home: what is in it is this person's.
    assert not refused(bob / ".ssh")
    monkeypatch.setattr(forbidden, "_is_others", os.path.lexists)
    assert refused(bob / ".ssh") and refused(bob / ".ssh/below")
    assert covered(judged(bob)) == ["/m/.ssh"]
    assert covered(judged(bob.parent)) == ["/m/bob/.ssh"]
    assert judged(bob / "course", writable=True).over == ()


def test_too_many_homes_to_look_into(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forbidden, "_MOST_HOMES", 3)
    assert not refused(home.parent)
    for number in range(4):
        (home.parent / f"u{number}").mkdir()
    assert refused(home.parent)
    assert not refused(home.parent / "u1")


def test_what_may_not_be_mounted_may_not_be_copied_into_an_image(home: Path) -> None:
    other = home.parent / "other"
    for name in (".ssh", "work"):
        (other / name).mkdir(parents=True)
        (other / name / "file").write_text("x")
    rules = rules_of({"/": "rw"}, {})
    assert refused_files(other, [".ssh/file"], rules) == str(other / ".ssh/file")
    assert refused_files(other, ["work/file"], rules) == ""
    assert refused_files(home.parent, ["other/.ssh/file"], rules)
    assert refused_files(home, ["work/file"], rules) == ""
