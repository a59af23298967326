"""A kernel whose job waits in Slurm's queue, behind a proxy that cuts what takes long."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.helpers.slurm import full, ours

from ..conftest import EngineUnderTest
from .browser import PANEL, LabPage
from .cells import write
from .lab import Lab, until
from .proxy import between
from .test_bad_connection import CUT


class Pending(Lab):
    """As README says for servers behind a proxy: a session is answered before its kernel runs."""

    def _argv(self) -> list[str]:
        return [*super()._argv(), "--AsyncMappingKernelManager.use_pending_kernels=True"]


@pytest.fixture
def pending(
    engine_env: EngineUnderTest, engine: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    if not engine.startswith("slurm+"):
        pytest.skip("this engine's containers run on this machine")
    lab = Pending(tmp_path_factory.mktemp("lab"))
    try:
        lab.start()
        yield lab
        lab.end_kernels()
    finally:
        lab.stop()
    until(lambda: not ours(), "all jobs are gone")


def test_it_waits_for_longer_than_the_proxy_lets_a_request_take(
    pending: Lab, open_page: Callable[..., LabPage], image: str, engine: str
) -> None:
    """The proxy's seconds and the queue's are a twentieth of what they are out there."""
    ui = open_page(pending)
    ui.tolerated += CUT
    settings = {"version": 1, "image": image, "engine": engine, "slurm": {"time": "0:30:00"}}
    path = write(pending.root / "n.ipynb", "6 * 7", spec="container", settings=settings)
    pending.approve(path, settings)
    with full() as free, between(pending.port, limit=3) as proxy:
        ui.open(path, port=proxy.port)
        ui.show_panel()
        expect(ui.panel).to_contain_text("waits in the queue (Resources")
        ui.run_cell(0)
        until_cut = time.monotonic() + 30
        while time.monotonic() < until_cut:
            expect(ui.panel).to_contain_text("waits in the queue (Resources")
            time.sleep(1)
        expect(ui.prompt(0)).to_have_text("[*]:")
        ui.look("queue-waiting", PANEL)
        free()
        expect(ui.result(0)).to_have_text("42")
        ui.state("running")
        expect(ui.panel).to_contain_text(re.compile(r"on n\d, \d+ min.* left"))
        ui.look("queue-running")
