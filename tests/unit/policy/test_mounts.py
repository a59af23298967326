"""Which host paths may stand in a container, and what stands over parts of them."""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_containers.errors import BadSettings, PolicyRefused
from jupyter_containers.models import ContainerSpec, Mount
from jupyter_containers.policy.mounts import judge
from jupyter_containers.settings.schema import Settings
from tests.helpers.namespaces import with_own_mounts
from tests.helpers.policies import mounted, not_mounted, policy, spec
from tests.helpers.private_home import private_home


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return private_home(tmp_path, monkeypatch)


# -- mounts ------------------------------------------------------------------------------------


def hidden(spec: ContainerSpec) -> list[str]:
    """Targets with nothing over them, read-only."""
    covers = [mount for mount in spec.own if not mount.writable]
    for mount in covers:
        source = Path(mount.source)
        assert source.stat().st_uid == os.getuid()
        assert not (list(source.iterdir()) if source.is_dir() else source.read_bytes())
    return [mount.target for mount in covers]


def kept(spec: ContainerSpec) -> list[str]:
    """Targets of folders that are mounted on themselves, and so stay where they are."""
    return [mount.target for mount in spec.own if mount.writable]


def test_folders_of_the_person_may_be_mounted(home: Path, tmp_path: Path) -> None:
    (home / "work").mkdir()
    for place in (home / "work", tmp_path / "home/../home/work"):
        allowed = mounted(policy(), place)
        assert allowed.mounts == (Mount(str(home / "work"), "/m", True),)
        assert allowed.own == ()


@pytest.mark.parametrize(
    "place", ["/", "/etc", "/etc/passwd", "/proc", "/proc/self", "/sys", "/dev/shm", "/run", "/var"]
)
def test_the_system_may_not(place: str) -> None:
    assert f"`{Path(place).resolve()}` may not be mounted" in not_mounted(policy(), place)
    not_mounted(policy(), f"/usr/../{place}")


def test_links_and_dots_lead_nowhere_else(home: Path) -> None:
    folder = home / "work"
    folder.mkdir()
    (folder / "link").symlink_to("/etc")
    (folder / "up").symlink_to("../..")
    out = "../" * len(home.parts)
    for place in ("link", "link/ssl", f"{out}etc", f"up/{out}etc", f"link/../{out}proc/self"):
        not_mounted(policy(), f"{folder}/{place}")


def test_what_is_not_there_is_said(home: Path) -> None:
    (home / "loop").symlink_to("loop")
    for place in (home / "nothing", home / "loop", home / ("x" * 300), "a\0b"):
        with pytest.raises(BadSettings, match="cannot be mounted"):
            mounted(policy(), place)
    (home / "a\nb").mkdir()
    (home / "fine").symlink_to("a\nb")
    with pytest.raises(BadSettings, match="has a control character"):
        mounted(policy(), home / "fine")


@pytest.mark.skipif(os.getuid() == 0, reason="root may read every file")
def test_what_one_may_not_read_oneself_is_not_mounted(home: Path) -> None:
    """Inside, a daemon that is root's, or another group, could."""
    closed = home / "closed"
    closed.mkdir()
    (closed / "below").mkdir()
    (home / "file").touch(0o200)
    for mode, place in ((0o000, closed), (0o600, closed), (0o200, home / "file")):
        place.chmod(mode)
        with pytest.raises(BadSettings, match="you may not use it yourself"):
            mounted(policy(), place)
    with pytest.raises(BadSettings, match="cannot be mounted"):
        closed.chmod(0o000)
        mounted(policy(), closed / "below")
    for mode in (0o300, 0o700):  # a drop box, which may be entered and not listed
        closed.chmod(mode)
        mounted(policy(), closed)
    closed.chmod(0o700)


def test_no_socket_and_no_folder_of_an_engines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "e"
    place.mkdir()
    monkeypatch.chdir(place)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("d.sock")
        assert "socket" in not_mounted(policy(), place / "d.sock")
        assert "socket" in not_mounted(policy(mounts={f"{place}/d.sock": "rw"}), place / "d.sock")
        (tmp_path / "link").symlink_to(place / "d.sock")
        not_mounted(policy(), tmp_path / "link")
        mounted(policy(), place)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{place}/d.sock")
        assert "d.sock is below it" in not_mounted(policy(), place)
        not_mounted(policy(), tmp_path)


@pytest.mark.parametrize("name", [".ssh", ".aws/x", ".config/gh", ".netrc", ".jupyter", ".docker"])
def test_keys_in_the_home_may_not(name: str, home: Path) -> None:
    (home / name).mkdir(parents=True)
    assert "keys, tokens" in not_mounted(policy(), home / name)


def test_jupyters_own_may_not(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (".jupyter", ".local/share/jupyter/runtime", ".cache/jupyter-containers/homes/x"):
        (home / name).mkdir(parents=True)
        not_mounted(policy(), home / name)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(home / "work/runtime"))
    (home / "work/runtime/below").mkdir(parents=True)
    not_mounted(policy(), home / "work/runtime/below")
    assert hidden(mounted(policy(), home / "work")) == ["/m/runtime"]


def test_a_home_is_mounted_without_its_keys(home: Path) -> None:
    for name in (".ssh", ".config/jupyter", ".local/share/jupyter/runtime", "work"):
        (home / name).mkdir(parents=True)
    (home / ".netrc").write_text("secret")
    for writable in (False, True):
        allowed = mounted(policy(), home, "/home/me", writable)
        assert allowed.mounts == (Mount(str(home), "/home/me", writable),)
        names = {".config", ".local/share/jupyter", ".netrc", ".ssh"}
        made = (
            {".cache/jupyter-containers", ".jupyter", ".local/etc/jupyter"} if writable else set()
        )
        assert hidden(allowed) == [f"/home/me/{name}" for name in sorted(names | made)]
        between = (".cache", ".local", ".local/etc", ".local/share")
        assert kept(allowed) == ([f"/home/me/{name}" for name in between] if writable else [])
        assert policy().check_run(allowed) == allowed  # once more changes nothing
    above = mounted(policy(), home.parent, "/all", False)
    assert {"/all/home/.ssh", "/all/run"} < set(hidden(above))


def test_what_jupyter_would_read_is_made_before_a_cell_can(home: Path) -> None:
    (home / ".local").mkdir()
    assert hidden(mounted(policy(), home / ".local", writable=False)) == []
    assert not list((home / ".local").iterdir())
    made = ["/m/etc/jupyter", "/m/share/jupyter"]
    assert hidden(mounted(policy(), home / ".local")) == made
    assert (home / ".local/etc/jupyter").is_dir()


def test_looking_makes_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A form that is filled in, or a notebook of somebody else's that is opened."""
    (home / "project/.venv").mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", f"{home}/project/.venv")
    before = {*home.rglob("*")}
    mounts = (Mount(str(home), "/h", True), Mount(f"{home}/project", "/p", True))
    policy().check_asked(replace(Settings(image="localhost/x:1"), mounts=mounts))
    assert {*home.rglob("*")} == before
    mounted(policy(), home)
    assert {*home.rglob("*")} > before


@pytest.mark.parametrize("name", [".ssh", ".local/share/jupyter", ".cache", ".config/gh"])
def test_a_link_to_a_private_place_is_not_writable(name: str, home: Path, tmp_path: Path) -> None:
    """A cell would put a folder of its own there: `~/.ssh/config`, a kernel spec."""
    scratch = tmp_path / "scratch"
    (scratch / "jupyter-containers").mkdir(parents=True)
    (home / name).parent.mkdir(parents=True, exist_ok=True)
    (home / name).symlink_to(scratch)
    above = (home / name).parent
    if above == home or name == ".config/gh":  # all is given, or it is covered as a whole
        mounted(policy(), home)
        return
    assert f"{home / name} in it is a link to keys" in not_mounted(policy(), above, writable=True)
    assert "keys, tokens" in not_mounted(policy(), scratch / "jupyter-containers")
    mounted(policy(), above, writable=False)
    (home / "work").mkdir()
    mounted(policy(), home / "work")
    (home / name).unlink()
    (home / name).mkdir()
    mounted(policy(), above)


def test_places_under_another_name(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is mounted a second time is judged by what it is."""
    home = private_home(short_path, monkeypatch)
    for name in (".ssh", "work"):
        (home / name).mkdir()
    for name in ("net/home", "project/keys", "project/data"):
        (short_path / name).mkdir(parents=True)
    binds = {"net/home": "", "project/keys": ".ssh", "project/data": "work"}
    script = "".join(
        f"mount --bind {home / there} {short_path / name}\n" for name, there in binds.items()
    )
    script += f'exec "{sys.executable}" -c "$1" "{short_path}"'
    done = with_own_mounts("sh", "-ec", script, "sh", JUDGED)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert "keys, tokens" in said["net/home/.ssh"] and "keys, tokens" in said["project/keys"]
    assert "/m/.ssh" in said["net/home"] and "/m/.jupyter" in said["net/home"]
    assert said["project"] == ["/m/keys"]
    assert said["net/home/work"] == said["project/data"] == []
    assert "home folder" in said["why net/home"] and "home folder" in said["why net"]
    assert "(data/s)" in said["why project"] and said["why net/home/work"]
    assert said["why project/keys"] == ""


JUDGED = """
import json, os, socket, sys
from pathlib import Path
from jupyter_containers.errors import PolicyRefused
from jupyter_containers.models import Mount
from jupyter_containers.policy.folders import holds_home, is_shared
from jupyter_containers.policy.mounts import judge
from jupyter_containers.policy.policy import Policy

base, said = sys.argv[1], {}
for name in (*(f"net/home{one}" for one in ("/.ssh", "", "/work")),
             *(f"project{one}" for one in ("", "/keys", "/data"))):
    try:
        allowed = judge(Mount(f"{base}/{name}", "/m", True), Policy()._rules())
        said[name] = [one.target for one in allowed.over if not one.writable]
    except PolicyRefused as refused:
        said[name] = refused.message
os.symlink(f"{base}/home/work", f"{base}/link")
listening = socket.socket(socket.AF_UNIX)
listening.bind(f"{base}/link/s")
listening.listen()
for name in ("net/home", "net", "net/home/work", "project", "project/keys"):
    said[f"why {name}"] = holds_home(Path(base, name)) or is_shared(Path(base, name))
print(json.dumps(said))
"""


def test_the_longest_rule_wins(home: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in ("open/closed/open", "closed", "plain"):
        (data / name).mkdir(parents=True)
    allows = policy(
        mounts={
            str(data): "ro",
            f"{data}/open": "rw",
            f"{data}/open/closed": "no",
            f"{data}/open/closed/open": "ro",
        }
    )
    mounted(allows, data / "plain", writable=False)
    assert "read-only" in not_mounted(allows, data / "plain", writable=True)
    assert "open/closed is below it" in not_mounted(allows, data / "open")
    not_mounted(allows, data)
    not_mounted(allows, data / "open/closed")
    mounted(allows, data / "open/closed/open", writable=False)
    not_mounted(allows, home)  # nothing is allowed that no rule allows
    (tmp_path / "database").mkdir()
    not_mounted(allows, tmp_path / "database")
    both = policy(mounts={str(data): "rw", f"{data}/closed": "ro"})
    mounted(both, data, writable=False)
    assert "closed below it" in not_mounted(both, data, writable=True)


def test_the_administrator_may_open_what_we_close(home: Path) -> None:
    (home / ".config/mine").mkdir(parents=True)
    not_mounted(policy(), home / ".config/mine")
    allows = policy(mounts={"~": "rw", "~/.config/mine": "ro"})
    mounted(allows, home / ".config/mine", writable=False)
    assert hidden(mounted(allows, home, writable=False)) == ["/m/.config"]


def test_named_places_are_read_only_unless_said(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "below").mkdir(parents=True)
    names = {"A": f"{tmp_path}/a", "B": f"{tmp_path}/b:rw"}
    allows = policy(mount_names=names, mounts={})
    assert allows.source_of("B") == f"{tmp_path}/b"
    mounted(allows, tmp_path / "a/below", writable=False)
    not_mounted(allows, tmp_path / "a/below", writable=True)
    mounted(allows, tmp_path / "b", writable=True)
    not_mounted(allows, tmp_path)


def test_our_own_mounts_are_not_judged() -> None:
    own = (Mount("/etc/hostname", "/etc/passwd"),)
    assert policy(mounts={}).check_run(spec(own=own)).own == own


def test_secrets_of_builds_may_not(home: Path) -> None:
    allows = policy(build_secrets={"pip": "~/pip.conf"})
    (home / "pip.conf").write_text("secret")
    assert "keys, tokens" in not_mounted(allows, home / "pip.conf")
    assert hidden(mounted(allows, home, writable=False)) == ["/m/pip.conf"]


_NAMES = ["a", "b", "c"]
_PLACES = ["", *_NAMES, *(f"{x}/{y}" for x in _NAMES for y in _NAMES), "a/a/a", "a/b/c", "b/c/a"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    asked=st.sampled_from(_PLACES),
    writable=st.booleans(),
    modes=st.dictionaries(
        st.sampled_from(_PLACES), st.sampled_from(["rw", "ro", "no", "private"]), max_size=5
    ),
)
def test_whatever_the_rules_nothing_is_reached_against_them(
    asked: str, writable: bool, modes: dict[str, str]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        base = Path(name).resolve()
        for place in _PLACES:
            (base / place).mkdir(parents=True, exist_ok=True)
        rules = {base / place: mode for place, mode in modes.items()}
        source = base / asked
        try:
            said = {str(path): mode for path, mode in rules.items()}
            allowed = judge(Mount(str(source), "/m", writable), said)
        except PolicyRefused:
            # Never for nothing: it, or something below it, is not freely allowed.
            reach = [path for path in rules if path.is_relative_to(source)]
            wrong = {rules[path] for path in reach} | {mode_of(source, rules)}
            assert wrong & ({"no", "private"} | ({"ro"} if writable else set()))
            return
        over = [one.target for one in allowed.over]
        for place in _PLACES:
            path = base / place
            inside = Path("/m") / path.relative_to(source) if path.is_relative_to(source) else None
            if inside is None or any(inside.is_relative_to(target) for target in over):
                continue
            assert mode_of(path, rules) in ({"rw"} if writable else {"rw", "ro"})


def mode_of(path: Path, rules: dict[Path, str]) -> str:
    """What the longest rule says, in other words than the policy's."""
    above = [place for place in rules if path.is_relative_to(place)]
    return rules[max(above, key=lambda place: len(place.parts))] if above else "no"
