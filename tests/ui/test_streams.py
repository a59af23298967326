"""Scene 15: a terminal in the container, and a page that something in it serves."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from .browser import PANEL, LabPage
from .cells import write
from .lab import Lab

TERMINAL = ".jp-Terminal"
PAGE = ".jp-Containers-port .jp-IFrame"
TOAST = ".Toastify__toast"

SERVE = """\
import pathlib, subprocess, sys
page = pathlib.Path("/tmp/page")
page.mkdir()
script = "document.querySelector('h1').textContent += ' with the origin ' + self.origin"
(page / "index.html").write_text(f"<title>Page</title><h1>served</h1><script>{script}</script>")
program = [sys.executable, "-m", "http.server", "8050", "--bind", "127.0.0.1", "-d", str(page)]
server = subprocess.Popen(program)"""


@pytest.fixture
def start(ui: LabPage, lab: Lab, work: Path, engine: str, image: str) -> Any:
    """Opens a notebook whose kernel runs in a container."""

    def start(*cells: str, **more: Any) -> LabPage:
        settings = {"version": 1, "image": image, "engine": engine, **more}
        path = write(work / "work.ipynb", *cells, spec="container", settings=settings)
        lab.approve(path, settings)
        ui.open(path)
        ui.kernel_is("container")
        return ui

    return start


def tab(ui: LabPage, name: str) -> Locator:
    """A tab of the main area."""
    return ui.page.locator("#jp-main-dock-panel .lm-TabBar-tab").filter(has_text=name).first


def screen(ui: LabPage) -> Locator:
    """What a terminal shows, as a screen reader has it."""
    return ui.page.locator(f"{TERMINAL}:visible .xterm-accessibility-tree")


def enter(ui: LabPage, line: str) -> None:
    """Type it in the terminal that is shown; a picture before may have taken the focus."""
    ui.page.locator(f"{TERMINAL}:visible .xterm-helper-textarea").focus()
    ui.page.keyboard.type(line)


def test_a_terminal_lives_as_long_as_the_container(start: Any, lab: Lab) -> None:
    # JupyterLab's settings of terminals hold for ours.
    setting = "lab/api/settings/@jupyterlab/terminal-extension:plugin"
    lab.ask("PUT", setting, {"raw": '{"screenReaderMode": true}'})
    ui = start("1")
    ui.page.locator(".jp-NotebookPanel-toolbar").get_by_role("button", name="Terminal").click()
    expect(screen(ui)).to_contain_text("$")
    enter(ui, "echo first$((6*7))\n")
    expect(screen(ui)).to_contain_text("first42")
    ui.look("15-terminal", TERMINAL)
    _fills_and_floods(ui)
    _has_others_beside_it(ui)

    tab(ui, "work.ipynb").click()
    ui.command("notebook:restart-kernel")
    ui.page.locator(".jp-Dialog .jp-mod-accept").click()
    ui.kernel_is("container")
    tab(ui, "Terminal 1").click()
    enter(ui, "echo second$((6*7))\n")
    expect(screen(ui)).to_contain_text("second42")

    tab(ui, "work.ipynb").click()
    ui.reload()
    tab(ui, "Terminal 1").click()
    expect(screen(ui)).to_contain_text("second42")
    enter(ui, "echo third$((6*7))\n")
    expect(screen(ui)).to_contain_text("third42")

    lab.end_kernels()
    expect(screen(ui)).to_contain_text("The container has ended.")
    ui.look("15-terminal-ended")


def _fills_and_floods(ui: LabPage) -> None:
    """It has the size of its tab, and neither much output nor control sequences end it."""
    sizes = []
    for width in (1400, 1100):
        ui.page.set_viewport_size({"width": width, "height": 900})
        ui.page.wait_for_timeout(1000)
        enter(ui, f"clear; echo at{width}=$(stty size)=\n")
        size = re.compile(rf"at{width}=\d+ (\d+)=")
        expect(screen(ui)).to_contain_text(size)
        found = size.search(screen(ui).inner_text())
        assert found is not None
        sizes.append(int(found[1]))
    assert sizes[1] < sizes[0] - 10, sizes
    enter(ui, "seq 200000; head -c 100000 /dev/urandom; printf '\\033c'; echo flood$((6*7))\n")
    expect(screen(ui)).to_contain_text("flood42")


def _has_others_beside_it(ui: LabPage) -> None:
    """From the notebook's toolbar and from the Launcher."""
    tab(ui, "work.ipynb").click()
    ui.page.locator(".jp-NotebookPanel-toolbar").get_by_role("button", name="Terminal").click()
    expect(screen(ui)).to_contain_text("$")
    enter(ui, "beside=other; tty\n")
    expect(screen(ui)).to_contain_text("/dev/pts/")
    ui.command("launcher:create")
    ui.page.get_by_role("button", name="Container Terminal").click()
    expect(tab(ui, "Terminal 3")).to_be_visible()
    expect(screen(ui)).to_contain_text("$")
    enter(ui, "echo third:$beside:\n")
    expect(screen(ui)).to_contain_text("third::")
    tab(ui, "Terminal 2").click()
    enter(ui, "echo second:$beside:\n")
    expect(screen(ui)).to_contain_text("second:other:")


def test_a_page_that_a_cell_serves_is_opened(start: Any, ui: LabPage) -> None:
    # A server whose administrator allows no terminals answers so.
    refused = json.dumps({"terminals": [], "refused": "No terminals: Policy.terminals."})
    ui.page.route(
        "**/jupyter-containers/kernels/*/terminals*",
        lambda route: route.fulfill(content_type="application/json", body=refused),
    )
    start(SERVE, "server.terminate()", network="none")
    ui.run_cell(0)
    told = ui.page.locator(TOAST).filter(has_text="8050 is listening")
    expect(told.get_by_role("button", name="In a Browser Tab")).to_be_visible()
    panel = ui.show_panel()
    ports = panel.get_by_role("list", name="Ports")
    expect(ports.get_by_role("listitem")).to_contain_text("8050 · python")
    ui.look("15-port-noticed", PANEL)
    expect(ui.page.get_by_role("button", name="Terminal", exact=True)).to_have_count(0)

    told.get_by_role("button", name="Open", exact=True).click()
    page = ui.page.frame_locator(f"{PAGE} iframe").locator("h1")
    expect(page).to_have_text("served with the origin null")
    ui.look("15-port-open", PANEL, PAGE)

    with ui.page.context.expect_page() as opened:
        ports.get_by_role("button", name="Open in a Browser Tab").click()
    expect(opened.value.locator("h1")).to_have_text("served with the origin null")
    opened.value.close()

    ui.prompt(1).click()
    ui.run_cell(1)
    expect(ports).to_have_count(0)
