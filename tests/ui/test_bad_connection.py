"""Proxies that cut what takes long, and connections that break."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .browser import LabPage
from .cells import Brake, dockerfile, mark, write
from .lab import Lab
from .proxy import between

CUT = ["ERR_CONNECTION_", "ERR_EMPTY_RESPONSE", "ERR_INCOMPLETE_CHUNKED", "Failed to fetch"]
CUT += ["network error"]


@pytest.fixture
def far(lab: Lab, open_page: Callable[..., LabPage]) -> LabPage:
    """A page for which a cut connection is no error of ours."""
    ui = open_page(lab)
    ui.tolerated += CUT
    return ui


def test_a_proxy_cuts_requests_while_a_build_goes_on(far: LabPage, work: Path, image: str) -> None:
    """The proxy's seconds and the build's are a tenth of what they are out there."""
    ui, word, brake = far, mark(), Brake()
    cell = dockerfile(image, f"RUN echo {word} > /made", brake.line, "RUN sleep 10; echo later")
    path = write(work / "cut.ipynb", cell, "open('/made').read().strip()", spec="python3")
    with between(ui.lab.port, limit=5) as proxy:
        ui.open(path, port=proxy.port)
        ui.kernel_is("python3")
        before = proxy.cuts
        ui.run_all()
        brake.release()
        expect(ui.result(1)).to_have_text(f"'{word}'")
        assert proxy.cuts > before
        view = ui.build("done")
        view.locator("summary").filter(has_text="Log").click()
        log = view.get_by_role("log")
        # Each event once, whatever was asked for again.
        lines = (log.text_content() or "").split("\n")
        assert [lines.count(one) for one in ("the brake is on", "later")] == [1, 1]


def test_all_connections_break_in_the_middle_of_a_build(
    far: LabPage, work: Path, image: str
) -> None:
    ui, word, brake = far, mark(), Brake()
    cell = dockerfile(image, f"RUN echo {word} > /made", brake.line)
    path = write(work / "broken.ipynb", cell, "open('/made').read().strip()", spec="python3")
    with between(ui.lab.port) as proxy:
        ui.open(path, port=proxy.port)
        ui.kernel_is("python3")
        ui.run_all()
        ui.build("running")
        brake.wait()
        proxy.cut()
        brake.release()
        expect(ui.result(1)).to_have_text(f"'{word}'")
        assert ui.kernel == "container"
