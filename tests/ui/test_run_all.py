"""Scene 1: Run All builds the Dockerfile cell, moves the kernel, and goes on there."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .browser import BUILD, TOOLBAR, LabPage
from .cells import Brake, dockerfile, mark, processes_with, write
from .lab import until

COUNT = """\
try:
    runs += 1
except NameError:
    runs = 1
runs, open("/made").read().strip()"""


def test_run_all_runs_the_cells_in_the_image(
    ui: LabPage, work: Path, image: str, engine: str
) -> None:
    word, brake = mark(), Brake()
    made = f"RUN echo {word} > /made"
    cell = dockerfile(image, made, brake.line, options=f"--engine {engine}")
    ui.open(write(work / "scene1.ipynb", cell, COUNT))
    ui.answer("No Kernel")
    ui.run_all()

    view = ui.build("running")
    brake.wait()
    bar = view.get_by_role("progressbar", name="Progress of the build")
    expect(bar).to_have_attribute("aria-valuetext", re.compile(r"Step \d of \d"))
    expect(view.locator(".jp-ContainersBuild-line")).to_contain_text("the brake is on")
    expect(view.get_by_role("status")).to_contain_text("Building an image")
    expect(ui.prompt(1)).to_have_text("[*]:")
    ui.look("1-building", BUILD)

    brake.release()
    ui.build("done")
    expect(ui.result(1)).to_have_text(f"(1, '{word}')")
    assert ui.kernel == "container"
    ui.look("1-done", BUILD, TOOLBAR)

    ui.run_all()
    expect(ui.result(1)).to_have_text(f"(2, '{word}')")
    expect(ui.build("done").get_by_role("status")).to_contain_text("is up to date")


def test_a_failing_build_marks_its_line_and_stops_the_run(
    ui: LabPage, work: Path, image: str
) -> None:
    cell = dockerfile(image, f"ENV WORD={mark()}", "RUN echo before; ls /not-there", "ENV LATER=1")
    ui.open(write(work / "fails.ipynb", cell, "print('ran')", spec="python3"))
    ui.kernel_is("python3")
    ui.run_all()
    view = ui.build("failed")
    expect(view.get_by_role("status")).to_contain_text("The build failed")
    marked = ui.cell(0).locator(".jp-ContainersLint.jp-mod-failed")
    expect(marked).to_have_text("RUN echo before; ls /not-there")
    expect(ui.cell(0).locator(".jp-OutputArea")).to_contain_text("cannot access '/not-there'")
    expect(ui.prompt(0)).to_have_text("[ ]:")
    expect(ui.prompt(1)).to_have_text("[ ]:")
    expect(ui.cell(1).locator(".jp-OutputArea-output")).to_have_count(0)
    assert ui.kernel == "python3"
    view.locator("summary").filter(has_text="Log").click()
    expect(view.get_by_role("log")).to_contain_text("before")
    ui.look("1-failed", BUILD)


@pytest.mark.parametrize("way", ["button", "interrupt", "keys"])
def test_a_build_is_cancelled_with_all_its_processes(
    way: str, plain_ui: LabPage, work: Path, image: str
) -> None:
    ui, brake = plain_ui, Brake()
    cell = dockerfile(image, f"ENV WORD={mark()}", brake.line)
    ui.open(write(work / "cancelled.ipynb", cell, "print('ran')", spec="python3"))
    ui.kernel_is("python3")
    ui.run_all()
    brake.wait()
    # Run All scrolls to the last cell: the toolbar is what everybody sees then.
    expect(ui.page.locator(TOOLBAR)).to_contain_text("building")
    if way == "button":
        ui.build("running").get_by_role("button", name="Cancel").click()
    elif way == "interrupt":
        ui.command("notebook:interrupt-kernel")
    else:
        ui.prompt(0).click()
        ui.page.keyboard.press("i")
        ui.page.keyboard.press("i")
    view = ui.build("cancelled")
    expect(view.get_by_role("status")).to_contain_text("The build was cancelled")
    expect(ui.page.locator(TOOLBAR)).not_to_contain_text("building")
    expect(ui.prompt(0)).to_have_text("[ ]:")
    expect(ui.prompt(1)).to_have_text("[ ]:")
    expect(ui.cell(1).locator(".jp-OutputArea-output")).to_have_count(0)
    until(lambda: not brake.processes, "the instruction's processes are gone")
    until(lambda: not processes_with(str(work)), "the engine's processes are gone")
    ui.look(f"1-cancelled-{way}", BUILD)
