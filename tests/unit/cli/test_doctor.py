"""What `doctor` says of JupyterLab; of engines, see tests/contract/cli."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

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
