"""What `doctor` says of JupyterLab; of engines, see tests/contract/cli."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.cli import doctor
from jupyter_containers.cli.main import main
from jupyter_containers.devices.gpus import Devices
from jupyter_containers.models import EngineInfo, Problem
from jupyter_containers.policy.policy import Policy
from tests.helpers import ROOT
from tests.helpers.command import jc

LABS = "@jupyterlab/notebook-extension:cell-executor"


def extension(folder: Path, name: str, *switches_off: str) -> None:
    said = {"name": name, "jupyterlab": {"disabledExtensions": switches_off}}
    path = folder / "labextensions" / name / "package.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(said))


def test_whoever_runs_cells_and_is_not_known_is_named(tmp_path: Path) -> None:
    ours = json.loads((ROOT / "package.json").read_text())["jupyterlab"]["disabledExtensions"]
    extension(tmp_path, "jupyter-containers", *ours)
    extension(tmp_path, "@jupyter/docprovider-extension", LABS)
    extension(tmp_path, "@someone/executor", LABS)
    extension(tmp_path, "theme")
    (tmp_path / "labextensions" / "broken").mkdir()
    (tmp_path / "labextensions" / "broken" / "package.json").write_text("[")
    env = {
        **os.environ,
        "PATH": str(tmp_path),
        "JUPYTER_PATH": str(tmp_path),
        "JUPYTER_CONFIG_PATH": str(tmp_path),
    }

    def executors() -> Any:
        return json.loads(jc("doctor", "--json", code=1, env=env).stdout)["executors"]

    assert executors() == ["@someone/executor"]
    people = jc("doctor", code=1, env=env).stdout
    assert "@someone/executor runs the cells" in people
    assert "jupyter labextension disable @someone/executor" in people

    page = tmp_path / "labconfig" / "page_config.json"
    page.parent.mkdir()
    page.write_text(json.dumps({"disabledExtensions": {"@someone/executor": True}}))
    assert executors() == []


def test_engines_that_are_not_installed_are_one_line_where_another_works(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    how = Problem("It is not installed.", "Install it: by hand")
    broken = EngineInfo(name="broken", problems=(Problem("It is broken.", "Mend it."),))
    found = {
        "works": EngineInfo(name="works", version="1.2", usable=True),
        "broken": broken,
        "one": EngineInfo(name="one", installed=False, problems=(how,)),
        "two": EngineInfo(name="two", installed=False, problems=(how,)),
    }

    async def asked(name: str, policy: Policy) -> EngineInfo:
        return found[name]

    async def devices() -> Devices:
        return Devices((), ())

    monkeypatch.setattr(doctor, "_asked", asked)
    monkeypatch.setattr(doctor, "names", lambda: tuple(found))
    monkeypatch.setattr(doctor, "find_devices", devices)
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "Not installed here: one, two\n" in said and "--engine NAME" in said
    assert "Install it" not in said and "Mend it." in said
    assert main(["doctor", "--engine", "one"]) == 1
    assert "Install it" in capsys.readouterr().out
    found.pop("works")
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.count("Install it") == 2
