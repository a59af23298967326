"""Scene 4: somebody else's notebook starts nothing, says what it asks for, and is only text."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, expect

from tests.helpers.harness import containers

from .browser import BUILD, PANEL, TOOLBAR, LabPage
from .cells import dockerfile, mark, write

BIDI = "\u202e"
HTML = "<img src=x onerror=window.hacked=1><b class=hostile>bold</b>"
MISSING = "localhost/jupyter-containers-test/not-there:1"


def banner(panel: Locator, text: str) -> Locator:
    return panel.locator(".jp-Containers-note").filter(has_text=text)


def test_nothing_starts_before_it_is_approved(
    ui: LabPage, work: Path, engine: str, image: str
) -> None:
    (work / "data").mkdir()
    mounts = [{"source": "data", "target": "/data", "writable": True}]
    settings = {"image": image, "engine": engine, "mounts": mounts, "env": {"WORD": "x"}}
    cell = "import os; os.listdir('/data'), os.environ['WORD']"
    ui.open(write(work / "theirs.ipynb", cell, spec="container", settings=settings))
    panel = ui.show_panel()
    ui.state("waits for your approval")
    asks = banner(panel, "asks for what you have not approved")
    expect(asks.get_by_role("listitem")).to_have_count(3)
    expect(asks).to_contain_text("the image ")
    expect(asks).to_contain_text(f"the folder {work / 'data'}, read and write")
    expect(asks).to_contain_text("the environment variable WORD")
    ui.kernel_is("container")
    ui.run_all()
    expect(ui.cell(0).locator(".jp-OutputArea")).to_contain_text("not approved")
    assert containers(engine) == []
    ui.look("4-not-approved", PANEL, TOOLBAR)

    asks.get_by_role("button", name="Approve").click()
    ui.state("running")
    expect(asks).to_have_count(0)
    ui.kernel_is("container")
    assert len(containers(engine)) == 1
    ui.run_all()
    expect(ui.result(0)).to_have_text("([], 'x')")
    ui.look("4-approved", PANEL, TOOLBAR)


def test_an_image_that_is_not_here_is_built(
    ui: LabPage, work: Path, engine: str, image: str
) -> None:
    word = mark()
    settings = {"image": MISSING, "engine": engine, "build": {"cell": "0" * 64, "context": ""}}
    cell = dockerfile(image, f"RUN echo {word} > /made")
    read = "open('/made').read().strip()"
    ui.open(write(work / "carried.ipynb", cell, read, spec="container", settings=settings))
    panel = ui.show_panel()
    gone = banner(panel, "which is not on this machine")
    expect(gone).to_contain_text(
        "This notebook runs in localhost/jupyter-containers-test/not-there:1"
    )
    for name in ("Build", "Pull", "Choose Another Image"):
        expect(gone.get_by_role("button", name=name)).to_be_enabled()
    ui.state("its image is not here")
    expect(panel.get_by_role("button", name="Build", exact=True)).to_have_count(1)
    expect(panel.get_by_role("button", name="Approve")).to_have_count(0)
    assert containers(engine) == []
    ui.look("4-not-here", PANEL, TOOLBAR)

    gone.get_by_role("button", name="Build").click()
    ui.build("done")
    expect(gone).to_have_count(0)
    ui.state("running")
    ui.run_cell(1)
    expect(ui.result(1)).to_have_text(f"'{word}'")
    ui.look("4-built")


def test_another_image_can_be_chosen(
    plain_ui: LabPage, work: Path, engine: str, image: str
) -> None:
    ui, settings = plain_ui, {"image": MISSING, "engine": engine}
    ui.open(write(work / "chosen.ipynb", "1 + 1", spec="container", settings=settings))
    panel = ui.show_panel()
    gone = banner(panel, "which is not on this machine")
    gone.get_by_role("button", name="Choose Another Image").click()
    panel.get_by_label("Filter images").fill(image)
    # Other engines of this machine may have it too.
    panel.locator(f".jp-Containers-rowButton[title='{image}']").first.click()
    panel.get_by_role("button", name="Use for this notebook").click()
    expect(panel.get_by_label("Image", exact=True)).to_have_value(image)
    panel.get_by_role("button", name="Apply and restart").click()
    ui.state("running")
    ui.kernel_is("container")
    ui.run_all()
    expect(ui.result(0)).to_have_text("2")


def test_a_build_reads_nothing_unasked(ui: LabPage, work: Path, engine: str, image: str) -> None:
    word = mark()
    documents = work.parent / f"Documents-{word}"
    documents.mkdir()
    (documents / "letter.txt").write_text(word)
    options = f"--engine {engine} --context ../{documents.name}"
    cell = dockerfile(image, "COPY letter.txt /letter", options=options)
    ui.open(write(work / "reads.ipynb", cell, "open('/letter').read()", spec="container"))
    item = f"the file {documents}/letter.txt, read by its build"
    dialog = ui.page.locator(".jp-Dialog")

    ui.run_all()
    expect(dialog.get_by_role("listitem")).to_have_text([item])
    ui.look("4-reads", ".jp-Dialog")
    ui.answer("Do not build")
    expect(ui.cell(0).locator(".jp-OutputArea")).to_contain_text(item)
    expect(ui.cell(0).locator(".jp-OutputArea")).to_contain_text("have not approved")
    assert containers(engine) == []

    ui.run_all()
    ui.answer("Approve")
    ui.build("done")
    expect(ui.result(1)).to_have_text(f"'{word}'")
    # Once is enough.
    ui.run_all()
    ui.build("done")
    expect(dialog).to_have_count(0)


HOSTILE: dict[str, dict[str, Any]] = {
    "image": {"image": f"{HTML}{BIDI}gnp:1"},
    "env": {"image": "python:3", "env": {f"{HTML}{BIDI}": "x"}},
    "mounts": {"image": "python:3", "mounts": [{"source": f"{HTML}{BIDI}", "target": HTML}]},
    "values": {"image": "a:3", "env": {"A": f"{HTML}{BIDI}"}, "hostname": HTML, "memory": HTML},
    "key": {"image": "python:3", HTML: 1},
}


def test_hostile_settings_stay_text(plain_ui: LabPage, work: Path, engine: str) -> None:
    ui = plain_ui
    for name, settings in HOSTILE.items():
        path = hostile_notebook(work / f"{name}.ipynb", settings)
        if name == "image":
            ui.open(path)
        else:
            ui.open_more(path)
        stays_text(ui, path, engine)


def hostile_notebook(path: Path, settings: dict[str, Any]) -> Path:
    step = {"number": 1, "text": f"{HTML}{BIDI}", "state": "done", "seconds": 2}
    view = {"job": "x", "state": "done", "engine": HTML, "image": HTML, "steps": [step]}
    data = {"application/vnd.jupyter-containers.build+json": view, "text/plain": "x"}
    output = {"output_type": "display_data", "data": data, "metadata": {}}
    return write(path, "1", spec="container", settings=settings, outputs=[output])


def stays_text(ui: LabPage, path: Path, engine: str) -> None:
    panel = ui.show_panel()
    expect(panel.locator(".jp-Containers-path").first).to_contain_text(path.name)
    expect(panel.get_by_label("Image", exact=True)).to_be_visible()
    expect(panel.locator(".jp-Containers-note").first).to_be_visible()
    ui.build("done").locator("summary").first.click()
    expect(ui.build().locator("code").first).to_contain_text("<img src=x")
    expect(ui.build().get_by_role("status")).to_contain_text("<img src=x")
    assert ui.page.locator(".hostile").count() == 0
    assert ui.page.evaluate("window.hacked") is None
    for selector in (PANEL, BUILD, TOOLBAR):
        shown = ui.page.locator(f"{selector}:visible").first
        assert BIDI not in (shown.text_content() or "")
    assert containers(engine) == []
    expect(panel.locator("[data-approval='approved']")).to_have_count(0)
    seen = (f".jp-NotebookPanel:not(.lm-mod-hidden) {one}" for one in (BUILD, TOOLBAR))
    ui.look(f"4-hostile-{path.stem}", PANEL, *seen)
