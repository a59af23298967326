"""Our package as a wheel, in other JupyterLabs and beside other extensions, in a browser.

Run by hand, since it takes minutes and what it shows is written down in docs/beside-others.md:
tests/setup/python.sh makes the environments (`labs`), `make test-soak` runs it.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.conftest import EngineUnderTest
from tests.helpers import ROOT
from tests.ui.browser import BUILD, PANEL, TOOLBAR, LabPage
from tests.ui.cells import dockerfile, mark, write
from tests.ui.conftest import (
    all_gone,
    jp_asyncio_loop,
    jp_server_cleanup,
    open_page,
    start_browser,
)
from tests.ui.lab import Lab, Notebook7
from tests.ui.test_dockerfile_editor import complete
from tests.ui.test_streams import PAGE, SERVE, TERMINAL, TOAST

__all__ = ["jp_asyncio_loop", "jp_server_cleanup", "open_page"]

LABS = ROOT / "build" / "labs"
"""Where `labs` of tests/setup/python.sh puts environments with our wheel."""
OTHERS = {"lab44": Lab, "lab45": Lab, "beside": Lab, "ai": Lab}
NOTEBOOKS = ("lab44", "lab45")
"""Those that have Notebook 7 too."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from start_browser()


@pytest.fixture
def start(
    engine_env: EngineUnderTest, engine_program: str, tmp_path: Path
) -> Iterator[Callable[..., Lab]]:
    """Starts a JupyterLab of one of these environments."""
    labs: list[Lab] = []

    def start(name: str, kind: type[Lab] = Lab) -> Lab:
        python = LABS / name / "bin" / "python"
        if not python.exists():
            trouble = f"no {python}: . tests/setup/python.sh; labs build/labs"
            if os.environ.get("JC_REQUIRE_ENGINES") == "1":
                pytest.fail(trouble)
            pytest.skip(trouble)
        lab = kind(tmp_path, python=str(python))
        labs.append(lab)
        lab.start()
        return lab

    try:
        yield start
        for lab in labs:
            all_gone(lab, engine_program)
    finally:
        for lab in labs:
            lab.stop()


def notebook(lab: Lab, image: str, *cells: str) -> Path:
    (lab.root / "data").mkdir()
    return write(
        lab.root / "n.ipynb",
        dockerfile(image, f"RUN echo {mark()} > /made"),
        "len(open('/made').read().strip())",
        SERVE,
        *cells,
        spec="python3",
    )


def runs_in_its_container(ui: LabPage, name: str) -> Locator:
    """Run All, the sidebar, a terminal and a port."""
    ui.kernel_is("python3")
    ui.run_all()
    ui.build("done")
    expect(ui.result(1)).to_have_text("12")
    ui.kernel_is("container")
    expect(ui.page.locator(TOOLBAR)).to_contain_text("running")
    panel = ui.show_panel()
    ui.state("running")
    port = panel.get_by_role("list", name="Ports").get_by_role("listitem")
    expect(port).to_contain_text("8050 · python")
    ui.look(f"beside-{name}", PANEL, BUILD, TOOLBAR)
    return panel


def a_dockerfile_cell_is_helped(ui: LabPage, name: str) -> None:
    """Completion without Python's names, and an explanation under the mouse."""
    line = "%%dockerfile\nFROM x\n"
    found = complete(ui, f"{line}E")  # jupyterlab-lsp has an order of its own
    assert sorted(found.all_inner_texts()) == ["ENTRYPOINT", "ENV", "EXPOSE"]
    ui.look(f"beside-{name}-completion")
    ui.page.keyboard.press("Escape")
    expect(complete(ui, f"{line}COPY da")).to_have_text(["data/"])
    ui.page.keyboard.press("Escape")
    ui.page.mouse.move(0, 0)
    ui.cell(0).get_by_text("FROM", exact=True).hover()
    said = ui.page.locator(".cm-tooltip .jp-ContainersHover")
    expect(said).to_contain_text("to use for subsequent instructions")
    ui.page.mouse.move(0, 0)


@pytest.mark.parametrize("name", OTHERS)
def test_a_lab(
    name: str, start: Callable[..., Lab], open_page: Callable[..., LabPage], image: str
) -> None:
    lab = start(name)
    ui = open_page(lab)
    ui.open(notebook(lab, image))
    panel = runs_in_its_container(ui, name)
    a_dockerfile_cell_is_helped(ui, name)
    told = ui.page.locator(TOAST).filter(has_text="8050 is listening")
    told.get_by_role("button", name="Open", exact=True).click()
    page = ui.page.frame_locator(f"{PAGE} iframe").locator("h1")
    expect(page).to_have_text("served with the origin null")
    panel.get_by_role("button", name="Terminal").click()
    expect(ui.page.locator(f"{TERMINAL}:visible .xterm-screen")).to_be_visible()
    ui.look(f"beside-{name}-terminal")
    # The notebook has half of the page: nothing of its toolbar wraps onto its cells.
    bar = ui.page.locator(".jp-NotebookPanel-toolbar").bounding_box()
    item = ui.page.locator(TOOLBAR).first.bounding_box()
    assert bar is not None
    assert item is None or item["y"] + item["height"] <= bar["y"] + bar["height"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_7(
    name: str, start: Callable[..., Lab], open_page: Callable[..., LabPage], image: str
) -> None:
    lab = start(name, Notebook7)
    ui = open_page(lab)
    ui.open(notebook(lab, image))
    runs_in_its_container(ui, f"{name}-notebook")
    a_dockerfile_cell_is_helped(ui, f"{name}-notebook")


def test_other_extensions_go_on(
    start: Callable[..., Lab], open_page: Callable[..., LabPage], image: str
) -> None:
    """jupyterlab-git, jupyter-resource-usage, jupyterlab-execute-time and jupyterlab-lsp."""
    lab = start("beside")
    path = notebook(lab, image, "import os\nundefined_name")
    commit = ("-c", "user.name=a", "-c", "user.email=a@b.org", "commit", "-q", "-m", "before")
    for argv in (("init", "-q"), (*commit, "--allow-empty")):
        subprocess.run(["git", *argv], cwd=lab.root, check=True)
    ui = open_page(lab)
    ui.open(path)
    runs_in_its_container(ui, "others")
    expect(ui.cell(1)).to_contain_text(re.compile(r"Last executed at .* in \d"))

    # Its server sees the host's files; a Dockerfile cell has our remarks alone.
    expect(ui.cell(3).locator(".cm-lintRange-error")).to_have_text("undefined_name")
    ui.set_source(0, "%%dockerfile\nFROM x:latest\nRUN undefined_name")
    marks = ui.cell(0).locator(".cm-lintRange")
    expect(marks).to_have_count(1)
    expect(marks).to_have_class(re.compile("jp-ContainersLint"))

    expect(ui.page.locator("#jp-main-statusbar")).to_contain_text(re.compile(r"Mem:\s+[\d.]+ MB"))
    ui.page.locator(".jp-SideBar [data-id=kernelusage-panel-id]").click()
    usage = ui.page.locator("#kernelusage-panel-id")
    expect(usage).to_contain_text("Kernel Host: ")
    ui.look("beside-usage")
    ui.page.locator(".jp-SideBar [data-id=jp-git-sessions]").click()
    git = ui.page.locator("#jp-git-sessions")
    expect(git).to_contain_text("n.ipynb")
    expect(git).to_contain_text("before")  # the commit
    ui.look("beside-git")


def test_jupyter_ai_goes_on(
    start: Callable[..., Lab], open_page: Callable[..., LabPage], image: str
) -> None:
    """Its chat opens; a model is not asked."""
    lab = start("ai")
    ui = open_page(lab)
    ui.open(notebook(lab, image))
    runs_in_its_container(ui, "ai")
    ui.page.locator(".jp-SideBar [data-id='JupyterlabChat:sidepanel']").click()
    ui.command("jupyterlab-chat:createAndOpen", name="asked", inSidePanel=True)
    chat = ui.page.locator(".jp-chat-input-container").first
    expect(chat).to_be_visible()
    ui.look("beside-ai-chat")
