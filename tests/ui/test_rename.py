"""A notebook that is renamed, moved or duplicated in JupyterLab keeps what it runs in, unasked."""

from pathlib import Path

from playwright.sync_api import expect

from tests.helpers.harness import containers

from .browser import PANEL, LabPage
from .cells import Brake, dockerfile, mark, write
from .lab import Lab

CONTEXT = "window.jupyterapp.shell.currentWidget.context"
CONTENTS = "window.jupyterapp.serviceManager.contents"
COUNT = """\
import os
try:
    runs += 1
except NameError:
    runs = 1
runs, open("/made").read().strip(), os.path.basename(os.getcwd())"""


def rename(ui: LabPage, name: str) -> None:
    """File > Rename Notebook."""
    ui.command("docmanager:rename")
    dialog = ui.page.locator(".jp-Dialog")
    dialog.locator("input").fill(name)
    dialog.locator(".jp-mod-accept").click()
    dialog.wait_for(state="detached")
    ui.wait(f"{CONTEXT}.path.endsWith('/{name}')")


def restart(ui: LabPage) -> None:
    """Kernel > Restart Kernel, with JupyterLab's own question."""
    ui.command("notebook:restart-kernel")
    dialog = ui.page.locator(".jp-Dialog")
    dialog.locator(".jp-mod-accept").click()
    dialog.wait_for(state="detached")
    ui.kernel_is("container")


def runs(ui: LabPage, number: int, word: str, folder: str) -> None:
    """Run All builds nothing, asks nothing, and goes on."""
    ui.run_all()
    expect(ui.result(1)).to_have_text(f"({number}, '{word}', '{folder}')")
    expect(ui.build("done").get_by_role("status")).to_contain_text("is up to date")
    expect(ui.page.locator(".jp-Dialog")).to_have_count(0)


def images(lab: Lab, engine: str) -> set[str]:
    listed = lab.ask("GET", f"jupyter-containers/images?engine={engine}")["images"]
    return {one["reference"] for one in listed}


def test_what_follows_a_notebook(
    plain_ui: LabPage, lab: Lab, work: Path, image: str, engine: str, engine_program: str
) -> None:
    ui, word = plain_ui, mark()
    ui.moves(work / "first.ipynb")
    ui.moves(work / "second.ipynb")
    (work / "sub").mkdir()
    cell = dockerfile(image, f"RUN echo {word} > /made", options=f"--engine {engine}")
    ui.open(write(work / "first.ipynb", cell, COUNT))
    ui.answer("No Kernel")
    ui.run_all()
    expect(ui.result(1)).to_have_text(f"(1, '{word}', '{work.name}')")
    ui.save()
    panel = ui.show_panel()
    notes = panel.locator(".jp-Containers-note")
    ui.state("running")
    running, here = containers(engine_program), images(lab, engine)

    rename(ui, "second.ipynb")
    runs(ui, 2, word, work.name)
    ui.state("running")
    expect(notes).to_have_count(0)
    assert containers(engine_program) == running
    restart(ui)
    runs(ui, 1, word, work.name)
    ui.save()

    folder, moved = work.name, f"{work.name}/sub/third.ipynb"
    ui.page.evaluate(f"() => {CONTENTS}.rename('{folder}/second.ipynb', '{moved}')")
    ui.wait(f"{CONTEXT}.path === '{moved}'")
    runs(ui, 2, word, folder)
    expect(notes).to_contain_text(f"its kernel still runs in {work}")
    ui.show_panel()
    ui.look("rename-moved", PANEL)
    restart(ui)
    expect(notes).to_have_count(0)
    runs(ui, 1, word, "sub")
    ui.save()

    copied = ui.page.evaluate(f"() => {CONTENTS}.copy('{moved}', '{folder}').then(one => one.path)")
    ui.open(lab.root / copied, own=False)
    ui.kernel_is("container")
    runs(ui, 1, word, folder)
    assert len(containers(engine_program)) == 2
    assert images(lab, engine) == here


def test_a_notebook_that_is_renamed_while_it_is_built(
    plain_ui: LabPage, lab: Lab, work: Path, image: str, engine: str
) -> None:
    ui, word, brake = plain_ui, mark(), Brake()
    ui.moves(work / "first.ipynb")
    lines = (f"RUN echo {word} > /made", brake.line)
    cell = dockerfile(image, *lines, options=f"--engine {engine}")
    ui.open(write(work / "first.ipynb", cell, COUNT))
    ui.answer("No Kernel")
    ui.run_all()
    ui.build("running")
    brake.wait()
    rename(ui, "second.ipynb")
    brake.release()
    expect(ui.result(1)).to_have_text(f"(1, '{word}', '{work.name}')")
    assert ui.kernel == "container"
    expect(ui.page.locator(".jp-Dialog")).to_have_count(0)
    made = lab.ask("GET", "jupyter-containers/builds")["builds"]
    ours = [one for one in made if (one["path"] or "").startswith(f"{work.name}/")]
    assert {one["path"] for one in ours} == {f"{work.name}/second.ipynb"}
    assert [one["result"]["reused"] for one in ours].count(False) == 1
