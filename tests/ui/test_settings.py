"""Scene 3: settings are seen and changed in the sidebar, where the policy has its word."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from .browser import PANEL, TOOLBAR, LabPage
from .cells import dockerfile, write

FIELD = "#jp-Containers-field-"


def error_of(panel: Locator, field: str) -> Locator:
    return panel.locator(f"{FIELD}{field}-error")


def in_effect(panel: Locator, field: str) -> Locator:
    """What is in effect of a field, where that is not what the field says."""
    return panel.locator(f"{FIELD}{field}-truth .jp-Containers-inEffect")


@pytest.fixture
def running(ui: LabPage, work: Path, engine: str, image: str) -> LabPage:
    """A notebook that runs in its container, and the sidebar beside it."""
    (work / "data").mkdir()
    settings = {"version": 1, "image": image, "engine": engine}
    cells = [
        dockerfile(image, options="--memory 1g"),
        "open('/data/written', 'w').write('by the kernel')",
    ]
    path = write(work / "scene3.ipynb", *cells, spec="container", settings=settings)
    ui.lab.approve(path, settings)
    ui.open(path)
    ui.kernel_is("container")
    ui.show_panel()
    ui.state("running")
    return ui


def can(ui: LabPage, engine: str, feature: str) -> bool:
    """Whether the engine can do something here, by its own word."""
    known = ui.lab.ask("GET", "jupyter-containers/engines")["engines"]
    return any(one["name"] == engine and feature in one["features"] for one in known)


def test_a_mount_and_a_limit_are_added_and_apply(running: LabPage, work: Path, engine: str) -> None:
    ui, panel = running, running.panel
    source = panel.get_by_label("Folder on this machine, mount 1")
    apply = panel.get_by_role("button", name="Apply and restart")
    panel.get_by_role("button", name="Add mount").click()
    expect(source).to_be_focused()
    source.fill("data")
    panel.get_by_label("Place in the container, mount 1").fill("/data")
    panel.get_by_label("Writable, mount 1").check()
    panel.get_by_label("Memory limit", exact=True).fill("512m")
    expect(panel.locator(f"{FIELD}memory-cell")).to_contain_text("Set by the Dockerfile cell")
    expect(panel.get_by_text("Apply also approves:")).to_be_visible()
    expect(panel.locator(f"{FIELD}mounts-truth")).to_contain_text("not approved")
    expect(apply).to_be_enabled()
    ui.look("3-edited", PANEL)

    apply.click()
    expect(panel.locator(f"{FIELD}mounts-truth")).to_have_text("✓ approved")
    expect(in_effect(panel, "mounts")).to_have_count(0)
    if can(ui, engine, "limits"):
        expect(in_effect(panel, "memory")).to_have_count(0)
    else:
        expect(in_effect(panel, "memory")).to_have_text("in effect: no limit")
    network = [] if can(ui, engine, "network-private") else ["in effect: this machine’s network"]
    expect(in_effect(panel, "network")).to_have_text(network)
    ui.state("running")
    ui.kernel_is("container")
    # The Dockerfile cell says it too by now, so its run undoes nothing.
    expect(ui.cell(0)).to_contain_text("%%dockerfile --memory 512m")
    ui.run_all()
    ui.build("done")
    expect(ui.result(1)).to_have_text("13")
    expect(panel.get_by_label("Memory limit", exact=True)).to_have_value("512m")
    written = work / "data" / "written"
    assert written.read_text() == "by the kernel"
    assert written.stat().st_uid == os.getuid()
    expect(panel.locator(f"{FIELD}mounts-truth")).to_contain_text("approved")
    ui.look("3-applied", PANEL, TOOLBAR)


@pytest.mark.parametrize("refused", ["/", "/etc"])
def test_the_policys_no_stands_under_the_field(refused: str, running: LabPage) -> None:
    ui, panel = running, running.panel
    panel.get_by_role("button", name="Add mount").click()
    source = panel.get_by_label("Folder on this machine, mount 1")
    source.fill(refused)
    panel.get_by_label("Place in the container, mount 1").fill("/data")
    error = error_of(panel, "mounts")
    expect(error).to_contain_text(f"`{refused}` may not be mounted")
    expect(error).to_contain_text("Policy.mounts")
    expect(source).to_have_attribute("aria-invalid", "true")
    described = source.get_attribute("aria-describedby") or ""
    assert error.get_attribute("id") in described.split()
    expect(panel.get_by_role("button", name="Apply and restart")).to_be_disabled()
    ui.look("3-refused", PANEL)
    panel.get_by_role("button", name="Revert").click()
    expect(error).to_have_count(0)
    ui.state("running")
