"""Scene 2: an image becomes a kernel in the sidebar and the Launcher, and is taken back."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.helpers.moving import Moving

from .browser import PANEL, LabPage
from .cells import dockerfile, mark, write
from .lab import Lab, until


@pytest.fixture
def named(engine_program: str, image: str) -> Iterator[str]:
    """A name of the image that is one test's own."""
    name = "localhost/picked:1"
    subprocess.run([engine_program, "tag", image, name], check=True)
    yield name
    subprocess.run([engine_program, "rmi", name], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def built(engine_program: str, image: str) -> Iterator[str]:
    """An image with one name, which no other engine has."""
    name = f"localhost/given-{mark()}:1"
    text = f"FROM {image}\nENV A={mark()}\n".encode()
    argv = [engine_program, "build", "-q", "-t", name, "-"]
    subprocess.run(argv, input=text, check=True, stdout=subprocess.DEVNULL)
    yield name
    subprocess.run([engine_program, "rmi", name], check=True, stdout=subprocess.DEVNULL)


def others(lab: Lab, engine: str) -> list[str]:
    """Other engines that work here."""
    known = lab.ask("GET", "jupyter-containers/engines")["engines"]
    return [one["name"] for one in known if one["usable"] and one["name"] != engine]


def cards(ui: LabPage) -> Locator:
    """The kernels in a new Launcher."""
    ui.command("launcher:create")
    launcher = ui.page.locator(".jp-Launcher:visible")
    expect(launcher).to_be_visible()
    return launcher.locator(".jp-LauncherCard[data-category='Notebook']")


def test_an_image_is_pinned_used_and_unpinned(ui: LabPage, work: Path, named: str) -> None:
    title, name = "Picked by hand", "picked-by-hand"
    ui.open(write(work / "plain.ipynb", "1 + 1", spec="python3"))
    panel = ui.show_panel("images")
    panel.get_by_label("Filter images").fill(named)
    row = panel.locator(f".jp-Containers-rowButton[title='{named}']")
    row.click()
    expect(panel.get_by_role("heading", name="Kernels")).to_be_visible()
    panel.get_by_role("button", name="Pin as kernel…").click()
    ui.page.locator(".jp-Dialog input").fill(title)
    ui.answer("Pin")
    expect(panel.get_by_text(f"Pinned as the kernel {name}.")).to_be_visible()
    ui.look("2-images", PANEL)

    card = cards(ui).filter(has_text=title)
    expect(card).to_have_text(title)
    ui.look("2-launcher")
    card.click()
    ui.kernel_is(name)
    ui.set_source(0, "import os; os.environ['JUPYTER_CONTAINERS_IMAGE']")
    ui.run_all()
    expect(ui.result(0)).to_have_text(f"'{named}'")
    ui.look("2-pinned")

    ui.lab.end_kernels()
    ui.show_panel("images").get_by_role("button", name="Unpin").click()
    expect(panel.get_by_role("button", name="Pin as kernel…")).to_be_visible()
    until(lambda: not (ui.lab.data / "kernels" / name).exists(), "its kernel spec is gone")
    kernels = cards(ui)
    expect(kernels.first).to_be_visible()
    expect(kernels.filter(has_text=title)).to_have_count(0)


def test_a_newer_base_is_built_on_when_it_is_asked_for(
    plain_ui: LabPage, work: Path, image: str, engine_program: str, registry: str
) -> None:
    ui, base = plain_ui, Moving(engine_program, registry, image)
    try:
        base.move("old")
        cell = dockerfile(base.reference, f"RUN echo {mark()}")
        ui.open(write(work / "bases.ipynb", cell, "open('/content').read()", spec="python3"))
        ui.kernel_is("python3")
        ui.run_all()
        expect(ui.result(1)).to_have_text("'old\\n'")
        base.move("new")
        ui.run_all()
        expect(ui.build("done").get_by_role("status")).to_contain_text("is up to date")
        expect(ui.result(1)).to_have_text("'old\\n'")
        ui.show_panel().get_by_role("button", name="Update bases").click()
        ui.answer("Move")  # it has run cells
        expect(ui.build("done").get_by_role("status")).not_to_contain_text("is up to date")
        ui.kernel_is("container")
        ui.run_cell(1)
        expect(ui.result(1)).to_have_text("'new\\n'")
        ui.look("3-bases-updated")
    finally:
        base.forget()


def test_an_image_is_used_on_another_engine(
    ui: LabPage, work: Path, engine: str, built: str
) -> None:
    if not (found := others(ui.lab, engine)):
        pytest.skip("no second engine works here")
    ui.open(write(work / "plain.ipynb", "1 + 1", spec="python3"))
    panel = ui.show_panel("images")
    panel.get_by_label("Filter images").fill(built)
    rows = panel.locator(f".jp-Containers-rowButton[title='{built}']")
    rows.click()
    panel.get_by_role("button", name=f"Use on {found[0]}").click()
    expect(rows).to_have_count(2)
    ui.look("2-converted")
    expect(panel.get_by_role("button", name=f"Use on {found[0]}")).to_have_count(0)
    card = ui.show_panel("builds").locator(".jp-Containers-card").first
    expect(card).to_contain_text(f"{built}: {engine} → {found[0]}")
    expect(card).to_contain_text("done")
    ui.look("2-converted-builds", PANEL)
    where = f"jupyter-containers/images?engine={found[0]}&reference={built}"
    ui.lab.ask("DELETE", where)
