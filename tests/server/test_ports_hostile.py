"""Apps in containers that are broken or hostile, and addresses that nobody gave out."""

from __future__ import annotations

import json
import re
import socket
from contextlib import closing

import pytest
from tornado.httpclient import HTTPClientError
from tornado.tcpclient import TCPClient

from jupyter_containers.kernels.state import forget
from tests.helpers.web_app import PIECE, raw_app

from .proxying import KERNEL


@pytest.mark.parametrize("port", ["0", "65536", "99999", "x", "080808"])
async def test_what_is_no_port(port, ports, api):
    status, said = await api("POST", f"kernels/{KERNEL}/ports/{port}", "{}")
    assert (status, "1 to 65535" in said["message"]) == (400, True)


async def test_a_kernel_that_is_gone(app, ports, kernel, ask, api):
    prefix = ports.prefix(KERNEL, app)
    forget(kernel)
    answer = await ask(app, prefix=prefix)
    assert (answer.code, "has ended" in json.loads(answer.body)["message"]) == (404, True)
    status, _ = await api("POST", f"kernels/{KERNEL}/ports/{app}", "{}")
    assert status == 404


async def test_a_port_where_nobody_listens(ports, ask):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    answer = await ask(port, headers={"Accept": "text/html"})
    assert (answer.code, answer.headers["Retry-After"]) == (503, "2")
    text = answer.body.decode()
    assert f"Nothing listens on port {port} in this notebook&#x27;s container" in text
    assert '<meta http-equiv="refresh" content="2">' in text
    answer = await ask(port, method="POST", body=b"x" * 1000)
    assert (answer.code, json.loads(answer.body)["type"]) == (503, "PortSilent")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nX-Bomb: " + b"x" * (1 << 20) + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Bomb: x\r\n" * 100_000 + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
        b"\x00\xff" * 1000 + b"\r\n\r\n",
    ],
    ids=["ssh", "nothing", "long header", "many headers", "1xx", "bytes"],
)
async def test_what_speaks_no_http(answer, ports, ask):
    async with raw_app(answer) as port:
        said = await ask(port)
    assert said.code == 502
    assert f"port {port}" in json.loads(said.body)["message"]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    ],
)
async def test_an_answer_that_is_cut_is_not_taken_for_whole(answer, ports, ask):
    async with raw_app(answer) as port:
        with pytest.raises(Exception, match="closed"):
            await ask(port)


async def test_an_answer_without_a_length_ends_with_its_connection(ports, ask):
    async with raw_app(b"HTTP/1.0 200 OK\r\n\r\n" + PIECE) as port:
        assert (await ask(port)).body == PIECE


async def test_a_websocket_that_the_app_refuses(ports, dial):
    async with raw_app(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as port:
        with pytest.raises(HTTPClientError) as refused:
            await dial(port)
    assert refused.value.code == 403


async def test_a_body_whose_end_cannot_be_told(app, ports, http_server, http_server_port):
    stream = await TCPClient().connect("127.0.0.1", http_server_port[-1])
    head = f"DELETE {ports.prefix(KERNEL, app)} HTTP/1.1\r\nHost: localhost\r\n"
    await stream.write(f"{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode())
    assert b" 411 " in await stream.read_until(b"\r\n")
    stream.close()


async def test_an_app_that_answers_before_the_upload_has_ended(ports, ask):
    async def body(write):
        for _ in range(50):
            await write(PIECE)

    answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with raw_app(answer) as port:
        assert (await ask(port, method="POST", body_producer=body)).code in (413, 502)


@pytest.mark.parametrize("verb", ["OPTIONS", "GET"])
async def test_a_kept_connection_is_closed_with_a_word(
    verb, app, ports, http_server, http_server_port
):
    stream = await TCPClient().connect("127.0.0.1", http_server_port[-1])
    lines = [f"{verb} {ports.prefix(KERNEL, app)} HTTP/1.1", "Host: localhost", "Origin: null"]
    lines += ["Access-Control-Request-Method: PUT"] if verb == "OPTIONS" else []
    with closing(stream):
        for _ in range(2):
            await stream.write("\r\n".join([*lines, "", ""]).encode())
            head = (await stream.read_until(b"\r\n\r\n")).decode().lower()
            if "connection: close" in head:
                assert verb == "OPTIONS"  # answered before its end was read
                return
            await stream.read_bytes(int(re.findall(r"content-length: (\d+)", head)[0]))
        assert verb == "GET"
