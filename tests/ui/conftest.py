"""JupyterLab with our extension in a real browser, on a real engine.

The browser is Debian's chromium (JC_CHROMIUM names another). Screenshots are in
build/screenshots, also of tests that failed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.helpers.harness import containers

from ..conftest import EngineUnderTest
from .browser import SHOTS, LabPage, chromium
from .lab import Lab, until

FLAGS = [
    "--no-sandbox",  # needs namespaces that a container for CI does not give
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
_failed = pytest.StashKey[bool]()


@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """None: Playwright's own loop runs in this thread."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """Nothing: no server runs in this process."""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Of this folder, since asyncio's tests cannot run in this thread while it is there."""
    yield from start_browser()


def start_browser() -> Iterator[Browser]:
    """For fixtures."""
    program = shutil.which(chromium())
    if program is None:
        trouble = f"no {chromium()}: apt-get install chromium fonts-dejavu-core fonts-liberation"
        if os.environ.get("JC_REQUIRE_ENGINES") == "1":
            pytest.fail(trouble)
        pytest.skip(trouble)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shared_lab(
    engine_env: EngineUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab"))
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()


@pytest.fixture
def lab(shared_lab: Lab, engine_program: str) -> Iterator[Lab]:
    """A JupyterLab without kernels. Each container that a test had is gone after it."""
    yield shared_lab
    all_gone(shared_lab, engine_program)


def all_gone(lab: Lab, program: str) -> None:
    """End all kernels, also one that a page was about to change to, and wait until no container is
    left. Where one stays, say whose it is."""

    def gone() -> bool:
        lab.end_kernels()
        return not containers(program)

    try:
        until(gone, "all containers are gone")
    except AssertionError as error:
        for what in ("jupyter-containers/containers", "api/kernels", "api/sessions"):
            error.add_note(f"{what}: {json.dumps(lab.ask('GET', what), indent=1)}")
        error.add_note(f"The server's log ends with\n{lab.log}")
        raise


@pytest.fixture
def own_lab(
    engine_env: EngineUnderTest, engine_program: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    """A JupyterLab that the test may kill."""
    lab = Lab(tmp_path_factory.mktemp("lab"))
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()
    until(lambda: not containers(engine_program), "all containers are gone")


@pytest.fixture
def open_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., LabPage]]:
    """Makes pages, all of which must have been without errors of ours when the test ends."""
    pages: list[LabPage] = []

    def make(lab: Lab, *themes: str) -> LabPage:
        themes = themes or ("light",)
        lab.theme(themes[0])
        context = browser.new_context(viewport={"width": 1400, "height": 900})
        pages.append(LabPage(context.new_page(), lab, themes))
        return pages[-1]

    yield make
    name = re.sub(r"[^\w-]+", "-", request.node.name).strip("-")
    for one in pages:
        if request.node.stash.get(_failed, False):
            one.look(f"failed-{name}")
        one.page.context.close()
    assert [error for one in pages for error in one.errors] == []


@pytest.fixture
def ui(lab: Lab, open_page: Callable[..., LabPage]) -> LabPage:
    """A page of JupyterLab, looked at in light and dark."""
    return open_page(lab, "light", "dark")


@pytest.fixture
def plain_ui(lab: Lab, open_page: Callable[..., LabPage]) -> LabPage:
    """A page of JupyterLab, looked at in light: what it shows is in other pictures too."""
    return open_page(lab)


@pytest.fixture
def work(lab: Lab) -> Path:
    """A folder of the server for one test."""
    folder = lab.root / f"work-{len(list(lab.root.iterdir()))}"
    folder.mkdir()
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.when == "call":
        item.stash[_failed] = report.failed
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if SHOTS.is_dir():
        terminalreporter.write_line(f"screenshots: {SHOTS}")
