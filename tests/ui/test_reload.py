"""Scene 5: a page that is left and opened again in mid-build loses nothing."""

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
    ui.audit(BUILD, PANEL)
    ui.shot("5-reloaded")

    brake.release()
    expect(ui.build("done").get_by_role("status")).to_contain_text("is built")
    ui.page.get_by_role("button", name="Move the kernel").click()
    ui.kernel_is("container")
    ui.run_all()
    expect(ui.result(1)).to_have_text(f"'{word}'")
