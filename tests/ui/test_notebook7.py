"""Jupyter Notebook 7 is made of JupyterLab's parts: its cells, sidebar and toolbar are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.helpers.harness import containers

from ..conftest import EngineUnderTest
from .browser import BUILD, PANEL, TOOLBAR, LabPage
from .cells import dockerfile, mark, write
from .lab import Lab, Notebook7, until

pytestmark = pytest.mark.skipif(find_spec("notebook") is None, reason="notebook is not installed")


@pytest.fixture
def notebook7(
    engine_env: EngineUnderTest, engine_program: str, tmp_path: Path
) -> Iterator[Notebook7]:
    server = Notebook7(tmp_path)
    try:
        server.start()
        yield server
    finally:
        server.stop()
    until(lambda: not containers(engine_program), "all containers are gone")


def test_a_notebook_is_built_and_run_and_shown(
    notebook7: Lab, open_page: Callable[..., LabPage], image: str
) -> None:
    ui, word = open_page(notebook7), mark()
    cell = dockerfile(image, f"RUN echo {word} > /made")
    read = "open('/made').read().strip()"
    ui.open(write(notebook7.root / "classic.ipynb", cell, read, spec="python3"))
    ui.kernel_is("python3")
    ui.run_all()
    ui.build("done")
    expect(ui.result(1)).to_have_text(f"'{word}'")
    ui.kernel_is("container")
    expect(ui.page.locator(TOOLBAR)).to_contain_text("running")

    ui.page.locator(TOOLBAR).get_by_role("button").click()
    expect(ui.panel).to_be_visible()
    ui.state("running")
    ui.look("7-notebook", PANEL, BUILD, TOOLBAR)

    # Its main area has the notebook alone.
    ui.panel.get_by_role("button", name="Terminal").click()
    terminal = ui.page.locator(".jp-Terminal")
    expect(terminal.locator(".xterm-screen")).to_be_visible()
    ui.look("7-terminal", PANEL)
