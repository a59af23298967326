"""Scene 5: a page that is left and opened again in mid-build loses no build."""

import re
from pathlib import Path

from playwright.sync_api import expect

from .browser import BUILD, PANEL, LabPage
from .cells import Brake, dockerfile, mark, write


def test_a_build_goes_on_while_the_page_is_loaded_anew(ui: LabPage, work: Path, image: str) -> None:
    word, brake = mark(), Brake()
    cell = dockerfile(image, f"RUN echo {word} > /made", brake.line)
    ui.open(write(work / "scene5.ipynb", cell, "open('/made').read().strip()", spec="python3"))
    ui.kernel_is("python3")
    ui.run_all()
    ui.build("running")
    brake.wait()

    ui.reload()
    view = ui.build("running")
    expect(view.get_by_role("progressbar")).to_be_visible()
    expect(view.locator(".jp-ContainersBuild-line")).to_contain_text("the brake is on")
    expect(ui.prompt(0)).to_have_text("[*]:")
    panel = ui.show_panel("builds")
    expect(panel.locator(".jp-Containers-card").first).to_contain_text("running")
    ui.look("5-reloaded", BUILD, PANEL)

    brake.release()
    expect(ui.build("done").get_by_role("status")).to_contain_text("is built")
    # Run All goes on, without a question: it was one of all cells.
    expect(ui.result(1)).to_have_text(f"'{word}'")
    assert ui.kernel == "container"


def test_a_build_that_nothing_waits_for_offers_to_move(
    plain_ui: LabPage, work: Path, image: str
) -> None:
    ui, word, brake = plain_ui, mark(), Brake()
    cell = dockerfile(image, f"RUN echo {word} > /made", brake.line)
    ui.open(write(work / "alone.ipynb", cell, "open('/made').read().strip()", spec="python3"))
    ui.kernel_is("python3")
    ui.run_cell(0)
    brake.wait()
    ui.reload()
    ui.build("running")
    brake.release()
    ui.page.get_by_role("button", name="Move the kernel").click()
    ui.kernel_is("container")
    ui.run_all()
    expect(ui.result(1)).to_have_text(f"'{word}'")


def test_a_cell_that_is_run_after_a_reload_waits_for_the_build(
    plain_ui: LabPage, work: Path, image: str
) -> None:
    ui, word, brake = plain_ui, mark(), Brake()
    cell = dockerfile(image, f"RUN echo {word} > /made", brake.line)
    read = "open('/made').read().strip()"
    ui.open(write(work / "held.ipynb", cell, read, "1 + 1", spec="python3"))
    ui.kernel_is("python3")
    ui.run_cell(0)
    brake.wait()

    ui.reload()
    ui.build("running")
    ui.kernel_is("python3")
    ui.run_cell(1)
    expect(ui.prompt(1)).to_have_text("[*]:")
    expect(ui.prompt(2)).to_have_text("[ ]:")
    ui.look("5-held")
    brake.release()
    expect(ui.result(1)).to_have_text(f"'{word}'")
    assert ui.kernel == "container"
    expect(ui.page.get_by_role("button", name="Move the kernel")).to_have_count(0)
    expect(ui.prompt(2)).to_have_text("[ ]:")


def test_a_cell_that_waits_after_a_reload_is_given_up_with_the_build(
    plain_ui: LabPage, work: Path, image: str
) -> None:
    ui, brake = plain_ui, Brake()
    cell = dockerfile(image, f"ENV WORD={mark()}", brake.line)
    ui.open(write(work / "given-up.ipynb", cell, "'ran'", spec="python3"))
    ui.kernel_is("python3")
    ui.run_cell(0)
    brake.wait()

    ui.reload()
    ui.build("running")
    ui.kernel_is("python3")
    ui.run_cell(1)
    expect(ui.prompt(1)).to_have_text("[*]:")
    ui.build("running").get_by_role("button", name="Cancel").click()
    ui.build("cancelled")
    expect(ui.prompt(1)).to_have_text("[ ]:")
    assert ui.kernel == "python3"
    ui.run_cell(1)
    expect(ui.result(1)).to_have_text("'ran'")


def test_a_notebook_that_was_run_and_saved_opens_clean(
    plain_ui: LabPage, work: Path, image: str
) -> None:
    ui, word = plain_ui, mark()
    cell = dockerfile(image, f"RUN echo {word} > /made")
    path = write(work / "clean.ipynb", cell, "open('/made').read().strip()", spec="container")
    ui.open(path)
    ui.kernel_is("container")
    ui.run_all()
    expect(ui.result(1)).to_have_text(f"'{word}'")
    ui.show_panel()
    ui.state("running")
    ui.save()
    ui.reload()
    ui.state("running")
    ui.page.wait_for_timeout(5000)
    assert not ui.page.evaluate("window.jupyterapp.shell.currentWidget.context.model.dirty")

    # Nor does another run of its cell change the file, which holds no times and no log.
    saved = path.read_bytes()
    assert word in saved.decode()
    view = ui.build("done")
    said = re.compile("^Saved in this notebook: .* is built")
    expect(view.get_by_role("status")).to_have_text(said)
    view.locator("summary", has_text="Log").click()
    expect(view.get_by_role("log")).to_contain_text(word)
    ui.run_cell(0)
    expect(ui.build("done").get_by_role("status")).to_contain_text("is up to date")
    ui.save()
    assert path.read_bytes() == saved
