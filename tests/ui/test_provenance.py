"""Scene 11: whose notebook it is decides what is asked; approvals are listed and taken back."""

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.helpers.harness import containers

from .browser import PANEL, LabPage
from .cells import dockerfile, mark, write

REFUSED = "403"
"""What the browser's console says of a build that is asked about first."""


def test_a_strangers_cell_is_shown_before_it_is_built(
    ui: LabPage, work: Path, engine: str, image: str
) -> None:
    ui.tolerated.append(REFUSED)
    word = mark()
    (work / "data").mkdir()
    options = f"--engine {engine} --mount data:/data"
    cell = dockerfile(image, f"RUN echo {word} > /made", options=options)
    read = "import os; os.listdir('/data'), open('/made').read().strip()"
    ui.open(write(work / "theirs.ipynb", cell, read, spec="container"), own=False)
    dialog = ui.page.locator(".jp-Dialog")

    ui.run_all()
    expect(dialog).to_contain_text("Build a Dockerfile that you did not write?")
    expect(dialog.locator("pre")).to_contain_text(f"RUN echo {word} > /made")
    item = f"the folder {work / 'data'}, read and write, at /data"
    expect(dialog.get_by_role("listitem")).to_have_text([item])
    ui.look("11-their-cell", ".jp-Dialog")
    ui.answer("Do not build")
    expect(ui.cell(0).locator(".jp-OutputArea")).to_contain_text("that you have not approved")
    expect(ui.prompt(1)).to_have_text("[ ]:")
    assert containers(engine) == []

    ui.run_all()
    ui.answer("Build")
    ui.build("done")
    expect(ui.result(1)).to_have_text(f"([], '{word}')")
    # Once is enough, also after the page was saved and loaded again.
    ui.save()
    ui.reload()
    ui.run_all()
    ui.build("done")
    expect(dialog).to_have_count(0)


def test_what_this_person_types_is_not_asked(
    ui: LabPage, work: Path, engine: str, image: str
) -> None:
    """In somebody else's notebook, too; what a kernel sets there is asked."""
    ui.tolerated.append(REFUSED)
    word = mark()
    ui.open(write(work / "mixed.ipynb", "", "1 + 1", spec="python3"), own=False)
    ui.kernel_is("python3")
    editor = ui.cell(0).locator(".cm-content")
    editor.click()
    ui.page.keyboard.insert_text(f"%%dockerfile --engine {engine}\nFROM {image}\nENV A={word}")
    ui.run_all()
    ui.build("done")
    ui.kernel_is("container")
    expect(ui.page.locator(".jp-Dialog")).to_have_count(0)

    other = dockerfile(image, f"ENV B={word}", options=f"--engine {engine}")
    ui.set_source(0, other)
    ui.run_cell(0)
    expect(ui.page.locator(".jp-Dialog pre")).to_contain_text(f"ENV B={word}")
    ui.answer("Do not build")


def test_what_a_kernel_puts_into_ones_own_notebook_is_shown(
    plain_ui: LabPage, work: Path, engine: str, image: str
) -> None:
    ui = plain_ui
    ui.tolerated.append(REFUSED)
    source = dockerfile(image, f"ENV A={mark()}", options=f"--engine {engine}")
    cell = f"get_ipython().set_next_input({source!r}, replace=False)"
    ui.open(write(work / "mine.ipynb", cell, spec="python3"))
    ui.kernel_is("python3")
    ui.run_all()
    expect(ui.cell(1)).to_contain_text(f"FROM {image}")
    # Saved by this page, so that the server takes it for this person's; and loaded again.
    ui.save()
    ui.reload()
    ui.run_cell(1)
    expect(ui.page.locator(".jp-Dialog pre")).to_contain_text(f"FROM {image}")
    ui.answer("Do not build")


def test_approvals_are_listed_and_taken_back(
    ui: LabPage, work: Path, engine: str, image: str
) -> None:
    (work / "data").mkdir()
    mounts = [{"source": "data", "target": "/data", "writable": True}]
    settings = {"image": image, "engine": engine, "mounts": mounts, "env": {"WORD": "s3cret"}}
    path = write(work / "listed.ipynb", "1 + 1", spec="container", settings=settings)
    ui.open(path)
    panel = ui.show_panel()
    panel.get_by_role("button", name="Approve").click()
    ui.state("running")

    ui.show_panel("approvals")
    card = panel.locator(".jp-Containers-card").filter(has_text=f"{work.name}/listed.ipynb")
    expect(card.get_by_role("listitem")).to_have_count(3)
    expect(card).to_contain_text(f"the folder {work / 'data'}, read and write, at /data")
    expect(card).to_contain_text("the environment variable WORD")
    expect(card).not_to_contain_text("s3cret")
    expect(card.locator("time").first).to_have_text(re.compile(r"\d{4}-\d\d-\d\d"))
    ui.look("11-approvals", PANEL)
    card.get_by_role("button", name="Revoke").click()
    expect(card).to_have_count(0)

    # What runs goes on; the next start asks.
    ui.show_panel()
    ui.state("running")
    expect(panel.locator(".jp-Containers-note")).to_contain_text("have not approved")


def test_a_notebook_that_takes_its_place_asks_again(
    ui: LabPage, work: Path, engine: str, image: str
) -> None:
    settings = {"image": image, "engine": engine, "env": {"WORD": "x"}}
    path = write(work / "mine.ipynb", "1 + 1", spec="container", settings=settings)
    ui.open(path)
    panel = ui.show_panel()
    panel.get_by_role("button", name="Approve").click()
    ui.state("running")
    ui.lab.end_kernels()
    write(path, "open('/etc/passwd').read()", spec="container", settings=settings)
    ui.open(path, own=False)
    ui.show_panel()
    note = panel.locator(".jp-Containers-note").filter(
        has_text="was changed outside of this server"
    )
    expect(note.get_by_role("listitem")).to_have_count(2)
    ui.look("11-replaced", PANEL)
    assert containers(engine) == []
