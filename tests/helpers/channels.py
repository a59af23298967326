"""A cell through a server's websocket, as a page runs it."""

from __future__ import annotations

import json
import uuid
from contextlib import closing
from typing import Any

import websocket


def execute(server: str, token: str, kernel: str, code: str, seconds: float) -> str:
    """What it prints and what it fails with. `server` is an http address that ends with a /."""
    id, text = uuid.uuid4().hex, []
    address = f"{server.replace('http', 'ws', 1)}api/kernels/{kernel}/channels"
    header = [f"Authorization: token {token}"]
    connect = websocket.create_connection(
        f"{address}?session_id={uuid.uuid4().hex}",
        header=header,
        timeout=seconds,
        http_no_proxy=["127.0.0.1"],
    )
    with closing(connect) as channels:
        channels.send(json.dumps(_request(id, code)))
        while True:
            message = json.loads(channels.recv())
            content = message["content"]
            if message["parent_header"].get("msg_id") != id:
                continue
            if message["msg_type"] == "stream":
                text.append(content["text"])
            elif message["msg_type"] == "error":
                text.append(f"{content['ename']}: {content['evalue']}")
            elif message["msg_type"] == "status" and content["execution_state"] == "idle":
                return "".join(text).strip()


class Terminal:
    """A terminal of a kernel's container, as a page has it."""

    def __init__(self, server: str, token: str, kernel: str, name: str, seconds: float) -> None:
        self._channel = websocket.create_connection(
            f"{server.replace('http', 'ws', 1)}jupyter-containers/kernels/{kernel}"
            f"/terminals/{name}/channel",
            header=[f"Authorization: token {token}"],
            timeout=seconds,
            http_no_proxy=["127.0.0.1"],
        )
        self._text = ""

    def type(self, text: str) -> None:
        self._channel.send(json.dumps(["stdin", text]))

    def until(self, text: str) -> None:
        """Read until it shows this."""
        while text not in self._text:
            kind, *said = json.loads(self._channel.recv())
            self._text += said[0] if kind == "stdout" else ""

    def close(self) -> None:
        self._channel.close()


def _request(id: str, code: str) -> dict[str, Any]:
    header = {
        "msg_id": id,
        "msg_type": "execute_request",
        "session": "test",
        "username": "test",
        "version": "5.3",
    }
    content = {"code": code, "silent": False, "allow_stdin": False, "stop_on_error": True}
    return {
        "header": header,
        "parent_header": {},
        "metadata": {},
        "content": content,
        "channel": "shell",
        "buffers": [],
    }
