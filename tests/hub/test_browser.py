"""A person in a browser, from the Hub's log-in page to a cell in an image of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from ..ui.browser import BUILD, PANEL, LabPage
from ..ui.conftest import jp_asyncio_loop, jp_server_cleanup, start_browser
from .hub import Hub, Person
from .site import Site
from .visit import Visit, notebook

__all__ = ["jp_asyncio_loop", "jp_server_cleanup"]

DOCKERFILE = "%%dockerfile -t localhost/first\nFROM {}\nRUN echo built > /made"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of this file: the other ones have a loop in this thread."""
    yield from start_browser()


@pytest.fixture(scope="module")
def hub(place: Site) -> Iterator[Hub]:
    """The browser's tests look at JupyterLab's own objects, too."""
    seen = "c.Spawner.args.append('--LabApp.expose_app_in_browser=True')\n"
    with place.hub("jupyterhub_own_engine", seen) as made:
        yield made


class AtHub(LabPage):
    """JupyterLab behind a Hub."""

    def __init__(self, page: Page, visit: Visit) -> None:
        self.visit = visit
        # Of a Lab it asks only the address, which is the Hub's here.
        super().__init__(page, self, ["light"])  # type: ignore[arg-type]

    def address(self, path: Path) -> str:
        """Of a page with this notebook alone."""
        name = path.relative_to(self.visit.person.home)
        return f"{self.visit.base}lab/tree/{quote(str(name))}?reset"

    def sign(self, path: Path) -> None:
        """As *Trust Notebook* does."""
        name = path.relative_to(self.visit.person.home)
        said = self.visit.ask("POST", f"api/contents/{quote(str(name))}/trust")
        assert said.status_code == 201, said.text


def log_in(page: Page, hub: Hub, name: str) -> None:
    """As people do; the Hub starts their server."""
    page.goto(hub.url)
    page.get_by_label("Username:").fill(name)
    page.get_by_label("Password:").fill(hub.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**/user/{name}/lab*", timeout=120_000)


def test_from_the_log_in_page_to_a_cell_in_an_image(
    hub: Hub, ann: Person, image: str, browser: Browser
) -> None:
    cells = (DOCKERFILE.format(image), "open('/made').read()")
    path = notebook(ann, ann.home / "work/n.ipynb", None, *cells)
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    log_in(page, hub, ann.name)
    visit = Visit(hub, ann)
    visit.log_in()
    visit.enter()
    ui = AtHub(page, visit)
    ui.open(path)
    ui.answer("No Kernel")
    ui.run_all()
    ui.build("done")
    expect(ui.result(1)).to_have_text("'built\\n'")
    ui.show_panel()
    ui.state("running")
    ui.look("hub-run-all", BUILD, PANEL)
    assert ui.errors == []
    page.close()
    hub.ask("DELETE", f"users/{ann.name}/server")
