"""What a kernel displays has the person's rights only where they said so."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import nbformat
import pytest
from playwright.sync_api import expect

from .browser import PANEL, LabPage
from .cells import write
from .hostile import Attack, widget
from .lab import Lab, until

SCRIPTED = {
    *("html-script", "html-handler", "html-frame", "javascript", "markdown"),
    *("form", "marked", "update", "pager", "widget", "comm", "saved", "console", "view"),
    "debugger",
    *("canary", "canary-command", "approval"),
}
"""What reaches the server in a plain JupyterLab: code by channels, and what they then did."""
CURRENT = "window.jupyterapp.shell.currentWidget"
SAVED_VIEW = {"version_major": 2, "version_minor": 0, "model_id": "saved-html"}
ESM = """() => {
  const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
  kernel.registerCommTarget('test.esm', (_, { content }) => {
    new Function(content.data._esm)();
  });
}"""
"""What anywidget does with the code of a model."""
CONSOLE = """async code => {
  const { commands, shell } = window.jupyterapp;
  const { id } = shell.currentWidget.sessionContext.session.kernel;
  const panel = await commands.execute('console:create',
    { activate: false, kernelPreference: { id } });
  await panel.sessionContext.ready;
  await panel.console.inject(code);
  panel.dispose();
}"""
INSPECT = """async () => {
  const { commands, shell } = window.jupyterapp;
  const panel = [...shell.widgets('main')].find(one => one.content.activeCell);
  shell.activateById(panel.id);
  panel.content.activeCellIndex = panel.content.widgets.length - 1;
  await commands.execute('notebook:enter-edit-mode');
  const { editor } = panel.content.activeCell;
  editor.setCursorPosition({ line: editor.lineCount - 1, column: 2 });
  await commands.execute('tooltip:launch-notebook');
  await commands.execute('inspector:open');
}"""

ACTIVATE = """() => {
  const { shell } = window.jupyterapp;
  shell.activateById([...shell.widgets('main')].find(one => one.content.activeCell).id);
}"""
RENDER = "window.jupyterapp.commands.execute('debugger:render-mime-variable', { name: 'some' })"


def with_home(lab: Lab, path: Path, settings: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Settings with a mount of the home, and what of it is not approved."""
    wanted = {**settings, "mounts": [{"source": "~", "target": "/home", "writable": True}]}
    body = {"path": str(path.relative_to(lab.root)), "settings": wanted}
    return wanted, lab.ask("POST", "jupyter-containers/settings", body)["missing"]


def hostile_notebook(lab: Lab, path: Path, settings: dict[str, Any]) -> Attack:
    """It is approved; its outputs try to approve more."""
    write(path, "0", spec="container", settings=settings)
    wanted, asks = with_home(lab, path, settings)
    attack = Attack(lab.url, str(path.relative_to(lab.root)), wanted, asks)
    data = {"application/vnd.jupyter.widget-view+json": SAVED_VIEW, "text/plain": "HTML()"}
    output = {"output_type": "display_data", "data": data, "metadata": {}}
    write(path, "0", *attack.cells, spec="container", settings=settings, outputs=[output])
    notebook = nbformat.read(path, 4)
    notebook.metadata["widgets"] = attack.saved
    nbformat.write(notebook, path)
    lab.approve(path, settings)
    return attack


def decide(lab: Lab, path: Path, outputs: str) -> None:
    body = {"path": str(path.relative_to(lab.root)), "outputs": outputs}
    assert lab.ask("PUT", "jupyter-containers/outputs", body)["outputs"] == outputs


def canaries(lab: Lab, path: Path, settings: dict[str, Any]) -> set[str]:
    """What has reached the server."""
    found = canaries_of(lab)
    found |= {"token" for _ in lab.root.glob("untitled*")}
    sessions = {one["path"] for one in lab.ask("GET", "api/sessions")}
    found |= {one for one in sessions if one.startswith("canary")}
    return found if with_home(lab, path, settings)[1] else {*found, "approval"}


def canaries_of(lab: Lab) -> set[str]:
    """The names in the files that scripts have saved."""
    return {one.name.removeprefix("canary-") for one in lab.root.glob("canary-*")}


def click_baits(ui: LabPage) -> None:
    """Each link and button of the outputs, also in frames."""
    for frame in ui.page.frames:
        for bait in frame.locator(".jp-OutputArea .bait, body > .bait, form > .bait").all():
            bait.dispatch_event("click")


def attack_everywhere(ui: LabPage, attack: Attack) -> None:
    """Each channel of an open notebook."""
    ui.page.locator(".jp-NotebookPanel:visible .jp-DebuggerBugButton").click()
    # It has started: ipykernel does that in the queue of cells, which a cell's error empties.
    expect(ui.page.locator("#jp-debugger-sidebar")).to_be_visible()
    ui.page.evaluate(ESM)
    ui.page.evaluate("window.jupyterapp.commands.execute('logconsole:open')")
    ui.page.evaluate(ACTIVATE)
    for index in range(1, len(attack.cells) + 1):
        ui.run_cell(index)
        expect(ui.prompt(index)).to_have_text(f"[{index}]:")
    display = f"display({{'text/html': {attack.html('console')!r}}}, raw=True)"
    ui.page.evaluate(CONSOLE, display)
    ui.page.evaluate("() => { window.channel = 'view'; }")
    ui.page.evaluate(f"() => {{ {CURRENT}.content.activeCellIndex = 1; }}")
    ui.page.evaluate("window.jupyterapp.commands.execute('notebook:create-output-view')")
    view = ui.page.locator(".jp-LinkedOutputView")
    expect(view.locator(".jp-OutputArea-output").first).to_be_attached()
    tried(ui, "html-script", "html-handler", "javascript")
    ui.page.evaluate("() => { window.channel = ''; }")
    click_baits(ui)
    ui.page.evaluate(INSPECT)
    expect(ui.page.locator(".jp-Tooltip")).to_be_visible()
    expect(ui.page.locator(".jp-Inspector .jp-RenderedHTMLCommon")).to_be_attached()
    ui.page.evaluate(ACTIVATE)
    ui.page.evaluate(
        "window.jupyterapp.commands.execute('logconsole:set-level', { level: 'info' })"
    )
    expect(ui.page.locator(".jp-LogConsole .jp-OutputArea-output").first).to_be_attached()
    render_a_variable(ui)


def render_a_variable(ui: LabPage) -> None:
    """As the debugger's *Render Variable* does."""
    ui.page.keyboard.press("Escape")
    ui.page.get_by_role("treeitem", name="some").first.wait_for()
    ui.page.evaluate(RENDER)
    expect(ui.page.locator(".jp-VariableRendererPanel .jp-RenderedHTMLCommon")).to_be_attached()


def tried(ui: LabPage, *names: str) -> None:
    """Wait until these scripts have ended, wherever they run."""

    def ended() -> set[str]:
        found = [one.evaluate("document.documentElement.dataset.tried") for one in ui.page.frames]
        return {one for one in found if one}

    until(lambda: set(names) <= ended() | canaries_of(ui.lab), f"{names} have run")


@pytest.mark.parametrize("decision", ["isolated", "trusted"])
def test_only_trusted_outputs_have_the_persons_rights(
    decision: str, plain_ui: LabPage, own_lab: Lab, engine: str, image: str
) -> None:
    ui, lab, settings = plain_ui, own_lab, {"version": 1, "image": image, "engine": engine}
    ui.lab = lab
    path = lab.root / "hostile.ipynb"
    attack = hostile_notebook(lab, path, settings)
    decide(lab, path, decision)
    # What a frame asks of the server, and what the server answers to others' requests.
    ui.tolerated += ["blocked by CORS policy", "net::ERR_FAILED", "Failed to load resource"]
    ui.open(path)
    ui.kernel_is("container")
    attack_everywhere(ui, attack)
    if decision == "trusted":
        until(lambda: canaries(lab, path, settings) >= SCRIPTED, "all scripts have run")
    else:
        assert canaries(lab, path, settings) == set()
        assert len(lab.ask("GET", "api/kernels")) == 1


def test_an_administrator_leaves_no_choice(
    plain_ui: LabPage, own_lab: Lab, engine: str, image: str
) -> None:
    ui, lab, settings = plain_ui, own_lab, {"version": 1, "image": image, "engine": engine}
    lab.stop()
    config = lab.home / "config" / "jupyter_server_config.py"
    config.parent.mkdir(exist_ok=True)
    config.write_text("c.Policy.outputs = 'isolated'\n")
    lab.start()
    ui.lab = lab
    ui.tolerated.append("ERR_CONNECTION_REFUSED")  # this server ends before its page
    cells = [f"display({{'text/html': {MARK!r}}}, raw=True)", widget("<i>a widget</i>")]
    path = write(lab.root / "n.ipynb", *cells, spec="container", settings=settings)
    lab.approve(path, settings)
    with pytest.raises(HTTPError, match="403"):
        decide(lab, path, "trusted")
    ui.open(path)
    ui.kernel_is("container")
    ui.run_all()
    expect(ui.cell(0).frame_locator("iframe").locator("b")).to_have_text("it ran")
    note = ui.cell(1).locator(".jp-ContainersWithheld")
    expect(note).to_contain_text("Widgets are not connected")
    expect(note.get_by_role("button")).to_have_count(0)
    expect(ui.show_panel().get_by_role("button", name="Trust…")).to_have_count(0)
    ui.look("15-no-choice", PANEL, ".jp-ContainersWithheld")


NAME = "<img src=x onerror=globalThis.ran=1>"


def test_names_are_text(plain_ui: LabPage, lab: Lab, work: Path, engine: str, image: str) -> None:
    ui, settings = plain_ui, {"version": 1, "image": image, "engine": engine}
    path = write(work / f"{NAME}.ipynb", "0", spec="container", settings=settings)
    notebook = nbformat.read(path, 4)
    notebook.metadata["kernelspec"]["display_name"] = NAME
    nbformat.write(notebook, path)
    lab.approve(path, settings)
    ui.open(path)
    ui.kernel_is("container")
    ui.run_all()
    expect(ui.result(0)).to_have_text("0")
    ui.show_panel()
    ui.look("15-names", PANEL)
    for section in ("approvals", "images", "builds"):
        ui.show_panel(section)
    assert ui.page.evaluate("globalThis.ran") is None


MARK = "<b></b><script>document.currentScript.previousSibling.textContent = 'it ran'</script>"


def test_a_click_trusts_a_notebook(ui: LabPage, work: Path, engine: str, image: str) -> None:
    settings = {"version": 1, "image": image, "engine": engine}
    cells = [f"display({{'text/html': {MARK!r}}}, raw=True)", widget("<i>a widget</i>")]
    path = write(work / "honest.ipynb", *cells, spec="container", settings=settings)
    ui.lab.approve(path, settings)
    ui.open(path)
    ui.kernel_is("container")
    ui.run_all()
    note = ui.cell(1).locator(".jp-ContainersWithheld")
    expect(note).to_contain_text("Widgets are not connected")
    expect(ui.cell(0).frame_locator("iframe").locator("b")).to_have_text("it ran")
    panel = ui.show_panel()
    expect(panel.get_by_role("button", name="Trust…")).to_be_enabled()
    ui.look("15-isolated", PANEL, ".jp-ContainersWithheld")

    note.get_by_role("button", name="Trust outputs of this notebook").click()
    ui.look("15-asks", ".jp-Dialog")
    ui.answer("Trust")
    expect(ui.reveal(0).locator(".jp-RenderedHTML > b")).to_have_text("it ran")
    expect(ui.cell(0).locator("iframe")).to_have_count(0)
    ui.run_cell(1)
    expect(ui.cell(1).locator(".widget-html-content i")).to_have_text("a widget")
    ui.look("15-trusted", PANEL)

    panel.get_by_role("button", name="Isolate", exact=True).click()
    expect(ui.reveal(0).frame_locator("iframe").locator("b")).to_have_text("it ran")
    expect(note).to_be_visible()
    expect(panel.get_by_role("button", name="Trust…")).to_be_enabled()
