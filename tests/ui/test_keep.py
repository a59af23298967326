"""Scene: what a cell has installed in the container is kept in the Dockerfile by a click."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.helpers.package_index import package_index

from .browser import PANEL, LabPage
from .cells import dockerfile, write

OFFER = ".jp-ContainersInstalled"
HOST = "host.containers.internal"
"""This machine, as Podman's containers name it."""


def source(ui: LabPage, index: int) -> str:
    cell = f"window.jupyterapp.shell.currentWidget.content.widgets[{index}]"
    text: str = ui.page.evaluate(f"{cell}.model.sharedModel.getSource()")
    return text


def test_what_was_installed_is_added_to_the_dockerfile(
    ui: LabPage, work: Path, image: str, engine: str
) -> None:
    if engine != "podman":
        pytest.skip("podman's name of this machine")
    with package_index({"kept": "1.2.3", "quiet": "2.0"}) as (port, _):
        where = f"--index-url http://{HOST}:{port}/simple --trusted-host {HOST}"
        options = f"{where} --break-system-packages"
        install = f"%pip install {options} kept"
        path = write(
            work / "keep.ipynb",
            dockerfile(image, "WORKDIR /work", "USER 1000", options=f"--engine {engine}"),
            f"!pip install -q {options} quiet",
            install,
            "import kept; kept.VERSION",
        )
        ui.open(path)
        ui.answer("No Kernel")
        ui.run_all()
        expect(ui.result(3)).to_have_text("'1.2.3'")
        offer = ui.cell(2).locator(OFFER)
        expect(offer).to_contain_text("Installed in this container only.")
        expect(offer.locator("code")).to_have_text("kept==1.2.3")
        # It printed nothing: the kernel says which version is there.
        expect(ui.cell(1).locator(f"{OFFER} code")).to_have_text("quiet==2.0")
        expect(ui.page.locator(OFFER)).to_have_count(2)
        ui.look("keep-offer", OFFER)
        changed_since_the_image(ui)

        offer.get_by_role("button", name="Add to Dockerfile").press("Enter")
        expect(offer).to_contain_text("Added to the Dockerfile.")
        lines = source(ui, 0).split("\n")
        at = f"--index-url=http://{HOST}:{port}/simple --trusted-host={HOST} "
        assert lines[3:] == [
            "RUN --mount=type=cache,target=/root/.cache/pip \\",
            f"    pip install {at}--break-system-packages kept==1.2.3",
            "USER 1000",
        ]
        other = ui.cell(1).locator(OFFER)
        other.get_by_role("button", name="Add to Dockerfile").click()
        expect(other).to_contain_text("Added to the Dockerfile.")
        assert source(ui, 0).split("\n")[3:] == [
            lines[3],
            f"{lines[4]} \\",
            "    quiet==2.0",
            "USER 1000",
        ]
        offer.get_by_role("button", name="Show").click()
        ui.look("keep-added", OFFER)
        added_from_the_sidebar(ui)
        ui.save()
        assert "ContainersInstalled" not in path.read_text()
        saved = json.loads(path.read_text())
        assert "only." not in json.dumps(saved["cells"][2]["outputs"])
        rebuilt(ui, install)


def changed_since_the_image(ui: LabPage) -> None:
    """Packages and folders, and the lines for them."""
    panel = ui.show_panel()
    panel.get_by_role("button", name="Changed since the image").press("Enter")
    expect(panel).to_contain_text("2 packages")
    packages = panel.locator("#jp-Containers-changed li code")
    expect(packages.filter(has_text="kept 1.2.3")).to_have_count(1)
    expect(packages.filter(has_text="quiet 2.0")).to_have_count(1)
    for folder in panel.locator("#jp-Containers-changed li > button").all():
        folder.press("Enter")
    expect(panel.locator("#jp-Containers-changed")).to_contain_text(".local new, ")
    panel.get_by_role("button", name="Add to Dockerfile…").press("Enter")
    dialog = ui.page.locator(".jp-Dialog")
    expect(dialog.locator("pre")).to_contain_text("kept==1.2.3 quiet==2.0")
    ui.look("changed-lines", PANEL, ".jp-Dialog")
    ui.answer("Cancel")


def added_from_the_sidebar(ui: LabPage) -> None:
    """What the Dockerfile has by now is not added twice."""
    before = source(ui, 0)
    ui.show_panel().get_by_role("button", name="Add to Dockerfile…").click()
    expect(ui.page.locator(".Toastify__toast").last).to_contain_text("in the Dockerfile already")
    assert source(ui, 0) == before


def rebuilt(ui: LabPage, install: str) -> None:
    """The next image has the packages, and nothing is offered."""
    ui.set_source(2, "import kept; kept.__file__")
    ui.run_all()
    ui.build("done")
    expect(ui.result(2)).to_contain_text("/usr/")
    ui.set_source(2, install)
    ui.run_cell(2)
    expect(ui.cell(2)).to_contain_text("already satisfied")
    ui.run_cell(3)
    expect(ui.result(3)).to_have_text("'1.2.3'")
    expect(ui.page.locator(OFFER)).to_have_count(0)


def test_a_package_that_no_index_has(plain_ui: LabPage, work: Path, image: str) -> None:
    """Refused, or not checked where no index is reached: the Dockerfile stays as it is."""
    name = "jupyter-containers-no-such-package"
    plain_ui.open(write(work / "add.ipynb", dockerfile(image), "1 + 1"))
    plain_ui.answer("No Kernel")
    panel = plain_ui.show_panel()
    panel.get_by_role("button", name="Add package…").click()
    plain_ui.page.locator(".jp-Dialog input").fill(name)
    plain_ui.answer("Add")
    expect(panel.get_by_role("alert")).to_contain_text(name)
    assert name not in source(plain_ui, 0)
    plain_ui.look("keep-refused", PANEL)
