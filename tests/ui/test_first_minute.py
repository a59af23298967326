"""The first minute: a new notebook is no failure, and a build is always in sight."""

import re
import time
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Error, Route, expect

from .browser import BUILD, PANEL, TOOLBAR, LabPage
from .cells import Brake, dockerfile, mark, write

TAB = ".lm-TabBar-tab.jp-mod-containersBuilding"
LONG = 31.0
"""Seconds of a build whose end is told by the system."""
HIDDEN = """
  window.told = [];
  const Real = window.Notification;
  window.Notification = class extends Real {
    constructor(text, options) { super(text, options); window.told.push(this); }
  };
  Object.defineProperty(document, 'hidden', {get: () => window.isHidden === true});
"""
"""Keeps the system's notifications, and lets a test say that the page's tab is hidden: a page of a
browser without a window never is."""


def test_a_new_notebook_is_offered_its_first_cell(ui: LabPage, work: Path, image: str) -> None:
    (work / "requirements.txt").write_text("# nothing\n")
    ui.open(write(work / "new.ipynb", "1 + 1", spec="container"))
    ui.kernel_is("container")
    panel = ui.show_panel()
    expect(ui.page.locator(TOOLBAR)).to_contain_text("no image yet")
    ui.state("no image yet")
    bases = panel.get_by_role("group", name="Dockerfile cell on a base image")
    expect(bases.get_by_title(f"Insert a Dockerfile cell on {image}")).to_be_visible()
    for red in ("[data-state=failed]", ".jp-mod-error"):
        expect(panel.locator(red)).to_have_count(0)
    expect(panel.get_by_role("button", name="Restart")).to_have_count(0)
    ui.look("first-empty", PANEL, TOOLBAR)

    ui.run_all()
    output = ui.cell(0).locator(".jp-OutputArea-output")
    expect(output).to_contain_text("has no image yet")
    assert "stdout" in (output.get_attribute("data-mime-type") or "")

    # The toolbar has a button only as long as there is no Dockerfile cell.
    button = ui.page.locator(".jp-NotebookPanel-toolbar").get_by_role(
        "button", name="New Dockerfile Cell"
    )
    button.click()
    expect(ui.cell(0)).to_contain_text("%%dockerfile")
    expect(button).to_have_count(0)
    ui.command("notebook:delete-cell")
    expect(button).to_be_visible()

    panel.get_by_role("button", name="requirements.txt").click()
    source = "window.jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.source"
    ui.wait(f"{source}.includes('COPY requirements.txt')")
    made: str = ui.page.evaluate(source)
    assert re.match(r"%%dockerfile\nFROM localhost/\S*python:\S+\nCOPY requirements.txt ", made)
    ui.set_source(0, re.sub(r"FROM \S+", f"FROM {image}", made))
    ui.state("no image yet")
    expect(panel.get_by_text("not built yet")).to_be_visible()
    ui.look("first-cell", PANEL)

    panel.get_by_role("button", name="Build and Run All").click()
    ui.build("done")
    expect(ui.result(1)).to_have_text("2")
    ui.state("running")


def test_a_build_is_in_sight_and_its_end_is_told(ui: LabPage, work: Path, image: str) -> None:
    brake = Brake()
    cell = dockerfile(image, f"RUN echo {mark()}", brake.line)
    many = ["x = 1\n" * 15 for _ in range(8)]
    ui.open(write(work / "long.ipynb", cell, *many, spec="container"))
    ui.kernel_is("container")
    panel = ui.show_panel()
    ui.run_all()
    brake.wait()
    item = ui.page.locator(TOOLBAR)
    expect(item).to_contain_text(re.compile(r"building 3/3 · \d+ s"))
    expect(panel.get_by_text(re.compile(r"^Building: step 3 of 3 · \d+ s$"))).to_be_visible()
    expect(panel.locator("[data-state=failed]")).to_have_count(0)
    expect(ui.page.locator(TAB)).to_have_count(1)
    expect(ui.build("running")).not_to_be_in_viewport()
    ui.look("first-building", PANEL, TOOLBAR)
    item.get_by_role("button").click()
    expect(ui.build("running")).to_be_in_viewport()

    ui.command("launcher:create")
    expect(ui.page.locator(".jp-NotebookPanel")).not_to_be_visible()
    brake.release()
    toast = ui.page.locator(".Toastify__toast", has_text="long.ipynb: its image is built")
    expect(toast).to_be_visible()
    expect(ui.page.locator(TAB)).to_have_count(0)
    ui.look("first-told")
    toast.get_by_role("button", name="Show").click()
    expect(ui.build("done")).to_be_visible()
    ui.kernel_is("container")


def test_no_answer_of_an_engine_is_waited_for(plain_ui: LabPage, work: Path) -> None:
    ui, held = plain_ui, list[Route]()
    ours = re.compile(r"/jupyter-containers/(engines|images|devices|containers|disk)")

    def hold(route: Route) -> None:
        held.append(route)

    ui.page.route(ours, hold)
    ui.open(write(work / "held.ipynb", "1 + 1", spec="python3"))
    ui.kernel_is("python3")
    panel = ui.show_panel("images")
    expect(panel.get_by_text("Asking the engines…")).to_be_visible()
    ui.run_all()
    expect(ui.result(0)).to_have_text("2")
    ui.look("first-held", PANEL)

    ui.page.unroute(ours)
    for one in held:
        with suppress(Error):  # the page has given some up
            one.continue_()
    expect(panel.locator(".jp-Containers-rowButton").first).to_be_visible()


def test_the_system_tells_the_end_of_a_long_build(
    plain_ui: LabPage, work: Path, image: str
) -> None:
    ui, brake = plain_ui, Brake()
    ui.page.add_init_script(HIDDEN)
    ui.page.context.grant_permissions(["notifications"])
    with ui.lab.settings({"systemNotifications": True}):
        ui.open(write(work / "far.ipynb", dockerfile(image, brake.line), spec="python3"))
    ui.kernel_is("python3")
    ui.run_all()
    brake.wait()
    began = time.monotonic()
    ui.page.evaluate("window.isHidden = true")
    time.sleep(max(0.0, LONG - (time.monotonic() - began)))
    brake.release()
    ui.build("done")
    ui.wait("window.told.length === 1")
    assert "far.ipynb: its image is built" in ui.page.evaluate("window.told[0].title")
    ui.page.evaluate("window.isHidden = false")
    ui.command("launcher:create")
    expect(ui.page.locator(".jp-NotebookPanel")).not_to_be_visible()
    ui.page.evaluate("window.told[0].onclick()")
    expect(ui.build("done")).to_be_visible()


def test_the_cell_and_the_form_say_the_same(plain_ui: LabPage, work: Path, image: str) -> None:
    ui, word = plain_ui, mark()
    cell = dockerfile(image, f"ENV WORD={word}", options="--memory 512m")
    ui.open(write(work / "one.ipynb", cell, "import os; os.environ['WORD']", spec="container"))
    ui.kernel_is("container")
    panel = ui.show_panel()
    memory = panel.get_by_label("Memory limit", exact=True)
    expect(panel.locator("#jp-Containers-field-memory-cell")).to_contain_text("--memory")

    panel.get_by_role("button", name="Build", exact=True).click()
    ui.build("done")
    ui.state("running")
    expect(ui.prompt(1)).to_have_text("[ ]:")  # Build runs no other cell
    expect(memory).to_have_value("512m")
    panel.locator("#jp-Containers-field-memory-cell").get_by_role("button").click()
    expect(ui.build("done")).to_be_in_viewport()
    ui.look("first-one-truth", PANEL, BUILD)
    ui.run_all()
    expect(ui.result(1)).to_have_text(f"'{word}'")


def test_the_launcher_makes_a_notebook_with_a_dockerfile(plain_ui: LabPage, work: Path) -> None:
    ui = plain_ui
    ui.open(write(work / "any.ipynb", "1", spec="container"))
    ui.kernel_is("container")
    ui.command("launcher:create", cwd=work.name)
    ui.page.locator(".jp-LauncherCard", has_text="Dockerfile and notebook").click()
    ui.wait("window.jupyterapp.shell.currentWidget?.content?.activeCell")
    expect(ui.cell(0).locator(".cm-content")).to_contain_text("%%dockerfile")
    ui.kernel_is("container")
    assert (work / "Untitled.ipynb").exists()
    ui.look("first-launcher", TOOLBAR)
