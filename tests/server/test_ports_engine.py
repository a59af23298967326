"""A web app and a terminal in a real container, through the server, and a program by `exec`."""

from __future__ import annotations

import asyncio
import json

import pytest

from jupyter_containers.kernels.connection import free_ports
from jupyter_containers.server.proxy import SANDBOX
from tests.helpers.command import jc
from tests.helpers.harness import approve, write_notebook

from .test_terminals import page

__all__ = ["page"]

APP = """
import asyncio, os, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        text = self.headers['X-Forwarded-Prefix'] + ' ' + os.environ.get('GRADIO_ROOT_PATH', '')
        self.send_response(200); self.end_headers(); self.wfile.write(text.encode())
    def log_message(self, *_): pass
server = ThreadingHTTPServer(('127.0.0.1', {port}), Page)
threading.Thread(target=server.serve_forever, daemon=True).start()
"""


@pytest.fixture
def notebook(jp_root_dir, engine, image, features):
    settings = {"image": image, "engine": engine}
    settings |= {"network": "none"} if "network-none" in features else {}
    return write_notebook(jp_root_dir / "n.ipynb", settings, "1")


async def run(jp_ws_fetch, kernel_id, code):
    """Run code in a kernel, as a page does."""
    socket = await jp_ws_fetch("api", "kernels", kernel_id, "channels")
    header = {"msg_id": "1", "msg_type": "execute_request", "session": "1", "username": ""}
    header |= {"version": "5.3", "date": ""}
    content = {"code": code, "silent": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
    await socket.write_message(json.dumps(message | {"channel": "shell", "buffers": []}))
    async with asyncio.timeout(60):
        while (text := await socket.read_message()) is not None:
            said = json.loads(text)
            if said["header"]["msg_type"] == "execute_reply":
                assert said["content"]["status"] == "ok", said["content"]
                break
    socket.close()


async def test_what_is_reached_in_a_container(
    notebook, api, page, jp_fetch, jp_ws_fetch, http_server_client
):
    approve(notebook)
    about = {"path": "n.ipynb", "name": "n.ipynb", "type": "notebook"}
    body = {**about, "kernel": {"name": "container"}}
    answer = await jp_fetch(
        "api", "sessions", method="POST", body=json.dumps(body), request_timeout=120
    )
    kernel = json.loads(answer.body)["kernel"]["id"]
    status, said = await api("GET", f"kernels/{kernel}/ports")
    assert (status, said) == (200, {"listening": [], "published": []})
    port, silent = free_ports(2)  # of this machine, whose network some engines share
    await run(jp_ws_fetch, kernel, APP.replace("{port}", str(port)))

    async def listening():
        _, said = await api("GET", f"kernels/{kernel}/ports")
        return said["listening"]

    async with asyncio.timeout(20):
        while not (found := await listening()):
            await asyncio.sleep(0.1)
    assert [one["port"] for one in found] == [port]
    _, said = await api("POST", f"kernels/{kernel}/ports/{port}", "{}")
    _, gradios = await api("POST", f"kernels/{kernel}/ports/7860", "{}")
    assert said["url"] == found[0]["url"]
    shown = await http_server_client.fetch(said["url"])
    assert shown.headers["Content-Security-Policy"] == SANDBOX
    assert shown.body.decode() == f"{said['url'].rstrip('/')} {gradios['url']}"
    _, other = await api("POST", f"kernels/{kernel}/ports/{silent}", "{}")
    answer = await http_server_client.fetch(other["url"], raise_error=False)
    assert answer.code == 503

    _, terminal = await api("POST", f"kernels/{kernel}/terminals", {})
    async with page(kernel, terminal["name"]) as typed:
        await typed.say("stdin", "echo typed$((6 * 7)) $GRADIO_ROOT_PATH\n")
        await typed.until(f"typed42 {gradios['url']}")
    words = ("exec", notebook, "--", "printenv", "GRADIO_ROOT_PATH")
    done = await asyncio.to_thread(jc, *words)
    assert done.stdout == f"{gradios['url']}\n"

    await jp_fetch("api", "kernels", kernel, method="DELETE")
    gone = await http_server_client.fetch(said["url"], raise_error=False)
    assert gone.code == 404
