"""All of it without a mouse."""

from pathlib import Path

from playwright.sync_api import expect

from .browser import TOOLBAR, LabPage
from .cells import Brake, dockerfile, mark, write

FOCUSED = """() => { const one = document.activeElement;
  return one.getAttribute('aria-label') || one.innerText || ''; }"""
LONGEST = 80
"""Presses of a key after which something counts as out of reach."""


def tab_to(ui: LabPage, name: str) -> None:
    """Press Tab until what has the focus is called so."""
    press_until(ui, "Tab", name)


def press_until(ui: LabPage, key: str, name: str) -> None:
    seen: list[str] = []
    while not (seen and seen[-1].startswith(name)):
        assert len(seen) < LONGEST, f"{key} does not lead to {name!r}: {seen}"
        ui.page.keyboard.press(key)
        seen.append(ui.page.evaluate(FOCUSED))


def test_a_notebook_is_built_and_run(plain_ui: LabPage, work: Path, image: str) -> None:
    ui, word, brake = plain_ui, mark(), Brake()
    cell = dockerfile(image, brake.line, f"RUN echo {word} > /made")
    ui.open(write(work / "keys.ipynb", cell, "open('/made').read().strip()"))
    keyboard = ui.page.keyboard
    dialog = ui.page.locator(".jp-Dialog")
    expect(dialog).to_be_visible()
    tab_to(ui, "No Kernel")
    keyboard.press("Enter")
    dialog.wait_for(state="detached")

    expect(ui.page.locator(".jp-Notebook.jp-mod-commandMode")).to_be_visible()
    keyboard.press("Shift+Enter")
    keyboard.press("Shift+Enter")
    ui.build("running")
    brake.wait()
    # From the cell that JupyterLab added behind the last one, back to the first.
    for key in ("Escape", "ArrowUp", "ArrowUp"):
        keyboard.press(key)
    tab_to(ui, "Cancel")
    keyboard.press("Enter")
    ui.build("cancelled")

    keyboard.press("Control+Shift+C")
    search = ui.page.locator(".lm-CommandPalette-input")
    expect(search).to_be_focused()
    keyboard.type("Build and Run All")
    expect(ui.page.locator(".lm-CommandPalette-item.lm-mod-active")).to_contain_text(
        "Build and Run All"
    )
    keyboard.press("Enter")
    brake.release()
    ui.build("done")
    expect(ui.result(1)).to_have_text(f"'{word}'")


def test_a_request_is_read_and_approved(
    plain_ui: LabPage, work: Path, engine: str, image: str
) -> None:
    ui = plain_ui
    settings = {"image": image, "engine": engine}
    ui.open(write(work / "keys.ipynb", "1 + 1", spec="container", settings=settings))
    item = ui.page.locator(f"{TOOLBAR} .jp-Containers-toolbarButton")
    expect(item).to_contain_text("not approved")
    # JupyterLab's toolbar is one stop of Tab, with arrow keys inside.
    tab_to(ui, "Insert a cell below")
    press_until(ui, "ArrowRight", "Containers: ")
    ui.page.keyboard.press("Enter")
    expect(ui.panel).to_be_visible()
    expect(ui.panel.locator("#jp-Containers-section-notebook-title")).to_be_focused()
    ui.state("waits for your approval")
    tab_to(ui, "Approve")
    ui.page.keyboard.press("Enter")
    ui.state("running")
    ui.kernel_is("container")
