"""What the editor of a Dockerfile cell offers and explains, beside a Python kernel."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from .browser import LabPage
from .cells import write
from .lab import Lab, until

MATCHES = ".jp-Completer .jp-Completer-match"


@pytest.fixture(params=["light", "dark"])
def typing(
    lab: Lab, open_page: Callable[..., LabPage], work: Path, request: pytest.FixtureRequest
) -> LabPage:
    """A notebook whose Python kernel answers, and whose first cell is a Dockerfile. A change of
    the theme would close what is open, so there is a page for each."""
    ui = open_page(lab, request.param)
    (work / "data").mkdir()
    (work / "data" / "one.csv").write_text("")
    for name in ("day.csv", "dark.pem", ".denv"):
        (work / name).write_text("")
    ui.open(write(work / "n.ipynb", "%%dockerfile\nFROM x", "Exit", spec="python3"))
    ui.kernel_is("python3")
    return ui


def complete(ui: LabPage, source: str, cell: int = 0) -> Locator:
    """What is offered at the end of a cell. A kernel may be too slow for JupyterLab at first."""
    ui.set_source(cell, source)
    ui.cell(cell).locator(".cm-content").click()
    ui.page.keyboard.press("Control+End")
    found = ui.page.locator(MATCHES)

    def offered() -> bool:
        ui.command("completer:invoke-notebook")  # as Tab does
        ui.page.wait_for_timeout(500)
        return bool(found.count() > 0)  # untyped where playwright is not installed

    until(offered, f"something is offered behind {source!r}")
    return found


def test_a_dockerfile_cell_is_helped(typing: LabPage) -> None:
    completion_holds_no_python_names(typing)
    a_word_is_explained(typing)
    a_rule_leads_to_its_setting(typing)


def completion_holds_no_python_names(ui: LabPage) -> None:
    # The kernel does answer, in its own cells.
    expect(complete(ui, "Unicode", cell=1).first).to_contain_text("Unicode")
    ui.page.keyboard.press("Escape")
    found = complete(ui, "%%dockerfile\nFROM x\nE")
    expect(found).to_have_text(["ENTRYPOINT", "ENV", "EXPOSE"])
    ui.page.keyboard.press("Escape")
    found = complete(ui, "%%dockerfile\nFROM x AS made\nFROM x AS mad\nCOPY --from=ma")
    expect(found).to_have_text(["mad", "made"])
    ui.page.keyboard.press("Escape")
    found = complete(ui, "%%dockerfile\nFROM x\nCOPY da")
    expect(found).to_have_text(["data/", "day.csv"])
    ui.look("dockerfile-completion", ".jp-Completer")
    ui.page.keyboard.press("Escape")


def a_word_is_explained(ui: LabPage) -> None:
    ui.set_source(0, "%%dockerfile\nFROM x\nCOPY --chmod=0644 data /data")
    said = ui.page.locator(".cm-tooltip .jp-ContainersHover")
    ui.cell(0).get_by_text("FROM", exact=True).hover()
    expect(said).to_contain_text("to use for subsequent instructions")
    ui.look("dockerfile-hover", ".jp-ContainersHover")
    ui.page.mouse.move(0, 0)
    expect(said).to_have_count(0)
    ui.cell(1).locator(".cm-content").hover()
    ui.cell(0).get_by_text("COPY", exact=True).hover()
    expect(said).to_contain_text("Copy files")

    # By keyboard, as JupyterLab explains Python.
    ui.page.mouse.move(0, 0)
    expect(said).to_have_count(0)
    ui.cell(0).locator(".cm-content").click()
    ui.page.keyboard.press("Control+End")
    ui.page.keyboard.press("Shift+Tab")
    expect(said).to_contain_text("Copy files")
    ui.look("dockerfile-explained", ".jp-ContainersHover")
    ui.page.keyboard.press("Escape")
    expect(said).to_have_count(0)


def a_rule_leads_to_its_setting(ui: LabPage) -> None:
    ui.set_source(0, "%%dockerfile\nFROM x:latest")
    ui.cell(0).locator(".jp-ContainersLint").hover()
    said = ui.page.locator(".cm-tooltip-lint")
    expect(said.get_by_role("button")).to_have_text(["Switch off DL3007", "Settings"])
    ui.look("dockerfile-remark", ".cm-tooltip-lint")
    said.get_by_role("button", name="Settings").click()
    expect(ui.page.locator(".jp-SettingsPanel input[value=DL3008]")).to_be_visible()
    ui.look("dockerfile-rules")
