"""Extensions that run cells on the server: they go on running plain cells, and ours are built."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.helpers import ROOT

from ..conftest import EngineUnderTest
from .browser import BUILD, PANEL, LabPage
from .cells import Brake, dockerfile, mark, write
from .conftest import all_gone
from .lab import Lab

PREFIXES = ROOT / "build" / "executors"
"""Where `executors` of tests/setup/python.sh puts them."""
# Whether it runs cells on the server; jupyter-collaboration does where others bring the route.
EXECUTORS = {"collaboration": False, "nbmodel": True, "documents": True}


def lab_with(name: str, home: Path) -> Iterator[Lab]:
    """A JupyterLab with one of them; for fixtures."""
    if not (PREFIXES / name).is_dir():
        trouble = f"no {PREFIXES / name}: . tests/setup/python.sh; executors build/executors"
        if os.environ.get("JC_REQUIRE_ENGINES") == "1":
            pytest.fail(trouble)
        pytest.skip(trouble)
    lab = Lab(home, PREFIXES / name)
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()


@pytest.fixture(params=EXECUTORS)
def server_lab(
    request: pytest.FixtureRequest, engine_env: EngineUnderTest, engine_program: str, tmp_path: Path
) -> Iterator[Lab]:
    """A JupyterLab with an extension that runs cells on the server."""
    for lab in lab_with(request.param, tmp_path):
        yield lab
        all_gone(lab, engine_program)


def test_dockerfile_cells_are_built_and_others_run_on_the_server(
    server_lab: Lab, open_page: Callable[..., LabPage], image: str
) -> None:
    ui, word, brake = open_page(server_lab), mark(), Brake()
    posted: list[str] = []
    ui.page.on("request", lambda one: posted.append(one.url) if "/execute?" in one.url else None)
    cell = dockerfile(image, f"RUN echo {word} > /made", brake.line)
    read = "open('/made').read().strip()"
    ui.open(write(server_lab.root / "cells.ipynb", cell, read, "1 + 1", spec="python3"))
    ui.kernel_is("python3")
    ui.run_all()
    ui.build("running")
    expect(ui.prompt(1)).to_have_text("[*]:")
    assert posted == []
    brake.release()
    ui.build("done")
    expect(ui.result(1)).to_have_text(f"'{word}'")
    expect(ui.result(2)).to_have_text("2")
    expect(ui.prompt(2)).to_have_text("[2]:")
    name = server_lab.more.name if server_lab.more else ""
    assert len(posted) == (2 if EXECUTORS[name] else 0)
    assert ui.kernel == "container"
    expect(ui.page.locator(".jp-Dialog")).to_have_count(0)

    ui.run_all()
    expect(ui.build("done").get_by_role("status")).to_contain_text("is up to date")
    expect(ui.prompt(2)).to_have_text("[4]:")
    expect(ui.page.locator(".jp-Dialog")).to_have_count(0)
    ui.look(f"executors-{name}", BUILD)


# An extension as JupyterLab loads them, without a build: its module and what package.json says.
UNKNOWN = """
(window._JUPYTERLAB ??= {})['@someone/executor'] = {
  init: scope => { this.scope = scope; },
  get: async () => {
    const [notebook] = Object.values(this.scope['@jupyterlab/notebook']);
    const {INotebookCellExecutor, runCell} = (await notebook.get())();
    const plugin = {
      id: '@someone/executor:cells', autoStart: true, provides: INotebookCellExecutor,
      activate: () => ({runCell})
    };
    return () => ({__esModule: true, default: plugin});
  }
};"""
UNKNOWN_PACKAGE: dict[str, Any] = {
    "name": "@someone/executor",
    "version": "1.0.0",
    "jupyterlab": {
        "disabledExtensions": ["@jupyterlab/notebook-extension:cell-executor"],
        "_build": {"load": "static/remote.js", "extension": "./extension"},
    },
}


@pytest.fixture
def unknown_lab(engine_env: EngineUnderTest, tmp_path: Path) -> Iterator[Lab]:
    """A JupyterLab with an extension of somebody's that takes all cells."""
    extension = tmp_path / "more" / "share/jupyter/labextensions/@someone/executor"
    (extension / "static").mkdir(parents=True)
    (extension / "package.json").write_text(json.dumps(UNKNOWN_PACKAGE))
    (extension / "static" / "remote.js").write_text(UNKNOWN)
    lab = Lab(tmp_path, tmp_path / "more")
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()


def test_an_executor_that_is_not_known_is_told_once(
    unknown_lab: Lab, open_page: Callable[..., LabPage], image: str
) -> None:
    ui = open_page(unknown_lab)
    said = "%%dockerfile cells are not built on this page: @someone/executor runs its cells"
    told = ui.page.locator(".Toastify__toast", has_text=said)
    ui.open(write(unknown_lab.root / "plain.ipynb", "1 + 1", spec="python3"))
    ui.kernel_is("python3")
    ui.run_all()
    expect(ui.result(0)).to_have_text("2")
    expect(ui.show_panel()).to_contain_text(said)
    expect(told).to_have_count(0)  # of no use to whoever has no such cell

    ui.open(write(unknown_lab.root / "cells.ipynb", dockerfile(image), "1", spec="python3"))
    expect(told).to_have_count(1)
    ui.show_panel()
    ui.look("executors-unknown", PANEL)
    ui.run_all()
    expect(told).to_have_count(1)
    assert unknown_lab.ask("GET", "jupyter-containers/builds")["builds"] == []
