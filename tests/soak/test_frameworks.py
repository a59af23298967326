"""Web frameworks in a container without a network, opened through the server: docs/ports.md says
what each needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.helpers.derived import MakeImage, make_image
from tests.helpers.harness import write_notebook
from tests.helpers.serving import Server
from tests.ui.browser import SHOTS
from tests.ui.conftest import jp_asyncio_loop, jp_server_cleanup, start_browser
from tests.ui.lab import until

__all__ = ["jp_asyncio_loop", "jp_server_cleanup", "make_image"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of this file: the other ones have a loop in this thread."""
    yield from start_browser()


PACKAGES = ["bokeh", "dash", "gradio", "streamlit", "tensorboard"]
SITE = "/opt/site-packages"  # by whose name Streamlit knows that it is installed

DASH = """
from dash import Dash, Input, Output, dcc, html
app = Dash()
app.layout = html.Div([
    html.H1("Dash"), html.Button("Press", id="press"), html.P(id="told"),
    dcc.Graph(figure={"data": [{"y": [1, 3, 2]}]}),
])
@app.callback(Output("told", "children"), Input("press", "n_clicks"))
def told(presses): return f"pressed {presses or 0}"
app.run(port=8050)
"""
GRADIO = """
import gradio
with gradio.Blocks() as demo:
    gradio.Markdown("# Gradio")
    told = gradio.Markdown()
    gradio.Button("Press").click(lambda: "pressed 1", outputs=told)
demo.launch(server_port=7860, quiet=True)
"""
STREAMLIT = """
import streamlit
streamlit.title("Streamlit")
streamlit.line_chart({"y": [1, 3, 2]})
if streamlit.button("Press"): streamlit.write("pressed 1")
file = streamlit.file_uploader("A file")
if file: streamlit.write(f"got {len(file.read())} bytes")
"""
BOKEH = """
from bokeh.io import curdoc
from bokeh.layouts import column
from bokeh.models import Button, Div
from bokeh.plotting import figure
told, button, plot = Div(text="<h1>Bokeh</h1>"), Button(label="Press"), figure(height=200)
plot.line([1, 2, 3], [1, 3, 2])
def press(): told.text = "pressed 1"
button.on_click(press)
curdoc().add_root(column(told, button, plot))
"""
TENSORBOARD = """
import sys
from tensorboard import main as lib, program
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter
writer = EventFileWriter("/tmp/logs")
for step in range(5):
    value = summary_pb2.Summary.Value(tag="loss", simple_value=1 / (1 + step))
    summary = summary_pb2.Summary(value=[value])
    writer.add_event(event_pb2.Event(step=step, summary=summary))
writer.close()
sys.argv = ["tensorboard", "--logdir=/tmp/logs", "--port=6006"]
lib.run_main()
"""
FILES = """
import http.server, pathlib
pathlib.Path("/tmp/files").mkdir(exist_ok=True)
pathlib.Path("/tmp/files/pressed 1").write_text("a file")
handler = lambda *a: http.server.SimpleHTTPRequestHandler(*a, directory="/tmp/files")
http.server.ThreadingHTTPServer(("127.0.0.1", 8000), handler).serve_forever()
"""


START = """
import os, pathlib, subprocess, sys
os.chdir("/tmp")
pathlib.Path("app.py").write_text({code!r})
env = os.environ | {{"BOKEH_RESOURCES": "inline", "GRADIO_ANALYTICS_ENABLED": "False"}}
log = open("log", "w")
app = subprocess.Popen([sys.executable, *{words!r}], env=env, stdout=log, stderr=log)
"""


@dataclass(frozen=True)
class App:
    """A framework's app: `words` run it, behind `python`; `seen` is on its page when it works."""

    name: str
    port: int
    code: str
    words: str
    seen: str
    press: bool = True
    needs_storage: str = ""
    """What an isolated page of it says."""


APPS = [
    App("dash", 8050, DASH, "app.py", "g.trace"),
    App("gradio", 7860, GRADIO, "app.py", "h1"),
    App(
        "streamlit",
        8501,
        STREAMLIT,
        "-m streamlit run app.py --server.port=8501 --server.headless=true"
        " --server.address=127.0.0.1",
        "canvas, [data-testid=stVegaLiteChart] svg",
    ),
    App("bokeh", 5006, BOKEH, "-m bokeh serve app.py --port=5006", ".bk-Canvas, canvas"),
    App(
        "tensorboard",
        6006,
        TENSORBOARD,
        "app.py",
        "card-view",
        press=False,
        needs_storage="Data could not be loaded.",
    ),
    App("http.server", 8000, FILES, "app.py", "a[href='pressed%201']", press=False),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def frameworks(make_image: MakeImage, image: str) -> str:
    """An image with them all."""
    text = f"FROM {image}\nCOPY site {SITE}\nENV PYTHONPATH={SITE}\n"

    async def made() -> str:
        return await make_image("frameworks", text, wheels={"site": ["3.11", *PACKAGES]})

    with ThreadPoolExecutor(1) as pool:  # Playwright's loop runs in this thread
        return pool.submit(asyncio.run, made()).result()


@pytest.fixture
def opened(
    server: Server, frameworks: str, engine: str, browser: Browser
) -> Iterator[Callable[[App, str], Page]]:
    """Starts an app in a notebook's container, and shows it as the notebook's outputs are."""
    settings = {"image": frameworks, "engine": engine, "network": "none"}
    path = write_notebook(server.root / "n.ipynb", settings)
    session = server.open(path)
    ports = f"jupyter-containers/kernels/{session['kernel']['id']}/ports"
    context = browser.new_context(viewport={"width": 1000, "height": 700})

    def listening() -> list[int]:
        return [one["port"] for one in server.ask("GET", ports)["listening"]]

    def open(app: App, outputs: str) -> Page:
        if app.port not in listening():
            assert server.run(session, START.format(code=app.code, words=app.words.split())) == ""
            until(lambda: app.port in listening(), f"{app.name} listens")
        server.ask("PUT", "jupyter-containers/outputs", {"path": path.name, "outputs": outputs})
        page = context.new_page()
        if outputs == "trusted":
            page.goto(f"{server.url}/api/status?token={server.token}")
        address = server.url + server.ask("POST", f"{ports}/{app.port}", {})["url"]
        origin = server.url if outputs == "trusted" else "null"

        def shown() -> bool:
            page.goto(address)
            return bool(page.evaluate("self.origin") == origin)

        until(shown, f"the page is {outputs}")  # what it was is remembered for a second
        return page

    yield open
    print(server.run(session, "print(open('log').read()[-3000:])"))
    context.close()
    server.ask("DELETE", f"api/sessions/{session['id']}")


@pytest.mark.parametrize("app", APPS, ids=[app.name for app in APPS])
def test_an_app(app: App, opened: Callable[[App, str], Page]) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    for outputs in ("isolated", "trusted"):
        page = opened(app, outputs)
        if outputs == "isolated" and app.needs_storage:
            expect(page.get_by_text(app.needs_storage)).to_be_visible()
            continue
        try:
            expect(page.locator(app.seen).first).to_be_visible()
            if app.press:
                page.get_by_role("button", name="Press").click()
                expect(page.get_by_text("pressed 1")).to_be_visible()
            if app.name == "streamlit" and outputs == "trusted":
                page.locator("input[type=file]").set_input_files(
                    {"name": "a.txt", "mimeType": "text/plain", "buffer": b"hello"}
                )
                expect(page.get_by_text("got 5 bytes")).to_be_visible()
        finally:
            page.screenshot(path=SHOTS / f"port-{app.name}-{outputs}.png")
