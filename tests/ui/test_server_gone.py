"""The server is killed while the page is open, and comes back."""

from collections.abc import Callable

from playwright.sync_api import Locator, expect

from tests.helpers.harness import containers, remove_by_hand
from tests.helpers.serving import NOTED

from .browser import PANEL, LabPage
from .cells import Brake, dockerfile, mark, write
from .lab import Lab, until


def test_a_killed_server_is_shown_and_its_return_is_noticed(
    own_lab: Lab, open_page: Callable[..., LabPage], engine: str, image: str
) -> None:
    ui, panel = _running(open_page(own_lab), "x = globals().get('x', 0) + 1; x", image, engine)
    expect(ui.result(0)).to_have_text("1")
    ui.page.wait_for_timeout(NOTED * 1000)

    own_lab.kill()
    gone = panel.get_by_text("The Jupyter server does not answer.")
    expect(gone).to_be_visible()
    ui.look("6-server-gone", PANEL)
    own_lab.start()
    expect(gone).to_have_count(0)
    ui.state("running")
    ui.run_all()  # its kernel has gone on
    expect(ui.result(0)).to_have_text("2")
    ui.look("6-server-back")

    own_lab.kill()
    expect(gone).to_be_visible()
    for name in containers(engine):
        remove_by_hand(engine, name)
    own_lab.start()
    expect(gone).to_have_count(0)
    ui.state("no container runs")
    ui.look("6-server-back-alone")
    panel.get_by_role("button", name="Start", exact=True).click()
    ui.state("running")
    ui.kernel_is("container")
    ui.run_all()
    expect(ui.result(0)).to_have_text("1")


def test_a_cell_that_runs_while_its_server_is_killed_runs_on(
    own_lab: Lab, open_page: Callable[..., LabPage], engine: str, image: str
) -> None:
    cell = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.1)\n'here'"
    ui, _ = _running(open_page(own_lab), cell, image, engine)
    expect(ui.prompt(0)).to_have_text("[*]:")
    ui.page.wait_for_timeout(NOTED * 1000)
    own_lab.kill()
    expect(ui.page.get_by_text("The Jupyter server does not answer.")).to_be_visible()
    own_lab.start()
    ui.state("running")
    until(own_lab.connections, "the page has found its kernel again")
    (own_lab.root / "go").touch()
    expect(ui.result(0)).to_have_text("'here'")
    ui.look("6-cell-ran-on")


def test_a_server_killed_in_the_middle_of_a_build(
    own_lab: Lab, open_page: Callable[..., LabPage], engine: str, image: str
) -> None:
    ui, word, brake = open_page(own_lab), mark(), Brake()
    ui.tolerated += ["ERR_CONNECTION_", "ERR_EMPTY_RESPONSE", "Failed to fetch"]
    ui.tolerated += ["ERR_INCOMPLETE_CHUNKED", "network error", r"404 \(Not Found\)"]
    cell = dockerfile(image, f"RUN echo {word} > /made", brake.line)
    read = "open('/made').read().strip()"
    ui.open(write(own_lab.root / "n.ipynb", cell, read, spec="python3"))
    ui.kernel_is("python3")
    _answers_dialogs(ui)
    ui.run_all()
    brake.wait()
    own_lab.kill()
    until(lambda: not brake.processes, "the instruction's processes are gone")

    own_lab.start()
    expect(ui.cell(0).locator(".jp-OutputArea")).to_contain_text("The server was restarted")
    expect(ui.prompt(0)).to_have_text("[ ]:")
    expect(ui.prompt(1)).to_have_text("[ ]:")
    ui.look("6-gone-in-build")
    ui.run_all()
    brake.release()
    expect(ui.result(1)).to_have_text(f"'{word}'")


def _running(ui: LabPage, cell: str, image: str, engine: str) -> tuple[LabPage, Locator]:
    """The page, whose notebook's one cell was started in a container, and its panel."""
    ui.tolerated += ["ERR_CONNECTION_", "ERR_EMPTY_RESPONSE", "Failed to fetch"]
    settings = {"image": image, "engine": engine}
    ui.open(write(ui.lab.root / "n.ipynb", cell, spec="container", settings=settings))
    panel = ui.show_panel()
    panel.get_by_role("button", name="Approve").click()
    ui.state("running")
    ui.kernel_is("container")
    ui.run_all()
    _answers_dialogs(ui)
    return ui, panel


def _answers_dialogs(ui: LabPage) -> None:
    """JupyterLab asks in dialogs of its own, whenever it finds out that its server is gone."""
    ui.page.add_locator_handler(ui.page.locator(".jp-Dialog").first, _last_button)


def _last_button(dialog: Locator) -> None:
    dialog.locator(".jp-Dialog-button").last.click()
