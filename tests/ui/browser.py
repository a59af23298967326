"""A page of JupyterLab as a person sees it, and what tests do there again and again."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.sync_api import ConsoleMessage, Error, Locator, Page, expect

from tests.helpers import ROOT
from tests.helpers.harness import sign

from .lab import PATIENCE, THEMES, Lab

SHOTS = ROOT / "build" / "screenshots"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
OURS = ("jupyter-containers", "jupyter_containers", "jp-Containers")
"""What stands in errors of our extension: its URL, its routes, its elements."""
PANEL = "#jp-containers-panel"
BUILD = ".jp-ContainersBuild"
TOOLBAR = ".jp-Containers-toolbarItem"
SECTIONS = ("notebook", "images", "builds", "devices", "engines", "approvals")

_AXE_RUN = """selectors => axe.run({include: selectors.map(one => [one])}).then(found =>
  found.violations.map(one => `${one.id} (${one.impact}): ${one.help}\\n` + one.nodes.map(node =>
    `    ${node.html.slice(0, 200)}\\n    ${node.failureSummary}`).join('\\n')))"""
_CURRENT = "window.jupyterapp.shell.currentWidget"
_KERNEL = f"{_CURRENT}?.sessionContext?.session?.kernel"

MS = PATIENCE * 1000
expect.set_options(timeout=MS)


class LabPage:
    """JupyterLab in a browser. `errors` are those of our extension, which fail a test."""

    def __init__(self, page: Page, lab: Lab, themes: Sequence[str]) -> None:
        self.page, self.lab, self.themes = page, lab, themes
        self.errors: list[str] = []
        self.tolerated = [
            # JupyterLab's own, of a kernel that is restarted before it has answered.
            "Canceled future for kernel_info_request",
            # Also its own: it looks up the files of a traceback, and ours are among them.
            "Could not resolve location of ",
            # And what it says of any extension, ours too, where a machine is busy.
            r"(took [\d.]+ms|is taking too long) to activate",
            # Any engine may make a network interface: chromium drops requests, we ask again.
            "ERR_NETWORK_CHANGED",
            # Its figures were asked for while it ended.
            r"404 \(Not Found\) \(\S*/jupyter-containers/containers/",
            # So were its ports, and whether it may have terminals.
            r"(404|503) \([\w ]+\) \(\S*/jupyter-containers/kernels/\S+/(ports|terminals)",
        ]
        page.set_default_timeout(MS)
        page.on("console", self._console)
        page.on("pageerror", self._page_error)
        # Leaving the page while something runs.
        page.on("dialog", lambda dialog: dialog.accept())
        # Its theme was among what chromium dropped (ERR_NETWORK_CHANGED); `look` asks again.
        no_theme = page.locator(".jp-Dialog", has_text="Error Loading Theme")
        page.add_locator_handler(no_theme, lambda one: one.get_by_role("button").last.click())

    def open(self, path: Path, port: int = 0, *, own: bool = True) -> None:
        """Load JupyterLab anew, with this notebook alone; through a proxy at another port. It is
        one that this person wrote, or (not `own`) that came from elsewhere."""
        if own:
            self.sign(path)
        address = self.lab.address(path)
        if port:
            address = address.replace(f":{self.lab.port}/", f":{port}/", 1)
        self._load(lambda: self.page.goto(address))

    def open_more(self, path: Path) -> None:
        """One more notebook of this person's, in the page that is there."""
        self.sign(path)
        name = str(path.relative_to(self.lab.root))
        self.command("docmanager:open", path=name)
        self.wait(f"{_CURRENT}?.context?.path === {name!r} && {_CURRENT}.context.isReady")
        self.page.locator(".jp-NotebookPanel:visible .jp-Cell").first.wait_for()

    def moves(self, path: Path) -> None:
        """A notebook is about to get another path: what the page asks of the old one meanwhile is
        not found, and asked again of the new one."""
        old = re.escape(quote(str(path.relative_to(self.lab.root)), safe=""))
        self.tolerated.append(rf"404 \(Not Found\) \(\S*/jupyter-containers/\S+\?path={old}")

    def sign(self, path: Path) -> None:
        """As the server does with what this person saves."""
        sign(path, self.lab.data)

    def reload(self) -> None:
        self._load(self.page.reload)

    def _load(self, load: Callable[[], object]) -> None:
        """JupyterLab stays white where chromium has dropped its theme (ERR_NETWORK_CHANGED)."""
        for left in (2, 1, 0):
            try:
                load()
                self.page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=MS / 3)
                cells = self.page.locator(".jp-NotebookPanel .jp-Cell")
                cells.first.wait_for(timeout=MS / 3)
            except Error:
                if not left:
                    raise
            else:
                break
        self.wait(f"{_CURRENT}?.context?.isReady")

    def wait(self, script: str) -> None:
        """Until this JavaScript is true."""
        self.page.wait_for_function(f"() => !!({script})")

    def command(self, id: str, **args: Any) -> None:
        """Execute a command, without waiting for its end: it may ask something."""
        self.page.evaluate(
            "([id, args]) => { void window.jupyterapp.commands.execute(id, args); }", [id, args]
        )

    def run_all(self) -> None:
        self.command("notebook:run-all-cells")

    def run_cell(self, index: int) -> None:
        self.page.evaluate(f"at => {{ {_CURRENT}.content.activeCellIndex = at; }}", index)
        self.command("notebook:run-cell")

    def set_source(self, index: int, source: str) -> None:
        script = f"([at, source]) => {_CURRENT}.content.widgets[at].model.sharedModel"
        self.page.evaluate(f"{script}.setSource(source)", [index, source])

    def save(self) -> None:
        self.command("docmanager:save")
        self.wait(f"!{_CURRENT}.context.model.dirty")

    @property
    def kernel(self) -> str:
        """The name of the notebook's kernel spec; empty without a kernel."""
        name: str = self.page.evaluate(f"{_KERNEL}?.name ?? ''")
        return name

    def kernel_is(self, name: str) -> None:
        """Wait until the notebook has this kernel, and it answers."""
        self.wait(f"{_KERNEL}?.name === '{name}' && {_KERNEL}.status === 'idle'")

    def answer(self, button: str) -> None:
        """Press a button of the dialog that is, or will be, open."""
        dialog = self.page.locator(".jp-Dialog")
        dialog.get_by_role("button", name=button, exact=True).click()
        dialog.wait_for(state="detached")

    def cell(self, index: int) -> Locator:
        return self.page.locator(".jp-NotebookPanel:visible .jp-Cell").nth(index)

    def reveal(self, index: int) -> Locator:
        """A cell, scrolled to: JupyterLab keeps those out of sight out of the page."""
        self.page.evaluate(f"at => {_CURRENT}.content.scrollToItem(at, 'start')", index)
        return self.cell(index)

    def result(self, index: int) -> Locator:
        """What a cell's last expression is."""
        return self.cell(index).locator(".jp-OutputArea-executeResult .jp-OutputArea-output")

    def prompt(self, index: int) -> Locator:
        return self.cell(index).locator(".jp-InputArea-prompt")

    def build(self, state: str = "", index: int = 0) -> Locator:
        """The view of the build in a cell's output, once it is in this state."""
        view = self.cell(index).locator(BUILD)
        if state:
            expect(view).to_have_attribute("data-state", state)
        return view

    @property
    def panel(self) -> Locator:
        return self.page.locator(PANEL)

    def show_panel(self, section: str = "notebook") -> Locator:
        """The sidebar, with this section at its top and no other open."""
        self.command("jupyter-containers:open", section=section)
        title = self.panel.locator(f"#jp-Containers-section-{section}-title")
        expect(title).to_have_attribute("aria-expanded", "true")
        for other in SECTIONS:
            button = self.panel.locator(f"#jp-Containers-section-{other}-title")
            if other != section and button.get_attribute("aria-expanded") == "true":
                button.click()
        body = self.panel.locator(f"#jp-Containers-section-{section}")
        body.evaluate("node => { node.scrollTop = 0; }")
        return self.panel

    def state(self, text: str) -> None:
        """Wait until "This notebook" says that its kernel is so."""
        where = "#jp-Containers-section-notebook .jp-Containers-facts .jp-Containers-state"
        expect(self.panel.locator(where)).to_have_text(text)

    def look(self, name: str, *selectors: str) -> None:
        """A screenshot in each of the page's themes; fail on what axe-core finds in these elements
        of ours. The theme is changed as the person's menu does, so whatever goes on goes on; that
        of the last picture stays."""
        now: str = self.page.evaluate("document.body.dataset.jpThemeName")
        for theme in sorted(self.themes, key=lambda one: THEMES[one] != now):
            if THEMES[theme] != now:
                self._change_theme(theme)
            if selectors:
                self._audit(selectors, theme)
            SHOTS.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=SHOTS / f"{name}-{theme}.png")

    def _change_theme(self, theme: str) -> None:
        changed = f"() => document.body.dataset.jpThemeName === '{THEMES[theme]}'"
        for left in (2, 1, 0):
            self.command("apputils:change-theme", theme=THEMES[theme])
            try:
                self.page.wait_for_function(changed, timeout=MS / 3)
            except Error:
                if not left:
                    raise
            else:
                break
        # As long as it is there it lies over the picture.
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")

    def _audit(self, selectors: Sequence[str], theme: str) -> None:
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text())
        found = self.page.evaluate(_AXE_RUN, list(selectors))
        assert not found, f"axe-core, {theme}:\n" + "\n".join(found)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            said = f"{message.type}: {message.text} ({message.location.get('url', '')})"
            self._note(said)

    def _page_error(self, error: Error) -> None:
        self._note(f"{error}\n{error.stack}")

    def _note(self, said: str) -> None:
        ours = any(word in said for word in OURS)
        if ours and not any(re.search(one, said) for one in self.tolerated):
            self.errors.append(said)


def chromium() -> str:
    """Debian's, where it is."""
    return os.environ.get("JC_CHROMIUM", "/usr/bin/chromium")
