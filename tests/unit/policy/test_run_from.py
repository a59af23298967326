"""What Jupyter runs from, and what it reads when it starts, is written by no cell."""

from __future__ import annotations

import os
import site
import sys
from pathlib import Path

import pytest

from jupyter_containers.models import Mount
from jupyter_containers.policy.folders import is_shared
from tests.helpers.policies import mounted, not_mounted, policy
from tests.helpers.private_home import private_home


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return private_home(tmp_path, monkeypatch)


def test_a_link_to_what_jupyter_runs_from_needs_a_yes(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "envs/x/bin").mkdir(parents=True)
    (home / "project").mkdir()
    (home / "project/.venv").symlink_to(tmp_path / "envs/x")
    monkeypatch.setattr(sys, "prefix", f"{home}/project/.venv")
    assert is_shared(home / "project") == "the Python that Jupyter runs on is a link in it (.venv)"
    mounted(policy(), home / "project")
    monkeypatch.setattr(sys, "prefix", f"{tmp_path}/envs/x")
    assert is_shared(home / "project") == ""
    assert mounted(policy(), home / "project").own == ()


def test_the_persons_own_packages_are_read_only(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the server's Python reads them: `pip install --user`."""
    monkeypatch.setattr(site, "ENABLE_USER_SITE", True)
    monkeypatch.setattr(site, "USER_BASE", f"{home}/.local")
    (home / ".local/bin").mkdir(parents=True)
    own = mounted(policy(), home / ".local").own
    assert {Mount(f"{home}/.local/{name}", f"/m/{name}") for name in ("bin", "lib")} <= {*own}
    (home / ".local/lib/python3/site-packages").mkdir(parents=True)
    not_mounted(policy(), home / ".local/lib/python3/site-packages", writable=True)
    monkeypatch.setattr(site, "ENABLE_USER_SITE", False)
    mounted(policy(), home / ".local/lib/python3/site-packages")


def test_what_jupyter_runs_from_is_read_only(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = home / "project/.venv"
    for name in ("bin", "lib/python3", "etc/jupyter"):
        (environment / name).mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(environment))
    # A pyvenv.cfg of a cell's, where there was none, would lead to another Python.
    assert mounted(policy(), home / "project").own == (Mount(str(environment), "/m/.venv"),)
    assert sorted(one.name for one in environment.iterdir()) == ["bin", "etc", "lib"]
    assert mounted(policy(), home).own[-1] == Mount(str(environment), "/m/project/.venv")
    assert mounted(policy(), home / "project", writable=False).own == ()
    not_mounted(policy(), environment / "lib/python3", writable=True)
    mounted(policy(), environment / "lib/python3", writable=False)
    (environment / "work").mkdir()
    assert mounted(policy(), environment / "work").own == ()


def test_notebooks_beside_the_parts_of_an_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`python -m venv .`, and the notebooks in the same folder."""
    environment = home / "project"
    for name in ("bin", "lib", "etc"):
        (environment / name).mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(environment))
    assert "Jupyter runs from there" in not_mounted(policy(), environment, writable=True)
    mounted(policy(), environment, writable=False)
    (environment / "pyvenv.cfg").touch()
    assert mounted(policy(), environment).own == (
        *(Mount(str(environment / one), f"/m/{one}") for one in ("bin", "etc", "lib")),
        Mount(str(environment / "pyvenv.cfg"), "/m/pyvenv.cfg"),
        Mount(str(environment / "share"), "/m/share", True),
        Mount(str(environment / "share/jupyter"), "/m/share/jupyter"),
    )
    (environment / "lib").rename(environment / "lib64")
    (environment / "lib").symlink_to("lib64")
    assert "Jupyter runs from there" in not_mounted(policy(), environment, writable=True)


@pytest.mark.parametrize(
    ("variable", "private"),
    [("JUPYTER_PATH", False), ("IPYTHONDIR", False), ("JUPYTER_CONFIG_PATH", True)],
)
def test_what_variables_have_jupyter_read(
    variable: str, private: bool, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernel specs, what IPython runs when it starts, and configuration, which may hold tokens."""
    place = home / "project/jupyter"
    monkeypatch.setenv(variable, f"{place}{os.pathsep}/nowhere")
    place.parent.mkdir()
    (own,) = mounted(policy(), home / "project").own
    assert (own.target, own.writable) == ("/m/jupyter", False)
    assert (own.source != str(place)) == private and place.is_dir()
    not_mounted(policy(), place, writable=True)
