"""An output that JupyterLab has no renderer for says what the server lacks."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import expect

from .browser import PANEL, LabPage
from .cells import dockerfile, write

FOLDER = "share/jupyter/labextensions"
PACKAGE = json.dumps({"name": "x", "jupyterlab": {"mimeExtension": True}})
PURE = "python3 -c 'import sysconfig; print(sysconfig.get_path(\"purelib\"))'"
IMAGE = (
    "RUN for name in jupyterlab-plotly jupyter-matplotlib; do "
    f"d=/usr/local/{FOLDER}/$name; mkdir -p $d && echo '{PACKAGE}' >$d/package.json || exit; done",
    f"RUN d=$({PURE})/plotly-7.dist-info; mkdir -p $d && "
    "printf 'Name: plotly\\nVersion: 7.1.0\\n' >$d/METADATA && "
    f"echo '../../{FOLDER}/jupyterlab-plotly/package.json,,' >$d/RECORD",
)
"""What plotly and ipympl have for JupyterLab, and whose the first is."""

FIGURE = "display({'application/vnd.plotly.v1+json': {}, 'text/plain': 'Figure()'}, raw=True)"
HTML = """<script src="data:text/javascript,window.there='it ran'"></script><b>too early</b>
<script>document.querySelector('b').textContent = window.there || 'too early'</script>"""
FALLBACK = f"display({{'application/vnd.plotly.v1+json': {{}}, 'text/html': {HTML!r}}}, raw=True)"
WIDGET = """from comm import create_comm
module = {"_model_module": "jupyter-matplotlib", "_model_module_version": "0.12.0"}
made = create_comm(target_name="jupyter.widget", metadata={"version": "2.1.0"},
                   data={"state": {**module, "_model_name": "M"}, "buffer_paths": []})
made.on_msg(lambda _: made.send({"method": "update", "state": module, "buffer_paths": []}))
view = {"version_major": 2, "version_minor": 0, "model_id": made.comm_id}
display({"application/vnd.jupyter.widget-view+json": view, "text/plain": "Canvas()"}, raw=True)"""
RENDERER = "import os; os.environ['PLOTLY_RENDERER']"


def test_outputs_say_what_the_server_lacks(
    ui: LabPage, work: Path, image: str, engine: str
) -> None:
    ui.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    cell = dockerfile(image, *IMAGE, options=f"--engine {engine}")
    ui.open(write(work / "figure.ipynb", cell, FIGURE, FALLBACK, RENDERER, WIDGET))
    ui.answer("No Kernel")
    ui.run_all()
    expect(ui.result(3)).to_have_text("'plotly_mimetype+notebook_connected'")
    output = ui.cell(1).locator(".jp-ContainersWithheld")
    expect(output.locator("p").nth(0)).to_contain_text("this notebook’s outputs are isolated")
    needs = "needs plotly 7.1.0 in the Jupyter server: "
    expect(output.locator("p").nth(1)).to_contain_text(f"When trusted, it {needs}")
    expect(output.locator("pre")).to_have_text("Figure()")
    fallback = ui.cell(2).frame_locator("iframe").locator("b")
    expect(fallback).to_have_text("it ran")
    canvas = "needs the JupyterLab extension jupyter-matplotlib in the Jupyter server."
    expect(ui.cell(4).locator(".jp-ContainersNeed")).to_have_text(f"When trusted, it {canvas}")
    expect(ui.show_panel()).to_contain_text("jupyter-matplotlib, plotly for outputs of this image")
    ui.look("15-needs-isolated", PANEL, ".jp-ContainersWithheld")

    output.get_by_role("button", name="Trust outputs of this notebook").click()
    ui.answer("Trust")
    expect(output.locator("p")).to_have_count(1)
    expect(output.locator("p")).to_contain_text(f"This output {needs}")
    expect(output.locator("code")).to_contain_text(" -m pip install plotly==7.1.0")
    expect(fallback).to_have_text("it ran")
    output.get_by_role("button", name="Copy").click()
    copied = ui.page.evaluate("navigator.clipboard.readText()")
    assert copied == output.locator("code").inner_text()
    ui.run_cell(4)
    expect(ui.cell(4).locator(".jp-ContainersNeed")).to_have_text(f"This output {canvas}")
    ui.look("15-needs-trusted", PANEL, ".jp-ContainersWithheld")

    ui.save()
    ui.reload()
    expect(ui.cell(4).locator(".jp-ContainersNeed")).to_have_text(f"This output {canvas}")
