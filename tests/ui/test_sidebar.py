"""The sidebar with all its sections open, in a usual and in a narrow panel."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from jupyter_containers.host.paths import cache_directory

from .browser import PANEL, SECTIONS, LabPage
from .cells import mark, write

STATUS = ".jp-Containers-statusItem"
NARROW = f"{PANEL} {{ min-width: 0 !important; max-width: 200px !important; }}"


@pytest.fixture
def path(work: Path, engine: str, image: str) -> Path:
    """A notebook that is not approved, in a folder with others."""
    (work / "data" / "raw").mkdir(parents=True)
    settings = {"version": 1, "image": image, "engine": engine}
    return write(work / "sidebar.ipynb", "1 + 1", spec="container", settings=settings)


@pytest.fixture
def opened(ui: LabPage, path: Path) -> LabPage:
    """The notebook, which runs nowhere, and the sidebar beside it."""
    ui.open(path)
    ui.show_panel()
    return ui


@pytest.fixture
def running(ui: LabPage, path: Path, engine: str, image: str) -> LabPage:
    """The same, which runs in its container."""
    ui.lab.approve(path, {"version": 1, "image": image, "engine": engine})
    ui.open(path)
    ui.kernel_is("container")
    ui.show_panel()
    ui.state("running")
    return ui


def body_of(section: str) -> str:
    return f"#jp-Containers-section-{section}"


def test_all_sections_open_at_once(running: LabPage, image: str) -> None:
    ui, panel = running, running.panel
    name = image.rpartition("/")[2]
    expect(ui.page.locator(".jp-Toolbar-kernelName")).to_have_text(f"Container ({name})")
    expect(ui.page.locator(STATUS)).to_have_text(f"{name} · running")
    ui.page.locator(".jp-Toolbar-kernelName").click()
    option = ui.page.locator(".jp-Dialog option", has_text=f"Container ({name})")
    expect(option).to_have_count(1)
    ui.answer("Cancel")
    for section in SECTIONS:
        ui.show_panel(section)
        expect(panel.locator(".jp-Containers-spinner")).to_have_count(0)
        ui.look(f"sidebar-{section}", PANEL, STATUS)
    for section in SECTIONS:
        button = panel.locator(f"{body_of(section)}-title")
        if button.get_attribute("aria-expanded") != "true":
            button.click()
    expect(panel.locator(".jp-Containers-spinner")).to_have_count(0)
    for section in SECTIONS:
        expect(panel.locator(f"{body_of(section)}-title")).to_be_in_viewport()
    images = panel.locator(body_of("images"))
    notebook = panel.locator(body_of("notebook"))
    images.evaluate("node => { node.scrollTop = 60; }")
    assert images.evaluate("node => node.scrollTop") > 0
    assert notebook.evaluate("node => node.scrollTop") == 0
    ui.look("sidebar-all", PANEL)

    ui.page.add_style_tag(content=NARROW)
    assert panel.evaluate("node => node.clientWidth") == 200
    for section in SECTIONS:
        body = ui.show_panel(section).locator(body_of(section))
        wide = "node => node.scrollWidth > node.clientWidth"
        assert not body.evaluate(wide), f"{section} is wider than a panel of 200 px"
        ui.look(f"sidebar-narrow-{section}", PANEL)


def test_a_mount_is_completed_and_chosen(opened: LabPage) -> None:
    ui, panel = opened, opened.panel
    panel.get_by_role("button", name="Add mount").click()
    source = panel.get_by_label("Folder on this machine, mount 1")
    options = panel.locator("#jp-Containers-field-mounts-0-folders option")
    expect(options).to_have_count(1)
    source.fill("data/")
    expect(options).to_have_attribute("value", "data/raw")
    panel.get_by_role("button", name="Choose the folder of mount 1").click()
    dialog = ui.page.locator(".jp-Dialog")
    dialog.locator(".jp-DirListing-item", has_text="data").click()
    ui.look("sidebar-folder")
    ui.answer("Select")
    expect(source).to_have_value("data")
    expect(panel.get_by_label("Place in the container, mount 1")).to_have_value("/mnt/data")


def test_images_are_one_stop_of_tab(opened: LabPage) -> None:
    ui = opened
    panel = ui.show_panel("images")
    rows = panel.locator(".jp-Containers-rowButton")
    expect(rows.nth(1)).to_be_visible()
    stops = panel.locator(".jp-Containers-rowButton[tabindex='0']")
    expect(stops).to_have_count(1)
    panel.get_by_label("Filter images").focus()
    ui.page.keyboard.press("Tab")
    expect(rows.first).to_be_focused()
    ui.page.keyboard.press("End")
    expect(rows.last).to_be_focused()
    expect(stops).to_have_count(1)
    ui.page.keyboard.press("Home")
    ui.page.keyboard.press("ArrowRight")
    expect(rows.first).to_have_attribute("aria-expanded", "true")
    ui.page.keyboard.press("ArrowLeft")
    expect(rows.first).to_have_attribute("aria-expanded", "false")
    ui.page.keyboard.press("ArrowRight")
    expect(rows.first).to_have_attribute("aria-expanded", "true")
    # Last: where chromium drops the theme of a picture, JupyterLab's dialog takes the focus.
    ui.look("sidebar-image-open", PANEL)


def test_clean_up_asks_first(opened: LabPage) -> None:
    """What a build left in the cache a year ago goes, and nothing before the yes."""
    ui = opened
    old = cache_directory() / "builds" / f"new-{mark()}"
    old.mkdir(parents=True)
    (old / "layer").write_bytes(b"x" * 5000)
    os.utime(old, (0, 0))
    panel = ui.show_panel("engines")
    panel.get_by_role("button", name="Clean up…").click()
    dialog = ui.page.locator(".jp-Dialog")
    expect(dialog).to_contain_text(old.name)
    expect(dialog).to_contain_text("4.9 KiB")
    ui.look("sidebar-clean-up", ".jp-Dialog")
    ui.answer("Cancel")
    assert old.exists()
    panel.get_by_role("button", name="Clean up…").click()
    ui.answer("Remove")
    expect(ui.page.locator(".Toastify__toast")).to_contain_text("Removed")
    assert not old.exists()
