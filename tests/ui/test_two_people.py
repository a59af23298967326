"""Two people on one notebook, with jupyter-collaboration: each has a page of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from ..conftest import EngineUnderTest
from .browser import BUILD, LabPage
from .cells import Brake, dockerfile, mark, write
from .conftest import all_gone
from .lab import Lab, until
from .test_executors import lab_with

READ = "open('/made').read().strip()"


@pytest.fixture(scope="module")
def running(engine_env: EngineUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab with jupyter-collaboration."""
    yield from lab_with("collaboration", tmp_path_factory.mktemp("two"))


@pytest.fixture
def shared(running: Lab, engine_program: str) -> Iterator[Lab]:
    """It, without kernels after the test."""
    yield running
    running.end_kernels()
    all_gone(running, engine_program)


@pytest.fixture
def people(shared: Lab, open_page: Callable[..., LabPage]) -> tuple[LabPage, LabPage]:
    return open_page(shared), open_page(shared)


def builds(lab: Lab) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.ask("GET", "jupyter-containers/builds")["builds"]
    return found


def kernels(lab: Lab) -> list[str]:
    return [one["id"] for one in lab.ask("GET", "api/kernels")]


def test_one_build_that_both_see_and_both_wait_for(
    shared: Lab, people: tuple[LabPage, LabPage], image: str
) -> None:
    first, second = people
    word, brake = mark(), Brake()
    cell = dockerfile(image, f"RUN echo {word} > /made", brake.line)
    path = write(shared.root / "both.ipynb", cell, READ, READ + "[::-1]", spec="python3")
    for ui in people:
        ui.open(path)
        ui.kernel_is("python3")
    first.run_cell(0)
    first.run_cell(1)
    brake.wait()
    for ui in people:
        view = ui.build("running")
        expect(view.locator(".jp-ContainersBuild-line")).to_contain_text("the brake is on")
        expect(ui.prompt(0)).to_have_text("[*]:")
    second.run_cell(2)
    second.run_cell(0)  # joins it, or finds its image
    expect(second.prompt(2)).to_have_text("[*]:")
    expect(second.cell(2).locator(".jp-OutputArea-output")).to_have_count(0)
    second.look("two-people-building", BUILD)

    brake.release()
    for ui in people:
        ui.build("done")
        expect(ui.result(1)).to_have_text(f"'{word}'")
        expect(ui.result(2)).to_have_text(f"'{word[::-1]}'")
        ui.kernel_is("container")
        expect(ui.prompt(0)).to_have_text("[ ]:")
        expect(ui.page.locator(".jp-Dialog")).to_have_count(0)
    second.look("two-people-done", BUILD)
    built = [one for one in builds(shared) if not one["result"]["reused"]]
    assert len(built) == 1
    assert len(kernels(shared)) == 1


@pytest.mark.parametrize("who", ["first", "second"])
def test_either_cancels(who: str, shared: Lab, people: tuple[LabPage, LabPage], image: str) -> None:
    first, second = people
    brake = Brake()
    cell = dockerfile(image, f"ENV WORD={mark()}", brake.line)
    path = write(shared.root / "cancelled.ipynb", cell, "print('ran')", spec="python3")
    first.open(path)
    first.kernel_is("python3")
    first.run_all()
    brake.wait()
    second.open(path)  # while it is built
    second.build("running")
    second.run_cell(1)
    expect(second.prompt(1)).to_have_text("[*]:")
    ui = second if who == "second" else first
    ui.build("running").get_by_role("button", name="Cancel").click()
    for ui in people:
        view = ui.build("cancelled")
        expect(view.get_by_role("status")).to_contain_text("The build was cancelled")
        expect(ui.prompt(0)).to_have_text("[ ]:")
        expect(ui.prompt(1)).to_have_text("[ ]:")
        expect(ui.cell(1).locator(".jp-OutputArea-output")).to_have_count(0)
    until(lambda: not brake.processes, "the instruction's processes are gone")


def test_nobody_waits_for_ever(shared: Lab, people: tuple[LabPage, LabPage], image: str) -> None:
    """The one who builds has a question to answer; the other's Stop ends the waiting, and what is
    run after it runs at once."""
    first, second = people
    cell = dockerfile(image, f"ENV WORD={mark()}", options="--mount /usr/share:/mine:ro")
    path = write(shared.root / "asked.ipynb", cell, "print('ran')", spec="python3")
    for ui in people:
        ui.open(path)
        ui.kernel_is("python3")
    first.run_cell(0)
    expect(first.page.locator(".jp-Dialog")).to_be_visible()
    second.run_cell(1)
    expect(second.prompt(1)).to_have_text("[*]:")
    second.command("notebook:interrupt-kernel")
    expect(second.prompt(1)).to_have_text("[ ]:")
    second.run_cell(1)
    expect(second.cell(1).locator(".jp-OutputArea-output")).to_have_text("ran\n")
    first.page.locator(".jp-Dialog .jp-mod-reject").click()
    expect(first.prompt(0)).to_have_text("[ ]:")


def test_who_is_left_goes_on(shared: Lab, people: tuple[LabPage, LabPage], image: str) -> None:
    """The page that builds is closed: the other's cells still run in the image."""
    first, second = people
    word, brake = mark(), Brake()
    cell = dockerfile(image, f"RUN echo {word} > /made", brake.line)
    path = write(shared.root / "left.ipynb", cell, READ, spec="python3")
    for ui in people:
        ui.open(path)
        ui.kernel_is("python3")
    first.run_cell(0)
    brake.wait()
    second.build("running")
    second.run_cell(1)
    expect(second.prompt(1)).to_have_text("[*]:")
    first.page.close()
    brake.release()
    second.build("done")
    expect(second.result(1)).to_have_text(f"'{word}'")
    second.kernel_is("container")
    assert len(kernels(shared)) == 1
