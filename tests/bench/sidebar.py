"""The sidebar with 500 images in chromium: what a key or a click costs.

The server's list of images is replaced by one of that length. What counts is the processor's time
of the page's main thread until it has drawn: the clock also counts other programs of this machine.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, Page, Route, sync_playwright

from tests.helpers.harness import sign
from tests.ui.browser import PANEL, chromium
from tests.ui.lab import Lab

from .outputs import FLAGS, MS, busy
from .report import Row

_IMAGES = 500
_LIMIT = 0.05
"""Seconds that a person does not notice."""
_DRAWN = "() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))"


def row(runs: int, folder: Path) -> Row:
    """The slowest of the interactions, by the median of each; `folder` is a new one."""
    lab = Lab(folder)
    path = lab.root / "many.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    notebook.metadata["kernelspec"] = {"name": "container", "display_name": "x"}
    notebook.metadata["jupyter_containers"] = {"version": 1, "image": "localhost/none:1"}
    nbformat.write(notebook, path)
    found: dict[str, list[float]] = {}
    lab.start()
    try:
        sign(path, lab.data)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
            for _ in range(runs):
                for what, seconds in _measured(browser, lab, path).items():
                    found.setdefault(what, []).append(seconds)
            browser.close()
    finally:
        lab.stop()
    medians = {what: statistics.median(seconds) for what, seconds in found.items()}
    slowest = max(medians, key=lambda what: medians[what])
    return Row(
        name=f"sidebar, {_IMAGES} images",
        aim=1.0,
        ours=f"the slowest interaction ({slowest}), the main thread's time until it is drawn",
        theirs=f"{_LIMIT * 1000:.0f} ms",
        ours_s=medians[slowest],
        theirs_s=_LIMIT,
        runs=runs,
        note=", ".join(f"{what} {1000 * seconds:.0f} ms" for what, seconds in medians.items()),
    )


def _images() -> list[dict[str, Any]]:
    """20 tags of each of 25 repositories."""
    return [
        {
            "reference": f"ghcr.io/group/project-{number % 25}:{number // 25}.0",
            "id": f"sha256:{number:064x}",
            "engine": "podman",
            "size": 10**8 + number,
            "created": "2026-01-01T00:00:00Z",
            "pinned": None,
        }
        for number in range(_IMAGES)
    ]


def _measured(browser: Browser, lab: Lab, path: Path) -> dict[str, float]:
    """Seconds of each interaction, in a new page with a section of images, or of the form."""
    page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
    page.set_default_timeout(MS)
    answer = json.dumps({"images": _images(), "problems": []})
    page.route(
        "**/jupyter-containers/images*",
        lambda route: route.fulfill(content_type="application/json", body=answer),
    )
    page.route("**/jupyter-containers/images/detail*", _refuse)
    page.goto(lab.address(path))
    page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for()
    page.locator("#jupyterlab-splash").wait_for(state="detached")
    _show(page, "images")
    rows = page.locator(f"{PANEL} .jp-Containers-rowButton")
    query = page.get_by_label("Filter images")
    rows.nth(24).wait_for()
    page.wait_for_timeout(2000)
    clock = _Clock(page)
    clock.time("open a repository", rows.first.click)
    rows.nth(1).focus()
    clock.time("arrow key", lambda: page.keyboard.press("ArrowDown"))
    clock.time("open an image", lambda: page.keyboard.press("ArrowRight"))
    clock.time("close an image", lambda: page.keyboard.press("ArrowLeft"))
    query.focus()
    clock.time("first letter of the filter", lambda: page.keyboard.press("p"))
    clock.time("next letter of the filter", lambda: page.keyboard.press("r"))
    more = page.locator(f"{PANEL} button", has_text="Show more")
    clock.time("show more", more.click)
    clock.time("show all", more.click)
    clock.time("arrow key among all", lambda: rows.nth(3).press("ArrowDown"))
    query.focus()
    clock.time("filter of all", lambda: page.keyboard.press("o"))
    title = page.locator("#jp-Containers-section-images-title")
    clock.time("close the section", title.click)
    clock.time("open the section", title.click)
    _show(page, "notebook")
    image = page.get_by_label("Image", exact=True)
    image.wait_for()
    page.wait_for_timeout(2000)
    image.focus()
    clock.time("letter in the form", lambda: page.keyboard.press("x"))
    page.context.close()
    return clock.times


def _refuse(route: Route) -> None:
    route.abort()


class _Clock:
    """The main thread's time of interactions."""

    def __init__(self, page: Page) -> None:
        self.times: dict[str, float] = {}
        self._page = page
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def time(self, what: str, interact: Callable[[], object]) -> None:
        before = busy(self._session)
        interact()
        self._page.evaluate(_DRAWN)
        self.times[what] = busy(self._session) - before


def _show(page: Page, section: str) -> None:
    args = json.dumps({"section": section})
    page.evaluate(f"void window.jupyterapp.commands.execute('jupyter-containers:open', {args})")
    page.locator(f"#jp-Containers-section-{section}").wait_for()
