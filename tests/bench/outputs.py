"""A notebook of 300 mixed outputs in chromium: drawn isolated, and as JupyterLab draws it.

No kernel runs. What counts is the time that the page's main thread is busy: the clock on the wall
also counts other pages and programs of this machine.
"""

from __future__ import annotations

import base64
import statistics
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, CDPSession, sync_playwright

from tests.helpers.harness import sign
from tests.ui.browser import chromium
from tests.ui.lab import Lab

from .report import Row

_OUTPUTS = 300
MS = 120_000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
_AIM = 1.1
_OPEN = """async count => {
  const panel = await window.jupyterapp.commands.execute('docmanager:open', {
    path: 'many.ipynb', kernelPreference: { shouldStart: false, canStart: false } });
  await panel.context.ready;
  await panel.revealed;
  while (panel.content.widgets.length < count) { await new Promise(done => setTimeout(done, 5)); }
}"""
_SCROLL = """async () => {
  const view = document.querySelector('.jp-WindowedPanel-outer');
  while (view.scrollTop + view.clientHeight < view.scrollHeight - 5) {
    view.scrollTop += 150;
    await new Promise(requestAnimationFrame);
  }
}"""


def rows(runs: int, folder: Path) -> list[Row]:
    """Opening and scrolling, in turns; `folder` is a new one."""
    found: dict[str, list[tuple[float, float]]] = {"isolated": [], "trusted": []}
    with _lab(folder) as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for turn in range(runs):
            for outputs in found if turn % 2 else reversed(found):
                body = {"path": "many.ipynb", "outputs": outputs}
                lab.ask("PUT", "jupyter-containers/outputs", body)
                found[outputs].append(_measured(browser, lab))
        browser.close()
    made = []
    for at, what in enumerate(("open", "scroll")):
        ours, theirs = (statistics.median(one[at] for one in found[key]) for key in found)
        made.append(
            Row(
                name=f"{what} {_OUTPUTS} outputs",
                aim=_AIM,
                ours="isolated outputs, the main thread's time",
                theirs="the same notebook with trusted outputs: JupyterLab's own drawing",
                ours_s=ours,
                theirs_s=theirs,
                runs=runs,
            )
        )
    return made


@contextmanager
def _lab(folder: Path) -> Iterator[Lab]:
    lab = Lab(folder)
    path = lab.root / "many.ipynb"
    nbformat.write(_notebook(), path)
    lab.start()
    try:
        sign(path, lab.data)
        yield lab
    finally:
        lab.stop()


def _notebook() -> Any:
    cells = "".join(f"<td>{number}</td>" for number in range(8))
    rows = f"<tr>{cells}</tr>" * 20
    dots = "".join(f'<circle cx="{one}" cy="{one}" r="4"/>' for one in range(200))
    script = (
        "const place = document.currentScript.parentNode;"
        "for (let i = 0; i < 200; i++) { place.append(i + ' ', document.createElement('span')); }"
    )
    kinds: list[dict[str, Any]] = [
        {"text/plain": "x\n" * 10},
        {"image/png": base64.b64encode(_png()).decode(), "text/plain": "x"},
        {"text/html": f'<table border="1" class="dataframe"><tbody>{rows}</tbody></table>'},
        {"text/html": f'<div style="height: 180px"><script>{script}</script></div>'},
        {"image/svg+xml": f'<svg xmlns="http://www.w3.org/2000/svg" height="200">{dots}</svg>'},
        {"text/markdown": "# a\n\n* b\n* **c** $x^2$"},
    ]
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["jupyter_containers"] = {"version": 1, "image": "localhost/none:1"}
    for number in range(_OUTPUTS):
        output = nbformat.v4.new_output("display_data", data=kinds[number % len(kinds)])
        cell = nbformat.v4.new_code_cell(f"# {number}", outputs=[output], execution_count=1)
        notebook.cells.append(cell)
    return notebook


def _png() -> bytes:
    """300 × 150 grey pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    pixels = zlib.compress((b"\0" + b"\x80" * 300) * 150)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 300, 150, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _measured(browser: Browser, lab: Lab) -> tuple[float, float]:
    """Seconds of opening and of scrolling, in a new page."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.set_default_timeout(MS)
    page.goto(f"{lab.url}/lab?token={lab.token}&reset")
    page.locator("#jupyterlab-splash").wait_for(state="detached")
    page.wait_for_timeout(2000)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")  # counts from here
    times = [busy(session)]
    page.evaluate(_OPEN, _OUTPUTS)
    page.wait_for_timeout(1500)
    times.append(busy(session))
    page.evaluate(_SCROLL)
    times.append(busy(session))
    context.close()
    return times[1] - times[0], times[2] - times[1]


def busy(session: CDPSession) -> float:
    """Seconds that the page's main thread has worked since the session counts."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))
