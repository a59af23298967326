"""Which files make the policy, in which order, and who may say anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from traitlets.config import Config

from jupyter_containers.errors import PolicyRefused
from jupyter_containers.policy.loader import load_policy
from tests.helpers.private_home import private_home


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return private_home(tmp_path, monkeypatch)


def test_files_and_the_server_in_their_order(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [tmp_path / "system_config_path", tmp_path / "env_config_path", home / ".jupyter"]
    for number, place in enumerate(places):
        place.mkdir()
        lines = [f"c.Policy.{name} = {number}" for name in ("max_pids", "keep_images", "max_cpus")]
        lines = lines[: 3 - number] if number else [line.replace("= 0", "= 9") for line in lines]
        lines += ["c.Policy.devices.append('x')"] if number == 2 else ["c.Policy.devices = ['y']"]
        (place / "jupyter_containers_config.py").write_text("\n".join(lines))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    server = Config({"Policy": {"max_memory": "1g"}})
    found = load_policy(server)
    assert (found.max_pids, found.keep_images, found.max_cpus) == (2, 1, 9)
    assert found.devices == ["y", "x"]
    assert found.max_memory == 1 << 30
    over = Config({"Policy": {"max_pids": 7}})
    assert load_policy(over).max_pids == 7
    assert over == Config({"Policy": {"max_pids": 7}})  # the server's own is left as it was
    assert load_policy(None).max_pids == 2


def test_nobody_else_speaks_where_the_administrator_says_so(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "system_config_path").mkdir()
    system = tmp_path / "system_config_path/jupyter_containers_config.py"
    system.write_text("c.Policy.max_pids = 5\nc.Policy.user_config = False")
    (home / ".jupyter").mkdir()
    own = home / ".jupyter/jupyter_containers_config.py"
    assert load_policy(None).max_pids == 5
    for text in ("c.Policy.max_pids = 9", "c.Policy.user_config = True"):
        own.write_text(text)
        with pytest.raises(PolicyRefused, match=r"which only the administrator may.*user_config"):
            load_policy(None)
    own.write_text("c.ContainersApp.reap = False")
    assert load_policy(Config({"ServerApp": {"port": 1}})).max_pids == 5
    with pytest.raises(PolicyRefused, match=r"server's own configuration sets Policy\.max_pids"):
        load_policy(Config({"Policy": {"max_pids": 9}}))
    monkeypatch.setenv("JUPYTER_NO_CONFIG", "1")
    assert load_policy(None).max_pids == 5


def test_an_environment_is_the_administrators_if_it_is_roots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("system_config_path", "env_config_path"):
        (tmp_path / name).mkdir()
    system = tmp_path / "system_config_path/jupyter_containers_config.py"
    system.write_text("c.Policy.user_config = False")
    environment = tmp_path / "env_config_path"
    (environment / "jupyter_containers_config.py").write_text("c.Policy.max_pids = 3")
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    if os.getuid() == 0:
        assert load_policy(None).max_pids == 3
        os.chown(environment, 1000, 1000)
    with pytest.raises(PolicyRefused, match=r"env_config_path/.*which only the administrator"):
        load_policy(None)


@pytest.mark.parametrize("value", ["False", "0", "None"])
def test_a_lock_that_does_not_count_is_no_open_door(home: Path, tmp_path: Path, value: str) -> None:
    """Of an environment that is not root's, or said in another way."""
    own = home / ".jupyter"
    own.mkdir()
    (own / "jupyter_containers_config.py").write_text(f"c.Policy.user_config = {value}")
    with pytest.raises(PolicyRefused, match="which only the administrator may"):
        load_policy(None)
    (own / "jupyter_containers_config.py").write_text("c.Policy.user_config = True")
    system = tmp_path / "system_config_path"
    system.mkdir()
    (system / "jupyter_containers_config.py").write_text(f"c.Policy.user_config = {value}")
    with pytest.raises(PolicyRefused, match="which only the administrator may"):
        load_policy(None)


@pytest.mark.parametrize(
    "variables",
    [
        {"JUPYTERHUB_DISABLE_USER_CONFIG": "1", "HOME": "/"},
        {"JUPYTER_PLATFORM_DIRS": "1", "XDG_CONFIG_DIRS": "/tmp/x"},
        {"JUPYTER_NO_CONFIG": "1"},
    ],
)
def test_no_variable_takes_the_administrators_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name in ("system_config_path", "env_config_path"):
        (tmp_path / name).mkdir()
    (tmp_path / "system_config_path/jupyter_containers_config.py").write_text(
        "c.Policy.max_pids = 5"
    )
    (tmp_path / "env_config_path/jupyter_containers_config.py").write_text("c.Policy.max_cpus = 2")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = load_policy(None)
    assert (found.max_pids, found.max_cpus) == (5, 2)


def test_a_hub_that_disables_files_in_homes(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".jupyter").mkdir()
    (home / ".jupyter/jupyter_containers_config.py").write_text("c.Policy.max_pids = 9")
    assert load_policy(None).max_pids == 9
    monkeypatch.setenv("JUPYTERHUB_DISABLE_USER_CONFIG", "1")
    assert load_policy(None).max_pids is None


def test_the_working_directory_is_no_place_for_a_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the notebook's, and whoever sent that could have sent a policy with it."""
    (tmp_path / "jupyter_containers_config.py").write_text("c.Policy.max_pids = 3")
    monkeypatch.chdir(tmp_path)
    assert load_policy(None).max_pids is None


@pytest.mark.parametrize("what", ["link", "pipe", "folder", "loop", "half-way", "deep", "syntax"])
def test_a_file_that_cannot_be_read_is_no_lack_of_limits(what: str, tmp_path: Path) -> None:
    """Also where the limits that were meant stand before the error."""
    place = tmp_path / "system_config_path"
    place.mkdir(exist_ok=True)
    file = place / "jupyter_containers_config.py"
    if what == "link":
        file.symlink_to("nowhere")
    elif what == "pipe":
        os.mkfifo(file)
    elif what == "folder":
        file.mkdir()
    elif what == "loop":
        file.symlink_to(file)
    elif what == "half-way":
        file.write_text("c = get_config()\nc.Policy.memory = 'x'\nc.Policy.cpus = 1 / 0\n")
    elif what == "syntax":
        file.write_text("c.Policy.cpus = 1\n)\n")
    else:
        (place / "jupyter_containers_config.json").write_text("[" * 60_000)
    with pytest.raises(PolicyRefused, match="cannot be read"):
        load_policy(None)
