"""What a notebook, an image or a log may hold, and notebooks that others write or nobody may."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .browser import BUILD, PANEL, LabPage
from .cells import dockerfile, mark, write
from .lab import Lab, until

BIDI = "\u202e"
HTML = "<img src=x onerror=window.hacked=1><b class=hostile>bold</b>"
MEGABYTES = 200


def test_labels_logs_and_layers_stay_text(
    plain_ui: LabPage, work: Path, engine: str, image: str
) -> None:
    ui, word = plain_ui, mark()
    show = f"printf '%s\\033[2J\\033]0;x\\007%s\\n' '{HTML}' '{BIDI}{word}'"
    cell = dockerfile(image, f'LABEL {word}="{HTML}{BIDI}"', f"RUN {show}", options="--no-switch")
    ui.open(write(work / f"hostile-{word}.ipynb", cell, spec="python3"))
    ui.kernel_is("python3")
    ui.run_all()
    view = ui.build("done")
    for summary in view.locator("summary").all():
        summary.click()
    expect(view.get_by_role("log")).to_contain_text("<img src=x")
    expect(view.get_by_role("log")).to_contain_text(word)

    panel = ui.show_panel("builds")
    panel.get_by_role("button", name="Log").first.click()
    expect(panel.locator(".jp-Containers-log").first).to_contain_text("<img src=x")
    ui.show_panel("images")
    panel.get_by_label("Filter images").fill(f"hostile-{word}")
    panel.locator(".jp-Containers-rowButton").first.click()
    expect(panel.locator(".jp-Containers-table")).to_contain_text("<img src=x")
    ui.look("4-hostile-output")
    assert ui.page.locator(".hostile").count() == 0
    assert ui.page.evaluate("window.hacked") is None
    for selector in (PANEL, BUILD):
        text = ui.page.locator(selector).first.text_content() or ""
        assert not {BIDI, "\x1b", "\x07"} & set(text)


def test_a_log_of_200_megabytes_holds_nobody_up(plain_ui: LabPage, work: Path, image: str) -> None:
    ui, line = plain_ui, f"{mark()} {'x' * 988}"
    much = f"RUN yes '{line}' | head -n {MEGABYTES * 1000}; echo the end"
    cell = dockerfile(image, much, options="--no-switch")
    ui.open(write(work / "long.ipynb", cell, "1 + 1", spec="python3"))
    ui.kernel_is("python3")
    ui.run_all()
    ui.build("running")
    ui.page.evaluate("""() => { window.longest = 0; let last = performance.now();
      setInterval(() => { const now = performance.now();
        window.longest = Math.max(window.longest, now - last); last = now; }, 50); }""")
    view = ui.build("done")
    assert ui.page.evaluate("window.longest") < 3000
    view.locator("summary").filter(has_text="Log").click()
    expect(view.get_by_role("log")).to_contain_text("Policy.max_build_log")
    ui.save()
    assert (work / "long.ipynb").stat().st_size < 100_000


def test_two_tabs_with_one_notebook(
    lab: Lab, open_page: Callable[..., LabPage], work: Path, image: str
) -> None:
    one, other, word = open_page(lab), open_page(lab), mark()
    cell = dockerfile(image, f"RUN echo {word} > /made")
    path = write(work / "twice.ipynb", cell, "open('/made').read().strip()", spec="python3")
    for ui in (one, other):
        ui.open(path)
        ui.kernel_is("python3")
    one.run_all()
    expect(one.result(1)).to_have_text(f"'{word}'")
    one.save()
    # They share the session: JupyterLab moves the other page's kernel too.
    other.kernel_is("container")

    other.run_all()
    other.answer("Overwrite")
    expect(other.result(1)).to_have_text(f"'{word}'")
    expect(other.build("done").get_by_role("status")).to_contain_text("is up to date")


def test_a_notebook_that_may_not_be_written(plain_ui: LabPage, work: Path, image: str) -> None:
    ui = plain_ui
    cell = dockerfile(image, f"ENV WORD={mark()}")
    path = write(work / "theirs.ipynb", cell, "print('ran')", spec="python3")
    path.chmod(0o444)
    ui.open(path)
    ui.kernel_is("python3")
    ui.run_all()
    said = ui.cell(0).locator(".jp-OutputArea")
    expect(said).to_contain_text("You may not write this notebook")
    expect(said).to_contain_text("Save a copy")
    expect(ui.prompt(0)).to_have_text("[ ]:")
    expect(ui.cell(1).locator(".jp-OutputArea-output")).to_have_count(0)
    assert ui.kernel == "python3"
    ui.look("4-read-only")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_notebook_that_is_renamed(when: str, plain_ui: LabPage, work: Path, image: str) -> None:
    ui, word = plain_ui, mark()
    cell = dockerfile(image, f"RUN echo {word} > /made; sleep 4")
    path = write(work / "old.ipynb", cell, "open('/made').read().strip()", spec="python3")
    ui.open(path)
    ui.kernel_is("python3")
    ui.run_all()
    ui.build("running" if when == "before" else "done")
    if when == "after":
        # JupyterLab itself says "File Save Error" where a file gets its name during a save.
        expect(ui.result(1)).to_have_text(f"'{word}'")
    new = path.with_name("new.ipynb")
    ui.moves(path)
    ui.page.evaluate(
        "([old, to]) => window.jupyterapp.serviceManager.contents.rename(old, to)",
        [str(one.relative_to(ui.lab.root)) for one in (path, new)],
    )
    until(new.exists, "it has its new name")
    expect(ui.result(1)).to_have_text(f"'{word}'")
    assert ui.kernel == "container"
    ui.run_all()
    # The image is that of the first run, with the name that it got there.
    expect(ui.build("done").get_by_role("status")).to_contain_text("/old:")
    expect(ui.build("done").get_by_role("status")).to_contain_text("is up to date")
    # Until the cell has run again, its result is that of the first run.
    expect(ui.prompt(1)).to_have_text(re.compile(r"\[\d+\]:"))
    expect(ui.result(1)).to_have_text(f"'{word}'")
