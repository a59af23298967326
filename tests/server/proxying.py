"""What the tests of containers' ports share: a kernel whose container is this machine."""

from __future__ import annotations

import pytest
from tornado.httpclient import HTTPRequest
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.tcpclient import TCPClient
from tornado.websocket import websocket_connect

from jupyter_containers.errors import PortSilent
from jupyter_containers.kernels.preflight import set_outputs
from jupyter_containers.kernels.state import KernelState, forget, report
from jupyter_containers.server.state import SETTING
from tests.helpers.harness import write_notebook
from tests.helpers.web_app import web_app

KERNEL = "6f2d5a1e-0000-4000-8000-000000000001"


class Kernel:
    """A kernel of ours, as far as the routes know."""

    def __init__(self, kernels, notebook):
        self.kernels = kernels
        self.state = KernelState(id=KERNEL, state="running", notebook=notebook)

    def follow(self, *_):
        pass


@pytest.fixture
def notebook(jp_root_dir):
    """Of ours; modules with other needs have their own."""
    return write_notebook(jp_root_dir / "n.ipynb", {"image": "localhost/some:1"}, "1")


@pytest.fixture
def kernel(jp_serverapp, notebook):
    kernel = Kernel(jp_serverapp.kernel_manager, notebook)
    report(kernel)
    yield kernel
    forget(kernel)


@pytest.fixture
def ports(jp_web_app, kernel, monkeypatch):
    """The server's, with one kernel, whose container's ports are those of this machine."""
    found = jp_web_app.settings[SETTING].ports

    async def open(kernel_id, port):
        assert kernel_id == KERNEL
        try:
            return await TCPClient().connect("127.0.0.1", port)
        except OSError:
            raise PortSilent(
                f"Nothing listens on port {port} in this notebook's container."
            ) from None

    monkeypatch.setattr(found, "open", open)
    return found


@pytest.fixture
def trusted(ports, notebook):
    set_outputs(notebook, "trusted")


@pytest.fixture
def app(jp_asyncio_loop):
    app = web_app()
    yield jp_asyncio_loop.run_until_complete(app.__aenter__())
    jp_asyncio_loop.run_until_complete(app.__aexit__(None, None, None))


@pytest.fixture
def ask(ports, http_server, http_server_port, jp_auth_header):
    """`await ask(port, "path", logged_in=…)` → the answer, whatever its status."""
    client = SimpleAsyncHTTPClient(force_instance=True, max_body_size=1 << 40)

    async def fetch(port, path="", *, logged_in=False, prefix=None, headers=None, **options):
        headers = dict(headers or {}) | (jp_auth_header if logged_in else {})
        prefix = prefix or ports.prefix(KERNEL, port)
        url = f"http://127.0.0.1:{http_server_port[-1]}{prefix}{path}"
        request = HTTPRequest(
            url,
            headers=headers,
            follow_redirects=False,
            decompress_response=False,
            allow_nonstandard_methods=True,
            request_timeout=120,
            **options,
        )
        return await client.fetch(request, raise_error=False)

    yield fetch
    client.close()


@pytest.fixture
def dial(ports, http_server, http_server_port, jp_auth_header):
    """`await dial(port, origin=…)` → a websocket to the app's `/socket`, through the server."""

    async def connect(port, *, origin="null", logged_in=False, subprotocols=None):
        url = f"ws://127.0.0.1:{http_server_port[-1]}{ports.prefix(KERNEL, port)}socket"
        headers = {"Origin": origin} | (jp_auth_header if logged_in else {})
        request = HTTPRequest(url, headers=headers)
        return await websocket_connect(request, subprotocols=subprotocols)

    return connect
